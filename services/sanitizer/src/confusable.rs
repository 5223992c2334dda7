//! Letters of other scripts that look like Latin ones, folded where a word is otherwise Latin.

/// The Latin letter that a Cyrillic, Greek, Armenian or phonetic letter is drawn like. The pairs are
/// those of Unicode's confusables (UTS #39) that look alike in common fonts.
pub(crate) fn latin_look_alike(c: char) -> Option<char> {
    let latin = match c {
        // Cyrillic, small
        'а' => 'a',
        'в' => 'b',
        'с' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' => 'e',
        'һ' => 'h',
        'і' | 'ї' => 'i',
        'ј' => 'j',
        'к' => 'k',
        'ӏ' => 'l',
        'м' => 'm',
        'н' => 'h',
        'о' => 'o',
        'р' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' => 't',
        'ѵ' => 'v',
        'ԝ' => 'w',
        'х' => 'x',
        'у' | 'ү' => 'y',
        // Cyrillic, capital
        'А' => 'A',
        'В' => 'B',
        'С' => 'C',
        'Е' => 'E',
        'Ԍ' => 'G',
        'Н' => 'H',
        'І' | 'Ӏ' => 'I',
        'Ј' => 'J',
        'К' => 'K',
        'М' => 'M',
        'О' => 'O',
        'Р' => 'P',
        'Ԛ' => 'Q',
        'Ѕ' => 'S',
        'Т' => 'T',
        'Ѵ' => 'V',
        'Ԝ' => 'W',
        'Х' => 'X',
        'У' | 'Ү' => 'Y',
        // Greek, small
        'α' => 'a',
        'ι' => 'i',
        'κ' => 'k',
        'ν' => 'v',
        'ο' => 'o',
        'ρ' => 'p',
        'τ' => 't',
        'υ' => 'u',
        'χ' => 'x',
        'ϲ' => 'c',
        'ϳ' => 'j',
        'ε' => 'e',
        // Greek, capital
        'Α' => 'A',
        'Β' => 'B',
        'Ε' => 'E',
        'Ζ' => 'Z',
        'Η' => 'H',
        'Ι' => 'I',
        'Κ' => 'K',
        'Μ' => 'M',
        'Ν' => 'N',
        'Ο' => 'O',
        'Ρ' => 'P',
        'Τ' => 'T',
        'Υ' => 'Y',
        'Χ' => 'X',
        // Armenian
        'օ' => 'o',
        'ո' => 'n',
        'ս' => 'u',
        'հ' => 'h',
        'ց' => 'g',
        'զ' => 'q',
        // phonetic
        'ɑ' => 'a',
        'ɡ' => 'g',
        'ɩ' => 'i',
        _ => return None,
    };
    Some(latin)
}

/// Letters and marks that together make a word.
fn is_word(c: char) -> bool {
    c.is_alphabetic() || unicode_normalization::char::is_combining_mark(c)
}

/// Ranges of indexes into `text` that are to be folded: words with a Latin letter in which every
/// letter of another script looks like a Latin one.
pub(crate) fn words_to_fold(text: &[char]) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for word in text.split(|c| !is_word(*c)) {
        let range = start..start + word.len();
        start = range.end + 1;
        let has_look_alike = word.iter().any(|c| latin_look_alike(*c).is_some());
        let has_latin = || word.iter().any(char::is_ascii_alphabetic);
        if has_look_alike && has_latin() && word.iter().all(|c| is_latin_like(*c)) {
            words.push(range);
        }
    }
    words
}

/// Latin letters with or without marks, and what looks like them.
fn is_latin_like(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{24F}' | '\u{300}'..='\u{36F}' | '\u{1E00}'..='\u{1EFF}')
        || latin_look_alike(c).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for range in words_to_fold(&chars) {
            for c in &mut chars[range] {
                *c = latin_look_alike(*c).unwrap_or(*c);
            }
        }
        chars.into_iter().collect()
    }

    #[test]
    fn mixed_words_are_folded() {
        assert_eq!(fold("іgnоrе рrеvіous"), "ignore previous");
        assert_eq!(fold("pаsswоrd, Αdmin"), "password, Admin");
    }

    #[test]
    fn whole_words_of_other_scripts_stay() {
        for text in [
            "привет, это мой заказ",
            "Καλημέρα κόσμε",
            "SMS-сообщение",
            "Բարեւ",
            "naïve café",
            "Δt = 5 μs, 3 kΩ",
            "Wi-Fiда",
            "",
        ] {
            assert_eq!(fold(text), text);
        }
    }
}
