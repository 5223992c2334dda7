//! Reads the words of a sentence: each once, in lower case, with what is known of it.

use crate::lexicon::{self, Meaning};

/// No word of the lexicon is longer, in bytes.
const LONGEST_WORD: usize = 48;
/// So many of the same letter in a row are drawn out: «sooo».
const DRAWN_OUT: usize = 3;
/// So many letters that are all capitals are shouted; shorter words are often abbreviations.
const SHOUTED: usize = 4;
/// A negation reaches so many words far.
const REACH: u8 = 3;

/// FNV-1a, 64 bits: offset basis and prime (Fowler, Noll, Vo).
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// One word as it stands in its sentence.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Word {
    pub(crate) meaning: Meaning,
    /// FNV-1a of its normal form: lower case, what is drawn out shortened.
    pub(crate) hash: u64,
    /// Whether it is in capitals.
    pub(crate) shouted: bool,
    /// Whether a letter is drawn out.
    pub(crate) drawn_out: bool,
    /// Whether one of the three words before it negates.
    pub(crate) negated: bool,
}

/// The words of one sentence after the other, without allocating for each.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) list: Vec<Word>,
    /// Whether a word may begin one of the phrases.
    pub(crate) hints: bool,
    lower: String,
    negated: u8,
}

/// What one look over the letters of a word tells.
#[derive(Default, Clone, Copy)]
struct Looks {
    letters: usize,
    has_lower: bool,
    has_upper: bool,
    drawn_out: bool,
    has_apostrophe: bool,
    /// Something that is neither letter, digit nor apostrophe.
    is_joined: bool,
}

impl Words {
    pub(crate) fn with_room() -> Self {
        Self {
            list: Vec::with_capacity(64),
            lower: String::with_capacity(LONGEST_WORD),
            ..Self::default()
        }
    }

    /// Takes in a sentence in the place of the one before.
    pub(crate) fn read(&mut self, sentence: &str) {
        self.list.clear();
        (self.hints, self.negated) = (false, 0);
        if sentence.is_ascii() {
            for token in sentence.split_ascii_whitespace() {
                self.token(token, trim_ascii(token));
            }
            return;
        }
        for token in sentence.split_whitespace() {
            self.token(token, token.trim_matches(|c: char| !c.is_alphanumeric()));
            if !token.is_ascii() {
                for c in token.chars() {
                    if let Some(meaning) = lexicon::emoji(c) {
                        let hash = add_char(BASIS, c);
                        self.push(Word { meaning, hash, ..Word::default() });
                    }
                }
            }
        }
    }

    fn token(&mut self, token: &str, trimmed: &str) {
        if token.len() < 2 {
            return;
        }
        // As written first: an emoticon is nothing but punctuation, or all but.
        let is_bare = token.len() == trimmed.len();
        if !is_bare && (token.len() <= 4 || !token.starts_with(char::is_alphanumeric)) {
            let (hash, _) = self.normal(token);
            if let Some(meaning) = self.known() {
                return self.push(Word { meaning, hash, ..Word::default() });
            }
        }
        if trimmed.len() < 2 {
            return;
        }
        let (hash, looks) = self.normal(trimmed);
        let shouted = looks.letters >= SHOUTED && looks.has_upper && !looks.has_lower;
        let known = self.known_or_negation(looks);
        let word = Word { hash, shouted, drawn_out: looks.drawn_out, ..Word::default() };
        match known {
            Some(meaning) => self.push(Word { meaning, ..word }),
            None if looks.drawn_out => self.push(self.shortened(word)),
            None if looks.is_joined => {}
            None => self.push(word),
        }
        if looks.is_joined {
            for part in trimmed.split(|c: char| !c.is_alphanumeric() && !is_apostrophe(c)) {
                if part.len() < 2 {
                    continue;
                }
                let (hash, looks) = self.normal(part);
                let meaning = self.known_or_negation(looks);
                self.hints |= meaning.is_some_and(|meaning| meaning.hints);
                if known.is_none() {
                    let meaning = meaning.unwrap_or_default();
                    let shouted = looks.letters >= SHOUTED && looks.has_upper && !looks.has_lower;
                    self.push(Word { meaning, hash, shouted, ..Word::default() });
                }
            }
        }
    }

    fn push(&mut self, word: Word) {
        self.hints |= word.meaning.hints;
        self.list.push(Word { negated: self.negated > 0, ..word });
        self.negated = if word.meaning.negates { REACH } else { self.negated.saturating_sub(1) };
        if word.meaning.form == lexicon::Form::But {
            self.negated = 0;
        }
    }

    fn known(&self) -> Option<Meaning> {
        if self.lower.len() > LONGEST_WORD { None } else { lexicon::meaning(&self.lower) }
    }

    fn known_or_negation(&self, looks: Looks) -> Option<Meaning> {
        let negation = || {
            let negates = looks.has_apostrophe && self.lower.contains("n't");
            negates.then(|| Meaning { negates, ..Meaning::default() })
        };
        self.known().or_else(negation)
    }

    /// The same for ASCII, which is nearly everything: byte by byte, without a branch for each.
    fn normal_ascii(&mut self, word: &str) -> (u64, Looks) {
        self.lower.push_str(word);
        self.lower.make_ascii_lowercase();
        let (mut hash, mut all, mut letters) = (BASIS, 0u8, 0u8);
        let (mut last, mut run, mut longest) = (0u8, 0u8, 0u8);
        for (byte, low) in word.bytes().zip(self.lower.bytes()) {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER);
            let is_letter = u8::from(class & (UPPER | LOWER) != 0);
            all |= class;
            letters += is_letter;
            run = (run * u8::from(low == last) + 1) * is_letter;
            longest = longest.max(run);
            last = low;
            hash = (hash ^ u64::from(low)).wrapping_mul(PRIME);
        }
        let looks = Looks {
            letters: usize::from(letters),
            has_lower: all & LOWER != 0,
            has_upper: all & UPPER != 0,
            drawn_out: usize::from(longest) >= DRAWN_OUT,
            has_apostrophe: all & APOSTROPHE != 0,
            is_joined: all & OTHER != 0,
        };
        (hash, looks)
    }

    /// A drawn-out word as it is in the lexicon, with two or one of each letter in a row; else with two.
    fn shortened(&self, word: Word) -> Word {
        let squeezed = |most: usize| {
            let (mut short, mut last, mut run) = (String::new(), None, 0);
            for c in self.lower.chars() {
                run = if last == Some(c) { run + 1 } else { 1 };
                last = Some(c);
                if run <= most {
                    short.push(c);
                }
            }
            short
        };
        let doubled = squeezed(2);
        let single = squeezed(1);
        let meaning = lexicon::meaning(&doubled).map(|meaning| (meaning, &doubled));
        let meaning = meaning.or_else(|| Some((lexicon::meaning(&single)?, &single)));
        let (meaning, form) = meaning.unwrap_or((Meaning::default(), &doubled));
        let hash = form.chars().fold(BASIS, add_char);
        Word { meaning, hash, ..word }
    }

    /// Puts the lower case of a word into `self.lower` and hashes it.
    fn normal(&mut self, word: &str) -> (u64, Looks) {
        self.lower.clear();
        if word.is_ascii() && word.len() <= LONGEST_WORD {
            return self.normal_ascii(word);
        }
        let (mut hash, mut looks) = (BASIS, Looks::default());
        let (mut last, mut run) = ('\0', 0);
        for c in word.chars() {
            let low = if c.is_ascii() {
                c.to_ascii_lowercase()
            } else if c == '’' {
                '\''
            } else {
                c.to_lowercase().next().unwrap_or(c)
            };
            if low.is_alphabetic() {
                looks.letters += 1;
                looks.has_upper |= c != low;
                looks.has_lower |= c == low;
                run = if low == last { run + 1 } else { 1 };
                looks.drawn_out |= run >= DRAWN_OUT;
            } else if low == '\'' {
                looks.has_apostrophe = true;
            } else if !low.is_numeric() {
                looks.is_joined = true;
            }
            last = low;
            hash = add_char(hash, low);
            if self.lower.len() <= LONGEST_WORD {
                self.lower.push(low);
            }
        }
        (hash, looks)
    }
}

/// What a byte of ASCII is, in bits.
const UPPER: u8 = 1;
const LOWER: u8 = 2;
const APOSTROPHE: u8 = 4;
const DIGIT: u8 = 8;
const OTHER: u8 = 16;

/// For each byte what it is.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let class = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => DIGIT,
            b'\'' => APOSTROPHE,
            _ => OTHER,
        };
        #[expect(clippy::indexing_slicing, reason = "below 128 of 256, at compile time")]
        {
            classes[byte] = class;
        }
        byte += 1;
    }
    classes
};

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
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

fn trim_ascii(token: &str) -> &str {
    let bytes = token.as_bytes();
    let start = bytes.iter().position(u8::is_ascii_alphanumeric).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(u8::is_ascii_alphanumeric).map_or(start, |last| last + 1);
    token.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sentence: &str) -> Words {
        let mut words = Words::with_room();
        words.read(sentence);
        words
    }

    fn hash_of(word: &str) -> u64 {
        word.chars().fold(BASIS, add_char)
    }

    #[test]
    fn words_are_read_in_lower_case_and_what_is_drawn_out_is_shortened() {
        let words = read("SOOOO  goood, \"Grüße\" waaay (don’t) and/or");
        let hashes: Vec<u64> = words.list.iter().map(|word| word.hash).collect();
        let expected = ["so", "good", "grüße", "waay", "don't", "and", "or"];
        assert_eq!(hashes, expected.map(hash_of));
        let drawn: Vec<bool> = words.list.iter().map(|word| word.drawn_out).collect();
        assert_eq!(drawn, [true, true, false, true, false, false, false]);
        assert!(words.list.iter().any(|word| word.shouted));
        assert!(words.list[4].meaning.negates && words.list[5].negated);
    }

    #[test]
    fn a_negation_reaches_three_words_and_no_but() {
        let negated = |sentence| -> Vec<bool> {
            read(sentence).list.iter().map(|word| word.negated).collect()
        };
        assert_eq!(negated("not aa bb cc dd"), [false, true, true, true, false]);
        assert_eq!(negated("not aa but bb"), [false, true, true, false]);
    }

    #[test]
    fn every_word_of_the_lexicon_is_found_as_it_is_written() {
        let missed: Vec<&str> = lexicon::words()
            .filter(|word| word.len() > 1 && !word.contains(char::is_whitespace))
            .filter(|word| {
                let own = lexicon::meaning(word).and_then(|meaning| meaning.valence);
                let read = read(word);
                own.is_some() && !read.list.iter().any(|word| word.meaning.valence == own)
            })
            .collect();
        assert_eq!(missed, Vec::<&str>::new());
    }
}
