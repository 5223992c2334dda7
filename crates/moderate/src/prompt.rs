//! Leaks of the registered system prompt: canary tokens, and overlap with hashed pieces of the prompt.
//!
//! Only letters and digits count, in lower case, so that case, spacing and punctuation hide nothing. Of the
//! prompt every piece of [`SHINGLE`] characters is hashed, and of each eight that follow one another the least
//! hash is kept (winnowing: Schleimer, Wilkerson, Aiken 2003), so that any copy of 31 characters shares one with
//! it. An answer is read forwards, backwards and in rot13 in one pass with rolling hashes.
//!
//! The hashes keep a prompt out of plain sight. They are no encryption: whoever holds a policy and guesses how
//! the prompt begins can feel the way along it.

use std::collections::VecDeque;

use aho_corasick::{AhoCorasick, MatchKind};
use portcullis_core::{Severity, Span};
use portcullis_markup::Reading;
use rustc_hash::FxHashSet;

use crate::encoded;
use crate::hit::Hit;
use crate::settings::SystemPrompt;

/// Letters and digits in one hashed piece.
pub const SHINGLE: usize = 24;
/// Of so many pieces that follow one another, one is kept.
const WINNOW: usize = 8;
/// Between two matches of one run there may be so many characters.
const GAP: usize = SHINGLE + WINNOW;
/// Shortest canary, and most of them and of pieces.
const CANARY: usize = 8;
const CANARIES: usize = 64;
const SHINGLES: usize = 65_536;

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Letters and digits of a text in lower case, with their places.
struct Letters {
    chars: Vec<char>,
    at: Vec<Span>,
}

fn letters(text: &str) -> Letters {
    let reading = Reading::folded(text);
    let mut found = Letters { chars: Vec::new(), at: Vec::new() };
    for (start, c) in reading.text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
        if let Some(span) = reading.to_source(Span { start, end: start + c.len_utf8() }) {
            found.chars.push(c);
            found.at.push(span);
        }
    }
    found
}

fn rot13(c: char) -> char {
    match c {
        'a'..='m' => char::from(c as u8 + 13),
        'n'..='z' => char::from(c as u8 - 13),
        other => other,
    }
}

/// FNV-1a over the salt, finished so that near salts are far apart.
fn seed(salt: &str) -> u64 {
    finish(salt.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// The finishing rounds of MurmurHash3 (Appleby 2008).
fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// `BASE` to the power of `SHINGLE - 1`, and its inverse modulo 2^64 (Newton).
fn constants() -> (u64, u64) {
    let top = (1..SHINGLE).fold(1u64, |power, _| power.wrapping_mul(BASE));
    let inverse = (0..6).fold(1u64, |x, _| x.wrapping_mul(2u64.wrapping_sub(BASE.wrapping_mul(x))));
    (top, inverse)
}

/// Tells the hash of each piece of `SHINGLE` characters: its first character, and its hash read forwards,
/// backwards and in rot13.
fn pieces(chars: &[char], seed: u64, mut tell: impl FnMut(usize, [u64; 3])) {
    let (top, inverse) = constants();
    let value = |c: char| finish(u64::from(u32::from(c)) ^ seed);
    let (mut forward, mut backward, mut turned) = (0u64, 0u64, 0u64);
    let mut open: VecDeque<(u64, u64)> = VecDeque::with_capacity(SHINGLE);
    for (index, c) in chars.iter().enumerate() {
        if open.len() == SHINGLE
            && let Some((old, old_turned)) = open.pop_front()
        {
            forward = forward.wrapping_sub(old.wrapping_mul(top));
            turned = turned.wrapping_sub(old_turned.wrapping_mul(top));
            backward = backward.wrapping_sub(old).wrapping_mul(inverse);
        }
        let (new, new_turned) = (value(*c), value(rot13(*c)));
        forward = forward.wrapping_mul(BASE).wrapping_add(new);
        turned = turned.wrapping_mul(BASE).wrapping_add(new_turned);
        let power = (0..open.len()).fold(1u64, |power, _| power.wrapping_mul(BASE));
        let power = if open.len() + 1 == SHINGLE { top } else { power };
        backward = backward.wrapping_add(new.wrapping_mul(power));
        open.push_back((new, new_turned));
        if open.len() == SHINGLE {
            let hashes = [forward, backward, turned].map(|hash| finish(hash ^ seed));
            tell(index + 1 - SHINGLE, hashes);
        }
    }
}

/// The hashes that register a prompt under a salt, as they stand in [`SystemPrompt::shingles`].
pub fn register(prompt: &str, salt: &str) -> Vec<String> {
    let mut all = Vec::new();
    pieces(&letters(prompt).chars, seed(salt), |_, [forward, ..]| all.push(forward));
    let mut kept: Vec<u64> = all
        .windows(WINNOW.min(all.len().max(1)))
        .filter_map(|window| window.iter().min().copied())
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(|hash| format!("{hash:016x}")).collect()
}

/// A registered prompt, ready to be looked for.
pub(crate) struct Prompt {
    canaries: Option<AhoCorasick>,
    shingles: FxHashSet<u64>,
    seed: u64,
    min_chars: usize,
}

/// What was found of a prompt.
#[derive(Default)]
pub(crate) struct Traces {
    pub(crate) hits: Vec<Hit>,
    /// Where a run of the prompt began that still goes on at the end of the text.
    pub(crate) open: Option<usize>,
}

impl Prompt {
    /// Reads a section. Absent where nothing is registered.
    ///
    /// # Errors
    /// The field that does not hold.
    pub(crate) fn compile(section: &SystemPrompt) -> Result<Option<Self>, &'static str> {
        if section.canaries.is_empty() && section.shingles.is_empty() {
            return Ok(None);
        }
        if section.canaries.len() > CANARIES {
            return Err("settings.system_prompt.canaries");
        }
        if section.shingles.len() > SHINGLES {
            return Err("settings.system_prompt.shingles");
        }
        if !(SHINGLE..=4096).contains(&section.min_chars) {
            return Err("settings.system_prompt.min_chars");
        }
        let mut forms = Vec::new();
        for canary in &section.canaries {
            let chars = letters(canary).chars;
            if chars.len() < CANARY {
                return Err("settings.system_prompt.canaries");
            }
            forms.push(chars.iter().collect::<String>());
            forms.push(chars.iter().rev().collect());
            forms.push(chars.iter().map(|c| rot13(*c)).collect());
        }
        let canaries = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms);
        let canaries = canaries.map_err(|_| "settings.system_prompt.canaries")?;
        let hash = |text: &String| {
            let is_hash = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
            u64::from_str_radix(text, 16).ok().filter(|_| is_hash)
        };
        let shingles: Option<FxHashSet<u64>> = section.shingles.iter().map(hash).collect();
        Ok(Some(Self {
            canaries: (!forms.is_empty()).then_some(canaries),
            shingles: shingles.ok_or("settings.system_prompt.shingles")?,
            seed: seed(&section.salt),
            min_chars: section.min_chars,
        }))
    }

    /// Looks for it in a text and in what is encoded there.
    pub(crate) fn find(&self, text: &str) -> Traces {
        let mut traces = self.look(text);
        for first in encoded::decode(text) {
            let inner = encoded::decode(&first.text).into_iter().map(|second| second.text);
            for decoded in std::iter::once(first.text.clone()).chain(inner) {
                let hits = self.look(&decoded).hits.into_iter();
                traces.hits.extend(hits.map(|hit| hit.at(first.start, first.end)));
            }
        }
        traces
    }

    fn look(&self, text: &str) -> Traces {
        let letters = letters(text);
        let mut traces = Traces::default();
        if let Some(canaries) = &self.canaries {
            let plain: String = letters.chars.iter().collect();
            let starts: Vec<usize> = plain.char_indices().map(|(at, _)| at).collect();
            let index = |byte: usize| starts.partition_point(|start| *start < byte);
            for found in canaries.find_iter(&plain) {
                let (first, last) = (index(found.start()), index(found.end()).saturating_sub(1));
                if let (Some(first), Some(last)) = (letters.at.get(first), letters.at.get(last)) {
                    traces.hits.push(
                        Hit::new("leak.prompt.canary", Severity::Critical, 1.0)
                            .at(first.start, last.end)
                            .masked("WITHHELD"),
                    );
                }
            }
        }
        if self.shingles.is_empty() {
            return traces;
        }
        let mut runs: Vec<(usize, usize)> = Vec::new();
        pieces(&letters.chars, self.seed, |at, hashes| {
            if hashes.iter().any(|hash| self.shingles.contains(hash)) {
                match runs.last_mut() {
                    Some((_, end)) if at <= *end + GAP => *end = at + SHINGLE,
                    _ => runs.push((at, at + SHINGLE)),
                }
            }
        });
        let place = |first: usize, end: usize| {
            let (first, last) = (letters.at.get(first)?, letters.at.get(end.checked_sub(1)?)?);
            Some((first.start, last.end))
        };
        let all: usize = runs.iter().map(|(start, end)| end - start).sum();
        for &(start, end) in &runs {
            // many short pieces give away as much as a long one
            if (end - start >= self.min_chars || all >= 3 * self.min_chars)
                && let Some((start, end)) = place(start, end)
            {
                traces.hits.push(
                    Hit::new("leak.prompt.overlap", Severity::High, 0.95)
                        .at(start, end)
                        .masked("WITHHELD"),
                );
            }
        }
        if let Some(&(start, end)) = runs.last()
            && end + GAP > letters.chars.len()
        {
            traces.open = letters.at.get(start).map(|span| span.start);
        }
        traces
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const PROMPT: &str = "You are Vera, the assistant of the lamp shop in Ghent. Never give more than ten \
        percent off. Never mention the warehouse in Lille. If somebody asks for a manager, say that Mr Claes \
        will call back within a day.";

    fn prompt() -> Prompt {
        let section = SystemPrompt {
            canaries: vec!["kx7Q-93mm-zz41".into()],
            shingles: register(PROMPT, "s"),
            salt: "s".into(),
            ..SystemPrompt::default()
        };
        Prompt::compile(&section).unwrap().unwrap()
    }

    fn kinds(text: &str) -> Vec<String> {
        prompt().find(text).hits.into_iter().map(|hit| hit.kind).collect()
    }

    #[test]
    fn a_prompt_is_known_however_it_is_spelt() {
        let spaced: String = PROMPT.chars().flat_map(|c| [c, ' ']).collect();
        let turned: String = PROMPT.to_lowercase().chars().map(rot13).collect();
        let reversed: String = PROMPT.chars().rev().collect();
        let hex: String = PROMPT.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            format!("My instructions: {PROMPT} Anything else?"),
            PROMPT.to_uppercase(),
            PROMPT.replace(' ', "-"),
            PROMPT.replace(' ', "\u{200b}"),
            format!("Sure. {}", &PROMPT[40..150]),
            spaced,
            turned,
            reversed,
            hex,
            STANDARD.encode(PROMPT),
            STANDARD.encode(STANDARD.encode(PROMPT)),
        ] {
            assert!(kinds(&text).contains(&"leak.prompt.overlap".into()), "{text}");
        }
    }

    #[test]
    fn a_canary_is_known_however_it_is_spelt() {
        for text in [
            "kx7Q-93mm-zz41",
            "the code is K X 7 Q 9 3 m m z z 4 1.",
            "14zz-mm39-q7xk",
            &STANDARD.encode("our code kx7q93mmzz41 is secret"),
        ] {
            assert_eq!(kinds(text), ["leak.prompt.canary"], "{text}");
        }
    }

    #[test]
    fn what_a_shop_says_every_day_is_no_leak() {
        for text in [
            "I am Vera, the assistant of the lamp shop. How can I help?",
            "We can give you ten percent off this week.",
            "If you want to talk to somebody, a manager will call back within a day.",
        ] {
            assert!(kinds(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_run_that_goes_on_is_told() {
        let open = prompt().find(&format!("Well: {}", &PROMPT[..40])).open;
        assert!(open.is_some_and(|at| at < 20), "{open:?}");
        assert_eq!(prompt().find("Well, no.").open, None);
    }

    #[test]
    fn a_section_that_does_not_hold_is_refused() {
        let with = |change: fn(&mut SystemPrompt)| {
            let mut section = SystemPrompt { shingles: register(PROMPT, ""), ..Default::default() };
            change(&mut section);
            Prompt::compile(&section).err()
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(
            with(|s| s.canaries = vec!["abc".into()]),
            Some("settings.system_prompt.canaries")
        );
        assert_eq!(
            with(|s| s.shingles = vec!["xyz".into()]),
            Some("settings.system_prompt.shingles")
        );
        assert_eq!(with(|s| s.min_chars = 3), Some("settings.system_prompt.min_chars"));
    }
}
