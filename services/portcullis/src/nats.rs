//! Connecting commands to NATS.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use portcullis_bus_nats::{Client, ConnectOptions, connect};
use secrecy::SecretString;

/// Who the command is on the bus.
#[derive(Args, Clone)]
#[command(next_help_heading = "NATS")]
pub(crate) struct Login {
    /// User on the NATS server.
    #[arg(long, value_name = "USER", env = "PORTCULLIS__NATS__USER")]
    nats_user: Option<String>,
    /// Its password. Others on this machine can read command lines: rather use the file or the environment.
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "PORTCULLIS__NATS__PASSWORD",
        hide_env_values = true
    )]
    nats_password: Option<String>,
    /// A file with its password.
    #[arg(long, value_name = "FILE", env = "PORTCULLIS__NATS__PASSWORD_FILE")]
    nats_password_file: Option<PathBuf>,
    /// A file with the certificates of the authorities to trust beside the system's, in PEM.
    #[arg(long, value_name = "FILE", env = "PORTCULLIS__NATS__CA_FILE")]
    nats_ca_file: Option<PathBuf>,
}

impl Login {
    /// The same, but for what is named here.
    #[must_use]
    pub(crate) fn or(mut self, user: Option<&String>, password: Option<&String>) -> Self {
        self.nats_user = user.cloned().or(self.nats_user);
        self.nats_password = password.cloned().or(self.nats_password);
        self
    }

    /// Connects, or says at once why not.
    pub(crate) async fn connect(&self, url: &str) -> anyhow::Result<Client> {
        let mut options = ConnectOptions::new(url, "portcullis").fail_fast();
        options.root_certificates = self.nats_ca_file.clone().into_iter().collect();
        if let Some(user) = &self.nats_user {
            options = options.user(user, self.password()?);
        }
        Ok(connect(&options).await?)
    }

    fn password(&self) -> anyhow::Result<SecretString> {
        let password = match (&self.nats_password, &self.nats_password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .with_context(|| format!("the password's file {}", file.display()))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            (None, None) => anyhow::bail!(
                "a NATS user without a password: set PORTCULLIS__NATS__PASSWORD or --nats-password-file"
            ),
        };
        Ok(password.into())
    }
}
