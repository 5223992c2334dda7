//! Lines of a file or of standard input, judged on all cores and given back in order, in bounded memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::out;

/// The longest line that is read, in bytes; of a longer one nothing is kept.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;
/// What some editors put before the first line of a file, and is no part of it.
const BOM: &[u8] = "\u{feff}".as_bytes();
/// Lines that are read ahead.
const AHEAD: usize = 8;
/// Results that wait for an earlier one.
const WAITING: u64 = 256;

/// A line as it was read.
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Without its line break; `None` where it is longer than [`LONGEST`].
    pub(crate) content: Option<Vec<u8>>,
    /// Bytes that it takes in the file.
    pub(crate) bytes: u64,
}

/// Where lines come from.
pub(crate) struct Source {
    read: Box<dyn Read + Send>,
    /// Length in bytes, where it is known.
    length: Option<u64>,
    /// For people.
    pub(crate) name: String,
    /// Whether somebody may be writing at the other end.
    pub(crate) is_live: bool,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        if name == "-" {
            let read = Box::new(io::stdin());
            return Ok(Self { read, length: None, name: "standard input".into(), is_live: true });
        }
        let file = File::open(path).with_context(|| name.clone())?;
        let about = file.metadata().with_context(|| name.clone())?;
        anyhow::ensure!(!about.is_dir(), "{name}: is a folder");
        let length = about.is_file().then_some(about.len());
        Ok(Self { read: Box::new(file), length, name, is_live: false })
    }

    /// A progress bar on standard error, if people look at that and not at the results themselves.
    pub(crate) fn progress(&self) -> ProgressBar {
        use io::IsTerminal;
        if !io::stderr().is_terminal() || io::stdout().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match self.length {
            Some(length) => {
                (ProgressBar::new(length), "{bar:32} {bytes}/{total_bytes}  {msg}  {eta} left")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}  {elapsed}"),
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    /// The lines, one after the other.
    pub(crate) fn into_lines(self) -> impl Iterator<Item = io::Result<Line>> {
        let mut read = BufReader::with_capacity(64 * 1024, self.read);
        let mut number = 0;
        std::iter::from_fn(move || {
            number += 1;
            next(&mut read, number).transpose()
        })
    }

    /// Reads on a thread of its own, so that a slow writer delays no result.
    fn spawn(self) -> io::Result<mpsc::Receiver<io::Result<Line>>> {
        let (send, receive) = mpsc::channel(AHEAD);
        std::thread::Builder::new().name("lines".into()).spawn(move || {
            for line in self.into_lines() {
                let is_error = line.is_err();
                if send.blocking_send(line).is_err() || is_error {
                    return;
                }
            }
        })?;
        Ok(receive)
    }
}

/// Reads one line; `None` at the end.
fn next(read: &mut impl BufRead, number: u64) -> io::Result<Option<Line>> {
    let mut content = Vec::new();
    let mut bytes = read.take(LONGEST as u64 + 1).read_until(b'\n', &mut content)? as u64;
    if bytes == 0 {
        return Ok(None);
    }
    let ended = content.last() == Some(&b'\n');
    if !ended && bytes > LONGEST as u64 {
        bytes += skip_line(read)?;
        return Ok(Some(Line { number, content: None, bytes }));
    }
    if ended {
        content.pop();
        if content.last() == Some(&b'\r') {
            content.pop();
        }
    }
    if number == 1 && content.starts_with(BOM) {
        content.drain(..BOM.len());
    }
    Ok(Some(Line { number, content: Some(content), bytes }))
}

/// Passes over the rest of a line, holding none of it.
fn skip_line(read: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let held = read.fill_buf()?;
        if held.is_empty() {
            return Ok(skipped);
        }
        let end = held.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let part = end.unwrap_or(held.len());
        read.consume(part);
        skipped += part as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Starts `work` for each line, in order, runs up to `at_once` of it at once, and hands each result to `take`,
/// in order.
///
/// # Errors
/// Where the source cannot be read further, or `take` fails.
pub(crate) async fn in_order<F>(
    source: Source,
    at_once: usize,
    mut work: impl FnMut(Line) -> F,
    mut take: impl FnMut(F::Output) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let name = source.name.clone();
    let mut lines = source.spawn()?;
    let mut running = JoinSet::new();
    let mut waiting = BTreeMap::new();
    let (mut started, mut taken, mut ended) = (0_u64, 0_u64, false);
    while !ended || !running.is_empty() {
        let has_room = running.len() < at_once && started - taken < WAITING;
        tokio::select! {
            biased;
            Some(done) = running.join_next() => {
                let (number, output) = done.context("the judgement of a line broke down")?;
                waiting.insert(number, output);
                while let Some(output) = waiting.remove(&taken) {
                    taken += 1;
                    take(output)?;
                }
            }
            line = lines.recv(), if !ended && has_room => match line {
                None => ended = true,
                Some(line) => {
                    let (number, future) = (started, work(line.with_context(|| name.clone())?));
                    started += 1;
                    running.spawn(async move { (number, future.await) });
                }
            },
        }
    }
    Ok(())
}

/// The exit status of a command that judged `good` lines and could not read `bad` ones.
pub(crate) fn exit(good: u64, bad: u64) -> ExitCode {
    if good == 0 {
        out::note("portcullis: nothing was judged");
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(bad > 0))
}

/// Lines at once that keep every core busy: a few more than can run, so that none waits for the next line.
pub(crate) fn busy() -> usize {
    cores() * 4
}

/// Cores that there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn source(text: &[u8]) -> Source {
        let read = Box::new(io::Cursor::new(text.to_vec()));
        Source { read, length: None, name: "test".into(), is_live: false }
    }

    #[tokio::test(start_paused = true)]
    async fn results_keep_the_order_of_the_lines_however_long_they_take() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let mut seen = Vec::new();
        in_order(
            source(text.as_bytes()),
            busy(),
            |line| async move {
                tokio::time::sleep(Duration::from_millis(line.number * 37 % 11)).await;
                String::from_utf8(line.content.unwrap()).unwrap()
            },
            |output| {
                seen.push(output);
                Ok(())
            },
        )
        .await
        .unwrap();
        assert_eq!(seen, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let lines: Vec<_> = source("\u{feff}{}\n\u{feff}{}".as_bytes()).into_lines().collect();
        let content = |at: usize| lines[at].as_ref().unwrap().content.clone().unwrap();
        assert_eq!((content(0), content(1)), (b"{}".to_vec(), "\u{feff}{}".as_bytes().to_vec()));
        assert_eq!(lines[0].as_ref().unwrap().bytes, 6);
    }

    #[test]
    fn a_line_without_end_holds_no_memory_and_the_next_one_is_read() {
        let mut text = vec![b'x'; LONGEST + 5];
        text.extend_from_slice(b"\nshort\r\n\nlast");
        let mut read = BufReader::new(io::Cursor::new(text));
        let long = next(&mut read, 1).unwrap().unwrap();
        assert!(long.content.is_none());
        assert_eq!(long.bytes, LONGEST as u64 + 6);
        for expected in ["short", "", "last"] {
            let line = next(&mut read, 2).unwrap().unwrap();
            assert_eq!(line.content.unwrap(), expected.as_bytes());
        }
        assert!(next(&mut read, 5).unwrap().is_none());
    }
}
