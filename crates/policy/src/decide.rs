//! The decision: a pure fold over findings and gaps.

use portcullis_core::{Decision, Direction, Effect, Finding, Gap};

use crate::document::Rule;
use crate::policy::Policy;

/// A decision and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What is to be done.
    pub decision: Decision,
    /// What asked for exactly this decision, in dotted words, without repetition; empty on `allow`.
    pub reasons: Vec<String>,
}

/// The decision on findings and gaps: the harshest that any of them asks for. Pure and monotone: one
/// finding or gap more never makes it milder. `rewrite` is never the answer here, because it depends on
/// the bytes alone: see [`rewritten`].
pub fn decide(
    policy: &Policy,
    direction: Direction,
    findings: &[Finding],
    gaps: &[Gap],
) -> Decision {
    let asked = findings
        .iter()
        .map(|finding| asked_by_finding(policy, direction, finding))
        .chain(gaps.iter().map(asked_by_gap))
        .max()
        .unwrap_or(Decision::Allow);
    reviewed(policy, asked)
}

/// [`decide`] with its reasons.
pub fn judge(
    policy: &Policy,
    direction: Direction,
    findings: &[Finding],
    gaps: &[Gap],
) -> Judgement {
    let decision = decide(policy, direction, findings, gaps);
    let mut reasons = Vec::new();
    let mut add = |reason: String| {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    };
    if decision != Decision::Allow {
        let mut unreviewed = false;
        let mut weigh = |asked: Decision, reason: String| {
            if asked != Decision::Allow && reviewed(policy, asked) == decision {
                unreviewed |= asked != decision;
                add(reason);
            }
        };
        for finding in findings {
            weigh(asked_by_finding(policy, direction, finding), finding.kind.clone());
        }
        for gap in gaps {
            weigh(asked_by_gap(gap), format!("gap.{}.{}", gap.stage, gap.cause.as_str()));
        }
        if unreviewed {
            add("no_reviewer".into());
        }
    }
    Judgement { decision, reasons }
}

/// The decision once the bytes to forward are known: `allow` becomes `rewrite` exactly when they differ.
pub fn rewritten(decision: Decision, bytes_differ: bool) -> Decision {
    match decision {
        Decision::Allow if bytes_differ => Decision::Rewrite,
        other => other,
    }
}

/// Without a reviewer nobody would ever release what is held.
fn reviewed(policy: &Policy, asked: Decision) -> Decision {
    match asked {
        Decision::Hold if !policy.has_reviewer() => Decision::Block,
        Decision::Unknown => Decision::Block,
        other => other,
    }
}

fn asked_by_finding(policy: &Policy, direction: Direction, finding: &Finding) -> Decision {
    policy
        .rules()
        .iter()
        .filter(|rule| fits(rule, direction, finding))
        .map(|rule| rule.then)
        .max()
        .unwrap_or(Decision::Allow)
}

fn fits(rule: &Rule, direction: Direction, finding: &Finding) -> bool {
    let kind = match rule.kind.strip_suffix(".*") {
        Some(family) => finding
            .kind
            .strip_prefix(family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        None => rule.kind == "*" || rule.kind == finding.kind,
    };
    // A confidence that is not a number is taken as certainty.
    let sure = finding.confidence >= rule.min_confidence || finding.confidence.is_nan();
    kind && sure
        && finding.severity >= rule.min_severity
        && rule.direction.is_none_or(|only| only == direction)
}

fn asked_by_gap(gap: &Gap) -> Decision {
    match gap.effect {
        Effect::Pass => Decision::Allow,
        Effect::Hold => Decision::Hold,
        Effect::Block | Effect::Unknown => Decision::Block,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{BotId, Cause, Severity, StageName};
    use proptest::prelude::*;

    use super::*;

    fn policy(source: &str) -> Policy {
        Policy::parse(&BotId::fallback(), "1", source).unwrap()
    }

    fn finding(kind: &str, severity: Severity, confidence: f64) -> Finding {
        Finding::new(StageName::sanitizer(), kind, severity, confidence)
    }

    fn gap(effect: Effect) -> Gap {
        Gap { stage: StageName::sanitizer(), cause: Cause::Late, effect }
    }

    #[test]
    fn a_hold_without_a_reviewer_is_a_block_that_says_so() {
        let held = judge(&policy(""), Direction::Inbound, &[], &[gap(Effect::Hold)]);
        assert_eq!(held.decision, Decision::Block);
        assert_eq!(held.reasons, ["gap.sanitizer.late", "no_reviewer"]);
        let held =
            judge(&policy("review = 'console'"), Direction::Inbound, &[], &[gap(Effect::Hold)]);
        assert_eq!(held.decision, Decision::Hold);
        assert_eq!(held.reasons, ["gap.sanitizer.late"]);
    }

    #[test]
    fn rules_fit_by_kind_family_direction_and_confidence() {
        let policy = policy(
            "[[rules]]\nkind = 'leak.*'\nmin_confidence = 0.5\ndirection = 'outbound'\nthen = 'block'",
        );
        let decide = |kind: &str, confidence, direction| {
            decide(&policy, direction, &[finding(kind, Severity::Low, confidence)], &[])
        };
        assert_eq!(decide("leak.secret", 0.5, Direction::Outbound), Decision::Block);
        assert_eq!(decide("leak.secret", 0.4, Direction::Outbound), Decision::Allow);
        assert_eq!(decide("leak.secret", 0.5, Direction::Inbound), Decision::Allow);
        assert_eq!(decide("leakage", 0.5, Direction::Outbound), Decision::Allow);
        assert_eq!(decide("leak.secret", f64::NAN, Direction::Outbound), Decision::Block);
        // In force although the document has rules of its own.
        assert_eq!(decide("control.stop", 1.0, Direction::Inbound), Decision::Block);
        assert_eq!(decide("rate.exceeded", 1.0, Direction::Inbound), Decision::Throttle);
    }

    fn any_finding() -> impl Strategy<Value = Finding> {
        let kinds =
            ["injection.direct", "limit.bytes", "rate.exceeded", "control.hold", "leak.pii", "x"];
        let severities = [
            Severity::Info,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
            Severity::Unknown,
        ];
        (0..kinds.len(), 0..severities.len(), 0.0..=1.0f64).prop_map(
            move |(kind, severity, sure)| finding(kinds[kind], severities[severity], sure),
        )
    }

    fn any_gap() -> impl Strategy<Value = Gap> {
        prop_oneof![
            Just(Effect::Pass),
            Just(Effect::Hold),
            Just(Effect::Block),
            Just(Effect::Unknown)
        ]
        .prop_map(gap)
    }

    proptest! {
        /// One finding or gap more never makes the decision milder, in any order, with or without people.
        #[test]
        fn the_decision_is_monotone(
            findings in prop::collection::vec(any_finding(), 0..6),
            gaps in prop::collection::vec(any_gap(), 0..4),
            one_more in any_finding(),
            gap_more in any_gap(),
            people in any::<bool>(),
        ) {
            let policy = policy(if people { "review = 'console'" } else { "" });
            let way = Direction::Inbound;
            let before = decide(&policy, way, &findings, &gaps);
            let mut more = findings.clone();
            more.push(one_more);
            prop_assert!(decide(&policy, way, &more, &gaps) >= before);
            let mut fewer_answers = gaps.clone();
            fewer_answers.push(gap_more);
            prop_assert!(decide(&policy, way, &findings, &fewer_answers) >= before);
            more.reverse();
            prop_assert_eq!(
                decide(&policy, way, &more, &gaps),
                judge(&policy, way, &more, &gaps).decision
            );
            prop_assert_ne!(before, Decision::Rewrite);
            prop_assert!(people || before != Decision::Hold);
        }
    }
}
