//! From logits to probabilities, exits, the correction for long texts and operating points, all on sources
//! that nothing was learnt from.

use portcullis_model::metrics::{Confusion, Scored, threshold_at_fpr};
use portcullis_model::{Channel, Exits, Judged, LinearPass, OperatingPoints, Stretch};

use crate::data::Row;
use crate::draft::{Draft, judge};
use crate::fit::{Point, blend, platt};
use crate::long::Long;
use crate::mix;

/// Corrections that are tried.
const PENALTIES: &[f32] = &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25];
/// Shares of harmless texts that may be reported.
pub(crate) const STRICT: f64 = 0.01;
pub(crate) const BALANCED: f64 = 0.003;
pub(crate) const LENIENT: f64 = 0.001;
/// The share of held-out attacks that may leave by the benign exit. Few families of embedded instructions are
/// held out, and unseen ones are more like the documents around them: there none may.
pub(crate) fn missed(channel: Channel) -> f64 {
    match channel {
        Channel::User => 0.005,
        Channel::Context => 0.0,
    }
}
/// What is left of the limit so found, for families that are not among those held out.
const CAUTION: f32 = 0.5;
/// Shares of unknown n-grams that are tried for the gate before it.
const UNKNOWN: &[f32] = &[0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Above the highest held-out harmless text by this much, as a logit, the attack exit begins.
const MARGIN: f32 = 0.5;
/// Texts of more bytes are several stretches; what is fitted on whole texts leaves them out.
const ONE_STRETCH: usize = 2_200;

/// The rows of a channel that are held out, and long texts made of them.
pub(crate) struct HeldOut<'a> {
    pub(crate) rows: Vec<&'a Row>,
    pub(crate) long: Long,
}

pub(crate) fn scored(judged: &[Judged], rows: &[&Row]) -> Vec<Scored> {
    let both = judged.iter().zip(rows);
    both.map(|(judged, row)| Scored { score: judged.score, attack: row.attack }).collect()
}

/// Whether a row is of ordinary traffic: obfuscated texts reach a bot seldom, and are many among the rows.
pub(crate) fn is_traffic(row: &Row) -> bool {
    !row.kind.starts_with("obfuscated")
}

/// Rows that what is fitted on single readings looks at: of an obfuscated text the label is not that of the text as
/// received.
fn is_fitted_on(row: &Row) -> bool {
    is_traffic(row) && row.text.len() <= ONE_STRETCH
}

/// Whole texts of one stretch with what the linear model says of them.
fn stretches<'a>(
    draft: &Draft,
    channel: Channel,
    rows: &[&'a Row],
) -> anyhow::Result<Vec<(&'a Row, Stretch)>> {
    let cascade = draft.cascade()?;
    let linear = cascade.linear(channel);
    let of = |row: &Row| -> Option<Stretch> {
        let pass: LinearPass<'_> = linear.pass(&row.text, &mut || true);
        pass.stretch(&(0..row.text.len()))
    };
    let short = rows.iter().filter(|row| is_fitted_on(row));
    Ok(short.filter_map(|row| Some((*row, of(row)?))).collect())
}

/// Sets everything of a channel.
pub(crate) fn calibrate(
    draft: &mut Draft,
    channel: Channel,
    held: &HeldOut<'_>,
) -> anyhow::Result<()> {
    linear(draft, channel, held)?;
    if draft.encoder.is_some() {
        head(draft, channel, held)?;
    }
    exits(draft, channel, held)?;
    operating_points(draft, channel, held)
}

fn linear(draft: &mut Draft, channel: Channel, held: &HeldOut<'_>) -> anyhow::Result<()> {
    let chosen = penalty(&draft.linear_only(), channel, held, |draft, penalty| {
        draft.channel(channel).linear.windows.penalty_per_doubling = penalty;
    })?;
    draft.channel(channel).linear.windows.penalty_per_doubling = chosen;
    let logits: Vec<(f32, bool)> = stretches(draft, channel, &held.rows)?
        .iter()
        .map(|(row, stretch)| (stretch.logit, row.attack))
        .collect();
    draft.channel(channel).linear.calibration = platt(&logits);
    Ok(())
}

/// How the encoder's logit and a share of the linear model's become a probability, and the correction for long texts.
fn head(draft: &mut Draft, channel: Channel, held: &HeldOut<'_>) -> anyhow::Result<()> {
    let alone = draft.encoder_only();
    let cascade = alone.cascade()?;
    // asks the encoder about every window, on every core; below it is read again
    judge(&cascade, channel, &held.rows);
    let Some(encoder) = &draft.encoder else { return Ok(()) };
    let outputs = draft.manifest.encoder.as_ref().map(|e| e.outputs.clone()).unwrap_or_default();
    let head = draft.manifest.channel(channel).head.as_ref().map(|head| head.output.clone());
    let index = outputs.iter().position(|output| Some(output) == head.as_ref());
    let linear = cascade.linear(channel);
    let mut points = Vec::new();
    for row in held.rows.iter().filter(|row| is_fitted_on(row)) {
        let pass = linear.pass(&row.text, &mut || true);
        let said = cascade.windows(&row.text)?.into_iter().filter_map(|window| {
            let said = encoder.replay.said(&window.ids)?.get(index?).copied()?;
            Some((said, pass.stretch(&window.bytes)?.logit))
        });
        let highest = said.max_by(|a, b| a.0.total_cmp(&b.0));
        points.extend(highest.map(|(encoder, linear)| Point {
            encoder,
            linear,
            attack: row.attack,
            family: &row.family,
        }));
    }
    if let Some(head) = &mut draft.channel(channel).head {
        head.blend = blend(&points);
    }
    let chosen = penalty(&draft.encoder_only(), channel, held, |draft, penalty| {
        if let Some(head) = &mut draft.channel(channel).head {
            head.penalty_per_doubling = penalty;
        }
    })?;
    if let Some(head) = &mut draft.channel(channel).head {
        head.penalty_per_doubling = chosen;
    }
    Ok(())
}

/// The correction for long texts at which, at 1 % of false alarms, the recalls on texts and on attacks in
/// long texts less the false alarms on long ones are highest.
fn penalty(
    draft: &Draft,
    channel: Channel,
    held: &HeldOut<'_>,
    set: impl Fn(&mut Draft, f32),
) -> anyhow::Result<f32> {
    let traffic: Vec<&Row> = held.rows.iter().copied().filter(|row| is_traffic(row)).collect();
    let mut best = (f64::MIN, 0.0);
    for penalty in PENALTIES {
        let mut tried = draft.clone();
        set(&mut tried, *penalty);
        let cascade = tried.cascade()?;
        let of = |rows: &[&Row]| scored(&judge(&cascade, channel, rows), rows);
        let texts = of(&traffic);
        let at = threshold_at_fpr(STRICT, &texts).unwrap_or(1.0);
        let reported = |all: &[Scored]| Confusion::at(at, all);
        let worth = reported(&texts).recall().unwrap_or(0.0)
            + reported(&of(&held.long.attacks())).recall().unwrap_or(0.0)
            - reported(&of(&held.long.harmless())).false_positive_rate().unwrap_or(0.0);
        if worth > best.0 {
            best = (worth, *penalty);
        }
    }
    Ok(best.1)
}

/// Where the linear model answers alone: as many harmless texts as can be, while few enough attacks go with
/// them; and attacks so sure that no harmless text comes near.
fn exits(draft: &mut Draft, channel: Channel, held: &HeldOut<'_>) -> anyhow::Result<()> {
    if draft.encoder.is_none() {
        return Ok(());
    }
    let calibration = draft.manifest.channel(channel).linear.calibration.clone();
    let seen: Vec<(&Row, f32, f32)> = stretches(draft, channel, &held.rows)?
        .into_iter()
        .map(|(row, stretch)| (row, calibration.probability(stretch.logit), stretch.unknown))
        .collect();
    let attacks = seen.iter().filter(|(row, ..)| row.attack).count();
    let allowed = (missed(channel) * attacks as f64).floor() as usize;
    let mut best = (0, 0.0, 0.0);
    for most in UNKNOWN {
        let mut familiar: Vec<(f32, bool)> = seen
            .iter()
            .filter(|(_, _, unknown)| unknown <= most)
            .map(|(row, p, _)| (*p, row.attack))
            .collect();
        familiar.sort_by(|a, b| a.0.total_cmp(&b.0));
        let lowest = familiar.iter().filter(|(_, attack)| *attack).map(|(p, _)| *p).nth(allowed);
        let below = lowest.unwrap_or(0.5).min(0.5);
        let answered = familiar.iter().filter(|(p, attack)| !attack && *p < below).count();
        if answered > best.0 {
            best = (answered, below, *most);
        }
    }
    let highest =
        seen.iter().filter(|(row, ..)| !row.attack).map(|(_, p, _)| *p).fold(0.0, f32::max);
    let logit = (highest / (1.0 - highest)).ln() + MARGIN;
    let attack_above = if logit.is_finite() { 1.0 / (1.0 + (-logit).exp()) } else { 2.0 };
    let parameters = draft.channel(channel);
    let caution = if channel == Channel::Context { CAUTION } else { 1.0 };
    parameters.exits = Exits { benign_below: best.1 * caution, attack_above };
    if let Some(novelty) = &mut parameters.novelty {
        novelty.max_unknown = best.2;
    }
    Ok(())
}

fn operating_points(draft: &mut Draft, channel: Channel, held: &HeldOut<'_>) -> anyhow::Result<()> {
    let rows: Vec<&Row> = held.rows.iter().copied().filter(|row| !row.attack).collect();
    let judged = judge(&draft.cascade()?, channel, &rows);
    let scores: Vec<(&Row, f32)> =
        rows.iter().zip(&judged).map(|(row, judged)| (*row, judged.score)).collect();
    let traffic = mix::weighted(channel, &scores);
    let at = |rate| mix::operating_point(rate, &traffic);
    let points =
        OperatingPoints { strict: at(STRICT), balanced: at(BALANCED), lenient: at(LENIENT) };
    let parameters = draft.channel(channel);
    parameters.operating_points = points;
    // a certain attack is one at every operating point
    parameters.exits.attack_above = parameters.exits.attack_above.max(points.lenient);
    Ok(())
}
