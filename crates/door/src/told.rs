//! What is told of each answer of a door: in its span, and as a metric.

use crate::Problem;

/// Counts what a door answered: a verdict, or a problem by its status.
pub fn tell(door: &'static str, problem: Option<&Problem>) {
    let status = problem.map_or(200, |problem| problem.status);
    if let Some(problem) = problem {
        let span = tracing::Span::current();
        span.record("error.type", problem.status);
        if problem.status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
    metrics::counter!(
        "portcullis_door_requests_total",
        "door" => door,
        "status" => status.to_string(),
    )
    .increment(1);
}
