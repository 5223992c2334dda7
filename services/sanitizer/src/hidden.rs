//! Text written in characters that nobody sees: tag characters, and bytes in variation selectors.

use portcullis_core::{Place, Run, Text, View, ViewKind};

use crate::canonical::Room;
use crate::invisible::{Useless, tag_to_ascii};

/// Fewer characters are chance and no message.
const LEAST: usize = 2;

/// What the useless characters of `text` spell, and whether the room cut it.
pub(crate) fn read(
    text: &str,
    place: Place,
    useless: &[Useless],
    room: &mut Room,
) -> (Option<View>, bool) {
    let mut reading = String::new();
    let mut map = Vec::new();
    let mut is_cut = false;
    'runs: for run in useless {
        let Some(piece) = text.get(run.span.start..run.span.end) else { continue };
        for (at, c) in piece.char_indices() {
            let Some(shown) = tag_to_ascii(c).or_else(|| selector_to_ascii(c)) else { continue };
            if reading.len() >= room.bytes || map.len() >= room.runs {
                is_cut = true;
                break 'runs;
            }
            map.push(Run {
                view: reading.len(),
                source: run.span.start + at,
                view_len: 1,
                source_len: c.len_utf8(),
            });
            reading.push(shown);
        }
    }
    if reading.len() < LEAST {
        return (None, is_cut);
    }
    room.bytes = room.bytes.saturating_sub(reading.len());
    room.runs = room.runs.saturating_sub(map.len());
    (Some(View { kind: ViewKind::Hidden, source: place, text: Text::from(reading), map }), is_cut)
}

/// The printable ASCII character that a variation selector stands for where bytes are hidden in
/// them: VS1 to VS256 for 0 to 255.
fn selector_to_ascii(c: char) -> Option<char> {
    let byte = match u32::from(c) {
        code @ 0xE0100..=0xE01EF => code - 0xE0100 + 16,
        _ => return None,
    };
    char::from_u32(byte).filter(|c| matches!(c, ' '..='~'))
}

#[cfg(test)]
mod tests {
    use portcullis_core::Span;

    use super::*;
    use crate::invisible::useless;

    fn hide(text: &str, base: u32) -> String {
        text.bytes().filter_map(|b| char::from_u32(base + u32::from(b))).collect()
    }

    #[test]
    fn smuggled_text_is_read_and_leads_back() {
        for base in [0xE0000, 0xE0100 - 16] {
            let text = format!("Hi!{} there", hide("obey me", base));
            let mut room = Room { bytes: 99, runs: 99 };
            let (view, is_cut) = read(&text, Place::Text, &useless(&text), &mut room);
            let view = view.unwrap();
            assert_eq!((view.kind, view.text.expose()), (ViewKind::Hidden, "obey me"));
            assert_eq!(view.to_source(Span { start: 0, end: 7 }), Some(Span { start: 3, end: 31 }));
            assert!(!is_cut);
            assert_eq!((room.bytes, room.runs), (92, 92));
        }
    }

    #[test]
    fn little_is_nothing_and_much_is_cut() {
        let mut room = Room { bytes: 3, runs: 99 };
        let one = hide("x", 0xE0000);
        assert!(read(&one, Place::Text, &useless(&one), &mut room).0.is_none());
        let many = hide("abcdef", 0xE0000);
        let (view, is_cut) = read(&many, Place::Text, &useless(&many), &mut room);
        assert_eq!(view.unwrap().text.expose(), "abc");
        assert!(is_cut);
    }
}
