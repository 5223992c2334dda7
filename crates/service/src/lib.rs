//! The kit of a process: what every service needs and none should write again.
//!
//! [`run`] loads the configuration, sets up telemetry, starts the runtime and the health door, turns
//! signals into a shutdown, and drains:
//!
//! 1. the first SIGTERM or SIGINT, or the failure of a vital task, cancels [`Kit::shutdown`]; `/readyz`
//!    answers 503 from then on. A second signal ends the process at once.
//! 2. tasks see the shutdown, take nothing more in, and finish what they hold, for at most the grace
//!    period;
//! 3. what was left with [`Kit::on_drain`] runs, last left first (flush and close connections);
//! 4. the health door closes, and telemetry is flushed, whatever happened before.
//!
//! The process is ready once its start has returned and every [`Condition`] has been met once; a later
//! loss is the metric `portcullis_condition` and not unready, so that a blip of the bus does not take
//! every door out at once. `/livez` depends on nothing.
//!
//! The configuration's file is named by `--config FILE` or by `PORTCULLIS_CONFIG`. Logs go to stderr;
//! nothing is written to stdout.
//!
//! ```no_run
//! use portcullis_config::StageConfig;
//!
//! fn main() -> std::process::ExitCode {
//!     portcullis_service::run::<StageConfig>("sanitizer", async |kit, config| {
//!         let bus = kit.health().condition("bus");
//!         // connect to config.nats …
//!         bus.met();
//!         let shutdown = kit.shutdown().clone();
//!         kit.tasks().vital("serve", async move {
//!             // serve until …
//!             shutdown.cancelled().await;
//!             Ok(())
//!         });
//!         Ok(())
//!     })
//! }
//! ```

mod admission;
mod door;
mod health;
mod kit;
mod ready;
mod run;
mod signals;
mod tasks;

pub use admission::{Admission, Seat};
pub use health::{Condition, Health};
pub use kit::Kit;
pub use run::{run, run_with};
pub use tasks::Tasks;
pub use tokio_util::sync::CancellationToken;
