//! Which parts of a Markdown text are shown as code: nothing in them is loaded or followed. After the block and
//! inline rules of CommonMark 0.31 (fences, code spans), where in doubt a text is no code: a code span must end
//! on its own line.

use std::ops::Range;

/// Where code is, in order and without overlap.
#[derive(Debug, Default)]
pub(crate) struct Code(Vec<Range<usize>>);

/// A fence that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence {
    mark: u8,
    length: usize,
}

impl Code {
    /// The code of a text that begins inside of `fence`, or of none.
    pub(crate) fn of(text: &str, mut fence: Option<Fence>) -> Self {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let was_open = fence.is_some();
            fence = after(fence, line);
            if was_open || fence.is_some() {
                found.push(at..at + line.len());
            } else {
                spans(line, at, &mut found);
            }
            at += line.len();
        }
        Self(found)
    }

    /// Whether a byte stands in code.
    pub(crate) fn has(&self, at: usize) -> bool {
        let next = self.0.partition_point(|range| range.end <= at);
        self.0.get(next).is_some_and(|range| range.start <= at)
    }
}

/// The fence that is open after a whole line.
pub(crate) fn after(fence: Option<Fence>, line: &str) -> Option<Fence> {
    let indented = line.bytes().take_while(|byte| *byte == b' ').count();
    let rest = line.trim_start_matches(' ');
    let mark = rest.bytes().next().filter(|byte| matches!(byte, b'`' | b'~') && indented <= 3);
    let length = rest.bytes().take_while(|byte| Some(*byte) == mark).count();
    let info = rest.get(length..).unwrap_or_default();
    match fence {
        Some(open) => {
            let closes = mark == Some(open.mark) && length >= open.length && info.trim().is_empty();
            (!closes).then_some(open)
        }
        None => mark
            .filter(|mark| length >= 3 && !(*mark == b'`' && info.contains('`')))
            .map(|mark| Fence { mark, length }),
    }
}

/// Code spans of one line.
fn spans(line: &str, offset: usize, found: &mut Vec<Range<usize>>) {
    let bytes = line.as_bytes();
    let runs: Vec<Range<usize>> = {
        let mut runs = Vec::new();
        let mut at = 0;
        while let Some(start) = bytes.iter().skip(at).position(|b| *b == b'`').map(|p| p + at) {
            let length = bytes.iter().skip(start).take_while(|b| **b == b'`').count();
            runs.push(start..start + length);
            at = start + length;
        }
        runs
    };
    // for each length the places of its runs, so that a line of many backticks takes no more than its length
    let mut by_length: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    for (index, run) in runs.iter().enumerate() {
        by_length.entry(run.len()).or_default().push(index);
    }
    let mut index = 0;
    while let Some(open) = runs.get(index) {
        let same = by_length.get(&open.len());
        let close = same.and_then(|same| same.get(same.partition_point(|other| *other <= index)));
        match close.and_then(|close| Some((*close, runs.get(*close)?))) {
            Some((close, run)) => {
                found.push(offset + open.start..offset + run.end);
                index = close + 1;
            }
            None => index += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_code(text: &str) -> Vec<&str> {
        Code::of(text, None).0.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn fences_and_spans_are_code_and_what_only_looks_so_is_not() {
        assert_eq!(in_code("a `b` c ``d ` e`` f"), ["`b`", "``d ` e``"]);
        assert_eq!(in_code("x ` y\nz"), Vec::<&str>::new());
        assert_eq!(in_code("```html\n<b>\n```\nafter").concat(), "```html\n<b>\n```\n");
        assert_eq!(in_code("text ```\n<b>\n```").len(), 1, "a fence begins its line");
        assert_eq!(in_code("~~~\na\n```\nb").concat(), "~~~\na\n```\nb", "no end: to the end");
    }
}
