//! Writes a reading together with its map back to what was read.

use portcullis_core::{Run, Span};

use crate::likeness::is_junk;

/// A text in the making, with the place of every piece in its source.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    text: String,
    map: Vec<Run>,
    last: Last,
    /// Characters that were left out because no text holds them.
    junk: usize,
}

/// What may be added to the last run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing.
    #[default]
    Closed,
    /// Bytes that lie as in the source.
    Exact,
    /// More of a word, each part of which stands for all of the run's source.
    Loose,
}

impl Writer {
    /// What was written so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of the text, and at most how many runs map it.
    pub fn size(&self) -> (usize, usize) {
        (self.text.len(), self.map.len() + 1)
    }

    /// How many characters were left out, or put in doubt.
    pub fn junk(&self) -> usize {
        self.junk
    }

    /// Says of one more character that it may be none.
    pub fn doubt(&mut self) {
        self.junk += 1;
    }

    /// Copies `span` of `source`.
    pub fn copy(&mut self, source: &str, span: Span) {
        if let Some(piece) = source.get(span.start..span.end).filter(|piece| !piece.is_empty()) {
            let start = self.text.len();
            self.text.push_str(piece);
            self.exact(start, span);
        }
    }

    /// Adds a character that takes as many bytes as `source`, which it stands for; any other is added
    /// loosely.
    pub fn swap(&mut self, c: char, source: Span) {
        if c.len_utf8() != source.len() {
            return self.put(c, source);
        }
        let start = self.text.len();
        self.text.push(c);
        self.exact(start, source);
    }

    fn exact(&mut self, start: usize, source: Span) {
        if self.last == Last::Exact
            && let Some(last) = self.map.last_mut()
            && last.source + last.source_len == source.start
            && last.view + last.view_len == start
        {
            last.view_len += source.len();
            last.source_len += source.len();
            return;
        }
        self.close();
        let len = source.len();
        self.map.push(Run { view: start, source: source.start, view_len: len, source_len: len });
        self.last = Last::Exact;
    }

    /// Adds a character that stands for `source`. The characters of a word, and the space after it, share
    /// one run. What no text holds is left out and counted.
    pub fn put(&mut self, c: char, source: Span) {
        if is_junk(c) {
            return self.doubt();
        }
        if source.is_empty() {
            return self.separate(c);
        }
        let start = self.text.len();
        let joins = self.last == Last::Loose && !self.text.ends_with(char::is_whitespace);
        self.text.push(c);
        if joins && let Some(last) = self.map.last_mut() {
            let end = (last.source + last.source_len).max(source.end);
            last.source = last.source.min(source.start);
            last.source_len = end - last.source;
            last.view_len += c.len_utf8();
            return;
        }
        self.close();
        self.map.push(Run {
            view: start,
            source: source.start,
            view_len: c.len_utf8(),
            source_len: source.len(),
        });
        self.last = Last::Loose;
    }

    /// Adds a character that stands for nothing.
    pub fn separate(&mut self, c: char) {
        self.close();
        self.text.push(c);
    }

    /// Adds all of another writer, whose source is the same.
    pub fn append(&mut self, other: Self) {
        let (text, map) = other.finish();
        self.close();
        let start = self.text.len();
        self.text.push_str(&text);
        self.map.extend(map.into_iter().map(|run| Run { view: run.view + start, ..run }));
    }

    /// Ends the last run. One of several characters that happens to take as many bytes as its source
    /// would be read byte by byte: it becomes two.
    fn close(&mut self) {
        if self.last == Last::Loose
            && let Some(run) = self.map.last().copied()
        {
            split(run, &self.text, &mut self.map);
        }
        self.last = Last::Closed;
    }

    /// The text and its map.
    pub fn finish(mut self) -> (String, Vec<Run>) {
        self.close();
        (self.text, self.map)
    }
}

/// Where the last run of `map`, `run`, is loose but of equal lengths, puts two runs in its place.
fn split(run: Run, text: &str, map: &mut Vec<Run>) {
    let first = first_len(run.view, text);
    if run.view_len == run.source_len && first < run.view_len {
        map.pop();
        map.push(Run { view_len: first, ..run });
        map.push(Run { view: run.view + first, view_len: run.view_len - first, ..run });
    }
}

/// Bytes of the character at `at`.
fn first_len(at: usize, text: &str) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
}

/// The map of `text` to what `outer` maps to, where `inner` maps `text` to the view of `outer`. Runs of
/// both are ordered by their views; those of `inner` may go back in their source.
pub fn compose(text: &str, inner: &[Run], outer: &[Run]) -> Vec<Run> {
    let mut map = Vec::with_capacity(inner.len());
    for run in inner {
        let middle = Span { start: run.source, end: run.source + run.source_len };
        let first = outer.partition_point(|piece| piece.view + piece.view_len <= middle.start);
        let touched =
            outer.iter().skip(first).take_while(|piece| piece.view < middle.end).map(|piece| {
                let start = piece.view.max(middle.start);
                let end = (piece.view + piece.view_len).min(middle.end);
                let is_exact = piece.view_len == piece.source_len;
                let source = match is_exact {
                    true => Span {
                        start: piece.source + (start - piece.view),
                        end: piece.source + (end - piece.view),
                    },
                    false => Span { start: piece.source, end: piece.source + piece.source_len },
                };
                (Span { start, end }, source, is_exact)
            });
        // one character is not to be split, whatever stands for its parts
        if run.view_len == run.source_len && first_len(run.view, text) < run.view_len {
            for (part, source, is_exact) in touched {
                let run = Run {
                    view: run.view + (part.start - middle.start),
                    source: source.start,
                    view_len: part.len(),
                    source_len: source.len(),
                };
                map.push(run);
                if !is_exact {
                    split(run, text, &mut map);
                }
            }
        } else {
            let whole = touched
                .map(|(_, source, _)| source)
                .reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) });
            let Some(whole) = whole else { continue };
            let run = Run { source: whole.start, source_len: whole.len(), ..*run };
            map.push(run);
            split(run, text, &mut map);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    #[test]
    fn words_share_a_run_and_copies_grow() {
        let mut writer = Writer::default();
        writer.copy("see: 6869206d", span(0, 5));
        for (c, at) in [('h', 5), ('i', 7), (' ', 9), ('m', 11)] {
            writer.put(c, span(at, at + 2));
        }
        let (text, map) = writer.finish();
        assert_eq!(text, "see: hi m");
        let runs: Vec<_> =
            map.iter().map(|r| (r.view, r.view_len, r.source, r.source_len)).collect();
        assert_eq!(runs, [(0, 5, 0, 5), (5, 3, 5, 6), (8, 1, 11, 2)]);
    }

    #[test]
    fn a_loose_run_of_equal_lengths_becomes_two() {
        let mut writer = Writer::default();
        for (c, at) in [('a', 2), ('b', 1), ('c', 0)] {
            writer.put(c, span(at, at + 1));
        }
        let (_, map) = writer.finish();
        let runs: Vec<_> =
            map.iter().map(|r| (r.view, r.view_len, r.source, r.source_len)).collect();
        assert_eq!(runs, [(0, 1, 0, 3), (1, 2, 0, 3)]);
    }

    #[test]
    fn maps_compose() {
        let outer = [
            Run { view: 0, source: 10, view_len: 4, source_len: 4 },
            Run { view: 4, source: 20, view_len: 2, source_len: 6 },
        ];
        let inner = [
            Run { view: 0, source: 1, view_len: 4, source_len: 4 },
            Run { view: 4, source: 3, view_len: 1, source_len: 2 },
        ];
        let map = compose("abcde", &inner, &outer);
        let runs: Vec<_> =
            map.iter().map(|r| (r.view, r.view_len, r.source, r.source_len)).collect();
        assert_eq!(runs, [(0, 3, 11, 3), (3, 1, 20, 6), (4, 1, 13, 13)]);
    }
}
