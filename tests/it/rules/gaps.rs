//! Rules 5 and 6: gaps are in the receipt and judged by the policy; early stop is between steps only.

use std::time::Duration;

use portcullis_bus::Local;
use portcullis_core::{Cause, Decision, Effect, Finding, Report, Severity, StageName, Status};
use portcullis_testkit::{FaultStage, Mood};
use serde_json::{Value, json};

use crate::support::{PATIENT, STAGES, Small};

fn message(stage: &str) -> Value {
    let direction = if stage == "moderation" { "outbound" } else { "inbound" };
    json!({"text": "hello", "direction": direction})
}

/// Every stage but one, in this process.
fn all_but(missing: &str) -> Local {
    let others = STAGES.iter().filter(|name| **name != missing);
    others.fold(Local::new(), |local, name| {
        let stage = FaultStage::new(StageName::parse(name).unwrap());
        local.with(std::sync::Arc::new(stage), 8)
    })
}

#[tokio::test]
async fn rule_05_a_missing_answer_is_a_gap_and_the_defaults_say_what_it_means() {
    for (stage, effect, decision) in [
        ("sanitizer", Effect::Block, Decision::Block),
        ("injection-classifier", Effect::Hold, Decision::Hold),
        ("sentiment", Effect::Pass, Decision::Allow),
        ("moderation", Effect::Hold, Decision::Hold),
    ] {
        for review in ["console", "none"] {
            let policy = format!("review = '{review}'\n{PATIENT}");
            let small = Small::new(all_but(stage)).policy(&policy);
            let verdict = small.check(&message(stage)).await.unwrap();
            let check = verdict.check(&StageName::parse(stage).unwrap()).unwrap();
            assert_eq!(check.status, Status::Gap, "{stage}");
            assert_eq!((check.cause, check.effect), (Some(Cause::Absent), Some(effect)), "{stage}");
            let unreviewed = decision == Decision::Hold && review == "none";
            let expected = if unreviewed { Decision::Block } else { decision };
            assert_eq!(verdict.decision, expected, "{stage}");
            assert_eq!(verdict.reasons.contains(&"no_reviewer".to_owned()), unreviewed, "{stage}");
        }
    }
}

#[tokio::test]
async fn rule_05_without_rate_limit_ingress_limits_coarsely_itself() {
    let small = Small::new(all_but("rate-limit")).policy("");
    let mut decisions = Vec::new();
    for _ in 0..30 {
        let verdict = small.check(&json!({"text": "hello", "user": "jane"})).await.unwrap();
        let check = verdict.check(&StageName::rate_limit()).unwrap();
        assert_eq!((check.status, check.cause), (Status::Ran, Some(Cause::Absent)));
        assert_eq!(check.mode.as_deref(), Some("local"));
        decisions.push(verdict.decision);
    }
    assert_eq!(decisions[0], Decision::Allow);
    assert_eq!(decisions[29], Decision::Throttle, "30 at once are over the default burst of 20");
}

#[tokio::test]
async fn rule_05_the_policy_may_say_otherwise_for_each_stage() {
    for (word, effect, decision) in [
        ("pass", Effect::Pass, Decision::Allow),
        ("hold", Effect::Hold, Decision::Hold),
        ("block", Effect::Block, Decision::Block),
    ] {
        for stage in STAGES {
            let policy = format!("review = 'console'\n[stages.{stage}]\non_gap = '{word}'\n");
            let small = Small::new(all_but(stage)).policy(&policy);
            let verdict = small.check(&message(stage)).await.unwrap();
            let check = verdict.check(&StageName::parse(stage).unwrap()).unwrap();
            assert_eq!(check.effect, Some(effect), "{stage} {word}");
            assert_eq!(verdict.decision, decision, "{stage} {word}");
        }
    }
}

#[tokio::test]
async fn rule_05_partial_coverage_is_judged_the_same_way() {
    for (index, stage, decision) in [
        (1, "sanitizer", Decision::Block),
        (2, "injection-classifier", Decision::Hold),
        (3, "sentiment", Decision::Allow),
        (4, "moderation", Decision::Hold),
    ] {
        let (local, stages) = Small::fault_stages(8);
        let small = Small::new(local).policy(&format!("review = 'console'\n{PATIENT}"));
        stages[index].set(Mood::Partial);
        let verdict = small.check(&message(stage)).await.unwrap();
        let check = verdict.check(&StageName::parse(stage).unwrap()).unwrap();
        assert_eq!(check.cause, Some(Cause::Partial), "{stage}");
        let coverage = check.coverage.unwrap();
        assert!(!coverage.complete && coverage.scanned < coverage.total, "{stage}");
        assert_eq!(verdict.decision, decision, "{stage}");
    }
}

fn finding(stage: StageName, kind: &str) -> Report {
    let finding = Finding::new(stage, kind, Severity::High, 1.0);
    Report { findings: vec![finding], ..Report::clean("1", 5) }
}

#[tokio::test]
async fn rule_06_what_was_decided_earlier_is_skipped_with_its_reason_except_always() {
    let (local, stages) = Small::fault_stages(8);
    let small = Small::new(local);
    let report = finding(StageName::sanitizer(), "limit.bytes");
    stages[1].set(Mood::Says(Box::new(report)));
    let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
    assert_eq!(verdict.decision, Decision::Block);
    let skipped = verdict.check(&StageName::injection_classifier()).unwrap();
    assert_eq!(skipped.status, Status::Skipped);
    assert_eq!(skipped.why.as_deref(), Some("decided_block"));
    assert_eq!(verdict.check(&StageName::sentiment()).unwrap().status, Status::Ran);
    assert_eq!((stages[2].asked(), stages[3].asked()), (0, 1));
}

#[tokio::test]
async fn rule_06_within_a_step_every_judge_is_awaited() {
    let (local, stages) = Small::fault_stages(8);
    let small = Small::new(local);
    let report = finding(StageName::injection_classifier(), "injection.direct");
    stages[2].set(Mood::Says(Box::new(report)));
    stages[3].set(Mood::Sleeps(Duration::from_millis(150)));
    let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
    assert_eq!(verdict.decision, Decision::Block);
    let slower = verdict.check(&StageName::sentiment()).unwrap();
    assert_eq!(slower.status, Status::Ran);
    assert!(slower.took_us >= 150_000, "{}", slower.took_us);
}
