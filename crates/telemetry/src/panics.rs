//! What is said of a panic: where it happened, and never its payload, which may quote a message.

use std::panic;

/// Counts panics, and logs each by its place.
pub(crate) fn install() {
    metrics::describe_counter!("portcullis_panics_total", "Panics, wherever they were caught");
    metrics::counter!("portcullis_panics_total").absolute(0);
    panic::set_hook(Box::new(|info| {
        metrics::counter!("portcullis_panics_total").increment(1);
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name(), "panic");
    }));
}
