//! From text to hashed n-grams: what the linear model sees. Training and scoring share this file.
//!
//! The text is lower-cased and cut into tokens: runs of letters and digits; each ideograph, kana or
//! Hangul syllable alone (those scripts put no spaces between words); runs of one punctuation mark.
//! Characters that nobody sees (zero-width, bidi, tags, …) are passed over. A token gives:
//!
//! - for words: the n-grams of 3 to 5 characters of the word between its boundary marks;
//! - the word itself, and with the one or two tokens before it a bigram and a trigram (punctuation
//!   does not part words, it joins only the bigram of what follows it).
//!
//! The hash is FNV-1a over the UTF-8 bytes of lower-cased characters with 64 bits, finished by
//! one xor-shift-multiply round, whose highest bits are the bucket. It reads bytes one at a time, so
//! that it is the same on every machine whatever its byte order. Changing anything here changes the
//! meaning of the weights: raise [`Features::VERSION`] with it.

/// FNV-1a, 64 bits: offset basis and prime (Fowler, Noll, Vo).
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Finishing multiplier (2^64 / golden ratio, odd).
const FINISH: u64 = 0x9e37_79b9_7f4a_7c15;
/// Boundary mark of a word: a byte that no UTF-8 text holds.
const EDGE: u8 = 0xff;
/// First bytes that keep the kinds of features apart.
const CHARS: u64 = (BASIS ^ 0xf8).wrapping_mul(PRIME);
const UNIGRAM: u64 = 0xf9;
const BIGRAM: u64 = 0xfa;
const TRIGRAM: u64 = 0xfb;
/// Shortest and longest character n-gram.
const SHORTEST: usize = 3;
const LONGEST: usize = 5;
/// A word longer than this is cut, so that a text without spaces still has places in it.
const WORD_CHARS: usize = 24;

/// Where a token ends, told after all of its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenEnd {
    /// First byte of the token in the text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// Takes what [`extract`] finds.
pub trait Features {
    /// Version of tokens and hash as a whole.
    const VERSION: u32 = 1;

    /// One occurrence of an n-gram.
    fn feature(&mut self, bucket: usize);

    /// The token whose features came before is over. `false` stops the extraction.
    fn token(&mut self, token: TokenEnd) -> bool;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Alone,
    Mark,
    Space,
    Unseen,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Word,
        _ if c.is_ascii() => match c.is_ascii_graphic() {
            true => Class::Mark,
            false => Class::Space,
        },
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => Class::Unseen,
        '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Class::Alone,
        _ if c.is_alphanumeric() => Class::Word,
        _ if c.is_whitespace() || c.is_control() => Class::Space,
        // combining marks belong to the word that they stand in
        '\u{300}'..='\u{36f}' | '\u{900}'..='\u{1cff}' => Class::Word,
        _ => Class::Mark,
    }
}

fn bucket(hash: u64, bits: u32) -> usize {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(FINISH);
    (mixed >> (64 - bits)) as usize
}

fn add_char(mut hash: u64, c: char) -> u64 {
    if c.is_ascii() {
        return (hash ^ u64::from(c as u8)).wrapping_mul(PRIME);
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    hash
}

fn join(kind: u64, hash: u64, with: u64) -> u64 {
    ((hash.rotate_left(21) ^ with).wrapping_mul(PRIME) ^ kind).wrapping_mul(PRIME)
}

fn lower(c: char) -> char {
    match c.is_ascii() {
        true => c.to_ascii_lowercase(),
        false => c.to_lowercase().next().unwrap_or(c),
    }
}

/// The rolling hashes of the character n-grams that are still growing: `open[0]` is the newest.
struct Grams {
    open: [u64; LONGEST],
    length: usize,
}

impl Grams {
    fn new() -> Self {
        Self { open: [CHARS; LONGEST], length: 0 }
    }

    /// Adds a character to every open n-gram and tells those that have a length of interest.
    fn push(&mut self, step: impl Fn(u64) -> u64, mut tell: impl FnMut(u64)) {
        let [a, b, c, d, _] = self.open;
        self.open = [step(CHARS), step(a), step(b), step(c), step(d)];
        self.length += 1;
        for (size, hash) in (1..).zip(self.open) {
            if (SHORTEST..=LONGEST).contains(&size) && size <= self.length {
                tell(hash);
            }
        }
    }
}

/// The hashes of the two words before.
#[derive(Default)]
struct Past {
    last: Option<u64>,
    before: Option<u64>,
}

/// Tells `into` the features of `text`, token by token, as buckets below `2^bits` (`bits` in
/// 1..=32). One pass, nothing allocated.
pub fn extract<F: Features + ?Sized>(text: &str, bits: u32, into: &mut F) {
    let mut chars = text.char_indices().peekable();
    let mut past = Past::default();
    let mut mark_before = None;
    while let Some((start, first)) = chars.next() {
        let kind = class(first);
        if matches!(kind, Class::Space | Class::Unseen) {
            continue;
        }
        let mut end = start + first.len_utf8();
        let mut hash = add_char(BASIS, lower(first));
        if kind == Class::Word {
            let mut grams = Grams::new();
            let edge = |h: u64| (h ^ u64::from(EDGE)).wrapping_mul(PRIME);
            grams.push(edge, |h| into.feature(bucket(h, bits)));
            grams.push(|h| add_char(h, lower(first)), |h| into.feature(bucket(h, bits)));
            let mut length = 1;
            while let Some(&(at, c)) = chars.peek() {
                match class(c) {
                    Class::Unseen => {}
                    Class::Word if length < WORD_CHARS => {
                        let low = lower(c);
                        hash = add_char(hash, low);
                        grams.push(|h| add_char(h, low), |h| into.feature(bucket(h, bits)));
                        length += 1;
                    }
                    _ => break,
                }
                end = at + c.len_utf8();
                chars.next();
            }
            grams.push(edge, |h| into.feature(bucket(h, bits)));
        } else if kind == Class::Mark {
            // a run of one mark is one token: its length, up to four, is part of it
            let mut length = 1u64;
            while let Some(&(at, c)) = chars.peek() {
                if c != first {
                    break;
                }
                length += 1;
                end = at + c.len_utf8();
                chars.next();
            }
            hash = (hash ^ length.min(4)).wrapping_mul(PRIME);
        }
        into.feature(bucket(join(UNIGRAM, hash, 0), bits));
        if kind == Class::Mark {
            mark_before = Some(hash);
        } else {
            if let Some(mark) = mark_before.take() {
                into.feature(bucket(join(BIGRAM, mark, hash), bits));
            }
            if let Some(last) = past.last {
                let pair = join(BIGRAM, last, hash);
                into.feature(bucket(pair, bits));
                if let Some(before) = past.before {
                    into.feature(bucket(join(TRIGRAM, before, pair), bits));
                }
            }
            past = Past { last: Some(hash), before: past.last };
        }
        if !into.token(TokenEnd { start, end }) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Seen {
        buckets: Vec<usize>,
        tokens: Vec<TokenEnd>,
    }

    impl Features for Seen {
        fn feature(&mut self, bucket: usize) {
            self.buckets.push(bucket);
        }
        fn token(&mut self, token: TokenEnd) -> bool {
            self.tokens.push(token);
            true
        }
    }

    fn seen(text: &str) -> Seen {
        let mut seen = Seen::default();
        extract(text, 20, &mut seen);
        seen
    }

    fn tokens(text: &str) -> Vec<&str> {
        seen(text).tokens.iter().map(|t| &text[t.start..t.end]).collect()
    }

    #[test]
    fn tokens_are_words_ideographs_and_runs_of_a_mark() {
        assert_eq!(tokens("Hi!!! 忽略a-b"), ["Hi", "!!!", "忽", "略", "a", "-", "b"]);
        assert_eq!(tokens(" \u{200b}\u{202e}\n"), Vec::<&str>::new());
        assert_eq!(tokens("ig\u{200b}nore"), ["ig\u{200b}nore"]);
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        // if this fails, every trained bundle has lost its meaning: raise Features::VERSION
        assert_eq!(seen("Ab").buckets, GOLDEN);
    }
    const GOLDEN: [usize; 4] = [1_043_401, 672_665, 12_455, 615_212];

    #[test]
    fn case_and_unseen_characters_do_not_matter() {
        assert_eq!(seen("IGNORE Älles").buckets, seen("ignore ä\u{200b}lles").buckets);
    }

    #[test]
    fn a_word_without_end_is_cut() {
        assert_eq!(tokens(&"a".repeat(1_000)).len(), 1_000_usize.div_ceil(WORD_CHARS));
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_buckets_in_range(text in "\\PC{0,80}", bits in 1u32..=22) {
            let mut seen = Seen::default();
            extract(&text, bits, &mut seen);
            let mut at = 0;
            for token in &seen.tokens {
                prop_assert!(at <= token.start && token.start < token.end);
                prop_assert!(text.get(token.start..token.end).is_some());
                at = token.end;
            }
            prop_assert!(seen.buckets.iter().all(|b| *b < 1 << bits));
        }
    }
}
