//! Masked values that the answer gives back: for their conversation, whichever replica it is, and for nobody else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{BotId, Cause, Decision, Effect, StageName, Status, Verdict};
use portcullis_state::{Entrusted, Kept, MemoryVault, StateError, Vault};
use serde_json::json;

use crate::support::Small;

const POLICY: &str = "
[limits]
total_ms = 10000
[stages.sanitizer]
timeout_ms = 5000
[stages.injection-classifier]
timeout_ms = 5000
[stages.sentiment]
timeout_ms = 5000
[stages.moderation]
timeout_ms = 5000
[stages.sanitizer.settings.entities]
email = 'placeholder'
phone = 'hash'
";

fn replica(vault: &Arc<dyn Vault>, more: &str) -> Small {
    Small::new(Small::real_stages()).vault(vault.clone()).policy(&format!("{POLICY}{more}"))
}

fn memory() -> Arc<dyn Vault> {
    Arc::new(MemoryVault::new(Arc::new(portcullis_core::SystemClock), 100))
}

async fn say(small: &Small, conversation: &str, text: &str) -> Verdict {
    small.check(&json!({"text": text, "conversation": conversation})).await.unwrap()
}

async fn answer(small: &Small, conversation: &str, text: &str) -> Verdict {
    let body = json!({"text": text, "conversation": conversation, "direction": "outbound"});
    small.check(&body).await.unwrap()
}

fn text(verdict: &Verdict) -> &str {
    verdict.text.as_ref().expect("forwarded").expose()
}

fn vault_line(verdict: &Verdict) -> Option<&portcullis_core::Check> {
    verdict.check(&StageName::vault())
}

#[tokio::test]
async fn an_answer_gives_back_what_its_conversation_brought_in_whichever_replica_it_is() {
    let vault = memory();
    let (one, other) = (replica(&vault, ""), replica(&vault, ""));
    let said = say(&one, "c-1", "Write to jane@example.org or joe@example.org").await;
    assert_eq!(said.decision, Decision::Rewrite);
    assert_eq!(text(&said), "Write to <EMAIL_1> or <EMAIL_2>");
    assert_eq!(vault_line(&said).unwrap().status, Status::Ran);
    let again = say(&other, "c-1", "I said joe@example.org").await;
    assert_eq!(text(&again), "I said <EMAIL_2>", "replicas agree");
    let back = answer(&other, "c-1", "I wrote to <EMAIL_1>; <EMAIL_9> is not known.").await;
    assert_eq!(back.decision, Decision::Rewrite);
    assert_eq!(text(&back), "I wrote to jane@example.org; <EMAIL_9> is not known.");
    let record = serde_json::to_string(&(one.journal_entries(), other.journal_entries())).unwrap();
    assert!(!record.contains("example.org"), "the record keeps placeholders");
}

#[tokio::test]
async fn two_conversations_never_read_each_others_values() {
    let vault = memory();
    let small = replica(&vault, "");
    say(&small, "c-1", "Write to jane@example.org").await;
    say(&small, "c-2", "Write to eve@example.org").await;
    for (conversation, own) in [("c-1", "jane@example.org"), ("c-2", "eve@example.org")] {
        assert_eq!(
            text(&answer(&small, conversation, "To <EMAIL_1>.").await),
            format!("To {own}.")
        );
    }
    let stranger = answer(&small, "c-3", "To <EMAIL_1>.").await;
    assert_eq!((stranger.decision, text(&stranger)), (Decision::Allow, "To <EMAIL_1>."));
}

#[tokio::test]
async fn what_a_person_typed_is_never_taken_for_a_placeholder() {
    let vault = memory();
    let small = replica(&vault, "");
    say(&small, "c-1", "Write to jane@example.org").await;
    let typed = say(&small, "c-1", "What does <EMAIL_1> mean?").await;
    assert_eq!(text(&typed), "What does <_EMAIL_1> mean?");
    let parted = say(&small, "c-1", "What does <EMA\u{200b}IL_1> mean?").await;
    assert!(!text(&parted).contains("<EMAIL_1>"), "{}", text(&parted));
    let back = answer(&small, "c-1", "You typed <_EMAIL_1>, and <EMAIL_1> is yours.").await;
    assert_eq!(text(&back), "You typed <EMAIL_1>, and jane@example.org is yours.");
}

#[tokio::test]
async fn without_a_conversation_values_are_masked_for_good_and_the_receipt_says_so() {
    let small = replica(&memory(), "");
    let said = small.check(&json!({"text": "Write to jane@example.org"})).await.unwrap();
    assert_eq!(text(&said), "Write to [EMAIL]");
    let line = vault_line(&said).unwrap();
    assert_eq!((line.status, line.cause), (Status::Gap, Some(Cause::Absent)));
    assert_eq!((line.effect, line.why.as_deref()), (Some(Effect::Pass), Some("no_conversation")));
}

/// A store that is away.
struct Away;

#[async_trait]
impl Vault for Away {
    async fn entrust(
        &self,
        _: &BotId,
        _: &str,
        _: &[Entrusted],
        _: Duration,
    ) -> Result<Vec<Option<u32>>, StateError> {
        Err(StateError::Away)
    }
    async fn all(&self, _: &BotId, _: &str) -> Result<Vec<Kept>, StateError> {
        Err(StateError::Away)
    }
}

#[tokio::test]
async fn while_the_store_is_away_the_policy_decides_and_nothing_leaks() {
    let away: Arc<dyn Vault> = Arc::new(Away);
    let text_of = "Write to jane@example.org";
    for (policy, decision) in [
        ("", Decision::Rewrite),
        ("[placeholders]\non_gap = 'block'\n", Decision::Block),
        ("[placeholders]\non_gap = 'hold'\n", Decision::Block),
    ] {
        let small = replica(&away, policy);
        let said = say(&small, "c-1", text_of).await;
        assert_eq!(said.decision, decision, "{policy}");
        assert!(said.text.is_none_or(|text| text.expose() == "Write to [EMAIL]"), "{policy}");
        let line = said.receipt.iter().find(|check| check.stage == StageName::vault()).unwrap();
        assert_eq!((line.status, line.cause), (Status::Gap, Some(Cause::Dependency)));
    }
    let back = answer(&replica(&away, ""), "c-1", "To <EMAIL_1>.").await;
    assert_eq!(text(&back), "To <EMAIL_1>.");
    assert_eq!(vault_line(&back).unwrap().status, Status::Gap);
}

#[tokio::test]
async fn a_policy_without_restoring_masks_for_good_and_escapes_nothing() {
    let small = replica(&memory(), "[placeholders]\nrestore = false\n");
    let said = say(&small, "c-1", "Write to jane@example.org about <EMAIL_1>").await;
    assert_eq!(text(&said), "Write to [EMAIL] about <EMAIL_1>");
    assert_eq!(vault_line(&said).unwrap().status, Status::Skipped);
    assert_eq!(text(&answer(&small, "c-1", "<EMAIL_1>").await), "<EMAIL_1>");
}
