//! Each stage absent, slow, full, panicking and answering garbage, over a real bus.

use std::collections::HashMap;
use std::time::Duration;

use portcullis_bus::Caller;
use portcullis_bus_nats::{Remote, subjects};
use portcullis_core::{Budget, Cause, Decision, Effect, StageName, Status, Verdict};
use portcullis_testkit::{FaultStage, Mood, answer_garbage, ask, eventually};
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, STAGES, Served, metric, run, verdict_ids};

/// Time that a stage has in these tests.
const TIME: Duration = Duration::from_millis(700);

/// The effects are the built-in ones; only the times are longer, for a busy machine.
const POLICY: &str = "
[limits]
total_ms = 10000
journal_ms = 5000
[stages]
rate-limit = { timeout_ms = 700 }
sanitizer = { timeout_ms = 700 }
injection-classifier = { timeout_ms = 700 }
sentiment = { timeout_ms = 700 }
moderation = { timeout_ms = 700 }
";

/// An ingress process and every stage in the test's hands, each with one seat.
struct Stages {
    city: City,
    served: HashMap<&'static str, (FaultStage, Served)>,
    checks: usize,
}

impl Stages {
    async fn start() -> Self {
        let options = CityOptions::only(&["ingress"]).policy("shop", POLICY);
        let mut stages =
            Self { city: City::start(options).await, served: HashMap::new(), checks: 0 };
        for stage in STAGES {
            stages.serve(stage).await;
        }
        stages
    }

    async fn serve(&mut self, name: &'static str) {
        let stage = FaultStage::new(StageName::parse(name).unwrap());
        let served = self.city.serve(&stage, 1).await;
        self.served.insert(name, (stage, served));
    }

    async fn check(&mut self, stage: &str) -> Verdict {
        self.checks += 1;
        let direction = if stage == "moderation" { "outbound" } else { "inbound" };
        let message = json!({"bot": "shop", "text": "hello", "direction": direction});
        self.city.http().check(message).await
    }

    /// Asserts what the built-in policy makes of a stage that gave no answer.
    async fn gap(&mut self, name: &str, cause: Cause) {
        let verdict = self.check(name).await;
        let check = verdict.check(&StageName::parse(name).unwrap()).unwrap().clone();
        assert_eq!(check.cause, Some(cause), "{name}: {check:?}");
        let (status, effect, decision) = match name {
            "rate-limit" => (Status::Ran, None, Decision::Allow),
            "sentiment" => (Status::Gap, Some(Effect::Pass), Decision::Allow),
            "sanitizer" => (Status::Gap, Some(Effect::Block), Decision::Block),
            _ => (Status::Gap, Some(Effect::Hold), Decision::Block),
        };
        assert_eq!((check.status, check.effect), (status, effect), "{name} {cause:?}");
        assert_eq!(verdict.decision, decision, "{name} {cause:?}");
        assert_eq!(verdict.text.is_some(), decision == Decision::Allow, "{name} {cause:?}");
        if name == "rate-limit" {
            assert_eq!(check.mode.as_deref(), Some("local"));
        }
        let reason = format!("gap.{name}.{}", cause.as_str());
        assert_eq!(verdict.reasons.contains(&reason), decision == Decision::Block, "{reason}");
        let held = effect == Some(Effect::Hold);
        assert_eq!(verdict.reasons.contains(&"no_reviewer".to_owned()), held, "{name}");
        for other in verdict.receipt.iter().filter(|other| other.stage.as_str() != name) {
            assert_ne!(other.status, Status::Gap, "{name} leaves {} alone", other.stage);
        }
    }

    async fn whole(&mut self, name: &str) {
        let verdict = self.check(name).await;
        assert_eq!(verdict.decision, Decision::Allow, "{name} is well again");
        assert!(
            verdict
                .receipt
                .iter()
                .all(|check| check.status == Status::Ran && check.cause.is_none())
        );
    }

    /// As many verdicts were counted and recorded as were asked for.
    async fn counted(&self) {
        let metrics = self.city.metrics("ingress-0").await;
        let verdicts = metric(&metrics, "portcullis_verdicts_total", &[("bot", "shop")]);
        assert_eq!(verdicts, self.checks as f64);
        let mut ids = verdict_ids(&self.city.journal().await);
        assert_eq!(ids.len(), self.checks, "an entry for each verdict");
        ids.dedup();
        assert_eq!(ids.len(), self.checks, "each once");
    }
}

#[test]
fn an_absent_stage_is_a_gap() {
    run(async {
        let mut stages = Stages::start().await;
        for name in STAGES {
            stages.whole(name).await;
            stages.served.remove(name).unwrap().1.stop().await;
            stages.gap(name, Cause::Absent).await;
            stages.serve(name).await;
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn a_slow_stage_is_a_gap_after_its_own_time() {
    run(async {
        let mut stages = Stages::start().await;
        for name in STAGES {
            let stage = stages.served[name].0.clone();
            stage.set(Mood::Sleeps(TIME * 4));
            let asked = stage.asked();
            stages.gap(name, Cause::Late).await;
            assert_eq!(stage.asked(), asked + 1, "what is late is not asked again");
            stage.set(Mood::Well);
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn a_full_stage_is_a_gap_at_once() {
    run(async {
        let mut stages = Stages::start().await;
        let ingress = Remote::new(stages.city.user("ingress").await);
        for name in STAGES {
            let stage = stages.served[name].0.clone();
            let asked = stage.asked();
            // Somebody else has the one seat.
            stage.set(Mood::Sleeps(TIME));
            let mut other = ask("hello");
            other.budget = Budget::of(TIME * 10);
            let name_of = StageName::parse(name).unwrap();
            let others = ingress.call(&name_of, &other);
            let ours = async {
                eventually(PATIENCE, async || stage.asked() == asked + 1).await;
                stages.gap(name, Cause::Busy).await;
                assert_eq!(stage.asked(), asked + 1, "the seat was not free");
            };
            let (others, ()) = tokio::join!(others, ours);
            assert!(others.is_ok(), "{name}");
            stage.set(Mood::Well);
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn a_panicking_stage_is_a_gap_and_goes_on() {
    run(async {
        let mut stages = Stages::start().await;
        for name in STAGES {
            let stage = stages.served[name].0.clone();
            stage.set(Mood::Panics);
            stages.gap(name, Cause::Panicked).await;
            stages.gap(name, Cause::Panicked).await;
            stage.set(Mood::Well);
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn a_stage_whose_dependency_is_away_is_a_gap() {
    run(async {
        let mut stages = Stages::start().await;
        for name in STAGES {
            let stage = stages.served[name].0.clone();
            stage.set(Mood::Dependency);
            stages.gap(name, Cause::Dependency).await;
            stage.set(Mood::Well);
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn a_stage_that_answers_garbage_is_a_gap() {
    run(async {
        let mut stages = Stages::start().await;
        for name in STAGES {
            stages.served.remove(name).unwrap().1.stop().await;
            let user = stages.city.user(name).await;
            let subject = subjects::stage_check(&StageName::parse(name).unwrap());
            for body in [
                "",
                "not JSON",
                "[]",
                r#"{"version": 7}"#,
                r#"{"version": "1", "findings": [{"stage": "x", "kind": "", "severity": "low", "confidence": 1}]}"#,
                r#"{"version": "1", "edits": [{"span": {"start": 3, "end": 999}, "with": "remove"}]}"#,
                r#"{"version": "1", "measures": {"score": 1.5}}"#,
            ] {
                let responder =
                    answer_garbage(user.clone(), subject.clone(), name.into(), body.into()).await;
                stages.gap(name, Cause::Unreadable).await;
                // Gone, and not only told to go: a message that it still gets has no answer.
                responder.abort();
                let _cancelled = responder.await;
                user.flush().await.unwrap();
            }
            stages.serve(name).await;
            stages.whole(name).await;
        }
        stages.counted().await;
    });
}

#[test]
fn two_stages_at_once_leave_two_gaps_and_the_harsher_counts() {
    run(async {
        let mut stages = Stages::start().await;
        stages.served["sentiment"].0.set(Mood::Panics);
        stages.served["injection-classifier"].0.set(Mood::Sleeps(TIME * 4));
        let verdict = stages.check("sentiment").await;
        assert_eq!(verdict.decision, Decision::Block);
        let cause = |name| verdict.check(&name).unwrap().cause;
        assert_eq!(cause(StageName::sentiment()), Some(Cause::Panicked));
        assert_eq!(cause(StageName::injection_classifier()), Some(Cause::Late));
        stages.counted().await;
    });
}
