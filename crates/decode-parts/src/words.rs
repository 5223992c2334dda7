//! The words of a text, and stretches of words that score high.

use portcullis_core::Span;

/// Maximal stretches of characters for which `class` holds, in order.
pub fn words<'a>(
    text: &'a str,
    class: impl Fn(char) -> bool + 'a,
) -> impl Iterator<Item = Span> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let (offset, _) = rest.char_indices().find(|(_, c)| class(*c))?;
        let start = at + offset;
        let word = text.get(start..)?;
        let len = word.char_indices().find(|(_, c)| !class(*c)).map_or(word.len(), |(end, _)| end);
        at = start + len;
        Some(Span { start, end: at })
    })
}

/// A stretch of scored words: from the first to the last, and the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// Where it stands.
    pub span: Span,
    /// How much it looks like a word.
    pub score: i32,
    /// Words with a score above nothing.
    pub words: usize,
}

/// Stretches whose sum reaches `least`; one ends where the sum has fallen `drop` below its height, or to
/// nothing.
pub fn peaks(scored: impl Iterator<Item = (Span, i32)>, least: i32, drop: i32) -> Vec<Peak> {
    let mut found = Vec::new();
    let mut best: Option<Peak> = None;
    let (mut start, mut sum, mut words) = (0, 0_i32, 0);
    for (span, score) in scored {
        if sum <= 0 {
            (start, sum, words) = (span.start, 0, 0);
        }
        sum += score;
        words += usize::from(score > 0);
        if sum > best.map_or(0, |peak| peak.score) {
            best = Some(Peak { span: Span { start, end: span.end }, score: sum, words });
        }
        let height = best.map_or(0, |peak| peak.score);
        if sum <= 0 || sum + drop < height {
            found.extend(best.take().filter(|peak| peak.score >= least));
            sum = 0;
        }
    }
    found.extend(best.filter(|peak| peak.score >= least));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_peaks() {
        let text = "no no yes, yes yes no no no yes";
        let scored = words(text, char::is_alphabetic)
            .map(|span| (span, if &text[span.start..span.end] == "yes" { 10 } else { -10 }));
        let found = peaks(scored, 20, 15);
        assert_eq!(found.len(), 1);
        assert_eq!(&text[found[0].span.start..found[0].span.end], "yes, yes yes");
        assert_eq!((found[0].score, found[0].words), (30, 3));
    }
}
