//! Signals: the first asks for a shutdown, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that mean "stop". Made before anything else starts, so that none is missed.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// What a shell reports of a process that an interrupt ended.
const INTERRUPTED: i32 = 130;

impl Signals {
    /// Takes over SIGTERM and SIGINT.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Turns the first signal into a shutdown, and ends the process on the second.
    pub(crate) async fn watch(mut self, shutdown: CancellationToken) {
        let signal = self.next().await;
        tracing::info!(signal, "shutting down");
        shutdown.cancel();
        let signal = self.next().await;
        tracing::warn!(signal, "second signal: ending at once");
        std::process::exit(INTERRUPTED);
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
