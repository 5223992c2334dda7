//! An answer that is checked while it is being written: one session, whatever the door.
//!
//! What stands at a place (leaks, links, words, patterns) is looked for here, by the rules that moderation has
//! too, before anything is released. The stages are asked about the last two windows each time a window is full,
//! at the same characters whatever the pieces; orders are looked at with every piece. When the answer is whole
//! the plan is walked over all of it, and that verdict is the one that counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::{
    Decision, Direction, Finding, Interaction, Severity, Span, StageName, Streamed, Text, Verdict,
};
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::StreamRequest;
use portcullis_moderate as moderate;
use portcullis_moderate::{Act, Bounds, Hit, Overflow, Rules};
use portcullis_policy::{Mode, OnHoldLimit, Policy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::conductor::{Conductor, Ended, Opening};
use crate::given_back::GivenBack;

/// What a bot is told of each piece that it sent.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Released {
    /// The number of the piece; 0 where what is released now was held back before.
    pub seq: u64,
    /// What may be shown now; may be empty.
    pub text: Text,
    /// Why the stream was stopped, in dotted words, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The verdict, with the last piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Box<Verdict>>,
}

/// One answer that is being written.
pub struct Session {
    conductor: Arc<dyn Conductor>,
    opening: Opening,
    stream: moderate::Stream,
    /// Whether the policy is in force: in shadow and bypass everything is released as it comes.
    enforced: bool,
    began: Instant,
    next: u64,
    /// What was released by the clock alone and not told yet.
    late: String,
    /// What stages found in the window that stopped the stream: in the whole it may be less plain.
    found: Vec<Finding>,
    given_back: GivenBack,
}

fn bounds(policy: &Policy) -> Bounds {
    let streams = &policy.document().streams;
    Bounds {
        bytes: streams.hold_bytes,
        time: Duration::from_millis(streams.hold_ms),
        overflow: match streams.on_hold_limit {
            OnHoldLimit::Pass => Overflow::Pass,
            OnHoldLimit::Hold => Overflow::Pause,
            OnHoldLimit::Block => Overflow::Stop,
        },
    }
}

/// What the policy makes of a hit on the way.
fn act(policy: &Policy, hit: &Hit) -> Act {
    let found =
        Finding::new(StageName::moderation(), hit.kind.clone(), hit.severity, hit.confidence);
    match portcullis_policy::decide(policy, Direction::Outbound, &[found], &[]) {
        Decision::Allow | Decision::Rewrite | Decision::Throttle => Act::Go,
        Decision::Hold => Act::Pause,
        Decision::Block | Decision::Unknown => Act::Stop,
    }
}

impl Session {
    /// Opens a stream.
    ///
    /// # Errors
    /// A problem where it cannot be admitted, or its id has a verdict already.
    pub async fn open(
        conductor: Arc<dyn Conductor>,
        access: &Access,
        request: StreamRequest,
    ) -> Result<Self, Problem> {
        let opening = conductor.open(access, request).await?;
        let Opening { interaction, policy, known, .. } = &opening;
        let call = policy.plan(Direction::Outbound).calls();
        let call = call.filter(|call| call.stage == StageName::moderation()).last();
        let settings = call.map(|call| call.settings.clone()).unwrap_or_default();
        let rules = Rules::of(&settings).map_err(|error| {
            tracing::warn!(bot = %interaction.bot, field = error.0, "moderation's settings do not hold");
            Problem::no_policy("the bot's policy has settings of moderation that do not hold")
        })?;
        let mut values = moderate::Known::new(known.salt.clone(), known.values.iter().cloned());
        for item in &interaction.context {
            values.learn(item.text.expose());
        }
        let judging = policy.clone();
        let judge = Box::new(move |hit: &Hit| act(&judging, hit));
        let stream = moderate::Stream::new(rules, values, bounds(policy), judge);
        let enforced = policy.document().mode == Mode::Enforce;
        let policy_restores = enforced && policy.document().placeholders.restore;
        metrics::counter!("portcullis_streams_total", "bot" => interaction.bot.to_string())
            .increment(1);
        Ok(Self {
            enforced,
            began: conductor.now(),
            conductor,
            opening,
            stream,
            next: 1,
            late: String::new(),
            found: Vec::new(),
            given_back: GivenBack::new(policy_restores),
        })
    }

    /// The answer's id.
    pub fn id(&self) -> &portcullis_core::MessageId {
        &self.opening.interaction.id
    }

    /// How long nothing may happen before the stream is broken off.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.opening.policy.document().streams.idle_s)
    }

    /// How long until [`Session::tick`] is due; absent where nothing is held back.
    pub fn due_in(&self) -> Option<Duration> {
        let due = self.stream.due().filter(|_| self.enforced)?;
        Some(due.saturating_sub(self.now()))
    }

    /// Looks at the clock: what may be released now because it was held back for too long.
    pub fn tick(&mut self) {
        let fed = self.stream.tick(self.now());
        self.late.push_str(&fed.text);
    }

    /// What was released by the clock alone and not told yet.
    pub async fn take_late(&mut self) -> Option<Released> {
        let late = std::mem::take(&mut self.late);
        let text = self.give_back(late, false).await;
        (!text.is_empty()).then(|| Released { text: text.into(), ..Released::default() })
    }

    /// What the person reads of a text that is released: with the values of placeholders that masked them.
    async fn give_back(&mut self, text: String, end: bool) -> String {
        if self.given_back.needs_values(&text) {
            let values = self.conductor.values(&self.opening).await;
            self.given_back.learn(values);
        }
        self.given_back.pass(text, end)
    }

    /// Takes the next piece. With the last one, and where the stream is stopped, the answer has the verdict and
    /// the session is over.
    ///
    /// # Errors
    /// A problem where the piece is not the next one or is too much: then the stream is broken, and the caller
    /// calls [`Session::abort`].
    pub async fn feed(&mut self, seq: u64, text: &str, end: bool) -> Result<Released, Problem> {
        if seq != self.next {
            let detail =
                format!("piece {seq} came where {} was due: the stream is broken", self.next);
            return Err(Problem::conflict(detail).field("seq"));
        }
        self.next += 1;
        let received = self.stream.text().len() + text.len();
        if received > self.opening.limit {
            let detail = format!(
                "the answer is {received} bytes; this bot's limit is {}",
                self.opening.limit
            );
            return Err(Problem::too_large(detail).field("text"));
        }
        let mut out = std::mem::take(&mut self.late);
        let mut stopped = self.take(text, &mut out).await;
        let mut verdict = None;
        if end || stopped.is_some() {
            let given = self.conclude(None).await?;
            if stopped.is_none() && given.decision.forwards() {
                out.push_str(&self.rest());
            }
            stopped = given.stream.as_ref().and_then(|stream| stream.stopped.clone());
            verdict = Some(Box::new(given));
        }
        let text = self.give_back(out, verdict.is_some()).await.into();
        Ok(Released { seq, text, stopped, verdict })
    }

    /// Ends a stream that will get no further pieces: the verdict on what came is recorded.
    pub async fn abort(mut self, reason: &'static str) {
        metrics::counter!("portcullis_streams_aborted_total", "reason" => reason).increment(1);
        if !self.stream.text().is_empty() && self.conclude(Some(reason)).await.is_err() {
            tracing::warn!(bot = %self.opening.interaction.bot, "the verdict on a broken stream is not recorded");
        }
    }

    /// Feeds a piece window by window. Says why the stream is stopped.
    async fn take(&mut self, text: &str, out: &mut String) -> Option<String> {
        if let Some(order) = self.ordered() {
            return Some(self.stop(order));
        }
        if !self.enforced {
            self.stream.pause("not_enforced");
            self.stream.feed(text, self.now());
            out.push_str(text);
            return None;
        }
        let window = self.opening.policy.document().streams.window_chars.max(1);
        let mut rest = text;
        while !rest.is_empty() {
            let due = window - self.stream.chars() % window;
            let at = rest.char_indices().nth(due).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(at);
            rest = after;
            let fed = self.stream.feed(piece, self.now());
            out.push_str(&fed.text);
            if let Some(reason) = self.stream.stopped() {
                return Some(reason.to_owned());
            }
            if self.stream.chars().is_multiple_of(window) {
                self.ask(window).await;
                if let Some(order) = self.ordered() {
                    return Some(self.stop(order));
                }
                if let Some(reason) = self.stream.stopped() {
                    return Some(reason.to_owned());
                }
            }
        }
        None
    }

    /// Asks the stages about the last two windows.
    async fn ask(&mut self, window: usize) {
        let text = self.stream.text();
        let from = text.char_indices().rev().nth(2 * window - 1).map_or(0, |(at, _)| at);
        let part = Interaction {
            text: text.get(from..).unwrap_or_default().into(),
            ..self.opening.interaction.clone()
        };
        let verdict = self.conductor.window(&self.opening, &part).await;
        let reason =
            || verdict.reasons.first().cloned().unwrap_or_else(|| "stream.window".to_owned());
        match verdict.decision {
            Decision::Block | Decision::Unknown => {
                self.stop(reason());
                let decisive = verdict.findings.iter();
                let decisive = decisive.filter(|one| verdict.reasons.contains(&one.kind));
                self.found.extend(decisive.map(|one| {
                    let span = one
                        .span
                        .map(|span| Span { start: span.start + from, end: span.end + from });
                    Finding { span, view: None, ..one.clone() }
                }));
            }
            Decision::Hold => self.stream.pause(reason()),
            Decision::Allow | Decision::Rewrite | Decision::Throttle => {
                // What only a decoding shows cannot be masked where it stands: a part of it may be gone.
                let decoded = verdict.findings.iter().find(|finding| {
                    let is_leak = finding.kind.starts_with("leak.") && finding.view.is_some();
                    is_leak && finding.severity >= Severity::High && !self.is_masked(finding, from)
                });
                if let Some(leak) = decoded {
                    self.stop(leak.kind.clone());
                }
            }
        }
    }

    /// Whether a finding in a part that begins at `from` was masked on its way, or is held back still.
    fn is_masked(&self, finding: &Finding, from: usize) -> bool {
        let Some(span) = finding.span else { return false };
        let (start, end) = (span.start + from, span.end + from);
        start >= self.stream.released()
            || self.stream.hits().iter().any(|hit| {
                hit.mask.is_some() && hit.span.is_some_and(|s| s.start <= start && end <= s.end)
            })
    }

    /// The order that stops this stream, if there is one.
    fn ordered(&self) -> Option<String> {
        self.conductor.ordered(&self.opening)
    }

    fn stop(&mut self, reason: String) -> String {
        self.stream.stop(reason.clone());
        reason
    }

    /// What is held back still, for an answer that may go on.
    fn rest(&mut self) -> String {
        if self.enforced { self.stream.finish().text } else { String::new() }
    }

    /// The verdict on everything that came.
    async fn conclude(&mut self, broken: Option<&'static str>) -> Result<Verdict, Problem> {
        let received = self.stream.text().len();
        let released = if self.enforced { self.stream.released() } else { received };
        let stopped = self.stream.stopped().map(str::to_owned);
        let finding = stopped.as_ref().map(|reason| {
            // In shadow mode only an order stops a stream, and it is in force.
            let stage = StageName::control();
            Finding::new(stage, "stream.stopped", Severity::Critical, 1.0)
                .with_detail(reason.clone())
        });
        let ended = Ended {
            streamed: Streamed {
                received,
                released,
                stopped: stopped.or_else(|| broken.map(str::to_owned)),
            },
            stopped: finding.into_iter().chain(self.found.drain(..)).collect(),
        };
        let interaction =
            Interaction { text: self.stream.text().into(), ..self.opening.interaction.clone() };
        self.conductor.conclude(&self.opening, interaction, ended).await
    }

    fn now(&self) -> Duration {
        self.conductor.now().saturating_duration_since(self.began)
    }
}
