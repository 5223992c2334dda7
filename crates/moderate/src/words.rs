//! Words and phrases, matched whole in the folded reading of a text.

use aho_corasick::{AhoCorasick, MatchKind};
use portcullis_core::Span;
use portcullis_markup::Reading;

/// Words of one list, bytes of one word, and bytes of all lists of a policy.
const LIST: usize = 20_000;
const WORD: usize = 256;

/// Several lists of words, looked for at once.
#[derive(Default)]
pub(crate) struct Finder {
    finder: Option<AhoCorasick>,
    /// For each word its list and its number there.
    owners: Vec<(usize, usize)>,
    words: Vec<String>,
    lists: usize,
}

/// A word that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) list: usize,
    pub(crate) word: usize,
    pub(crate) span: Span,
}

fn folded(word: &str) -> String {
    let reading = Reading::folded(word.trim());
    reading.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Finder {
    /// Adds a list; its number is the number of those before it.
    ///
    /// # Errors
    /// Where a word is empty or too long, or there are too many.
    pub(crate) fn add(&mut self, words: &[String]) -> Result<usize, ()> {
        let list = self.lists;
        self.lists += 1;
        for (number, word) in words.iter().enumerate() {
            let word = folded(word);
            if word.is_empty() || word.len() > WORD || self.words.len() >= LIST {
                return Err(());
            }
            self.words.push(word);
            self.owners.push((list, number));
        }
        Ok(list)
    }

    /// Makes it ready.
    ///
    /// # Errors
    /// Where the words make no automaton.
    pub(crate) fn build(&mut self) -> Result<(), ()> {
        if !self.words.is_empty() {
            let finder = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&self.words);
            self.finder = Some(finder.map_err(|_| ())?);
        }
        Ok(())
    }

    /// Every whole word of a text that is in a list. Spaces of any number and sort are one.
    pub(crate) fn find(&self, text: &str, mut tell: impl FnMut(Found)) {
        let Some(finder) = &self.finder else { return };
        let reading = Reading::folded(text);
        let spaced = Spaced::of(&reading.text);
        let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
        for hit in finder.find_overlapping_iter(&*spaced.text) {
            let (before, after) = (spaced.text.get(..hit.start()), spaced.text.get(hit.end()..));
            let inside = spaced.text.get(hit.range()).unwrap_or_default();
            // a word whose own edge is a sign may stand beside a letter; ideographs have no spaces between
            let loose =
                |c: Option<char>| c.is_some_and(|c| !c.is_alphanumeric() || is_ideograph(c));
            let starts =
                loose(inside.chars().next()) || edge(before.and_then(|b| b.chars().next_back()));
            let ends =
                loose(inside.chars().next_back()) || edge(after.and_then(|a| a.chars().next()));
            let owner = self.owners.get(hit.pattern().as_usize());
            let span =
                spaced.to_source(hit.start(), hit.end()).and_then(|span| reading.to_source(span));
            if let (true, true, Some((list, word)), Some(span)) = (starts, ends, owner, span) {
                tell(Found { list: *list, word: *word, span });
            }
        }
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// A text in which a run of white space is one space.
struct Spaced<'a> {
    text: std::borrow::Cow<'a, str>,
    /// Where bytes were left out: from this byte of the text on, so many in all.
    cuts: Vec<(usize, usize)>,
}

impl<'a> Spaced<'a> {
    fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let is_plain = text.is_ascii()
            && !bytes.windows(2).any(|pair| pair == b"  ")
            && !bytes.iter().any(|byte| byte.is_ascii_whitespace() && *byte != b' ');
        if is_plain {
            return Self { text: text.into(), cuts: Vec::new() };
        }
        let (mut out, mut cuts, mut left_out) = (String::with_capacity(text.len()), Vec::new(), 0);
        for c in text.chars() {
            if !c.is_whitespace() {
                out.push(c);
            } else if out.ends_with(' ') {
                left_out += c.len_utf8();
                cuts.push((out.len(), left_out));
            } else {
                out.push(' ');
                if c.len_utf8() > 1 {
                    left_out += c.len_utf8() - 1;
                    cuts.push((out.len(), left_out));
                }
            }
        }
        Self { text: out.into(), cuts }
    }

    fn to_source(&self, start: usize, end: usize) -> Option<Span> {
        let before = |at: usize| {
            let index = self.cuts.partition_point(|(from, _)| *from <= at);
            index.checked_sub(1).and_then(|index| self.cuts.get(index)).map_or(0, |(_, out)| *out)
        };
        let last = end.checked_sub(1)?;
        Some(Span { start: start + before(start), end: last + before(last) + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<String> {
        let mut finder = Finder::default();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        finder.add(&words).unwrap();
        finder.build().unwrap();
        let mut all = Vec::new();
        finder.find(text, |found| all.push(text[found.span.start..found.span.end].to_owned()));
        all
    }

    #[test]
    fn words_are_found_whole_and_as_they_look() {
        assert_eq!(found(&["acme"], "Acme, ACME and acmeish"), ["Acme", "ACME"]);
        assert_eq!(found(&["go away"], "é Go \n\t away!"), ["Go \n\t away"]);
        assert_eq!(found(&["acme"], "ＡＣＭＥ ac\u{200b}me"), ["ＡＣＭＥ", "ac\u{200b}me"]);
        assert_eq!(found(&["c++"], "use c++ now"), ["c++"]);
        assert_eq!(found(&["忽略"], "请忽略它"), ["忽略"]);
        assert_eq!(Finder::default().add(&[" ".into()]), Err(()));
    }
}
