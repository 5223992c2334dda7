//! What is wrong with a policy, and where.

/// Why a policy was refused. Made for the operator who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl PolicyError {
    /// An error at a byte of the source.
    pub(crate) fn at(source: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = source.get(..byte).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            message: message.into(),
        }
    }

    /// An error at the first place where a key stands as a word, or at the start.
    pub(crate) fn at_key(source: &str, key: &str, message: impl Into<String>) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let found = source.match_indices(key).find(|(at, _)| {
            let before = source.get(..*at).and_then(|s| s.chars().next_back());
            let after = source.get(at + key.len()..).and_then(|s| s.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        });
        Self::at(source, found.map_or(0, |(at, _)| at), message)
    }
}

impl From<(&str, toml::de::Error)> for PolicyError {
    fn from((source, error): (&str, toml::de::Error)) -> Self {
        let byte = error.span().map_or(0, |span| span.start);
        Self::at(source, byte, error.message().trim().replace('\n', "; "))
    }
}
