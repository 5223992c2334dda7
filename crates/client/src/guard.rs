//! The whole exchange around a bot: check what came in, let the bot answer, check the answer.

use std::sync::Arc;

use portcullis_core::{Decision, Text, Tone, Verdict};

use crate::{Door, Error, Message};

/// What to do with a message while there is no verdict to be had, because the guard is away, late or says
/// that it cannot judge now ([`Error::is_away`]). A message that is itself refused is never let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnAway {
    /// Nothing goes in and nothing goes out.
    #[default]
    Block,
    /// Everything goes on unchecked: whoever can make the guard unreachable has a bot without one.
    Allow,
}

/// What the bot gets to hear.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The text that may reach the bot: as received, or rewritten.
    pub text: Text,
    /// How the bot should speak.
    pub tone: Option<Tone>,
    /// The verdict; `None` where the guard was away and [`OnAway::Allow`] let the message on.
    pub verdict: Option<Verdict>,
}

/// How one text fared.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It got its verdict.
    Judged(Box<Verdict>),
    /// There was none.
    NotJudged(Error),
}

impl Outcome {
    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Judged(verdict) => Some(verdict),
            Self::NotJudged(_) => None,
        }
    }

    /// What was decided, if there is a verdict.
    pub fn decision(&self) -> Option<Decision> {
        self.verdict().map(|verdict| verdict.decision)
    }
}

/// One message and its answer, done.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What to show the person: the bot's answer, or what stands in its place.
    pub show: Text,
    /// How the message fared.
    pub inbound: Outcome,
    /// How the bot's answer fared; `None` where the bot was not asked.
    pub outbound: Option<Outcome>,
}

/// Stands between people and a bot. Cloning is cheap.
#[derive(Clone)]
pub struct Guard {
    door: Arc<dyn Door>,
    on_away: OnAway,
    sorry: Text,
}

/// What may go on: the text, and the verdict if there was one.
struct Passed {
    text: Text,
    verdict: Option<Verdict>,
}

impl Guard {
    /// A guard that asks at `door`, and blocks while nobody answers there.
    pub fn new(door: Arc<dyn Door>) -> Self {
        let sorry = "Sorry, I can't answer right now. Please try again later.".into();
        Self { door, on_away: OnAway::Block, sorry }
    }

    /// What to do while the guard is away.
    #[must_use]
    pub fn on_away(mut self, on_away: OnAway) -> Self {
        self.on_away = on_away;
        self
    }

    /// What the person is shown where nothing goes on and the verdict (or its lack) has no words for it.
    #[must_use]
    pub fn sorry(mut self, text: impl Into<Text>) -> Self {
        self.sorry = text.into();
        self
    }

    /// Checks `message`; where it may go on, asks `bot` and checks its answer, in the same conversation.
    /// Says what to show the person, whatever happens.
    ///
    /// What is held is not waited for: the person is shown the policy's words, and the resolution comes
    /// to the bot's mailbox, or to [`crate::HttpClient::look_up`].
    ///
    /// # Errors
    /// The bot's own, unchanged; nothing else fails.
    pub async fn exchange<E>(
        &self,
        message: Message,
        bot: impl AsyncFnOnce(Heard) -> Result<String, E>,
    ) -> Result<Exchange, E> {
        let inbound = self.ask(&message).await;
        let passed = match self.pass(&inbound, &message.text) {
            Ok(passed) => passed,
            Err(show) => return Ok(Exchange { show, inbound, outbound: None }),
        };
        let id = passed.verdict.as_ref().map(|verdict| verdict.id.clone());
        let id = id.or_else(|| message.id.clone());
        // A crisis route may come with a message that goes on: the person is shown it first.
        let first = passed.verdict.as_ref().and_then(|verdict| verdict.reply.clone());
        let tone = passed.verdict.as_ref().and_then(|verdict| verdict.tone.clone());
        let heard = Heard { text: passed.text, tone, verdict: passed.verdict };
        let answer = message.answer(bot(heard).await?.into(), id);
        let outbound = self.ask(&answer).await;
        let show = match self.pass(&outbound, &answer.text) {
            Ok(passed) => passed.text,
            Err(instead) => instead,
        };
        let show = match first {
            Some(first) => format!("{first}\n\n{}", show.expose()).into(),
            None => show,
        };
        Ok(Exchange { show, inbound, outbound: Some(outbound) })
    }

    async fn ask(&self, message: &Message) -> Outcome {
        match self.door.check(message).await {
            Ok(verdict) => Outcome::Judged(Box::new(verdict)),
            Err(error) => Outcome::NotJudged(error),
        }
    }

    /// What may go on, or what to show instead.
    fn pass(&self, outcome: &Outcome, received: &Text) -> Result<Passed, Text> {
        match outcome {
            Outcome::Judged(verdict) => match &verdict.text {
                Some(text) if verdict.decision.forwards() => {
                    Ok(Passed { text: text.clone(), verdict: Some(verdict.as_ref().clone()) })
                }
                // A verdict that forwards and has no text contradicts itself: nothing goes on.
                _ => Err(verdict.reply.as_deref().map_or_else(|| self.sorry.clone(), Text::from)),
            },
            Outcome::NotJudged(error) if error.is_away() && self.on_away == OnAway::Allow => {
                Ok(Passed { text: received.clone(), verdict: None })
            }
            Outcome::NotJudged(_) => Err(self.sorry.clone()),
        }
    }
}
