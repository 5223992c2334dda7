//! Why there is no verdict, in terms of what the bot does next.

use serde::Deserialize;

/// A problem as the gateway words it (RFC 9457). It names fields and never quotes what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// What sort of problem: `urn:portcullis:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sort in words.
    pub title: String,
    /// The HTTP status code, also where the door is not HTTP.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// Which field is wrong.
    pub field: Option<String>,
    /// Seconds after which it is worth trying again.
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// What a door says that gives a status and nothing else.
    pub(crate) fn bare(status: u16) -> Self {
        Self { status, detail: "the door gives no reason".into(), ..Self::default() }
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The gateway answered, and did not judge. Below 500 the request is at fault: sending it again changes
    /// nothing. From 500 on the gateway is: `retry_after_s` says when to try again.
    #[error("refused with {}: {}", .0.status, .0.detail)]
    Refused(Box<Problem>),
    /// Nobody answers there. Trying again later may help.
    #[error("the guard is away")]
    Away,
    /// No answer in time; the message may have been judged all the same.
    #[error("no answer in time")]
    Timeout,
    /// A stream is over before its end: the gateway that held it is gone, or broke it off. What was not given back
    /// was not checked.
    #[error("the stream was aborted")]
    Aborted,
    /// An answer that is no verdict: is it Portcullis that answers there?
    #[error("the answer is no verdict")]
    Unreadable,
}

impl Error {
    /// Whether the guard is to blame and not the message: it is away, late, or says itself that it cannot
    /// judge now. Something that a sender of messages can bring about by their content is never that.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Away | Self::Timeout | Self::Aborted => true,
            Self::Refused(problem) => problem.status >= 500,
            Self::Unreadable => false,
        }
    }

    pub(crate) fn refused(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

/// Why a client could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The address is not one of a door.
    #[error("the address must be http://host:port; TLS is for a proxy beside the bot")]
    Address,
    /// The HTTP library could not be set up.
    #[error("no HTTP client can be made")]
    Http,
}
