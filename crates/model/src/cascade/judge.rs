//! Judging whole messages: every text of one at once, so that the encoder's time goes where the
//! suspicion is highest.
//!
//! A text is cut into stretches of about 2 KiB that overlap; the linear pass says of each whether it is
//! certainly harmless, certainly an attack, or for the encoder. Only the last are cut into tokens, in
//! windows of which each may again be certain. A text that is certainly an attack is not looked at any
//! further: more looking cannot make it less of one.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Cascade;
use super::language::{self, Unsupported};
use super::manifest::{Channel, ChannelParameters, HeadParameters};
use crate::linear::{LinearPass, Stretch};
use crate::text_encoder::TextEncoder;

/// A text to judge, and the question that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The question.
    pub channel: Channel,
    /// The text.
    pub text: &'a str,
}

/// What happens to windows that the encoder had no time for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Beyond {
    /// They count as not covered.
    #[default]
    Partial,
    /// The linear model's answer counts.
    Linear,
}

/// How much may be spent on a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// When the answer must be there.
    pub deadline: Option<Instant>,
    /// Windows for the encoder, over all texts.
    pub windows: Option<usize>,
    /// What the rest is.
    pub beyond: Beyond,
}

impl Limits {
    fn are_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// What the cascade made of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Calibrated probability of the highest window, from 0 to 1.
    pub score: f32,
    /// Bytes of the text in which the suspicion is highest; absent where that is the whole text.
    pub hottest: Option<Range<usize>>,
    /// Bytes of the text that were judged to the end. What was not is among the least suspicious.
    pub scanned: usize,
    /// What the encoder names the attack: the part after `kind.` of one of its outputs.
    pub kind: Option<String>,
    /// Windows that the encoder judged. None: the linear model answered alone.
    pub encoded: usize,
    /// A language that the encoder does not know; its answer then only adds to the linear model's.
    pub unsupported: Option<Unsupported>,
}

/// A stretch or window, as the linear model sees it.
#[derive(Clone, Copy)]
enum Certainty {
    Harmless,
    Attack,
    Ask,
}

/// A text under way.
struct State<'a> {
    piece: Piece<'a>,
    pass: LinearPass<'a>,
    parameters: &'a ChannelParameters,
    judged: Judged,
    covered: Vec<Range<usize>>,
    settled: bool,
}

/// Bytes of one text that wait for the encoder.
struct Waiting {
    of: usize,
    bytes: Range<usize>,
    stretch: Stretch,
    suspicion: f32,
}

impl Judged {
    /// Whether there was no time to look at the text at all: the score then says nothing.
    pub fn is_unseen(&self) -> bool {
        self.scanned == 0 && self.score == 0.0
    }
}

impl<'a> State<'a> {
    fn new(piece: Piece<'a>, pass: LinearPass<'a>, parameters: &'a ChannelParameters) -> Self {
        let judged = Judged {
            score: 0.0,
            hottest: None,
            scanned: 0,
            kind: None,
            encoded: 0,
            unsupported: None,
        };
        Self { piece, pass, parameters, judged, covered: Vec::new(), settled: false }
    }

    /// Probability by the linear model; `corrected` for the number of windows in the text or not.
    fn linear(&self, stretch: Stretch, corrected: bool) -> f32 {
        let penalty = if corrected { self.pass.penalty() } else { 0.0 };
        self.parameters.linear.calibration.probability(stretch.logit - penalty)
    }

    fn certainty(&self, stretch: Stretch) -> Certainty {
        let exits = self.parameters.exits;
        if self.linear(stretch, true) >= exits.attack_above {
            return Certainty::Attack;
        }
        let familiar = self
            .parameters
            .novelty
            .as_ref()
            .is_some_and(|novelty| stretch.unknown <= novelty.max_unknown);
        match familiar && self.linear(stretch, false) < exits.benign_below {
            true => Certainty::Harmless,
            false => Certainty::Ask,
        }
    }

    /// Takes an answer for some bytes.
    fn answer(&mut self, bytes: &Range<usize>, score: f32, kind: Option<String>) {
        if score > self.judged.score || self.judged.hottest.is_none() {
            self.judged.score = self.judged.score.max(score);
            self.judged.hottest = Some(bytes.clone());
            self.judged.kind = kind;
        }
        self.covered.push(bytes.clone());
        self.settled |= score >= self.parameters.exits.attack_above;
    }

    /// What the linear model says of bytes that nobody else judged.
    fn fall_back(&mut self, waiting: &Waiting, beyond: Beyond) {
        let score = self.linear(waiting.stretch, true);
        self.answer(&waiting.bytes, score, None);
        if beyond == Beyond::Partial {
            self.covered.pop();
        }
    }

    /// What the encoder says, together with the linear model.
    fn encoded(
        &mut self,
        waiting: &Waiting,
        head: &HeadParameters,
        outputs: &[String],
        row: &[f32],
    ) {
        let named = |name: &str| outputs.iter().position(|output| output == name);
        let logit = named(&head.output).and_then(|index| row.get(index)).copied().unwrap_or(0.0);
        let count = (self.pass.tokens() as f32 / TextEncoder::WORDS_A_WINDOW).log2().max(0.0);
        let z = head.blend.encoder * logit
            + head.blend.linear * waiting.stretch.logit
            + head.blend.offset
            - head.penalty_per_doubling * count;
        let mut score = 1.0 / (1.0 + (-z).exp());
        if self.judged.unsupported.is_some() {
            score = score.max(self.linear(waiting.stretch, true));
        }
        self.judged.encoded += 1;
        self.answer(&waiting.bytes, score, kind(outputs, row));
    }

    fn finish(mut self) -> Judged {
        let whole = 0..self.piece.text.len();
        self.judged.scanned = match self.settled {
            true => self.pass.scanned(),
            false => union(self.covered),
        };
        if self.judged.hottest.as_ref() == Some(&whole) {
            self.judged.hottest = None;
        }
        self.judged
    }
}

/// The name of the highest `kind.…` logit.
fn kind(outputs: &[String], row: &[f32]) -> Option<String> {
    let kinds = outputs
        .iter()
        .zip(row)
        .filter_map(|(name, logit)| name.strip_prefix("kind.").map(|kind| (kind, *logit)));
    kinds.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(kind, _)| kind.to_owned())
}

/// Bytes in any of the ranges.
fn union(mut ranges: Vec<Range<usize>>) -> usize {
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.iter().fold(0, |sum, range| {
        let new = range.end.saturating_sub(range.start.max(end));
        end = end.max(range.end);
        sum + new
    })
}

impl Cascade {
    /// Judges every text of a message, in the order given. Without the encoder the linear models answer.
    /// The encoder's threads do its work; the rest is done where this is polled: microseconds for a message,
    /// a millisecond for a hundred pages.
    pub async fn judge(&self, pieces: &[Piece<'_>], limits: &Limits) -> Vec<Judged> {
        let mut states: Vec<State<'_>> = pieces
            .iter()
            .map(|piece| {
                let pass = self.linear(piece.channel).pass(piece.text, &mut || !limits.are_over());
                let mut state = State::new(*piece, pass, self.manifest.channel(piece.channel));
                if self.manifest.encoder.is_some() {
                    state.judged.unsupported = language::unsupported(piece.text, &self.languages);
                }
                state
            })
            .collect();
        let mut waiting = Vec::new();
        for (of, state) in states.iter_mut().enumerate() {
            self.first_look(of, state, &mut waiting);
        }
        waiting.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion));
        match self.neural() {
            Ok(neural) if !waiting.is_empty() => {
                neural.judge(&mut states, waiting, limits).await;
            }
            // an encoder that cannot be loaded is told by `prepare`; its windows are not covered
            _ => {
                for one in waiting {
                    if let Some(state) = states.get_mut(one.of) {
                        state.fall_back(&one, limits.beyond);
                    }
                }
            }
        }
        states.into_iter().map(State::finish).collect()
    }

    /// What the linear model is certain of, and what it leaves to the encoder.
    fn first_look(&self, of: usize, state: &mut State<'_>, waiting: &mut Vec<Waiting>) {
        let text = state.piece.text;
        let scanned = state.pass.scanned();
        let read = text.get(..scanned).unwrap_or(text);
        if state.parameters.head.is_none() {
            if let Some((logit, hottest)) = state.pass.highest() {
                let score = state.parameters.linear.calibration.probability(logit);
                state.answer(&hottest.unwrap_or(0..text.len()), score, None);
            }
            state.covered.push(0..scanned);
            return;
        }
        for bytes in TextEncoder::stretches(read) {
            let Some(stretch) = state.pass.stretch(&bytes) else {
                state.covered.push(bytes);
                continue;
            };
            match state.certainty(stretch) {
                Certainty::Ask => waiting.push(Waiting {
                    of,
                    bytes,
                    stretch,
                    suspicion: state.linear(stretch, false),
                }),
                certain => {
                    let is_attack = matches!(certain, Certainty::Attack);
                    let hottest = is_attack.then(|| state.pass.hottest(&bytes)).flatten();
                    let score = state.linear(stretch, true);
                    state.answer(hottest.as_ref().unwrap_or(&bytes), score, None);
                    state.covered.push(bytes);
                }
            }
        }
    }
}

impl TextEncoder {
    /// Asks the encoder about stretches, in their order, as far as the limits go.
    async fn judge(&self, states: &mut [State<'_>], stretches: Vec<Waiting>, limits: &Limits) {
        let mut stretches = VecDeque::from(stretches);
        let mut windows: VecDeque<(Waiting, Vec<u32>)> = VecDeque::new();
        let mut asked = FuturesUnordered::new();
        let mut left = limits.windows.unwrap_or(usize::MAX);
        loop {
            while asked.len() < self.share() {
                if windows.is_empty() {
                    let Some(stretch) = stretches.pop_front() else { break };
                    if let Some(state) = states.get_mut(stretch.of) {
                        windows = self.cut(state, stretch, limits, left > 0);
                    }
                    continue;
                }
                let Some((window, ids)) = windows.pop_front() else { continue };
                let Some(state) = states.get_mut(window.of) else { continue };
                if state.settled || limits.are_over() || left == 0 {
                    state.fall_back(&window, limits.beyond);
                    continue;
                }
                left -= 1;
                let answer = self.ask(ids, limits.deadline);
                asked.push(async move { (window, answer.await.ok().flatten()) });
            }
            let Some((window, row)) = asked.next().await else { break };
            let Some(state) = states.get_mut(window.of) else { continue };
            match (row, &state.parameters.head) {
                (Some(row), Some(head)) => state.encoded(&window, head, self.outputs(), &row),
                _ => state.fall_back(&window, limits.beyond),
            }
        }
    }

    /// Cuts a stretch into windows and keeps those that the linear model is not certain of, the most
    /// suspicious first.
    fn cut(
        &self,
        state: &mut State<'_>,
        stretch: Waiting,
        limits: &Limits,
        any_left: bool,
    ) -> VecDeque<(Waiting, Vec<u32>)> {
        let mut windows = VecDeque::new();
        if state.settled || limits.are_over() || !any_left {
            state.fall_back(&stretch, limits.beyond);
            return windows;
        }
        let base = stretch.bytes.start;
        let text = state.piece.text.get(stretch.bytes.clone()).unwrap_or_default();
        let Ok(cut) = self.windows(text) else {
            state.fall_back(&stretch, limits.beyond);
            return windows;
        };
        if cut.is_empty() {
            // letters for the linear model, but no token: nothing that the encoder could read
            let score = state.linear(stretch.stretch, true);
            state.answer(&stretch.bytes, score, None);
        }
        let alone = cut.len() == 1;
        for window in cut {
            let bytes = base + window.bytes.start..base + window.bytes.end;
            let seen = match alone {
                true => Some(stretch.stretch),
                false => state.pass.stretch(&bytes),
            };
            let Some(seen) = seen else {
                state.covered.push(bytes);
                continue;
            };
            match state.certainty(seen) {
                Certainty::Ask => {
                    let suspicion = state.linear(seen, false);
                    let waiting = Waiting { of: stretch.of, bytes, stretch: seen, suspicion };
                    windows.push_back((waiting, window.ids));
                }
                Certainty::Harmless | Certainty::Attack => {
                    let score = state.linear(seen, true);
                    state.answer(&bytes, score, None);
                }
            }
        }
        windows.make_contiguous().sort_by(|a, b| b.0.suspicion.total_cmp(&a.0.suspicion));
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_several_ranges_count_once() {
        assert_eq!(union(vec![]), 0);
        assert_eq!(union(vec![4..9, 0..5, 20..30, 22..25]), 19);
        assert_eq!(union(vec![0..5, 0..5]), 5);
    }
}
