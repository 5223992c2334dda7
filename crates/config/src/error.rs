//! What is wrong with a configuration, in words that never quote it.

use std::fmt;
use std::path::PathBuf;

use figment::error::{Actual, Kind};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file, with line and column (from 1) where they are known.
    File {
        /// The file.
        path: PathBuf,
        /// Line and column, from 1.
        position: Option<(usize, usize)>,
    },
    /// This environment variable.
    Variable(String),
    /// Nobody set it.
    Defaults,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, position: Some((line, column)) } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::File { path, position: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Defaults => f.write_str("configuration"),
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Category {
    /// A value of another type was given.
    WrongType {
        /// What the field takes.
        expected: String,
        /// The type that was given.
        found: &'static str,
    },
    /// A value of the right type that is not allowed.
    NotAllowed {
        /// What is allowed, where the type says so.
        expected: Option<String>,
    },
    /// Not one of the words that are allowed.
    UnknownWord {
        /// The words.
        allowed: &'static [&'static str],
    },
    /// There is no such field.
    UnknownField {
        /// The fields that there are.
        allowed: &'static [&'static str],
    },
    /// A field that must be given is not.
    Missing,
    /// A number out of range.
    OutOfRange,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected, found } => {
                write!(f, "wrong type: expected {expected}, found {found}")
            }
            Self::NotAllowed { expected: Some(expected) } => {
                write!(f, "not allowed: expected {expected}")
            }
            Self::NotAllowed { expected: None } => f.write_str("not allowed"),
            Self::UnknownWord { allowed } => {
                write!(f, "unknown word: expected one of {}", allowed.join(", "))
            }
            Self::UnknownField { allowed } => {
                write!(f, "unknown field: expected one of {}", allowed.join(", "))
            }
            Self::Missing => f.write_str("missing"),
            Self::OutOfRange => f.write_str("out of range"),
        }
    }
}

/// Why a configuration cannot be used. The text holds no value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read: check its path and rights.
    #[error("{}: cannot be read: {kind}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// The file is not TOML: mend it at this place.
    #[error("{origin}: not valid TOML")]
    NotToml {
        /// The place.
        origin: Origin,
    },
    /// A field is wrong: mend it where it was set.
    #[error("{origin}: {field}: {category}")]
    Field {
        /// Where it was set.
        origin: Origin,
        /// Path of the field, with dots.
        field: String,
        /// What is wrong.
        category: Category,
    },
}

/// The category of figment's error; everything that could quote a value is dropped.
pub(crate) fn category(kind: Kind) -> Category {
    match kind {
        Kind::InvalidType(actual, expected) => {
            Category::WrongType { expected, found: type_name(&actual) }
        }
        Kind::Unsupported(actual) => {
            Category::WrongType { expected: "another type".into(), found: type_name(&actual) }
        }
        Kind::InvalidValue(_, expected) => Category::NotAllowed { expected: Some(expected) },
        Kind::InvalidLength(_, expected) => Category::NotAllowed { expected: Some(expected) },
        Kind::UnknownVariant(_, allowed) => Category::UnknownWord { allowed },
        Kind::UnknownField(_, allowed) => Category::UnknownField { allowed },
        Kind::MissingField(_) => Category::Missing,
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => Category::OutOfRange,
        Kind::Message(_) | Kind::DuplicateField(_) | Kind::UnsupportedKey(..) => {
            Category::NotAllowed { expected: None }
        }
    }
}

fn type_name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "an integer",
        Actual::Float(_) => "a float",
        Actual::Char(_) | Actual::Str(_) => "a string",
        Actual::Bytes(_) => "bytes",
        Actual::Unit | Actual::Option => "nothing",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}
