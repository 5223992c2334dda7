//! An answer that is checked while it is being written: feed what the bot writes, get back what may be released.
//!
//! What was received is looked at each time eight characters have come, whatever the pieces in which they came:
//! any split of a text gives the same result. Of what was received the last 32 characters are held back, so that
//! with those not looked at yet fewer than 40 are; and everything from the start of a possible match on (an
//! address, a key, digits in groups, a tag, a pattern of the policy, the system prompt, an address in a fence that
//! is not over), up to a bound.

use std::sync::Arc;
use std::time::Duration;

use portcullis_markup::{Code, LINE, Lines};

use crate::hit::Hit;
use crate::hold;
use crate::leak::Known;
use crate::patterns::Standing;
use crate::rules::{Places, Rules};

/// Characters between two looks.
const STEP: usize = 8;
/// Characters that are held back in any case.
const HELD: usize = 32;
/// Bytes before what is not released yet that are read with it, where its line begins further back than [`LINE`].
const BEFORE: usize = 256;

/// What is to be done about a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Go on, with its mask in its place if it has one.
    Go,
    /// Release nothing more until the answer is whole.
    Pause,
    /// Stop before it.
    Stop,
}

/// What becomes of a possible match that outgrows its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is released.
    Pass,
    /// Nothing more is released until the answer is whole.
    Pause,
    /// The stream is stopped.
    Stop,
}

/// How much a possible match may hold back, for how long, and what then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes.
    pub bytes: usize,
    /// Time since it was first held back.
    pub time: Duration,
    /// What then.
    pub overflow: Overflow,
}

/// What may be released.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fed {
    /// The text, masked where it must be.
    pub text: String,
    /// Why the stream was stopped, in dotted words, where it was stopped just now.
    pub stopped: Option<String>,
}

impl std::fmt::Debug for Fed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fed({} bytes, stopped: {:?})", self.text.len(), self.stopped)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Flow {
    Open,
    Paused(String),
    Stopped(String),
}

/// Decides about each hit, once.
type Judge = dyn Fn(&Hit) -> Act + Send + Sync;

/// One answer that is being written.
pub struct Stream {
    rules: Arc<Rules>,
    known: Known,
    bounds: Bounds,
    judge: Box<Judge>,
    text: String,
    chars: usize,
    released: usize,
    /// Where each pattern's machine stands after the first `stepped` bytes.
    standings: Vec<Standing>,
    stepped: usize,
    /// The lines that were released.
    lines: Lines,
    /// The possible match that is held back now, and since when.
    held: Option<(usize, Duration)>,
    /// What begins before this is held back no more: it outgrew its bounds and may pass.
    passed: usize,
    flow: Flow,
    hits: Vec<Hit>,
}

impl Stream {
    /// A stream of which nothing was received yet.
    pub fn new(rules: Arc<Rules>, known: Known, bounds: Bounds, judge: Box<Judge>) -> Self {
        let standings = vec![Standing::default(); rules.patterns().len()];
        Self {
            rules,
            known,
            bounds,
            judge,
            text: String::new(),
            chars: 0,
            released: 0,
            standings,
            stepped: 0,
            lines: Lines::default(),
            held: None,
            passed: 0,
            flow: Flow::Open,
            hits: Vec::new(),
        }
    }

    /// Takes what the bot wrote next, at `now` (counted from any fixed moment), and gives what may be released.
    /// Once stopped or paused it takes more and releases nothing.
    pub fn feed(&mut self, piece: &str, now: Duration) -> Fed {
        let mut fed = Fed::default();
        for c in piece.chars() {
            self.text.push(c);
            self.chars += 1;
            if self.chars.is_multiple_of(STEP) && self.flow == Flow::Open {
                self.look(now, &mut fed);
            }
        }
        fed
    }

    /// Looks at the clock: a possible match that was held back for too long is dealt with as the bounds say.
    pub fn tick(&mut self, now: Duration) -> Fed {
        let mut fed = Fed::default();
        if self.flow == Flow::Open && self.is_overdue(now) {
            self.look(now, &mut fed);
        }
        fed
    }

    /// When [`Stream::tick`] is due, on the same clock; absent where nothing is held back.
    pub fn due(&self) -> Option<Duration> {
        let (_, since) = self.held.filter(|_| self.flow == Flow::Open)?;
        Some(since + self.bounds.time)
    }

    /// Releases the rest. For an answer that is whole and that the verdict on it lets go on; what was stopped
    /// stays so.
    pub fn finish(&mut self) -> Fed {
        let mut fed = Fed::default();
        if !matches!(self.flow, Flow::Stopped(_)) {
            self.flow = Flow::Open;
            let from = self.context();
            let code = Code::rest(&self.text, from, &self.lines);
            let mut hits = self.read(from, &code).hits;
            hits.retain(|hit| hit.span.is_none_or(|span| span.end > self.released));
            let judge = std::mem::replace(&mut self.judge, Box::new(|_| Act::Go));
            let to = self.text.len();
            self.advance(
                to,
                hits,
                &|hit| match judge(hit) {
                    Act::Pause => Act::Go,
                    act => act,
                },
                &mut fed,
            );
            self.judge = judge;
        }
        fed
    }

    /// Stops it for a reason that the rules here do not know.
    pub fn stop(&mut self, reason: impl Into<String>) {
        if !matches!(self.flow, Flow::Stopped(_)) {
            self.flow = Flow::Stopped(reason.into());
        }
    }

    /// Releases nothing more until [`Stream::finish`].
    pub fn pause(&mut self, reason: impl Into<String>) {
        if self.flow == Flow::Open {
            self.flow = Flow::Paused(reason.into());
        }
    }

    /// Everything that was received.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Characters that were received.
    pub fn chars(&self) -> usize {
        self.chars
    }

    /// Bytes of what was received that were released; a masked span counts at its own length.
    pub fn released(&self) -> usize {
        self.released
    }

    /// Why it was stopped.
    pub fn stopped(&self) -> Option<&str> {
        match &self.flow {
            Flow::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why it waits for its end.
    pub fn paused(&self) -> Option<&str> {
        match &self.flow {
            Flow::Paused(reason) => Some(reason),
            _ => None,
        }
    }

    /// What was found so far at places that are settled, in order.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    fn is_overdue(&self, now: Duration) -> bool {
        self.held.is_some_and(|(_, since)| now.saturating_sub(since) >= self.bounds.time)
    }

    fn look(&mut self, now: Duration, fed: &mut Fed) {
        self.step_machines();
        let base = self.text.char_indices().rev().nth(HELD - 1).map_or(0, |(at, _)| at);
        if base <= self.released {
            return;
        }
        let from = self.context();
        let code = Code::so_far(&self.text, from, &self.lines);
        let Places { mut hits, open_prompt, open_code } = self.read(from, &code);
        hits.retain(|hit| hit.span.is_some_and(|span| span.end > self.released));
        let mut to = hold::open(&self.text, self.released, base);
        let patterns = self.standings.iter().filter_map(Standing::open);
        let open_code = open_code.map(|at| hold::whole(&self.text, at));
        to = patterns.chain(open_prompt).chain(open_code).fold(to, usize::min);
        // a match is dealt with whole: what reaches into what is held is held from its start, and with what it
        // is read with
        while let Some(start) = hits
            .iter()
            .filter_map(|hit| hit.span.filter(|span| span.end > to))
            .map(|span| hold::whole(&self.text, span.start))
            .min()
            .filter(|start| *start < to)
        {
            to = start;
        }
        to = to.max(self.passed.min(base)).max(self.released);
        let mut overflow = None;
        if to < base {
            let since = match self.held {
                Some((at, since)) if at == to => since,
                _ => now,
            };
            self.held = Some((to, since));
            if self.text.len() - to > self.bounds.bytes || self.is_overdue(now) {
                self.held = None;
                overflow = Some(self.bounds.overflow);
            }
        } else {
            self.held = None;
        }
        if overflow == Some(Overflow::Pass) {
            self.passed = base;
            to = base;
            for standing in &mut self.standings {
                standing.forget_before(base);
            }
        }
        let judge = std::mem::replace(&mut self.judge, Box::new(|_| Act::Go));
        self.advance(to, hits, &*judge, fed);
        self.judge = judge;
        if self.flow == Flow::Open {
            match overflow {
                Some(Overflow::Stop) => self.halt("stream.hold_limit", fed),
                Some(Overflow::Pause) => self.pause("stream.hold_limit"),
                Some(Overflow::Pass) | None => {}
            }
        }
    }

    fn step_machines(&mut self) {
        let rules = self.rules.clone();
        if rules.patterns().is_empty() {
            return;
        }
        let bytes = self.text.as_bytes();
        for (at, byte) in bytes.iter().enumerate().skip(self.stepped) {
            for (pattern, standing) in rules.patterns().iter().zip(&mut self.standings) {
                pattern.machine.step(standing, at, *byte);
            }
        }
        self.stepped = bytes.len();
    }

    /// From where what is not released yet must be read to be read rightly: the start of its line, or, of a long
    /// one, that of a word before it.
    fn context(&mut self) -> usize {
        self.lines.read(&self.text, self.released);
        if self.released - self.lines.start() <= LINE {
            return self.lines.start();
        }
        let near = self.text.floor_char_boundary(self.released.saturating_sub(BEFORE));
        let word =
            self.text.get(near..self.released).and_then(|near| near.find(char::is_whitespace));
        word.map_or(near, |at| near + at)
    }

    fn read(&self, from: usize, code: &Code) -> Places {
        let text = self.text.get(from..).unwrap_or_default();
        let mut places = self.rules.read(text, code, &self.known);
        for span in places.hits.iter_mut().filter_map(|hit| hit.span.as_mut()) {
            span.start += from;
            span.end += from;
        }
        for open in [&mut places.open_prompt, &mut places.open_code].into_iter().flatten() {
            *open += from;
        }
        places
    }

    /// Releases up to `to`, dealing with each hit on the way.
    fn advance(&mut self, to: usize, hits: Vec<Hit>, judge: &dyn Fn(&Hit) -> Act, fed: &mut Fed) {
        for hit in hits {
            let Some(span) = hit.span.filter(|span| span.end <= to) else { continue };
            match judge(&hit) {
                Act::Go => {
                    if let Some(label) = hit.mask {
                        self.release(span.start, fed);
                        if span.end > self.released {
                            fed.text.push_str(&format!("[{label}]"));
                            self.released = span.end;
                        }
                    }
                    self.hits.push(hit);
                }
                act => {
                    self.release(span.start, fed);
                    let reason = hit.kind.clone();
                    self.hits.push(hit);
                    if act == Act::Stop {
                        self.halt(&reason, fed);
                    } else {
                        self.pause(reason);
                    }
                    return;
                }
            }
        }
        self.release(to, fed);
    }

    fn halt(&mut self, reason: &str, fed: &mut Fed) {
        self.stop(reason);
        fed.stopped = Some(reason.to_owned());
    }

    fn release(&mut self, to: usize, fed: &mut Fed) {
        if let Some(text) = self.text.get(self.released..to) {
            fed.text.push_str(text);
            self.released = to;
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
