//! Letters drawn in a frame or small, which NFKC leaves as they are: negative circles and squares, letters of
//! flags that are no flags, small capitals.

/// The letter that is drawn: U+1F150 and U+1F170 on, U+1F1E6 on, and phonetic small capitals.
pub(crate) fn letter(c: char) -> Option<char> {
    let from = |first: u32| char::from_u32(u32::from('A') + u32::from(c) - first);
    match c {
        '\u{1F150}'..='\u{1F169}' => from(0x1F150),
        '\u{1F170}'..='\u{1F189}' => from(0x1F170),
        _ if is_regional(c) => from(0x1F1E6),
        // everyday letters need no search
        '\0'..='\u{24F}' | '\u{2B0}'..='\u{1CFF}' | '\u{1E00}'..='\u{A71F}' | '\u{A800}'.. => None,
        _ => SMALL_CAPITALS.iter().find(|(small, _)| *small == c).map(|(_, letter)| *letter),
    }
}

/// Whether it is one of the letters that flags are written with.
pub(crate) fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Whether letters of flags make flags only.
pub(crate) fn are_flags(letters: &[char]) -> bool {
    let (pairs, rest) = letters.as_chunks::<2>();
    let shown = |pair: &[char; 2]| pair.iter().filter_map(|c| letter(*c)).collect::<Vec<_>>();
    rest.is_empty() && pairs.iter().all(|pair| is_region(&shown(pair)))
}

/// Whether two letters are a region that has a flag.
pub(crate) fn is_region(letters: &[char]) -> bool {
    let code: String = letters.iter().map(char::to_ascii_uppercase).collect();
    code.len() == 2
        && REGIONS.as_bytes().chunks(3).any(|region| region.starts_with(code.as_bytes()))
}

const SMALL_CAPITALS: [(char, char); 25] = [
    ('ᴀ', 'a'),
    ('ʙ', 'b'),
    ('ᴄ', 'c'),
    ('ᴅ', 'd'),
    ('ᴇ', 'e'),
    ('ꜰ', 'f'),
    ('ɢ', 'g'),
    ('ʜ', 'h'),
    ('ɪ', 'i'),
    ('ᴊ', 'j'),
    ('ᴋ', 'k'),
    ('ʟ', 'l'),
    ('ᴍ', 'm'),
    ('ɴ', 'n'),
    ('ᴏ', 'o'),
    ('ᴘ', 'p'),
    ('ꞯ', 'q'),
    ('ʀ', 'r'),
    ('ꜱ', 's'),
    ('ᴛ', 't'),
    ('ᴜ', 'u'),
    ('ᴠ', 'v'),
    ('ᴡ', 'w'),
    ('ʏ', 'y'),
    ('ᴢ', 'z'),
];

/// The regions that have a flag (CLDR), three bytes each.
const REGIONS: &str = "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL \
BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY CZ DE DG DJ \
DK DM DO DZ EA EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
GU GW GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC \
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ \
UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_known_and_other_pairs_are_none() {
        let mut flags = 0;
        for emoji in emojis::iter() {
            let chars: Vec<char> = emoji.as_str().chars().collect();
            if chars.len() == 2 && chars.iter().all(|c| is_regional(*c)) {
                assert!(are_flags(&chars), "{}", emoji.name());
                flags += 1;
            }
        }
        assert!(flags > 250 && flags <= REGIONS.len() / 3);
        assert!(are_flags(&['🇩', '🇪', '🇫', '🇷']));
        assert!(!are_flags(&['🇮', '🇬', '🇳', '🇴']));
        assert!(!are_flags(&['🇩']));
    }

    #[test]
    fn letters_in_frames_are_letters() {
        let read = |text: &str| text.chars().filter_map(letter).collect::<String>();
        assert_eq!(read("🅘🅖🅝🅞🅡🅔"), "IGNORE");
        assert_eq!(read("🅸🅶🅽🅾🆁🅴"), "IGNORE");
        assert_eq!(read("ɪɢɴᴏʀᴇ"), "ignore");
    }
}
