//! The card: what the model was learnt from and how well it does.

use std::fmt::Write as _;

use crate::data::{AUTHORED, Row, word};
use crate::figures::{Figures, LABELS};
use crate::learner::Trained;

/// Writes the card.
pub(crate) fn write(
    rows: &[Row],
    shipped: &Trained,
    held_out: &[Figures],
    unseen: &[Figures],
) -> String {
    let mut card = String::new();
    let manifest = &shipped.manifest;
    let _ = write!(
        card,
        "# Model card: {model}\n\n\
        Written by `train-sentiment`; change that and not this.\n\n\
        ## What it is\n\n\
        Multinomial logistic regression over {buckets} hashed buckets of words, negated words and pairs of \
        words, on top of the polarity by the rules of VADER; two 8-bit weights a bucket, {size} KiB. It \
        gives a polarity in [-1, 1]: below -0.5 negative, above 0.5 positive. No chance is involved in \
        training: the same data give the same bytes.\n\n\
        Learnt from English only: comments (GoEmotions, Demszky et al. 2020, CC-BY-4.0; the label is that of \
        the emotions' sentiment), tweets and sentences of product reviews (the sets published with VADER, \
        Hutto and Gilbert 2014, MIT), and {authored} messages to bots, reviews and posts written for this \
        project (`training/authored.jsonl`), which are in no figure. Texts are split by group \
        (the reviews of one product, one tweet, one comment): 80 of 100 to learn from, 10 to set how much \
        neutral weighs, 10 for the figures below.\n\n",
        authored = rows.iter().filter(|row| row.source == AUTHORED).count(),
        model = manifest.model,
        buckets = shipped.weights.len() / 2,
        size = shipped.weights.len() / 1024,
    );
    let _ = write!(card, "| source | negative | neutral | positive |\n|---|---|---|---|\n");
    for source in held_out.iter().map(|figures| &figures.name) {
        let count =
            |label| rows.iter().filter(|row| row.source == *source && row.label == label).count();
        let [negative, neutral, positive] = LABELS.map(count);
        let _ = writeln!(card, "| {source} | {negative} | {neutral} | {positive} |");
    }
    table(&mut card, "Texts that were held out, sources that were seen", held_out);
    card.push_str("\nThe model that is shipped.\n");
    table(&mut card, "Sources that were never seen", unseen);
    card.push_str(
        "\nFor each source a model learnt from the other two and the authored texts alone: what to expect of texts of another kind, \
         such as yours.\n\n\
         ## What it is not for\n\n\
         It is no judge of people. The labels are what annotators thought that strangers felt, and they \
         disagree; comments and tweets are not letters to a shop. Other languages than English score near \
         neutral. Distress is not found by this model but by phrases, see the README.\n",
    );
    card
}

fn table(card: &mut String, title: &str, figures: &[Figures]) {
    let _ = write!(
        card,
        "\n## {title}\n\n| source | texts | accuracy | mean F1 | precision / recall of {} | of {} | of {} |\n\
         |---|---|---|---|---|---|---|\n",
        word(LABELS[0]),
        word(LABELS[1]),
        word(LABELS[2]),
    );
    let all = Figures::sum(figures);
    for figures in figures.iter().chain([&all]) {
        let _ = write!(
            card,
            "| {} | {} | {:.3} | {:.3} |",
            figures.name,
            figures.texts(),
            figures.accuracy(),
            figures.macro_f1()
        );
        for label in LABELS {
            let (precision, recall, _) = figures.of_label(label);
            let _ = write!(card, " {precision:.2} / {recall:.2} |");
        }
        card.push('\n');
    }
}
