//! What a city is made of.

use portcullis_core::BotId;

/// Every service that is a process.
pub(crate) const SERVICES: [&str; 8] = [
    "ingress",
    "rate-limit",
    "sanitizer",
    "injection-classifier",
    "sentiment",
    "moderation",
    "audit",
    "anomaly",
];

/// Those of them that are stages.
pub(crate) const STAGES: [&str; 5] =
    ["rate-limit", "sanitizer", "injection-classifier", "sentiment", "moderation"];

/// The same in every city.
pub(crate) const MASTER_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The built-in policy with time for unoptimised programs on a busy machine, and without limits: what is
/// tested is what happens, and not how fast.
pub(crate) const PATIENT: &str = "
[limits]
total_ms = 30000
journal_ms = 10000
[stages.rate-limit]
timeout_ms = 5000
settings = { rules = [] }
[stages.sanitizer]
timeout_ms = 10000
[stages.injection-classifier]
timeout_ms = 20000
[stages.sentiment]
timeout_ms = 10000
[stages.moderation]
timeout_ms = 10000
";

/// A bot by its name.
pub(crate) fn bot(name: &str) -> BotId {
    BotId::parse(name).unwrap()
}

/// Which services run as processes, for which bots, by which policies.
#[derive(Clone)]
pub(crate) struct CityOptions {
    pub(super) services: Vec<(&'static str, usize)>,
    pub(super) policies: Vec<(String, String)>,
    pub(super) env: Vec<(&'static str, String, String)>,
}

impl CityOptions {
    /// Every service once; the bots `shop` and `default` with the policy [`PATIENT`].
    pub(crate) fn all() -> Self {
        Self {
            services: SERVICES.iter().map(|name| (*name, 1)).collect(),
            policies: vec![("shop".into(), PATIENT.into()), ("default".into(), PATIENT.into())],
            env: Vec::new(),
        }
    }

    /// Only these services, once each.
    pub(crate) fn only(services: &[&'static str]) -> Self {
        Self { services: services.iter().map(|name| (*name, 1)).collect(), ..Self::all() }
    }

    /// This service so many times; with 0 not at all.
    #[must_use]
    pub(crate) fn replicas(mut self, service: &str, count: usize) -> Self {
        for (name, replicas) in &mut self.services {
            if *name == service {
                *replicas = count;
            }
        }
        self
    }

    /// A bot with a policy of its own.
    #[must_use]
    pub(crate) fn policy(mut self, bot: &str, document: &str) -> Self {
        self.policies.retain(|(known, _)| known != bot);
        self.policies.push((bot.into(), document.into()));
        self
    }

    /// An environment variable of every replica of a service.
    #[must_use]
    pub(crate) fn env(
        mut self,
        service: &'static str,
        name: &str,
        value: impl Into<String>,
    ) -> Self {
        self.env.push((service, name.into(), value.into()));
        self
    }

    /// An environment variable of every service.
    #[must_use]
    pub(crate) fn env_of_all(self, name: &str, value: &str) -> Self {
        SERVICES.iter().fold(self, |options, service| options.env(service, name, value))
    }
}
