//! Placeholders in a stream: what is released has their values, whatever pieces they came in.

use portcullis_pipeline::placeholders::{self, Values};

/// Puts values in the place of placeholders. What may be the beginning of one is kept until it is known.
pub(crate) struct GivenBack {
    restores: bool,
    /// The values of the conversation, once a placeholder was seen.
    values: Option<Values>,
    /// The beginning of what may be a placeholder; shorter than [`placeholders::LONGEST`].
    tail: String,
}

impl GivenBack {
    /// Gives values back if `restores`; passes everything on as it is otherwise.
    pub(crate) fn new(restores: bool) -> Self {
        Self { restores, values: None, tail: String::new() }
    }

    /// Whether the next text has a placeholder and values were not learnt yet.
    pub(crate) fn needs_values(&self, next: &str) -> bool {
        self.restores
            && self.values.is_none()
            && next.contains('>')
            && placeholders::any_to_restore(&format!("{}{next}", self.tail))
    }

    /// The values of the conversation, asked for once a stream: they were masked before the answer began.
    pub(crate) fn learn(&mut self, values: Values) {
        self.values = Some(values);
    }

    /// The text that may be shown now. With `end`, all of it.
    pub(crate) fn pass(&mut self, text: String, end: bool) -> String {
        if !self.restores {
            return text;
        }
        let mut whole = std::mem::take(&mut self.tail);
        whole.push_str(&text);
        if !end {
            self.tail = whole.split_off(placeholders::settled(&whole));
        }
        // Escapes are taken back without any values.
        let none = Values::new();
        placeholders::restore(&whole, self.values.as_ref().unwrap_or(&none)).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::from([(("EMAIL".to_owned(), 1), "jane@example.com".to_owned())])
    }

    /// All that is shown of a text that comes in pieces of so many bytes.
    fn shown(text: &str, size: usize) -> (String, usize) {
        let (mut given, mut out, mut asked) = (GivenBack::new(true), String::new(), 0);
        let bytes = text.as_bytes();
        for piece in bytes.chunks(size) {
            let piece = std::str::from_utf8(piece).unwrap();
            if given.needs_values(piece) {
                asked += 1;
                given.learn(values());
            }
            out.push_str(&given.pass(piece.to_owned(), false));
        }
        out.push_str(&given.pass(String::new(), true));
        (out, asked)
    }

    #[test]
    fn every_cut_gives_the_same_and_values_are_asked_for_once() {
        let text = "Sent to <EMAIL_1> and <EMAIL_2>; you typed <_EMAIL_1>. Once more: <EMAIL_1>, 1 < 2 <EM";
        for size in 1..=text.len() {
            let (out, asked) = shown(text, size);
            assert_eq!(
                out,
                "Sent to jane@example.com and <EMAIL_2>; you typed <EMAIL_1>. Once more: \
                 jane@example.com, 1 < 2 <EM",
                "pieces of {size}"
            );
            assert_eq!(asked, 1, "pieces of {size}");
        }
    }

    #[test]
    fn nothing_is_asked_for_or_kept_back_without_need() {
        assert_eq!(shown("a > b, <p>, <_EMAIL_1>", 1).1, 0);
        let mut off = GivenBack::new(false);
        assert!(!off.needs_values("<EMAIL_1>"));
        assert_eq!(off.pass("<EMAIL_1> <EM".to_owned(), false), "<EMAIL_1> <EM");
    }
}
