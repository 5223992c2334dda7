//! Whether what stands behind the name of a credential is its value, and neither a word, an expression, a
//! placeholder nor the place where the value is kept.

use super::Chosen;
use crate::bytes::entropy;

/// Where code keeps what it looks up: `process.env.PASSWORD`, `config.password2`.
const LOOKUPS: [&str; 14] = [
    "process", "os", "env", "config", "settings", "this", "self", "secrets", "vars", "var",
    "local", "req", "request", "props",
];

/// Signs that no word has between its letters, and no path, address or name of a variable.
const SIGNS: &str = "!#$^*~@";

/// How plain it is that a value stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Any,
    /// The name is no more than the word, and a sign follows: `password: …`.
    Named,
    /// So it is, and the value stands in quotes or behind `=`.
    Literal,
}

/// Whether it is a value. Thresholds of entropy are in bits a byte: words of languages lie near 3, random
/// base64 of 20 characters above 3.7.
pub(super) fn is_likely(value: &str, chosen: Chosen, place: Place) -> bool {
    let (least, bits) = match chosen {
        Chosen::ByMachines => (16, 3.2),
        Chosen::ByPeople | Chosen::Doubtful => (6, 2.2),
    };
    let has_digit = value.contains(|c: char| c.is_ascii_digit());
    let has_letter = value.contains(char::is_alphabetic);
    let has_kinds = match chosen {
        Chosen::ByMachines => value.is_ascii() && has_letter && has_digit,
        Chosen::Doubtful => is_mixed(value),
        Chosen::ByPeople if has_letter && has_digit => true,
        Chosen::ByPeople => {
            let is_number = value.bytes().all(|b| b.is_ascii_digit());
            is_number && place == Place::Literal || place > Place::Any && is_no_word(value)
        }
    };
    has_kinds && value.len() >= least && !is_expression(value) && entropy(value.as_bytes()) >= bits
}

/// The characters a value may have: those of ASCII that are seen, and letters of the alphabets of Europe.
/// Languages without spaces would run on into the sentence.
pub(crate) fn is_of_value(c: char) -> bool {
    c.is_ascii_graphic() || c < '\u{590}' && c.is_alphabetic()
}

fn is_expression(value: &str) -> bool {
    let is_variable =
        |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.>:".contains(&b));
    value.starts_with(['{', '%', '<', '*', '='])
        || value.strip_prefix('$').is_some_and(is_variable)
        || value.contains(|c| matches!(c, '(' | '[' | '{') || !is_of_value(c))
        || value.contains("://")
        || value.starts_with("arn:")
        || value.split_once('.').is_some_and(|(root, _)| LOOKUPS.contains(&root))
        || is_path(value)
        || is_rule(value)
}

/// `/run/secrets/db`, `~/.ssh/id`. Random base64 may begin with `/`, but has many capitals.
fn is_path(value: &str) -> bool {
    let capitals = value.bytes().filter(u8::is_ascii_uppercase).count();
    value.starts_with("~/")
        || value.starts_with("./")
        || value.starts_with("../")
        || value.strip_prefix('/').is_some_and(|rest| rest.contains('/'))
            && capitals * 5 < value.len()
}

/// What forms demand of a value: `required|string|min:8`.
fn is_rule(value: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"|:_,".contains(&b);
    value.contains('|') && value.contains(':') && value.bytes().all(is_part)
}

/// Whether letters are no word, because signs stand between them: two different ones, or one and a capital.
fn is_no_word(value: &str) -> bool {
    let inner = value.trim_matches(|c: char| !c.is_alphanumeric());
    let mut signs = inner.chars().filter(|c| SIGNS.contains(*c));
    let has_capital = inner.chars().skip(1).any(char::is_uppercase);
    let has_small = inner.contains(char::is_lowercase);
    value.len() >= 8
        && has_small
        && signs.next().is_some_and(|one| has_capital || signs.any(|other| other != one))
}

/// Whether a value looks like a password wherever it stands: a digit, and two of a small letter, a capital
/// that does not begin it, and a sign that joins no names.
pub(super) fn is_mixed(value: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_punctuation() && !"-_./:@,".contains(c);
    let kinds = [
        value.contains(char::is_lowercase),
        value.chars().skip(1).any(char::is_uppercase),
        value.contains(is_sign),
    ];
    value.contains(|c: char| c.is_ascii_digit())
        && kinds.into_iter().filter(|has| *has).count() >= 2
}
