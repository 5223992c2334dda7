//! An entry as a row of a table: the same columns for every form of a table.

use std::fmt;

use jiff::Timestamp;
use portcullis_core::{Body, Entry};
use portcullis_ledger::{Content, Row};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Real,
    Time,
    Text,
    /// Several texts.
    Texts,
}

/// The columns, in their order.
pub(crate) const COLUMNS: [(&str, Kind); 16] = [
    ("seq", Kind::Number),
    ("at", Kind::Time),
    ("stored_at", Kind::Time),
    ("kind", Kind::Text),
    ("bot", Kind::Text),
    ("direction", Kind::Text),
    ("id", Kind::Text),
    ("decision", Kind::Text),
    ("shadow_decision", Kind::Text),
    ("reasons", Kind::Texts),
    ("findings", Kind::Texts),
    ("score", Kind::Real),
    ("speaker", Kind::Text),
    ("bytes", Kind::Number),
    ("took_us", Kind::Number),
    ("text", Kind::Text),
];

/// What stands in a cell. Shown, it is the cell of a CSV, without its quotes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(Option<u64>),
    Real(Option<f64>),
    Time(Option<Timestamp>),
    Text(Option<String>),
    Texts(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Some(number)) => number.fmt(f),
            Self::Real(Some(real)) => real.fmt(f),
            Self::Time(Some(time)) => time.fmt(f),
            Self::Text(Some(text)) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(" ")),
            Self::Number(None) | Self::Real(None) | Self::Time(None) | Self::Text(None) => Ok(()),
        }
    }
}

/// What of a row is in a table.
#[derive(Default)]
struct Cells {
    at: Option<Timestamp>,
    bot: Option<String>,
    direction: Option<String>,
    id: Option<String>,
    decision: Option<String>,
    shadow: Option<String>,
    reasons: Vec<String>,
    findings: Vec<String>,
    score: Option<f64>,
    speaker: Option<String>,
    bytes: Option<u64>,
    took_us: Option<u64>,
    text: Option<String>,
}

/// A row, in the order of [`COLUMNS`].
pub(crate) fn cells(row: &Row) -> [Value; 16] {
    let cells = match &row.content {
        Content::Entry(entry) => of(row, entry),
        Content::Gap(_) | Content::Dead(_) => Cells { at: Some(row.stored_at), ..Cells::default() },
    };
    [
        Value::Number(Some(row.seq)),
        Value::Time(cells.at),
        Value::Time(Some(row.stored_at)),
        Value::Text(Some(row.content.kind().to_owned())),
        Value::Text(cells.bot),
        Value::Text(cells.direction),
        Value::Text(cells.id),
        Value::Text(cells.decision),
        Value::Text(cells.shadow),
        Value::Texts(cells.reasons),
        Value::Texts(cells.findings),
        Value::Real(cells.score),
        Value::Text(cells.speaker),
        Value::Number(cells.bytes),
        Value::Number(cells.took_us),
        Value::Text(cells.text),
    ]
}

fn of(row: &Row, entry: &Entry) -> Cells {
    let cells = Cells {
        at: Some(entry.at),
        bot: Some(entry.bot.to_string()),
        id: Some(entry.id.clone()),
        ..Cells::default()
    };
    match &entry.body {
        Body::Verdict(record) => {
            let verdict = &record.verdict;
            let scores = verdict.receipt.iter().filter_map(|check| check.measures.score);
            let kept = row.personal.as_ref().and_then(|personal| personal.text.as_ref());
            let kept = kept.or(record.text.as_ref());
            Cells {
                direction: Some(record.direction.as_str().into()),
                id: Some(verdict.id.to_string()),
                decision: Some(verdict.decision.as_str().into()),
                shadow: verdict.shadow_decision.map(|shadow| shadow.as_str().into()),
                reasons: verdict.reasons.clone(),
                findings: verdict.findings.iter().map(|found| found.kind.clone()).collect(),
                score: scores.reduce(f64::max),
                speaker: record.speaker.clone(),
                bytes: Some(record.bytes as u64),
                took_us: Some(verdict.took_us),
                text: kept.map(|text| text.expose().to_owned()),
                ..cells
            }
        }
        Body::Resolution(record) => Cells {
            direction: Some(record.direction.as_str().into()),
            id: Some(record.message.to_string()),
            decision: Some(record.resolution.as_str().into()),
            reasons: record.reason.clone().into_iter().collect(),
            ..cells
        },
        Body::Action(record) => Cells {
            decision: Some(record.action.clone()),
            reasons: record.reason.clone().into_iter().collect(),
            ..cells
        },
        Body::Summary(record) => {
            Cells { decision: Some(record.of.clone()), speaker: record.speaker.clone(), ..cells }
        }
        Body::Unknown => cells,
    }
}
