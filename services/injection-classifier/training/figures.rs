//! What a model does on held-out rows, for the card and the report.

use std::collections::BTreeMap;

use portcullis_model::metrics::{
    Confusion, Scored, auc, expected_calibration_error, recall_at_fpr,
};
use portcullis_model::{Channel, Judged, OperatingPoints};
use serde::Serialize;

use crate::calibrate::{HeldOut, is_traffic, scored};
use crate::data::Row;
use crate::draft::{Draft, judge};
use crate::mix;

/// Shares at the three operating points.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct AtPoints {
    pub(crate) strict: Option<f64>,
    pub(crate) balanced: Option<f64>,
    pub(crate) lenient: Option<f64>,
}

/// Of a group of rows with one label: how many, and the share that is reported.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) rows: usize,
    pub(crate) reported: AtPoints,
}

/// How well a model ranks, and how far its scores are from probabilities.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overall {
    pub(crate) attacks: usize,
    pub(crate) benign: usize,
    pub(crate) auc: Option<f64>,
    pub(crate) recall_at_1_percent_fpr: Option<f64>,
    pub(crate) recall_at_0_1_percent_fpr: Option<f64>,
    pub(crate) expected_calibration_error: Option<f64>,
    pub(crate) recall: AtPoints,
    pub(crate) false_positives: AtPoints,
}

/// The share of texts that each part of the cascade answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shares {
    pub(crate) benign_exit: f64,
    pub(crate) attack_exit: f64,
    pub(crate) encoder: f64,
}

/// Attacks of a family that nothing was learnt from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unseen {
    pub(crate) family: String,
    pub(crate) rows: usize,
    pub(crate) recall: AtPoints,
    /// Share that left by the benign exit.
    pub(crate) missed_by_exit: f64,
    /// Share that left by it although the encoder alone reports it at the balanced point.
    pub(crate) lost_by_exit: f64,
}

/// All figures of a channel.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) channel: Channel,
    pub(crate) cascade: Overall,
    pub(crate) encoder_alone: Overall,
    pub(crate) linear_alone: Overall,
    /// Shares of the weighted benign traffic that reach the operating points.
    pub(crate) alarms_of_traffic: AtPoints,
    pub(crate) answered_of_traffic: Shares,
    pub(crate) answered_of_attacks: Shares,
    pub(crate) long_benign: Group,
    pub(crate) long_attacks: Group,
    pub(crate) unseen: Vec<Unseen>,
    /// By property, then label, then value.
    pub(crate) groups: BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<String, Group>>>,
}

fn at_points(points: OperatingPoints, share: impl Fn(f32) -> Option<f64>) -> AtPoints {
    AtPoints {
        strict: share(points.strict),
        balanced: share(points.balanced),
        lenient: share(points.lenient),
    }
}

fn overall(points: OperatingPoints, all: &[Scored]) -> Overall {
    let attacks = all.iter().filter(|one| one.attack).count();
    Overall {
        attacks,
        benign: all.len() - attacks,
        auc: auc(all),
        recall_at_1_percent_fpr: recall_at_fpr(0.01, all),
        recall_at_0_1_percent_fpr: recall_at_fpr(0.001, all),
        expected_calibration_error: expected_calibration_error(all),
        recall: at_points(points, |at| Confusion::at(at, all).recall()),
        false_positives: at_points(points, |at| Confusion::at(at, all).false_positive_rate()),
    }
}

fn group<'a>(points: OperatingPoints, scores: impl Iterator<Item = &'a Scored>) -> Group {
    // of one label only: whichever it is, the share at or above is asked
    let scores: Vec<Scored> = scores.map(|one| Scored { attack: true, ..*one }).collect();
    Group {
        rows: scores.len(),
        reported: at_points(points, |at| Confusion::at(at, &scores).recall()),
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn shares<'a>(draft: &Draft, channel: Channel, judged: impl Iterator<Item = &'a Judged>) -> Shares {
    let exits = draft.manifest.channel(channel).exits;
    let (mut benign, mut attack, mut encoder, mut all) = (0, 0, 0, 0);
    for one in judged {
        all += 1;
        match one.encoded {
            0 if one.score >= exits.attack_above => attack += 1,
            0 => benign += 1,
            _ => encoder += 1,
        }
    }
    Shares {
        benign_exit: share(benign, all),
        attack_exit: share(attack, all),
        encoder: share(encoder, all),
    }
}

fn length(row: &Row) -> &'static str {
    match row.text.chars().count() {
        0..=99 => "0-99",
        100..=499 => "100-499",
        500..=1999 => "500-1999",
        _ => "2000 and more",
    }
}

/// Measures a channel of a calibrated draft on rows that nothing was learnt from, and on those that its
/// thresholds were set on where `unseen` names families among them.
pub(crate) fn figures(
    draft: &Draft,
    channel: Channel,
    test: &HeldOut<'_>,
    calibration: &[&Row],
) -> anyhow::Result<Figures> {
    let points = draft.manifest.channel(channel).operating_points;
    let cascade = draft.cascade()?;
    let alone = draft.encoder_only().cascade()?;
    let judged = judge(&cascade, channel, &test.rows);
    let all = scored(&judged, &test.rows);
    let by_encoder = scored(&judge(&alone, channel, &test.rows), &test.rows);
    let linear = draft.linear_only().cascade()?;
    let by_linear = scored(&judge(&linear, channel, &test.rows), &test.rows);
    let of_long =
        |rows: &[&Row]| group(points, scored(&judge(&cascade, channel, rows), rows).iter());
    let with_rows = || judged.iter().zip(&test.rows);
    let benign: Vec<(&Row, f32)> = with_rows()
        .filter(|(_, row)| !row.attack)
        .map(|(judged, row)| (*row, judged.score))
        .collect();
    let mixed = mix::weighted(channel, &benign);

    let mut groups: BTreeMap<_, BTreeMap<_, BTreeMap<String, Vec<Scored>>>> = BTreeMap::new();
    for (row, score) in test.rows.iter().zip(&all) {
        let (kind, obfuscation) = match row.kind.split_once(':') {
            Some((kind, how)) => (kind, how),
            None => (row.kind.as_str(), "none"),
        };
        let properties = [
            ("kind", kind),
            ("obfuscation", obfuscation),
            ("source", &row.family),
            ("language", &row.lang),
            ("length", length(row)),
        ];
        let label = if row.attack { "attack" } else { "benign" };
        for (property, value) in properties {
            let labels = groups.entry(property).or_default().entry(label).or_default();
            labels.entry(value.to_owned()).or_default().push(*score);
        }
    }
    let groups = groups.into_iter().map(|(property, labels)| {
        let labels = labels.into_iter().map(|(label, values)| {
            let values = values.into_iter().map(|(value, s)| (value, group(points, s.iter())));
            (label, values.collect())
        });
        (property, labels.collect())
    });

    let mut families: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in test.rows.iter().chain(calibration).filter(|row| row.attack) {
        families.entry(&row.family).or_default().push(row);
    }
    let unseen = families.into_iter().map(|(family, rows)| {
        let judged = judge(&cascade, channel, &rows);
        let alone = judge(&alone, channel, &rows);
        let attack_above = draft.manifest.channel(channel).exits.attack_above;
        let left = |j: &Judged| j.encoded == 0 && j.score < attack_above;
        let missed = judged.iter().filter(|j| left(j)).count();
        let lost = judged.iter().zip(&alone).filter(|(j, a)| left(j) && a.score >= points.balanced);
        Unseen {
            family: family.to_owned(),
            rows: rows.len(),
            recall: group(points, scored(&judged, &rows).iter()).reported,
            missed_by_exit: share(missed, rows.len()),
            lost_by_exit: share(lost.count(), rows.len()),
        }
    });
    let traffic = with_rows().filter(|(_, row)| !row.attack && is_traffic(row)).map(|(j, _)| j);
    let attacks = with_rows().filter(|(_, row)| row.attack).map(|(j, _)| j);
    Ok(Figures {
        channel,
        cascade: overall(points, &all),
        encoder_alone: overall(points, &by_encoder),
        linear_alone: overall(points, &by_linear),
        alarms_of_traffic: at_points(points, |at| Some(mix::reached(at, &mixed))),
        answered_of_traffic: shares(draft, channel, traffic),
        answered_of_attacks: shares(draft, channel, attacks),
        long_benign: of_long(&test.long.harmless()),
        long_attacks: of_long(&test.long.attacks()),
        unseen: unseen.collect(),
        groups: groups.collect(),
    })
}
