//! What of a message goes into the record: an entry for each verdict, and summaries of floods.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_core::{
    Body, BotId, Direction, Entry, Interaction, Recorded, Shape, SpeakerId, Verdict, VerdictRecord,
};
use portcullis_personal::Sealing;
use portcullis_pipeline::{Identity, Outcome};
use portcullis_policy::{KeepText, OnGap, Policy};

use crate::control::context;
use crate::gateway::{Gateway, block};

impl Gateway {
    /// Gives the record what is personal in this form. Without it the record gets nothing personal.
    #[must_use]
    pub fn sealing(self, sealing: Sealing) -> Self {
        Self { sealing, ..self }
    }

    pub(crate) async fn record(&self, entry: &Entry, policy: &Policy) -> Result<Recorded, ()> {
        let Some(recorder) = &self.parts.recorder else { return Ok(Recorded::Nowhere) };
        let time = policy.plan(Direction::Inbound).journal;
        recorder.record(entry, time).await.map_err(|_| ())
    }

    /// Writes a verdict's entry and says in the verdict where it is. Where it cannot be written, and the policy lets
    /// nothing pass that is not recorded, the verdict becomes a block: `false`.
    pub(crate) async fn record_or_block(
        &self,
        entry: &Entry,
        policy: &Policy,
        verdict: &mut Verdict,
    ) -> bool {
        let recorded = self.record(entry, policy).await;
        verdict.recorded = recorded.unwrap_or(Recorded::Nowhere);
        if recorded.is_err() && policy.document().on_journal_gap != OnGap::Pass {
            block(verdict, policy, "gap.journal.away");
            return false;
        }
        true
    }

    pub(crate) async fn throttled(
        &self,
        interaction: &Interaction,
        who: &Identity,
        policy: &Policy,
        outcome: Outcome,
    ) -> Verdict {
        let now = self.parts.clock.now();
        let speaker = who.speaker.as_ref().map(SpeakerId::as_str);
        let mut verdict = outcome.verdict.clone();
        verdict.recorded = Recorded::Summary;
        if self.throttles.count(&interaction.bot, speaker, now) {
            let suffix = format!("/throttle-{}", now.as_millisecond());
            let entry = self.entry(interaction, who, policy, &outcome, &suffix);
            self.record_or_block(&entry, policy, &mut verdict).await;
        }
        verdict
    }

    /// Writes the summaries of windows that are over; `all` at the end of the process.
    pub async fn write_summaries(&self, all: bool) {
        let Some(recorder) = &self.parts.recorder else { return };
        for entry in self.throttles.summaries(self.parts.clock.now(), all) {
            if recorder.record(&entry, Duration::from_secs(1)).await.is_err() {
                tracing::error!("a summary of throttles is not recorded");
            }
        }
    }

    /// The key of a bot's sketches.
    fn shape_key(&self, bot: &BotId) -> u64 {
        let hash = self.parts.sealer.keyed_hash(&context("shape", bot), "sketch");
        hash.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
    }

    pub(crate) fn entry(
        &self,
        interaction: &Interaction,
        who: &Identity,
        policy: &Policy,
        outcome: &Outcome,
        suffix: &str,
    ) -> Entry {
        let Interaction { bot, direction, id, .. } = interaction;
        let keep = policy.document().keep_text;
        let raw = keep == KeepText::Raw && self.sealing.seals();
        let masked = outcome.cleaned && keep != KeepText::None;
        let kept = if raw {
            Some(interaction.text.clone())
        } else {
            masked.then(|| outcome.masked.clone())
        };
        let verdict = Verdict {
            text: None,
            // What the record itself says of where it is.
            recorded: Recorded::Journal,
            ..outcome.verdict.clone()
        };
        let whole: String = interaction.places().map(|(_, text)| text.expose()).collect();
        let id = format!("verdict/{bot}/{}/{id}{suffix}", direction.as_str());
        let now = self.parts.clock.instant();
        let (text, personal) = self.sealing.parts(&id, interaction, kept, raw, now);
        Entry {
            id,
            bot: bot.clone(),
            at: interaction.received_at,
            body: Body::Verdict(Box::new(VerdictRecord {
                direction: *direction,
                speaker: who.speaker.clone().map(String::from),
                network: interaction.client_addr.map(|address| {
                    self.parts.sealer.keyed_hash(&context("network", bot), &network(address))
                }),
                conversation: who.conversation.clone().map(String::from),
                in_reply_to: interaction.in_reply_to.clone(),
                bytes: interaction.total_bytes(),
                digest: self.parts.sealer.keyed_hash(&context("text", bot), &whole),
                shape: Some(Shape::of(interaction.text.expose(), self.shape_key(bot))),
                text,
                personal,
                verdict,
            })),
        }
    }
}

/// The network of an address: as far as one provider's customer usually reaches.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Puts a changed verdict into its entry.
pub(crate) fn set_verdict(entry: &mut Entry, verdict: &Verdict) {
    if let Body::Verdict(record) = &mut entry.body {
        record.verdict = Verdict { text: None, recorded: Recorded::Journal, ..verdict.clone() };
    }
}
