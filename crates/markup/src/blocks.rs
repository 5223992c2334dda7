//! The blocks of a Markdown text, line by line, as far as they say what is code: fences (also in items of lists) and
//! HTML, after CommonMark 0.31.
//!
//! Whether a line opens a fence may depend on what only a whole parser knows: how deep in lists it stands, whether
//! a paragraph goes on. So every way to read the lines is followed at once, and code is what is code in all of them.
//! What is followed is bounded; past the bound nothing is code any more.

use std::ops::Range;

use crate::reading::{is_hidden_control, is_unseen};
use crate::{spans, tags};

/// Bytes of a line that are read. What a longer one says after them is in doubt.
pub const LINE: usize = 2048;
/// Fences that are followed at once.
const FENCES: usize = 8;

/// What ends each sort of block of HTML or of formulas; the first one ends with an empty line.
const HTML: [&str; 10] =
    ["", "-->", "?>", ">", "]]>", "$$", "</script>", "</pre>", "</style>", "</textarea>"];
/// The first of those that end with a tag.
const RAW: usize = 6;
/// Tags that begin a block of HTML whatever stands behind them.
const BLOCK_TAGS: &str = "\
    address article aside base basefont blockquote body caption center col colgroup dd details \
    dialog dir div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 \
    head header hr html iframe legend li link main menu menuitem nav noframes ol optgroup option \
    p param search section source summary table tbody td tfoot th thead title tr track ul";
/// Tags whose content is no Markdown, in the order of their ends.
const RAW_TAGS: &[&str] = &["script", "pre", "style", "textarea"];

/// A fence that may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fence {
    mark: u8,
    length: usize,
    /// First and last column at which the content of the item may begin in which it stands.
    from: usize,
    to: usize,
}

/// What the lines so far leave behind, in every way to read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Whether the next line may be text.
    text: bool,
    /// Whether it may stand in each sort of block of HTML.
    html: [bool; HTML.len()],
    fences: Vec<Fence>,
    /// Whether there were too many ways to read it.
    lost: bool,
    /// Whether a span, a tag or a link of the lines before may go on in the next.
    torn: bool,
    /// Whether the label of a link may wait for its address: some readers take any line for it.
    named: bool,
    /// Whether there was an image.
    pub(crate) has_images: bool,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { text: true, ..Self::none() }
    }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Code of a fence.
    Fenced,
    /// Text, in which spans are code.
    Text,
    /// Nothing in it is code for certain.
    Doubt,
}

/// A line, without its end.
struct Line<'a> {
    text: &'a str,
    /// Columns of white space at its start, and what comes after.
    indent: usize,
    rest: &'a str,
    /// Whether there is more of it.
    is_cut: bool,
}

impl<'a> Line<'a> {
    fn of(text: &'a str, is_cut: bool) -> Self {
        let (indent, rest) = skip_blanks(text, 0);
        Self { text, indent, rest, is_cut }
    }

    fn is_blank(&self) -> bool {
        self.rest.is_empty() && !self.is_cut
    }

    /// The fence that it opens, and whether it surely does.
    fn opens(&self) -> Option<(Fence, bool)> {
        let (mut column, mut rest) = (self.indent, self.rest);
        let (mut is_item, mut is_sure) = (false, self.indent <= 3 && !self.is_cut);
        while let Some(length) = marker(rest) {
            let (next, after) = skip_blanks(rest.get(length..)?, column + length);
            let blanks = next - column - length;
            // what stands further in is code by its indentation
            if !(1..=4).contains(&blanks) {
                break;
            }
            is_sure &= interrupts(rest);
            is_item = true;
            (column, rest) = (next, after);
        }
        let mark = rest.bytes().next().filter(|byte| matches!(byte, b'`' | b'~'))?;
        let length = run(rest, mark);
        let info = rest.get(length..)?;
        if length < 3 || (mark == b'`' && info.contains('`')) {
            return None;
        }
        let (from, to) = match (is_item, column) {
            (true, column) => (column, column),
            (false, 0..=3) => (0, column),
            (false, column) => (column - 3, column),
        };
        Some((Fence { mark, length, from, to }, is_sure))
    }

    /// Whether it may close a fence, wherever that stands.
    fn closes(&self, fence: Fence) -> bool {
        let length = run(self.rest, fence.mark);
        length >= fence.length && self.rest.get(length..).is_some_and(is_blank)
    }

    /// The block of HTML that it begins, in a quote or an item of a list as well, and what comes after its start.
    fn begins_html(&self) -> Option<(usize, &'a str)> {
        let mut rest = self.rest;
        loop {
            let (_, after) = skip_blanks(rest, 0);
            let length = if after.starts_with('>') { Some(1) } else { marker(after) };
            rest = after;
            match length {
                Some(length) => rest = rest.get(length..)?,
                None => break,
            }
        }
        if let Some(formula) = rest.strip_prefix("$$") {
            return Some((5, formula));
        }
        let inside = rest.strip_prefix('<')?;
        for (sort, start) in [(1, "!--"), (2, "?"), (4, "![CDATA["), (3, "!")] {
            if let Some(after) = inside.strip_prefix(start) {
                return Some((sort, after));
            }
        }
        let name = inside.strip_prefix('/').unwrap_or(inside);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let length = name.bytes().take_while(is_name).count();
        let is_over = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
        if length == 0 || !name.as_bytes().get(length).is_none_or(is_over) {
            return None;
        }
        let name = name.get(..length)?.to_ascii_lowercase();
        let raw = RAW_TAGS.iter().position(|tag| *tag == name);
        if let Some(index) = raw.filter(|_| !inside.starts_with('/')) {
            return Some((RAW + index, rest));
        }
        // a tag that is none of a block must be alone in its line
        let is_alone =
            || tags::end(rest.as_bytes()).and_then(|end| rest.get(end..)).is_none_or(is_blank);
        (BLOCK_TAGS.split(' ').any(|tag| tag == name) || is_alone()).then_some((0, rest))
    }

    /// Whether the paragraph before it surely ends.
    fn begins_block(&self) -> bool {
        let heading = run(self.rest, b'#');
        let is_heading = (1..=6).contains(&heading)
            && self.rest.get(heading..).is_some_and(|after| after.starts_with([' ', '\t']));
        let is_item = marker(self.rest).is_some_and(|length| {
            interrupts(self.rest)
                && self
                    .rest
                    .get(length..)
                    .is_some_and(|after| after.starts_with([' ', '\t']) && !is_blank(after))
        });
        self.indent <= 3 && (is_heading || is_item)
    }
}

/// Goes over blanks from a column on; tabs lead to the next multiple of four.
fn skip_blanks(text: &str, mut column: usize) -> (usize, &str) {
    let rest = text.trim_start_matches([' ', '\t']);
    for byte in text.bytes().take(text.len() - rest.len()) {
        column = if byte == b'\t' { column / 4 * 4 + 4 } else { column + 1 };
    }
    (column, rest)
}

fn run(text: &str, mark: u8) -> usize {
    text.bytes().take_while(|byte| *byte == mark).count()
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// The length of the marker of an item at the start of a text.
fn marker(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match (text.as_bytes().get(digits)?, digits) {
        (b'-' | b'+' | b'*', 0) => Some(1),
        (b'.' | b')', 1..=9) => Some(digits + 1),
        _ => None,
    }
}

/// Whether an item with this marker may interrupt a paragraph.
fn interrupts(text: &str) -> bool {
    text.starts_with(['-', '+', '*']) || text.starts_with("1.") || text.starts_with("1)")
}

impl Blocks {
    fn none() -> Self {
        Self {
            text: false,
            html: [false; HTML.len()],
            fences: Vec::new(),
            lost: false,
            torn: false,
            named: false,
            has_images: false,
        }
    }

    /// Whether the next line stands in a fence, whatever it is.
    pub(crate) fn is_fenced(&self) -> bool {
        !self.text && !self.lost && !self.html.contains(&true) && !self.fences.is_empty()
    }

    /// Reads a line: what it leaves behind, and what it is. Spans that it holds are added where it is text.
    pub(crate) fn read(&self, line: &str, spans: &mut Vec<Range<usize>>) -> (Self, Kind) {
        let line = line.trim_end_matches(['\n', '\r']);
        let head = line.get(..line.floor_char_boundary(LINE)).unwrap_or_default();
        let is_cut = head.len() < line.len();
        let before = spans.len();
        let (mut next, mut kind) = self.step(&Line::of(head, is_cut), spans);
        // some readers take out what nobody sees, and take every white space for a blank
        if let Some(plain) = plain(head) {
            let (other, other_kind) = self.step(&Line::of(&plain, is_cut), &mut Vec::new());
            next.join(other);
            kind = if kind == other_kind { kind } else { Kind::Doubt };
        }
        if kind != Kind::Text {
            spans.truncate(before);
        }
        next.has_images = self.has_images || head.contains("![");
        (next, kind)
    }

    fn step(&self, line: &Line<'_>, spans: &mut Vec<Range<usize>>) -> (Self, Kind) {
        let mut next = Self { lost: self.lost, ..Self::none() };
        let (mut is_text, mut is_html) = (self.text, false);
        for fence in &self.fences {
            is_text |= next.go_on(*fence, line);
        }
        for sort in (0..HTML.len()).filter(|sort| self.html.get(*sort) == Some(&true)) {
            is_html = true;
            let is_over = if sort == 0 { line.is_blank() } else { ends(line.text, sort) };
            next.stay(sort, is_over, line.is_cut || is_other_end(line.text, sort));
        }
        if !is_text {
            let is_fenced = !is_html && !self.lost && !self.fences.is_empty();
            return (next, if is_fenced { Kind::Fenced } else { Kind::Doubt });
        }
        let opened = line.opens();
        if let Some((fence, is_sure)) = opened {
            next.add(fence);
            if is_sure && !self.named {
                return (next, Kind::Doubt);
            }
        }
        next.text = true;
        next.named = line.rest.trim_end().ends_with("]:");
        if let Some((sort, rest)) = line.begins_html() {
            is_html = true;
            // of `<?>` and `<!-->` some say that they are over, some not
            let is_odd = matches!(sort, 1 | 2) && rest.trim_start_matches('-').starts_with('>');
            let is_odd = is_odd || line.is_cut || is_other_end(rest, sort);
            next.stay(sort, ends(rest, sort), is_odd);
        }
        let goes_on = self.torn && !line.begins_block();
        next.torn = !line.is_blank() && (goes_on || spans::find(line.text, spans) || line.is_cut);
        let is_doubtful = is_html || goes_on || opened.is_some() || self.lost;
        (next, if is_doubtful { Kind::Doubt } else { Kind::Text })
    }

    /// A fence that may be open before this line. Whether it may be over with the line before.
    fn go_on(&mut self, mut fence: Fence, line: &Line<'_>) -> bool {
        // an item ends with a line that is further out, and what is in it does
        let is_outside = !line.is_blank() && line.indent < fence.to;
        if is_outside {
            if line.indent < fence.from {
                return true;
            }
            fence.to = line.indent;
        }
        if line.closes(fence) && line.indent <= fence.to + 3 {
            self.text = true;
            // some readers take no tab at the end
            if !line.is_cut && !line.rest.ends_with('\t') {
                // four columns in from where the item's content begins it is code
                match line.indent.checked_sub(4) {
                    Some(to) if to >= fence.from => fence.to = fence.to.min(to),
                    _ => return is_outside,
                }
            }
        }
        self.add(fence);
        is_outside
    }

    /// A block of HTML that goes on after this line, or not.
    fn stay(&mut self, sort: usize, is_over: bool, is_cut: bool) {
        self.text |= is_over || is_cut;
        if let Some(may) = self.html.get_mut(sort) {
            *may |= !is_over || is_cut;
        }
    }

    fn add(&mut self, fence: Fence) {
        if self.fences.contains(&fence) {
            return;
        }
        if self.fences.len() < FENCES {
            self.fences.push(fence);
        } else {
            self.lost = true;
        }
    }

    fn join(&mut self, other: Self) {
        self.text |= other.text;
        self.lost |= other.lost;
        self.torn |= other.torn;
        self.named |= other.named;
        for (may, other) in self.html.iter_mut().zip(other.html) {
            *may |= other;
        }
        for fence in other.fences {
            self.add(fence);
        }
    }
}

/// Whether a line ends a block of HTML of this sort.
fn ends(line: &str, sort: usize) -> bool {
    let end = HTML.get(sort).copied().unwrap_or_default();
    !end.is_empty() && line.to_ascii_lowercase().contains(end)
}

/// Whether a line ends it by the end of another tag: not every reader takes that.
fn is_other_end(line: &str, sort: usize) -> bool {
    sort >= RAW && !ends(line, sort) && (RAW..HTML.len()).any(|other| ends(line, other))
}

/// The line without what nobody sees and with every white space as a blank; absent where that is the same.
fn plain(line: &str) -> Option<String> {
    if line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return None;
    }
    let is_blank = |c: char| c.is_whitespace() && !matches!(c, ' ' | '\t');
    let is_odd = |c: char| is_unseen(c) || is_hidden_control(c) || is_blank(c);
    line.contains(is_odd).then(|| {
        let kept = |c: char| match c {
            c if is_blank(c) => Some(' '),
            c if is_odd(c) => None,
            c => Some(c),
        };
        line.chars().filter_map(kept).collect()
    })
}
