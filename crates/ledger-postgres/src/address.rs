//! Where the database is, and connecting to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use portcullis_ledger::LedgerError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use crate::error::{database, late, migration};

/// How long past the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// Where the record is. `Debug` shows no password.
#[derive(Clone)]
pub struct Address {
    options: PgConnectOptions,
    schema: String,
    connect: Duration,
    patience: Duration,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        let database = self.options.get_database().unwrap_or_default();
        write!(f, "Address({host}:{port}/{database}, schema {})", self.schema)
    }
}

impl Address {
    /// Takes `postgres://host:port/database`. With another machine TLS is spoken and its certificate checked
    /// (`sslmode=verify-full`), unless the address itself says `sslmode=…`.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if it is none.
    pub fn parse(url: &str) -> Result<Self, LedgerError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| LedgerError::Refused("not an address of PostgreSQL"))?;
        let local = matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]")
            || options.get_host().starts_with('/')
            || options.get_socket().is_some();
        let said = url.contains("sslmode=") || url.contains("ssl-mode=");
        let options = match (said, local) {
            (true, _) => options,
            (false, true) => options.ssl_mode(PgSslMode::Prefer),
            (false, false) => options.ssl_mode(PgSslMode::VerifyFull),
        };
        let address = Self {
            options: options.application_name("portcullis").disable_statement_logging(),
            schema: String::new(),
            connect: Duration::from_secs(5),
            patience: Duration::from_secs(30),
        };
        address.in_schema("portcullis")
    }

    /// As this user.
    #[must_use]
    pub fn user(mut self, user: &str, password: Option<&str>) -> Self {
        self.options = self.options.username(user);
        if let Some(password) = password {
            self.options = self.options.password(password);
        }
        self
    }

    /// Trusts the authorities of a file in PEM instead of the system's.
    #[must_use]
    pub fn authorities(mut self, pem: Vec<u8>) -> Self {
        self.options = self.options.ssl_root_cert_from_pem(pem);
        self
    }

    /// Uses this schema instead of `portcullis`: each is a record of its own.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if it is not of small letters, digits and `_`.
    pub fn in_schema(mut self, schema: &str) -> Result<Self, LedgerError> {
        let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
        let fine = schema.starts_with(|c: char| c.is_ascii_lowercase())
            && schema.len() <= 63
            && schema.chars().all(plain)
            && !schema.starts_with("pg_");
        if !fine {
            return Err(LedgerError::Refused("not the name of a schema"));
        }
        schema.clone_into(&mut self.schema);
        Ok(self)
    }

    /// How long a connection, and how long an answer may take.
    #[must_use]
    pub fn patience(mut self, connect: Duration, answer: Duration) -> Self {
        (self.connect, self.patience) = (connect, answer);
        self
    }

    /// The longest that an answer is waited for.
    pub(crate) fn longest(&self) -> Duration {
        self.patience + GRACE
    }

    fn session(&self) -> PgConnectOptions {
        self.options.clone().options([
            ("search_path", self.schema.clone()),
            ("statement_timeout", self.patience.as_millis().to_string()),
            ("timezone", "UTC".to_owned()),
        ])
    }

    /// A connection, ready to be used.
    pub(crate) async fn connect(&self) -> Result<PgConnection, LedgerError> {
        let doing = "connect";
        let session = self.session();
        let connected = tokio::time::timeout(self.connect, PgConnection::connect_with(&session));
        connected.await.map_err(late(doing))?.map_err(database(doing))
    }

    /// A connection for whoever answers for what is stored: durable is durable.
    pub(crate) async fn connect_to_write(&self) -> Result<PgConnection, LedgerError> {
        let mut connection = self.connect().await?;
        let doing = "prepare the connection";
        let prepared = async {
            let ask = "SELECT current_setting('synchronous_commit'), current_setting('fsync')";
            let (commit, fsync): (String, String) =
                sqlx::query_as(ask).fetch_one(&mut connection).await?;
            if commit == "off" {
                sqlx::query("SET synchronous_commit = on").execute(&mut connection).await?;
            }
            if fsync == "off" {
                tracing::warn!(
                    "the database does not sync (fsync = off): a loss of power may cost entries"
                );
            }
            Ok(())
        };
        tokio::time::timeout(self.longest(), prepared)
            .await
            .map_err(late(doing))?
            .map_err(database(doing))?;
        Ok(connection)
    }

    /// Connections for those who read.
    pub(crate) fn pool(&self, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(self.connect)
            .connect_lazy_with(self.session())
    }

    /// Makes schema and tables where they are missing.
    pub(crate) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), LedgerError> {
        let doing = "make the schema";
        let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        let there: bool = sqlx::query_scalar(there)
            .bind(&self.schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(database(doing))?;
        if !there {
            // A name without any character that means something.
            let make = format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema);
            let made = sqlx::query(AssertSqlSafe(make)).execute(&mut *connection).await;
            made.map_err(database(doing))?;
        }
        // As `run`, whose future the compiler does not see may be sent.
        sqlx::migrate!().run_direct(None, connection, false).await.map_err(migration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_spoken_to_with_tls() {
        let mode = |url: &str| Address::parse(url).unwrap().options.get_ssl_mode();
        assert!(matches!(mode("postgres://db.example/x"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://127.0.0.1:5433/x"), PgSslMode::Prefer));
        assert!(matches!(mode("postgres://db/x?sslmode=disable"), PgSslMode::Disable));
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_password_is_shown() {
        assert!(Address::parse("nonsense").is_err());
        let address = Address::parse("postgres://127.0.0.1/x").unwrap();
        let address = address.user("audit", Some("hunter2"));
        assert!(!format!("{address:?}").contains("hunter2"));
        for refused in ["", "Big", "a-b", "x; DROP", "pg_x", "1a"] {
            assert!(address.clone().in_schema(refused).is_err(), "{refused}");
        }
    }
}
