//! The harness: a whole gateway of real processes ([`City`]), and one inside a test ([`Small`]).
//!
//! Tests that share servers must share a runtime, because a connection lives on the runtime that made it: such
//! tests are plain functions around [`run`].

mod city;
mod door;
mod options;
mod record;
mod service;
mod sink;
mod small;

use std::sync::LazyLock;
use std::time::Duration;

pub(crate) use city::{City, PASSWORD, Served};
pub(crate) use door::{Http, nats_ask, nats_check};
pub(crate) use options::{CityOptions, PATIENT, SERVICES, STAGES, bot};
pub(crate) use record::verdict_ids;
pub(crate) use service::{Service, find, metric};
pub(crate) use sink::Sink;
pub(crate) use small::Small;

/// No answer on this machine takes this long, however busy it is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap()
});

/// Runs a test on the runtime that all tests share, in its turn: what measures time or counts on seats must
/// not meet another city's start on two cores.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(async {
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _turn = TURN.lock().await;
        test.await
    })
}
