//! A whole gateway: a real nats-server with every user's rights, a redis-server, and the services as processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_bus::{Kv, Seats};
use portcullis_bus_nats::{
    Client, ConnectOptions, NatsKv, StageDoor, Work, admin, connect, subjects,
};
use portcullis_bus_rights::{UserPassword, own_stage, server_config_of, table};
use portcullis_core::{BotId, Stage, StageName};
use portcullis_testkit::{FaultStage, NatsOptions, NatsServer, RedisServer};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::options::{CityOptions, MASTER_SECRET, STAGES, bot};
use super::{Http, Service};

/// Of every user.
pub(crate) const PASSWORD: &str = "correct-horse";
/// A user that may do everything, for the tests' own eyes.
const TESTER: &str = "tester";

/// Everything of a gateway. All of it is gone when this is dropped; where a test fails, the end of each
/// service's log is printed.
pub(crate) struct City {
    // Processes end before the servers that they use.
    services: BTreeMap<String, Service>,
    pub(crate) nats: NatsServer,
    pub(crate) redis: RedisServer,
    pub(super) folder: TempDir,
    pub(super) tester: Client,
}

impl City {
    /// Starts everything, and waits until every service is ready.
    pub(crate) async fn start(options: CityOptions) -> Self {
        let bots: Vec<BotId> = options.policies.iter().map(|(name, _)| bot(name)).collect();
        let config = authorization(&bots);
        let nats = NatsOptions { config, ..NatsOptions::default() };
        let (nats, redis) = tokio::join!(NatsServer::start_with(nats), RedisServer::start());
        let tester = client(&nats, TESTER).await;
        let operator = client(&nats, "operator").await;
        admin::init(&operator, &small(bots)).await.unwrap();
        let policies = NatsKv::open(operator, subjects::POLICY_BUCKET).await.unwrap();
        for (bot, document) in &options.policies {
            policies.put(bot, document.clone().into()).await.unwrap();
        }
        let folder = tempfile::Builder::new().prefix("portcullis-city-").tempdir().unwrap();
        let mut city = Self { services: BTreeMap::new(), nats, redis, folder, tester };
        for (service, replicas) in &options.services {
            for number in 0..*replicas {
                city.add(&options, service, number);
            }
        }
        for service in city.services.values_mut() {
            service.ready().await;
        }
        city
    }

    /// Starts one more replica; does not wait.
    pub(crate) fn add(&mut self, options: &CityOptions, service: &'static str, number: usize) {
        let name = format!("{service}-{number}");
        let folder = self.folder.path();
        let mut env = vec![
            ("PORTCULLIS__NATS__URL".to_owned(), self.nats.url()),
            ("PORTCULLIS__NATS__USER".to_owned(), service.to_owned()),
            ("PORTCULLIS__NATS__PASSWORD".to_owned(), PASSWORD.to_owned()),
        ];
        let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
        match service {
            "ingress" => {
                set("PORTCULLIS__HTTP__LISTEN", "127.0.0.1:0".into());
                set("PORTCULLIS__MASTER_SECRET", MASTER_SECRET.into());
                set("PORTCULLIS__REDIS__URL", self.redis.url());
                // Wide for a busy test machine.
                set("PORTCULLIS__REDIS__RESPONSE_TIMEOUT_MS", "100".into());
                let spool = folder.join(format!("{name}-spool"));
                set("PORTCULLIS__SPOOL__FOLDER", spool.display().to_string());
            }
            "rate-limit" => set("PORTCULLIS__STAGE__REDIS__URL", self.redis.url()),
            "audit" => set("PORTCULLIS__DATA", self.data().display().to_string()),
            "anomaly" => {
                let snapshot = folder.join(format!("{name}.snapshot"));
                set("PORTCULLIS__SNAPSHOT", snapshot.display().to_string());
            }
            // One seat a core would make requests of a parallel test wait for their one further try.
            _ => {}
        }
        if STAGES.contains(&service) {
            set("PORTCULLIS__SEATS", "64".into());
        }
        for (_, name, value) in options.env.iter().filter(|(owner, ..)| *owner == service) {
            set(name, value.clone());
        }
        let mut process = Service::new(name.clone(), &format!("portcullis-{service}"), folder, env);
        process.start();
        self.services.insert(name, process);
    }

    /// A service by its name and number, such as `ingress-0`.
    pub(crate) fn service(&mut self, name: &str) -> &mut Service {
        self.services.get_mut(name).unwrap_or_else(|| panic!("no {name} in this city"))
    }

    /// A service's HTTP door, such as that of `ingress-0`.
    pub(crate) fn http_of(&self, name: &str) -> Http {
        Http::new(self.services[name].http())
    }

    /// The first ingress's HTTP door.
    pub(crate) fn http(&self) -> Http {
        self.http_of("ingress-0")
    }

    /// The address of the first ingress's HTTP door, for a client of its own.
    pub(crate) fn http_url(&self) -> String {
        self.services["ingress-0"].http()
    }

    /// The metrics of a service.
    pub(crate) async fn metrics(&self, name: &str) -> String {
        self.services[name].metrics().await
    }

    /// What all services have logged in all their lives, by name.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        self.services.iter().map(|(name, service)| (name.clone(), service.logs())).collect()
    }

    /// A connection as a user of the rights table.
    pub(crate) async fn user(&self, user: &str) -> Client {
        client(&self.nats, user).await
    }

    /// A connection as a bot.
    pub(crate) async fn bot(&self, name: &str) -> Client {
        self.user(&subjects::bot_user(&bot(name))).await
    }

    /// A connection that may do everything.
    pub(crate) fn tester(&self) -> &Client {
        &self.tester
    }

    /// Writes a policy document into the bucket.
    pub(crate) async fn put_policy(&self, bot: &str, document: &str) {
        let policies = NatsKv::open(self.user("operator").await, subjects::POLICY_BUCKET).await;
        policies.unwrap().put(bot, document.to_owned().into()).await.unwrap();
    }

    /// Serves a stage from this process, as that stage's user, until the handle is dropped.
    pub(crate) async fn serve(&self, stage: &FaultStage, seats: usize) -> Served {
        let user = self.user(stage.name().as_str()).await;
        let seats = Seats::new(Arc::new(stage.clone()), seats);
        let door = StageDoor::open(user, seats, Work::Computes, "1.0.0").await.unwrap();
        let shutdown = CancellationToken::new();
        let serving = door.serve(shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "the handle ends the task on drop")]
        let task = tokio::spawn(async move {
            serving.await.unwrap();
        });
        Served { shutdown, task: AbortOnDropHandle::new(task) }
    }
}

impl Drop for City {
    #[expect(clippy::print_stdout, reason = "the test's own output, shown where it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, service) in &self.services {
                let log = service.log();
                let lines: Vec<&str> = log.lines().collect();
                let end = &lines[lines.len().saturating_sub(20)..];
                println!("--- the end of the log of {name}\n{}", end.join("\n"));
            }
        }
    }
}

/// A stage that is served from the test's process.
pub(crate) struct Served {
    shutdown: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Served {
    /// Drains it: the server knows that it is gone when this returns.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

async fn client(nats: &NatsServer, user: &str) -> Client {
    let options = ConnectOptions::new(nats.url(), user).user(user, PASSWORD.to_owned().into());
    connect(&options.fail_fast()).await.unwrap()
}

/// The server's users: those of the rights table, and the tester.
fn authorization(bots: &[BotId]) -> String {
    // With the stage of somebody else that an example has.
    let mut table = table(bots);
    table.push(own_stage(&StageName::parse("word-list").unwrap()));
    let users: Vec<_> = table
        .iter()
        .map(|rights| UserPassword {
            user: rights.user.clone(),
            password: PASSWORD.to_owned().into(),
        })
        .collect();
    let config = server_config_of(&users, &table).unwrap();
    let own = format!("users = [\n{{ user: \"{TESTER}\", password: \"{PASSWORD}\" }}\n");
    config.expose_secret().replacen("users = [\n", &own, 1)
}

/// Sizes that fit any machine on which tests run.
fn small(bots: Vec<BotId>) -> admin::InitOptions {
    const MIB: i64 = 1024 * 1024;
    admin::InitOptions {
        journal_max_bytes: Some(256 * MIB),
        submit_max_bytes: 64 * MIB,
        held_max_bytes: 16 * MIB,
        verdicts_max_bytes: 64 * MIB,
        bots,
        ..admin::InitOptions::default()
    }
}
