//! The one place where connections to NATS are made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};

use crate::{events, subjects};

/// The oldest server that keeps what it is asked to: older ones ignore fields of streams silently.
pub const OLDEST_SERVER: (u64, u64, u64) = (2, 10, 23);

/// How to prove who we are.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// The server asks nobody, as on a developer's machine.
    #[default]
    None,
    /// A user of the server's own configuration.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// The text of a `.creds` file: a JWT and its key.
    Creds(SecretString),
}

/// What to do where the server is not there at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstTry {
    /// Keep trying, with growing pauses: a service. The caller may drop the future to give up.
    #[default]
    KeepTrying,
    /// Fail at once: a command line.
    FailFast,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Server URLs, `nats://` or `tls://`; several with commas.
    pub url: String,
    /// The name of the process, as the server shows it.
    pub name: String,
    /// Who we are.
    pub credentials: Credentials,
    /// The private inbox prefix. `None` derives it from the user, as the rights table does.
    pub inbox_prefix: Option<String>,
    /// Certificates of authorities to trust beside the system's, in PEM files.
    pub root_certificates: Vec<PathBuf>,
    /// What to do where the server is not there.
    pub first_try: FirstTry,
}

impl ConnectOptions {
    /// Connects without credentials, and keeps trying.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            credentials: Credentials::None,
            inbox_prefix: None,
            root_certificates: Vec::new(),
            first_try: FirstTry::KeepTrying,
        }
    }

    /// Connects as a user with a password.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>, password: SecretString) -> Self {
        self.credentials = Credentials::Password { user: user.into(), password };
        self
    }

    /// Fails at once where the server is not there.
    #[must_use]
    pub fn fail_fast(mut self) -> Self {
        self.first_try = FirstTry::FailFast;
        self
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there, or not in time.
    #[error("no nats-server answers at {0}")]
    Away(String),
    /// The server does not take our user and password.
    #[error("nats-server refuses the credentials of {0}")]
    Refused(String),
    /// The configuration cannot be used; says which part.
    #[error("nats configuration: {0}")]
    BadConfig(&'static str),
    /// The server is too old.
    #[error(
        "nats-server {found} is too old: {}.{}.{} or later is needed; upgrade the server, whose \
         older releases ignore stream settings silently",
        OLDEST_SERVER.0, OLDEST_SERVER.1, OLDEST_SERVER.2
    )]
    TooOld {
        /// What it says of itself.
        found: String,
    },
}

/// Connects. The client reconnects for ever, with growing pauses, and subscribes again by itself.
///
/// # Errors
/// With [`FirstTry::KeepTrying`] only what trying again cannot mend: [`ConnectError::BadConfig`] and
/// [`ConnectError::TooOld`].
pub async fn connect(options: &ConnectOptions) -> Result<Client, ConnectError> {
    let mut attempts = 0;
    loop {
        let error = match connect_once(options).await {
            Ok(client) => return check_version(client),
            Err(error) => error,
        };
        let hopeless = matches!(error, ConnectError::BadConfig(_));
        if hopeless || options.first_try == FirstTry::FailFast {
            return Err(error);
        }
        attempts += 1;
        let pause = pause_before(attempts);
        tracing::warn!(%error, attempts, pause_ms = pause.as_millis(), "nats not connected yet");
        tokio::time::sleep(pause).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects to NATS")]
async fn connect_once(options: &ConnectOptions) -> Result<Client, ConnectError> {
    let servers: Vec<async_nats::ServerAddr> = options
        .url
        .split(',')
        .map(|url| url.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|_| ConnectError::BadConfig("url is not nats://host:port"))?;
    let shown = Servers(&servers).to_string();
    async_nats::connect_with_options(servers, client_options(options)?).await.map_err(|error| {
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                ConnectError::Refused(user_of(options).unwrap_or("nobody").to_owned())
            }
            ConnectErrorKind::ServerParse => ConnectError::BadConfig("url"),
            _ => ConnectError::Away(shown),
        }
    })
}

fn client_options(options: &ConnectOptions) -> Result<async_nats::ConnectOptions, ConnectError> {
    let mut client = async_nats::ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(Duration::from_secs(5))
        .max_reconnects(None)
        .reconnect_delay_callback(pause_before)
        .event_callback(async |event| events::observe(&event));
    client = match &options.credentials {
        Credentials::None => client,
        Credentials::Password { user, password } => {
            client.user_and_password(user.clone(), password.expose_secret().to_owned())
        }
        Credentials::Creds(text) => client
            .credentials(text.expose_secret())
            .map_err(|_| ConnectError::BadConfig("creds are not a JWT and a key"))?,
    };
    for file in &options.root_certificates {
        client = client.add_root_certificates(file.clone());
    }
    if let Some(prefix) =
        options.inbox_prefix.clone().or_else(|| user_of(options).map(subjects::inbox_prefix))
    {
        client = client.custom_inbox_prefix(prefix);
    }
    Ok(client)
}

fn user_of(options: &ConnectOptions) -> Option<&str> {
    match &options.credentials {
        Credentials::Password { user, .. } => Some(user),
        Credentials::None | Credentials::Creds(_) => None,
    }
}

/// 0 for the first try, then 50 ms doubling up to 2 s; half of it by chance, so that a restarted
/// server does not meet all its clients at once.
fn pause_before(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempt - 2).unwrap_or(u32::MAX).min(6);
    let longest = (50_u64 << doublings).min(2000);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

fn check_version(client: Client) -> Result<Client, ConnectError> {
    let found = client.server_info().version;
    if parse_version(&found) >= Some(OLDEST_SERVER) {
        Ok(client)
    } else {
        Err(ConnectError::TooOld { found })
    }
}

/// Major, minor, patch; a suffix such as `-beta.1` is left aside.
fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let core = text.trim_start_matches('v').split(['-', '+']).next()?;
    let mut parts = core.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Hosts and ports, without the user and password that a URL may carry.
struct Servers<'a>(&'a [async_nats::ServerAddr]);

impl fmt::Display for Servers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}:{}", server.host(), server.port())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(parse_version("2.9.25") < Some(OLDEST_SERVER));
        assert!(parse_version("2.10.22") < Some(OLDEST_SERVER));
        assert!(parse_version("2.10.23") >= Some(OLDEST_SERVER));
        assert!(parse_version("v2.12.3-RC.1") >= Some(OLDEST_SERVER));
        assert!(parse_version("somebody else") < Some(OLDEST_SERVER));
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!(pause_before(1), Duration::ZERO);
        assert!((25..=50).contains(&pause_before(2).as_millis()));
        assert!((1000..=2000).contains(&pause_before(1000).as_millis()));
    }

    #[tokio::test]
    async fn errors_show_no_password() {
        let options = ConnectOptions::new("nats://me:secret@127.0.0.1:1", "test").fail_fast();
        let error = connect(&options).await.unwrap_err();
        assert_eq!(error, ConnectError::Away("127.0.0.1:1".into()));
        let options = ConnectOptions::new("not a url", "test");
        assert!(matches!(connect(&options).await, Err(ConnectError::BadConfig(_))));
    }
}
