//! Detectors of personal data and secrets, shared by the stages that need them. Pure: no I/O and no
//! state; every detector is linear in the length of the text, whatever the text is.
//!
//! One automaton finds cheap literal anchors (`@`, `AKIA`, `://`, …); what an anchor promises is then
//! verified by structure: class and count of characters, decoding, check digits, entropy. Numbers have
//! no anchor and are found by a scan for digits. Clean text therefore costs two passes over its bytes.
//!
//! A new detector: one line in [`Entity`] (`crates/detect-parts`), and a form in `token` or an anchor in `rules`.

mod assignment;
mod birth;
mod card;
mod continental;
mod digest;
mod email;
mod machine;
mod national;
mod numbers;
mod phone;
mod postal;
mod services;
mod structured;
mod token;
mod whole;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

pub use digest::value_digest;
use portcullis_core::Span;
pub use portcullis_detect_parts::{Entity, Match};
use portcullis_detect_parts::{bytes, calling, checks};

/// Date of the newest change to any rule; part of the version of each stage that uses them.
pub const RULES: &str = "2026-11-27";

/// Finds a value at a place of a text.
type Find = fn(&[u8], usize) -> Option<Match>;

/// What an anchor promises, and therefore who verifies it.
#[derive(Clone, Copy)]
enum Rule {
    /// Looks from where the anchor starts.
    Start(Find),
    /// Looks from where it ends.
    End(Find),
    Token(&'static token::Form),
    Assignment(assignment::Chosen),
}

impl Rule {
    fn verify(self, text: &[u8], start: usize, end: usize) -> Option<Match> {
        match self {
            Self::Start(find) => find(text, start),
            Self::End(find) => find(text, end),
            Self::Token(form) => form.at(text, start),
            Self::Assignment(chosen) => assignment::value(text, start, end, chosen),
        }
    }
}

fn rules() -> Vec<(&'static str, Rule)> {
    use Rule::{End, Start};
    let mut rules = vec![
        ("@", Start(email::around)),
        ("%40", Start(email::around)),
        ("eyJ", Start(structured::jwt)),
        ("-----BEGIN ", Start(structured::private_key)),
        ("://", Start(structured::user_info)),
        (":AA", Start(services::telegram)),
        ("Q~", Start(services::azure)),
        ("JQQJ9", Start(services::azure_marked)),
        ("AZDO", Start(services::azure_marked)),
        ("SharedAccessKey=", End(services::azure_shared)),
        ("AccountKey=", End(services::azure_shared)),
        ("&sig=", End(services::azure_shared)),
        ("?sig=", End(services::azure_shared)),
        ("AKIA", Start(services::aws_secret)),
        ("ASIA", Start(services::aws_secret)),
        (".atlasv1.", Start(services::terraform)),
        ("-us", Start(services::mailchimp)),
        ("hooks.slack.com/services/", End(services::webhook)),
        ("discord.com/api/webhooks/", End(services::webhook)),
        ("discordapp.com/api/webhooks/", End(services::webhook)),
        (".webhook.office.com/", End(services::webhook)),
        ("hooks.zapier.com/hooks/catch/", End(services::zapier)),
        ("SG.", Start(services::send_grid)),
        ("basic ", End(services::authorization)),
        ("bearer ", End(services::bearer)),
        ("authorization", End(services::header)),
        ("curl ", End(assignment::curl)),
        ("sshpass -p", End(assignment::sshpass)),
        ("PuTTY-User-Key-File-", Start(services::putty)),
    ];
    rules.extend(services::DISCORD.map(|start| (start, Start(services::discord))));
    rules.extend(birth::WORDS.map(|word| (word, End(birth::after))));
    rules.extend(token::FORMS.iter().map(|form| (form.prefix, Rule::Token(form))));
    rules.extend(assignment::WORDS.map(|(word, chosen)| (word, Rule::Assignment(chosen))));
    rules
}

/// All detectors. Made once a process; reading is free of locks.
pub struct Detector {
    anchors: AhoCorasick,
    rules: Vec<Rule>,
}

impl Detector {
    /// The one detector of the process. The first call builds it (well under a millisecond).
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Detector> = LazyLock::new(Detector::new);
        &SHARED
    }

    #[expect(clippy::expect_used, reason = "the patterns are constants; any test would fail here")]
    fn new() -> Self {
        let (anchors, rules): (Vec<_>, Vec<_>) = rules().into_iter().unzip();
        let anchors = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(anchors)
            .expect("a few dozen short patterns make an automaton");
        Self { anchors, rules }
    }

    /// Every value in `text`, in order and without overlap. Where two detectors claim the same bytes
    /// the surer one wins, then the longer one: see [`resolve`].
    pub fn detect(&self, text: &str) -> Vec<Match> {
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        for anchor in self.anchors.find_overlapping_iter(text) {
            let rule = self.rules.get(anchor.pattern().as_usize());
            found.extend(rule.and_then(|r| r.verify(bytes, anchor.start(), anchor.end())));
        }
        numbers::find(bytes, &mut found);
        whole::complete(text, &mut found);
        resolve(found)
    }
}

/// Sorts matches and takes out those that overlap one that is surer, or as sure and longer. One that is taken
/// out and holds the surer, or is a secret, leaves its bytes to that, so that no part of it stays unseen.
pub fn resolve(mut found: Vec<Match>) -> Vec<Match> {
    if found.len() < 2 {
        return found;
    }
    found.sort_by(|a, b| {
        b.confidence
            .total_cmp(&a.confidence)
            .then(b.span.len().cmp(&a.span.len()))
            .then(a.span.cmp(&b.span))
            .then(a.entity.cmp(&b.entity))
    });
    let mut kept = std::collections::BTreeMap::<usize, Match>::new();
    let mut lost = Vec::new();
    for hit in found {
        // those kept do not overlap each other, so the last one that starts before the end is the
        // only one that can reach into it
        let before = kept.range(..hit.span.end).next_back();
        if before.is_none_or(|(_, other)| !other.span.overlaps(&hit.span)) {
            kept.insert(hit.span.start, hit);
        } else {
            lost.push(hit);
        }
    }
    let mut kept: Vec<Match> = kept.into_values().collect();
    widen(&mut kept, &lost);
    kept
}

/// Gives the bytes of those that lost to those of `kept` that they overlap. Linear beside the sorting.
fn widen(kept: &mut [Match], lost: &[Match]) {
    let touched = |kept: &[Match], span: Span| {
        let first = kept.partition_point(|hit| hit.span.end <= span.start);
        first..kept.partition_point(|hit| hit.span.start < span.end)
    };
    let counts = |hit: &&Match| {
        let range = kept.get(touched(kept, hit.span)).unwrap_or_default();
        let mut spans = range.iter().map(|other| other.span);
        hit.entity.is_secret()
            || spans.all(|span| hit.span.start <= span.start && span.end <= hit.span.end)
    };
    let mut claims: Vec<Span> = lost.iter().filter(counts).map(|hit| hit.span).collect();
    claims.sort_unstable();
    // apart from each other, each of those kept is touched twice at most
    claims.dedup_by(|next, span| {
        let is_over = next.start < span.end;
        span.end = if is_over { span.end.max(next.end) } else { span.end };
        is_over
    });
    for claim in claims {
        let Some(group) = kept.get_mut(touched(kept, claim)) else { continue };
        let mut end = claim.end;
        for hit in group.iter_mut().rev() {
            hit.span.end = hit.span.end.max(end);
            end = hit.span.start;
        }
        if let Some(first) = group.first_mut() {
            first.span.start = first.span.start.min(claim.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(text: &str) -> Vec<(&'static str, &str)> {
        let found = Detector::shared().detect(text);
        found.iter().map(|hit| (hit.entity.label(), &text[hit.span.start..hit.span.end])).collect()
    }

    #[test]
    fn one_message_with_several_values() {
        let text = "I am jane@example.org, card 4111 1111 1111 1111, db postgres://u:p4ss@db.example.org/x";
        assert_eq!(
            labels(text),
            [
                ("EMAIL", "jane@example.org"),
                ("CARD", "4111 1111 1111 1111"),
                ("CONNECTION_STRING", "u:p4ss"),
            ]
        );
    }

    #[test]
    fn the_surer_detector_wins() {
        let key = "sk-ant-api03-aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2";
        assert_eq!(labels(&format!("api_key={key}")), [("ANTHROPIC_KEY", key)]);
        let iban = "ES65 4111 1111 1111 1111 0000";
        assert_eq!(labels(&format!("IBAN: {iban}.")), [("IBAN", iban)]);
    }

    #[test]
    fn what_is_less_sure_and_longer_is_not_forgotten() {
        let key = format!("AKIAIOSFODNN7RXAMPLZ:{}", "FXJPkfqXAUQA2vsbZv/RQvMLtA1jft02YQkNEP//");
        for (text, found) in [
            ("password=jane@example.org!S3cret99 ok", "jane@example.org!S3cret99"),
            ("password=S3c!ret#jane@example.org ok", "S3c!ret#jane@example.org"),
            ("postgres://admin:P@ssw0rd@db.example.org:5432/db", "admin:P@ssw0rd"),
        ] {
            assert_eq!(labels(text).iter().map(|(_, value)| *value).collect::<Vec<_>>(), [found]);
        }
        let text = format!("access_key={key}!x9");
        let values: String = labels(&text).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, format!("{key}!x9"));
    }

    #[test]
    fn anchors_that_share_bytes_are_all_tried() {
        assert_eq!(labels("my_secret_api_key: 9f8e7d6c5b4a39281706fedc").len(), 1);
        assert_eq!(labels("a@b@jane@example.org"), [("EMAIL", "jane@example.org")]);
    }

    #[test]
    fn everyday_text_is_clean() {
        for text in [
            "",
            "Hello, where is my order 20241123-001? It was due on 2026-11-20 at 10:15.",
            "Call me on 24/7 or visit https://example.org/a?b=c#d.",
            "ISBN 978-3-16-148410-0, tracking 1Z999AA10123456784, IP 192.168.100.200",
            "My password does not work, and the token is expired. It is no secret: I hate this.",
            "b9a1c7e4-4111-4111-8111-111111111111 and 5d41402abc4b2a76b9719d911017c592",
            "سلام، می‌خواهم سفارشم را ببینم — नमस्ते, क्या हाल है? 👨‍👩‍👧‍👦",
        ] {
            assert_eq!(labels(text), [], "{text}");
        }
    }

    #[test]
    fn hostile_repetition_stays_linear() {
        for piece in [
            "eyJ",
            "eyJ.",
            "sk-",
            "@a.",
            "a@",
            "token=",
            "-----BEGIN PRIVATE KEY-----",
            "://a:",
            "://a:@b",
            "token=x9y8w7v6u5t4",
            "glc_=",
            "4 ",
            "41-",
            "1",
        ] {
            // four times the text: four times the work, and sixteen times where it is quadratic
            let took = |bytes: usize| {
                let text = piece.repeat(bytes / piece.len());
                let time = || {
                    let start = std::time::Instant::now();
                    Detector::shared().detect(&text);
                    start.elapsed()
                };
                (0..3).map(|_| time()).min().unwrap_or_default()
            };
            // measured again where it looks too much: other work on the same cores only adds to it
            let is_linear = || {
                let (short, long) = (took(16 * 1024), took(64 * 1024));
                long < 9 * short + std::time::Duration::from_millis(20)
            };
            assert!((0..8).any(|_| is_linear()), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_ordered_matches_on_boundaries(
            parts in prop::collection::vec(
                prop_oneof![
                    any::<String>(),
                    Just("jane@example.org".to_owned()),
                    Just("4111 1111 1111 1111".to_owned()),
                    Just("password=".to_owned()),
                    Just("https://a:b1".to_owned()),
                    Just("-----BEGIN PRIVATE KEY-----".to_owned()),
                    Just("é".to_owned()),
                ],
                0..12,
            )
        ) {
            let text = parts.concat();
            let mut last = 0;
            for hit in Detector::shared().detect(&text) {
                prop_assert!(hit.span.start >= last && !hit.span.is_empty());
                prop_assert!(text.get(hit.span.start..hit.span.end).is_some());
                last = hit.span.end;
            }
        }
    }
}
