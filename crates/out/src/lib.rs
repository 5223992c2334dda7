//! Standard output and standard error of the program for people, the one place that writes to them; and the files that
//! its commands write.

mod file;

use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

pub use file::NewFile;
use serde::Serialize;

/// Whoever read the output has gone. The command ends, and quietly.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct Closed;

/// Standard output. What is written is buffered until `flush`, or a line where a terminal reads it.
pub struct Out {
    to: BufWriter<io::StdoutLock<'static>>,
    at_once: bool,
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

impl Out {
    /// Takes standard output.
    pub fn new() -> Self {
        let stdout = io::stdout().lock();
        let at_once = stdout.is_terminal();
        Self { to: BufWriter::new(stdout), at_once }
    }

    /// Writes each line at once, because whoever reads it may wait for it.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }

    /// Writes a line.
    ///
    /// # Errors
    /// [`Closed`] if nobody reads any more.
    pub fn line(&mut self, line: &str) -> anyhow::Result<()> {
        said(self.to.write_all(line.as_bytes()).and_then(|()| self.to.write_all(b"\n")))?;
        if self.at_once { self.flush() } else { Ok(()) }
    }

    /// Writes a value as a line of JSON.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn json<T: Serialize>(&mut self, value: &T) -> anyhow::Result<()> {
        self.line(&serde_json::to_string(value)?)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn flush(&mut self) -> anyhow::Result<()> {
        said(self.to.flush())
    }
}

fn said(written: io::Result<()>) -> anyhow::Result<()> {
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => anyhow::Error::new(Closed),
        _ => anyhow::Error::new(error).context("standard output"),
    })
}

/// Writes lines to standard output and flushes.
///
/// # Errors
/// [`Closed`] if nobody reads any more.
pub fn print(lines: &str) -> anyhow::Result<()> {
    let mut out = Out::new();
    out.line(lines)?;
    out.flush()
}

/// Writes a value as a line of JSON to standard output and flushes.
///
/// # Errors
/// [`Closed`] if nobody reads any more.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Writes a value as JSON for people.
///
/// # Errors
/// [`Closed`] if nobody reads any more.
pub fn pretty<T: Serialize>(value: &T) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Says something to whoever runs the command. A standard error that is gone is no error.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A text of somebody else in a form that is safe on a terminal: controls and characters that reorder
/// or hide are written as escapes.
pub fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        let hides = matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}');
        if c.is_control() || hides {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", c.escape_unicode());
        } else {
            safe.push(c);
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_speak_to_the_terminal() {
        assert_eq!(harmless("plain, ünïcode 👋"), "plain, ünïcode 👋");
        assert_eq!(harmless("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(harmless("a\nb\u{202e}c"), "a\\u{a}b\\u{202e}c");
    }
}
