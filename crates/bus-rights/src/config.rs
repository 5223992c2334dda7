//! The rights table as configuration text of nats-server.

use std::fmt::Write as _;

use portcullis_core::BotId;
use secrecy::{ExposeSecret, SecretString};

use super::{Rights, table};

/// A user with its password, or with the bcrypt hash of it.
#[derive(Debug, Clone)]
pub struct UserPassword {
    /// A user of the table.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The table knows no such user.
    #[error("{0} is no user of the rights table")]
    UnknownUser(String),
    /// The password cannot stand in the configuration.
    #[error("the password of {0} must be 8 or more printable ASCII characters without \" and \\")]
    BadPassword(String),
}

/// The `authorization` block for these users. It holds their passwords.
///
/// # Errors
/// Where a user is unknown or its password cannot be written.
pub fn server_config(users: &[UserPassword], bots: &[BotId]) -> Result<SecretString, ConfigError> {
    server_config_of(users, &table(bots))
}

/// The same of a table that has more users than the house's own: see [`super::own_stage`].
///
/// # Errors
/// Where a user is unknown or its password cannot be written.
pub fn server_config_of(
    users: &[UserPassword],
    table: &[Rights],
) -> Result<SecretString, ConfigError> {
    let mut text = String::from("authorization {\n  users = [\n");
    for UserPassword { user, password } in users {
        let rights = table
            .iter()
            .find(|rights| &rights.user == user)
            .ok_or_else(|| ConfigError::UnknownUser(user.clone()))?;
        let password = password.expose_secret();
        let printable = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        if password.len() < 8 || !password.chars().all(printable) {
            return Err(ConfigError::BadPassword(user.clone()));
        }
        write_user(&mut text, rights, password);
    }
    text.push_str("  ]\n}\n");
    Ok(text.into())
}

fn write_user(text: &mut String, rights: &Rights, password: &str) {
    let user = &rights.user;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "    {{\n      user: \"{user}\"\n      password: \"{password}\"");
    let _ = writeln!(text, "      permissions: {{");
    if !rights.publish.is_empty() {
        let _ = writeln!(text, "        publish: {{ allow: [{}] }}", quoted(&rights.publish));
    }
    let _ = writeln!(text, "        subscribe: {{ allow: [{}] }}", quoted(&rights.subscribe));
    if rights.answers {
        // As long as the longest budget of a stage's request.
        let _ = writeln!(text, "        allow_responses: {{ max: 1, expires: \"60s\" }}");
    }
    let _ = writeln!(text, "      }}\n    }}");
}

fn quoted(subjects: &[String]) -> String {
    subjects.iter().map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_cannot_break_out_of_its_quotes() {
        let user = |user: &str, password: &str| UserPassword {
            user: user.into(),
            password: password.to_owned().into(),
        };
        for bad in ["short", "with\"quote", "with\\slash", "line\nbreak", "with space"] {
            let config = server_config(&[user("audit", bad)], &[]);
            assert_eq!(config.unwrap_err(), ConfigError::BadPassword("audit".into()), "{bad:?}");
        }
        let config = server_config(&[user("root", "long enough")], &[]);
        assert_eq!(config.unwrap_err(), ConfigError::UnknownUser("root".into()));
    }

    #[test]
    fn no_user_but_the_operator_reaches_the_whole_of_jetstream() {
        for rights in table(&[BotId::fallback()]) {
            // A user with nothing to publish and no answers would be allowed everything.
            assert!(!rights.publish.is_empty() || rights.answers, "{}", rights.user);
            for subject in rights.publish.iter().chain(&rights.subscribe) {
                assert!(!["*", ">", "$JS.>", "$JS.API.>", "$KV.>"].contains(&subject.as_str()));
                assert!(!subject.starts_with("_INBOX.") && !subject.starts_with("_INBOX_*"));
            }
        }
    }
}
