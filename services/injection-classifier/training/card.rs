//! The model card: what the model is, what it was measured to do, and where it is bad.

use std::fmt::Write as _;

use portcullis_model::{Channel, ChannelParameters};

use crate::calibrate::missed;
use crate::data::{ORDINARY, Row};
use crate::draft::{BASE_RATE, Draft};
use crate::figures::{AtPoints, Figures, Group, Overall, Shares};
use crate::learner::BITS;
use crate::mix;

/// What the card is made of.
pub(crate) struct Facts<'a> {
    pub(crate) rows: &'a [Row],
    /// Texts that were written by a language model.
    pub(crate) authored: usize,
    pub(crate) shipped: &'a Draft,
    pub(crate) measured: &'a Draft,
    /// Of the measured model, on the test part.
    pub(crate) figures: &'a [Figures],
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

fn points(at: &AtPoints) -> String {
    format!("{} | {} | {}", percent(at.strict), percent(at.balanced), percent(at.lenient))
}

fn question(channel: Channel) -> &'static str {
    match channel {
        Channel::User => "the person's words",
        Channel::Context => "third-party content",
    }
}

fn overall(name: &str, of: &Overall) -> String {
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} |\n",
        number(of.auc),
        percent(of.recall_at_1_percent_fpr),
        percent(of.recall_at_0_1_percent_fpr),
        number(of.expected_calibration_error),
        points(&of.recall).replace(" | ", " / "),
        points(&of.false_positives).replace(" | ", " / "),
    )
}

fn answered(name: &str, of: &Shares) -> String {
    let [benign, attack, encoder] =
        [of.benign_exit, of.attack_exit, of.encoder].map(|share| percent(Some(share)));
    format!("| {name} | {benign} | {attack} | {encoder} |\n")
}

fn group(name: &str, label: &str, of: &Group) -> String {
    format!("| {name} | {label} | {} | {} |\n", of.rows, points(&of.reported))
}

/// The figures of a channel.
fn channel(of: &Figures) -> String {
    let mut text = format!("## Test: {}\n\n", question(of.channel));
    let Overall { attacks, benign, .. } = of.cascade;
    let _infallible = writeln!(
        text,
        "{attacks} attacks and {benign} benign texts of sources that nothing was learnt from. Recall and \
         false positives at strict / balanced / lenient, whose thresholds were set on other sources.\n"
    );
    text += "| | AUC | recall at 1 % FPR | at 0.1 % | calibration error | recall | false positives |\n\
             |---|---|---|---|---|---|---|\n";
    text += &overall("cascade", &of.cascade);
    text += &overall("encoder alone", &of.encoder_alone);
    text += &overall("linear alone", &of.linear_alone);
    let _infallible = writeln!(
        text,
        "\nOf the benign texts, weighted as traffic, {} are reported at strict / balanced / lenient.",
        points(&of.alarms_of_traffic).replace(" | ", " / ")
    );
    text += "\n| answered by | benign exit | attack exit | encoder |\n|---|---|---|---|\n";
    text += &answered("benign traffic", &of.answered_of_traffic);
    text += &answered("attacks", &of.answered_of_attacks);
    text += "\n### Families of attacks that nothing was learnt from\n\n\
             | family | rows | strict | balanced | lenient | left by the benign exit | of these caught by the encoder alone |\n\
             |---|---|---|---|---|---|---|\n";
    for one in &of.unseen {
        let [missed, lost] = [one.missed_by_exit, one.lost_by_exit].map(|n| percent(Some(n)));
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {missed} | {lost} |",
            one.family,
            one.rows,
            points(&one.recall)
        );
    }
    text += "\n### Reported, by property\n\n| | label | rows | strict | balanced | lenient |\n|---|---|---|---|---|---|\n";
    text += &group("long texts (16 KiB)", "benign", &of.long_benign);
    text += &group("an attack in the middle of one", "attack", &of.long_attacks);
    for (property, labels) in &of.groups {
        for (label, values) in labels {
            for (value, one) in values {
                text += &group(&format!("{property}: {value}"), label, one);
            }
        }
    }
    text
}

fn limits(name: &str, of: &ChannelParameters) -> String {
    let p = of.operating_points;
    let blend = of.head.as_ref().map_or_else(
        || "–".to_owned(),
        |head| {
            format!(
                "{:.3} · encoder + {:.3} · linear {:+.3}",
                head.blend.encoder, head.blend.linear, head.blend.offset
            )
        },
    );
    format!(
        "| {name} | {:.4} / {:.4} / {:.4} | {:.4} | {:.0} % | {:.4} | {blend} | {:.2} |\n",
        p.strict,
        p.balanced,
        p.lenient,
        of.exits.benign_below,
        of.novelty.as_ref().map_or(0.0, |novelty| novelty.max_unknown) * 100.0,
        of.exits.attack_above,
        of.head
            .as_ref()
            .map_or(of.linear.windows.penalty_per_doubling, |head| head.penalty_per_doubling),
    )
}

/// What benign traffic is taken to be.
fn traffic(channel: Channel) -> String {
    let kinds = mix::table(channel).iter();
    let kinds: Vec<String> =
        kinds.map(|(kind, share)| format!("{kind} {:.1} %", share * 100.0)).collect();
    format!("{}: {}", question(channel), kinds.join(", "))
}

/// Writes the card.
pub(crate) fn write(facts: &Facts<'_>) -> String {
    let manifest = &facts.shipped.manifest;
    let encoder = manifest.encoder.as_ref().map_or_else(
        || "none: the linear models answer everything".to_owned(),
        |encoder| {
            let bytes = manifest.parts.get(&encoder.weights).map_or(0, |part| part.bytes);
            format!(
                "{:.1} MB of int8 weights, windows of {} tokens every {}",
                bytes as f64 / 1e6,
                encoder.max_tokens,
                encoder.stride
            )
        },
    );
    let is_same = facts.measured.manifest.parts == manifest.parts;
    format!(
        include_str!("card.md.in"),
        model = manifest.model,
        buckets = 1u32 << BITS,
        encoder = encoder,
        base_rate = BASE_RATE,
        missed_user = missed(Channel::User) * 100.0,
        missed_context = missed(Channel::Context) * 100.0,
        limits = limits("the person's words", &manifest.user)
            + &limits("third-party content", &manifest.context),
        traffic = format!("{}; {}", traffic(Channel::User), traffic(Channel::Context)),
        rows = facts.rows.iter().filter(|row| row.kind != ORDINARY).count(),
        authored = facts.authored,
        ordinary = facts.rows.iter().filter(|row| row.kind == ORDINARY).count(),
        measured = match is_same {
            true => "The figures are of the model that is shipped.",
            false =>
                "The figures are of a model made by the same recipe from the training part alone. The \
                      model that is shipped also learnt from the test part and a share of the calibration part's \
                      attacks, so that it knows more of them; its probabilities and thresholds are set on what \
                      remains of the calibration part, which it has not seen.",
        },
        figures = facts.figures.iter().map(channel).collect::<Vec<_>>().join("\n"),
    )
}
