//! Passwords as arguments of commands: `curl -u user:…`, `sshpass -p …`.

use super::likely::Place;
use super::reading::{Sign, quoted, unquoted, window};
use super::{Chosen, credential};
use crate::Match;

/// The password of `-u user:…` or `--user user:…` behind the command that ends at `from`.
pub(crate) fn curl(text: &[u8], from: usize) -> Option<Match> {
    let rest = window(text, from);
    let option = |name: &str| Some(rest.find(name)? + name.len());
    let at = option("-u ").or_else(|| option("--user "))?;
    argument(from + at, window(text, from + at), true)
}

/// The password behind `sshpass -p`, which ends at `from`.
pub(crate) fn sshpass(text: &[u8], from: usize) -> Option<Match> {
    argument(from, window(text, from), false)
}

/// The argument at the beginning of `rest`, which lies at `from`, or what stands behind its colon.
fn argument(from: usize, rest: &str, is_pair: bool) -> Option<Match> {
    let behind = rest.trim_start_matches(' ');
    let (quote, value) = quoted(behind).unwrap_or_else(|| (0, unquoted(behind, Sign::Tag, "")));
    let password = if is_pair { value.split_once(':')?.1 } else { value };
    let start = from + rest.len() - behind.len() + quote + value.len() - password.len();
    credential(start, password, Chosen::ByPeople, Place::Literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_commands() {
        let find = |text: &'static str| {
            let hit = match text.strip_prefix("curl ") {
                Some(_) => curl(text.as_bytes(), 5),
                None => sshpass(text.as_bytes(), 10),
            };
            hit.map(|hit| &text[hit.span.start..hit.span.end])
        };
        for (text, password) in [
            ("curl -u admin:S3cure!Pass9 https://h.io", Some("S3cure!Pass9")),
            ("curl -s --user 'admin:hunter2' https://h.io", Some("hunter2")),
            ("sshpass -p 'S3cure!Pass9' ssh root@h", Some("S3cure!Pass9")),
            ("sshpass -phunter2 ssh root@h", Some("hunter2")),
            ("curl -u user:password https://h.io", None),
            ("curl -u \"$USER:$PASS1\" https://h.io", None),
            ("curl -u https://h.io", None),
            ("curl https://h.io:8080", None),
            ("sshpass -p \"$SSH_PASS1\" ssh root@h", None),
        ] {
            assert_eq!(find(text), password, "{text}");
        }
    }
}
