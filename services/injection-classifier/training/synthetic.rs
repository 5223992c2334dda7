//! Training sentences made from templates: overrides and leaks in eleven languages, and the everyday
//! messages that must never be taken for them. Used for training alone, never for a figure.

mod languages;
mod orders;

use crate::data::Row;
use languages::LANGUAGES;
use orders::ORDERS;

/// Openings that the templates of the attack collections like: a harmless message may begin the same
/// way, and some of them are messages of their own.
const OPENINGS: &[&str] = &[
    "Hello",
    "Hi",
    "Hey",
    "OK",
    "Ok.",
    "Please",
    "Please help me.",
    "Urgent:",
    "Important:",
    "Before we start:",
    "One more thing:",
    "Quick question:",
    "Thanks for the help so far.",
    "Hello there!",
    "Good morning,",
    "Dear team,",
    "Note:",
    "Thank you.",
    "Answer in one sentence.",
    "hello",
    "hello there",
    "ok",
    "okay",
    "yes",
    "no",
    "please",
    "thanks",
    "help",
    "test",
    "Hi!",
];

/// Runs of one character, as cats and stuck keys write them.
const RUNS: &[char] = &[
    'a', 'b', 'e', 'h', 'k', 'l', 'm', 'n', 'o', 's', 'u', 'x', 'z', '0', '1', '9', '.', '!', '?',
    '-', '=', '#', '*', '_', '哈', 'я', 'é',
];

/// How often each everyday message is repeated: there are few of them and they must hold.
const EVERYDAY_TIMES: usize = 8;

fn row(text: String, attack: bool, code: &str) -> Row {
    Row {
        id: String::new(),
        text,
        attack,
        kind: "template".to_owned(),
        lang: code.to_owned(),
        family: "trainer's templates".to_owned(),
        is_response: false,
        overrides: attack,
        is_unreadable: false,
    }
}

/// How often each whole sentence of an attack is repeated.
const ORDER_TIMES: usize = 4;

/// All sentences of the templates, always in the same order.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for orders in ORDERS {
        let sentences = orders.attacks.iter().map(|text| (text, true, ORDER_TIMES));
        let everyday = orders.everyday.iter().map(|text| (text, false, EVERYDAY_TIMES));
        for (text, attack, times) in sentences.chain(everyday) {
            rows.extend((0..times).map(|_| row((*text).to_owned(), attack, orders.code)));
        }
    }
    for language in LANGUAGES {
        let mut add = |text: String, attack: bool| {
            rows.push(row(text, attack, language.code));
        };
        let spaceless = matches!(language.code, "zh" | "ja");
        let space = if spaceless { "" } else { " " };
        for ignore in language.ignore {
            for previous in language.previous {
                for then in language.then {
                    let order = format!("{ignore}{space}{previous}");
                    match then.is_empty() {
                        true => add(order, true),
                        false if spaceless || *then == "." => add(format!("{order}{then}"), true),
                        false => add(format!("{order} {then}"), true),
                    }
                }
            }
        }
        if language.code == "en" {
            for opening in OPENINGS {
                for _ in 0..5 * EVERYDAY_TIMES {
                    add((*opening).to_owned(), false);
                }
                for message in language.everyday {
                    add(format!("{opening} {message}"), false);
                }
            }
            for run in RUNS {
                for length in [1, 2, 3, 4, 8, 16, 40, 200, 1_000] {
                    add(run.to_string().repeat(length), false);
                }
            }
        }
        for message in language.everyday {
            for _ in 0..EVERYDAY_TIMES {
                add((*message).to_owned(), false);
            }
        }
    }
    rows
}
