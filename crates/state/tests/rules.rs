//! Settings and tickets as anybody might write them: whatever comes, an error or an answer, and never a panic.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::sync::Arc;

use portcullis_core::{Ask, BotId, Factors, MessageId, Size, SystemClock};
use portcullis_state::rules::{Charges, Settings, Settling, ticket_id};
use portcullis_state::{Limiter, MemoryLimiter};
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(settings: Value, size: usize, factors: Factors) -> Ask {
    let ask = json!({
        "interaction": {
            "id": "m-1", "bot": "shop", "speaker": "jane", "conversation": "c-1",
            "client_addr": "192.0.2.1", "received_at": "2026-01-01T00:00:00Z",
        },
        "settings": settings,
    });
    let mut ask: Ask = serde_json::from_value(ask).unwrap();
    ask.size = Size { bytes: size, chars: size, more: false };
    ask.known.factors = factors;
    ask
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..4, 1u32..1_000, (u32::MAX - 3)..=u32::MAX, any::<u32>()]
}

fn factor() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(prop_oneof![any::<f64>(), 0.0..2.0f64])
}

fn rule() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just(json!("speaker")),
        Just(json!("api_key")),
        Just(json!(["address", "bot"])),
        Just(json!(["host", "network", "conversation"])),
        Just(json!([])),
    ];
    let word = |words: &'static [&'static str]| prop::sample::select(words);
    (
        key,
        (number(), prop::option::of(number()), number()),
        (word(&["gcra", "window"]), word(&["second", "minute", "hour", "day"])),
        word(&["messages", "chars", "tokens"]),
        prop::option::of((number(), number(), number())),
        (number(), number(), number()),
        any::<bool>(),
    )
        .prop_map(|(key, (rate, burst, reserve), (algorithm, per), unit, penalty, cost, shadow)| {
            let mut rule = json!({
                "name": "r", "key": key, "rate": rate, "algorithm": algorithm, "per": per, "unit": unit,
                "reserve": if unit == "tokens" { reserve } else { 0 }, "shadow": shadow,
                "cost": {"allow": cost.0, "hold": cost.1, "block": cost.2},
            });
            if let (Some(burst), "gcra") = (burst, algorithm) {
                rule["burst"] = burst.into();
            }
            if let Some((after, forgive_s, at_most)) = penalty {
                rule["penalty"] = json!({"after": after, "forgive_s": forgive_s, "at_most": at_most});
            }
            rule
        })
}

fn entry(decision: &str, direction: &str, bytes: usize) -> portcullis_core::Entry {
    let entry = json!({
        "id": format!("verdict/shop/{direction}/m-1"), "bot": "shop", "at": "2026-01-01T00:00:00Z",
        "kind": "verdict", "direction": direction, "in_reply_to": "m-1", "bytes": bytes, "digest": "00",
        "verdict": {
            "id": "m-1", "decision": decision, "reasons": ["injection.direct"], "text": null,
            "tone": null, "reply": null, "retry_after_s": null, "findings": [],
            "receipt": [{"stage": "rate-limit", "status": "ran"}],
            "policy": {"bot": "shop", "version": "1", "digest": "00"}, "shadow_decision": null,
            "recorded": "journal", "trace_id": null, "took_us": 1,
        },
    });
    serde_json::from_value(entry).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Extremes of every number: checks and settlements answer, and a receipt can be made of it.
    #[test]
    fn any_rule_is_refused_or_counts(
        rule in rule(), size in prop_oneof![0usize..10_000, Just(usize::MAX / 2)],
        factors in (factor(), factor(), factor(), factor()), replicas in number(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let factors = Factors {
            everybody: factors.0,
            speaker: factors.1,
            conversation: factors.2,
            address: factors.3,
        };
        let ask = ask(json!({"rules": [rule]}), size, factors);
        let (Ok(whole), Ok(share)) = (Charges::of(&ask), Charges::share(&ask, replicas)) else {
            return Ok(());
        };
        for charges in [whole, share] {
            let Some(check) = charges.check() else { continue };
            let limiter = MemoryLimiter::new(Arc::new(SystemClock), 100);
            for _ in 0..3 {
                let outcome = runtime.block_on(limiter.check(check)).unwrap();
                let report = charges.report(Some(&outcome), None);
                let limit = &report.measures.limits[0];
                prop_assert!(limit.remaining <= limit.quota.max(1));
                prop_assert_eq!(outcome.allowed, outcome.refused.is_none());
            }
            let bot = BotId::parse("shop").unwrap();
            let id = ticket_id(&MessageId::parse("m-1").unwrap());
            if let Some(body) = runtime.block_on(limiter.ticket(&bot, &id)).unwrap() {
                for entry in [entry("block", "inbound", 1), entry("allow", "outbound", size)] {
                    let settling = Settling::of(&entry).unwrap();
                    if let Some(settlement) = settling.changes(&body) {
                        prop_assert!(runtime.block_on(limiter.settle(&settlement)).unwrap());
                    }
                }
            }
        }
    }

    /// Settings and tickets that are no such thing.
    #[test]
    fn what_is_no_setting_or_ticket_is_an_error(text in ".{0,80}", json in "[\\[\\]{}\",:0-9a-z]{0,60}") {
        for text in [text, json] {
            let entry = entry("block", "inbound", 1);
            prop_assert!(Settling::of(&entry).unwrap().changes(&text).is_none_or(|s| s.changes.len() < 60));
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let settings: Result<Settings, _> = serde_json::from_value(value);
                let could_be = text.contains('{') || text.contains('[');
                prop_assert!(settings.is_err() || could_be);
            }
        }
    }
}
