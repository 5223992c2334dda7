//! What a verdict says of limits, as header fields: the same facts over HTTP and over NATS.
//!
//! `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10: `q` quota, `w`
//! seconds of its window, `qu` what is counted, `r` what remains, `t` seconds until the quota is whole again.

use portcullis_core::{Decision, Limit, StageName, Verdict};

/// Names and values. `Retry-After` stands on a throttle alone.
pub fn headers(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(seconds) = verdict.retry_after_s.filter(|_| verdict.decision == Decision::Throttle)
    {
        headers.push(("Retry-After", seconds.to_string()));
    }
    let limits = verdict.check(&StageName::rate_limit()).map(|check| &*check.measures.limits);
    let limits = limits.unwrap_or_default();
    if !limits.is_empty() {
        let of =
            |item: fn(&Limit) -> String| limits.iter().map(item).collect::<Vec<_>>().join(", ");
        headers.push(("RateLimit-Policy", of(policy)));
        headers.push(("RateLimit", of(standing)));
    }
    headers
}

fn policy(limit: &Limit) -> String {
    let Limit { quota, window_s, unit, .. } = limit;
    let unit = match unit.as_str() {
        // The draft's default.
        "requests" => String::new(),
        unit => format!(";qu={}", string(unit)),
    };
    format!("{};q={quota};w={window_s}{unit}", string(&limit.name))
}

fn standing(limit: &Limit) -> String {
    format!("{};r={};t={}", string(&limit.name), limit.remaining, limit.reset_s)
}

/// A string of structured fields (RFC 9651, 3.3.3): visible ASCII. What is not is shown as `?`.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_structured_fields() {
        let limit = Limit {
            name: "a \"b\" ü".into(),
            quota: 20,
            window_s: 20,
            unit: "tokens".into(),
            remaining: 19,
            reset_s: 1,
        };
        assert_eq!(policy(&limit), r#""a \"b\" ?";q=20;w=20;qu="tokens""#);
        assert_eq!(standing(&limit), r#""a \"b\" ?";r=19;t=1"#);
        assert_eq!(policy(&Limit { unit: "requests".into(), ..limit }), r#""a \"b\" ?";q=20;w=20"#);
    }
}
