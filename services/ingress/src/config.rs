//! The configuration of ingress.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use portcullis_config::{
    CommonConfig, HealthConfig, HttpConfig, NatsConfig, RedisConfig, Secret, TelemetryConfig,
};
use portcullis_personal::{Envelope, Sealing};
use portcullis_state::Sealer;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use portcullis_door::auth::{BotKeys, KeyHash, Keys};

/// The configuration of ingress.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Messages in work at once, at each door; a further one is answered busy at once.
    pub seats: usize,
    /// Answers that may be checked while they are being written at once, over HTTP and over NATS each.
    pub streams: usize,
    /// The most bytes of text and context that any message may have, whatever its policy says. The NATS
    /// server's max_payload must hold six times as much.
    pub text_bytes: usize,
    /// Instances of ingress that are assumed until Redis has told how many there are. While it is away each
    /// admits its share of every limit.
    #[schemars(range(min = 1))]
    pub replicas: u32,
    /// How long work in flight may take after the signal to stop, in milliseconds.
    pub grace_ms: u64,
    /// Seals what is stored, and hashes the names of people: at least 16 bytes, better 64 random hex
    /// digits. The same for every instance.
    pub master_secret: Option<Secret>,
    /// The master secret before this one: what was sealed under it can still be opened.
    pub previous_master_secret: Option<Secret>,
    /// Public key of audit, 64 hex digits: what is personal in the record is sealed to it. Absent: audit is asked for it
    /// over NATS, where it is the only one; until it has answered, the record gets no text.
    pub audit_key: Option<String>,
    /// Leave the masked text in the record as it is, where audit_key is absent, and do not ask for the key. Whoever reads
    /// the journal reads it, and neither erasure nor retention reaches it.
    pub clear_text_in_record: bool,
    /// API keys of bots over HTTP. Without any key the HTTP door opens on loopback addresses only.
    pub keys: Vec<BotKeys>,
    /// SHA-256 of the API keys of operators over HTTP, in hex; at most two.
    pub operator_keys: Vec<KeyHash>,
    /// Folder with one policy document a bot, `<bot>.toml`. Absent: the bucket portcullis_policy.
    pub policies: Option<PathBuf>,
    /// Entries that the journal does not take in time wait here.
    pub spool: SpoolConfig,
    /// The door for bots over HTTP.
    pub http: HttpConfig,
    /// How to reach NATS.
    pub nats: NatsConfig,
    /// How to reach Redis, which remembers conversations and how many instances there are.
    pub redis: RedisConfig,
    /// Where the process tells how it is: /livez, /readyz and /metrics.
    pub health: HealthConfig,
    /// Logs and traces. Neither ever holds the text of a message.
    pub telemetry: TelemetryConfig,
}

/// Where entries wait that the journal did not take.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// The folder. Each instance needs its own. Absent: a folder of the process in the system's temporary
    /// one, which does not outlive the machine.
    pub folder: Option<PathBuf>,
    /// The most bytes that wait; past it the policy's on_journal_gap decides.
    pub max_bytes: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { folder: None, max_bytes: 64 * 1024 * 1024 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seats: 256,
            streams: 256,
            text_bytes: 256 * 1024,
            replicas: 1,
            grace_ms: 10_000,
            master_secret: None,
            previous_master_secret: None,
            audit_key: None,
            clear_text_in_record: false,
            keys: Vec::new(),
            operator_keys: Vec::new(),
            policies: None,
            spool: SpoolConfig::default(),
            http: HttpConfig::default(),
            nats: NatsConfig::default(),
            redis: RedisConfig::default(),
            health: HealthConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl CommonConfig for Config {
    fn health(&self) -> Option<&HealthConfig> {
        Some(&self.health)
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

impl Config {
    /// The keys of the HTTP door.
    ///
    /// # Errors
    /// Where somebody has too many, or where there is none and the door would be open to a network.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        let keys = Keys::new(&self.keys, &self.operator_keys).map_err(anyhow::Error::msg)?;
        let listen = self.http.listen;
        if keys.is_empty() && !listen.ip().is_loopback() {
            bail!(
                "http.listen is {listen}, which others can reach, and there is no API key: configure \
                 one in keys, or listen on 127.0.0.1"
            );
        }
        Ok(keys)
    }

    /// What seals and hashes.
    ///
    /// # Errors
    /// Where there is no master secret, or one is too short.
    pub fn sealer(&self) -> anyhow::Result<Sealer> {
        let secret = |secret: &Secret| SecretString::from(secret.expose().to_owned());
        let master = self.master_secret.as_ref().context("master_secret is missing")?;
        let sealer = Sealer::new(&secret(master)).context("master_secret")?;
        match &self.previous_master_secret {
            Some(previous) => {
                sealer.with_previous(&secret(previous)).context("previous_master_secret")
            }
            None => Ok(sealer),
        }
    }

    /// In which form the record gets what is personal.
    ///
    /// # Errors
    /// Where audit's key is none.
    pub fn sealing(&self) -> anyhow::Result<Sealing> {
        let envelope = self.audit_key.as_deref().map(Envelope::new).transpose();
        Ok(match envelope.context("audit_key")? {
            Some(envelope) => Sealing::to(envelope),
            None if self.clear_text_in_record => Sealing::in_the_clear(),
            None => Sealing::default(),
        })
    }

    /// Whether audit is asked for its key.
    pub fn asks_for_audit_key(&self) -> bool {
        self.audit_key.is_none() && !self.clear_text_in_record
    }

    /// The folder of the spool.
    pub fn spool_folder(&self) -> PathBuf {
        self.spool.folder.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("portcullis-spool-{}", self.http.listen.port()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_others_can_reach_needs_a_key() {
        let mut config = Config::default();
        assert!(config.keys().is_ok());
        config.http.listen = "0.0.0.0:8080".parse().unwrap();
        let error = config.keys().unwrap_err().to_string();
        assert!(error.contains("0.0.0.0:8080") && error.contains("API key"), "{error}");
        config.operator_keys.push(KeyHash::of("k"));
        assert!(config.keys().is_ok());
        assert!(config.sealer().is_err());
    }
}
