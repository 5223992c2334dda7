//! The life of a process, from its configuration to its exit code.

use std::ffi::OsString;
use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use portcullis_config::{CommonConfig, TelemetryConfig};
use portcullis_telemetry::Telemetry;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::signals::Signals;
use crate::{Kit, Tasks, door, ready};

/// How long each piece of work left for the drain may take, and the health door to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Names the configuration's file where no argument does.
const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Runs a service: reads its configuration from `--config FILE` (or the file that `PORTCULLIS_CONFIG`
/// names) and the environment, then does as [`run_with`].
///
/// With `--ready HOST:PORT` it starts nothing: it asks the health door there, and ends with 0 where that one
/// is ready, else with 1.
pub fn run<C>(name: &'static str, start: impl AsyncFnOnce(Kit, C) -> anyhow::Result<()>) -> ExitCode
where
    C: CommonConfig + DeserializeOwned + JsonSchema,
{
    if let Some(address) = health_question(std::env::args_os().skip(1)) {
        return ready::ask(&address);
    }
    let config = config_file(std::env::args_os().skip(1), std::env::var_os(CONFIG_VARIABLE))
        .and_then(|file| Ok(portcullis_config::load::<C>(file.as_deref())?));
    match config {
        Ok(config) => run_with(name, config, start),
        Err(error) => {
            // Logged in the default form, since the configured one is not known.
            let telemetry = set_up_telemetry(&TelemetryConfig::default(), name);
            if telemetry.is_ok() {
                tracing::error!(error = format!("{error:#}"), "configuration not usable");
            }
            ExitCode::from(2)
        }
    }
}

/// Runs a service whose configuration is there already.
///
/// `start` sets up, gives what serves to [`Kit::tasks`], and returns; a shutdown before that drops it. The
/// process then lives until a signal or the failure of a vital task, and drains. The exit code is 0 after
/// a drain that was asked for, 2 where telemetry could not be set up, and 1 after any failure.
pub fn run_with<C: CommonConfig>(
    name: &'static str,
    config: C,
    start: impl AsyncFnOnce(Kit, C) -> anyhow::Result<()>,
) -> ExitCode {
    let Ok(telemetry) = set_up_telemetry(config.telemetry(), name) else {
        return ExitCode::from(2);
    };
    let ended = try_main(name, config, start, &telemetry);
    let code = match ended {
        Ok(()) => {
            tracing::info!("ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended by a failure");
            ExitCode::FAILURE
        }
    };
    // The runtime is gone; what spans it left are sent now.
    drop(telemetry);
    code
}

/// Sets telemetry up. Its own failure is the one thing that is written to stderr without it.
fn set_up_telemetry(config: &TelemetryConfig, name: &'static str) -> Result<Telemetry, ()> {
    portcullis_telemetry::init(config, name).map_err(|error| {
        use std::io::Write;
        // Nobody is left to tell where stderr is closed.
        let _ = writeln!(std::io::stderr(), "error {name}: {error}");
    })
}

/// The address in `--ready HOST:PORT`.
fn health_question(arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let arguments: Vec<OsString> = arguments.collect();
    match arguments.as_slice() {
        [word, address] if word == "--ready" => address.to_str().map(str::to_owned),
        _ => None,
    }
}

/// The file that the arguments or the variable name.
fn config_file(
    mut arguments: impl Iterator<Item = OsString>,
    variable: Option<OsString>,
) -> anyhow::Result<Option<PathBuf>> {
    let Some(argument) = arguments.next() else {
        return Ok(variable.filter(|file| !file.is_empty()).map(PathBuf::from));
    };
    let file = match argument.to_str().map(|argument| argument.split_once('=')) {
        Some(None) if argument == "--config" => arguments.next(),
        Some(Some(("--config", file))) => Some(OsString::from(file)),
        _ => bail!("the arguments are --config FILE or --ready HOST:PORT"),
    };
    match (file, arguments.next()) {
        (Some(file), None) => Ok(Some(file.into())),
        (None, _) => bail!("--config needs a FILE"),
        (Some(_), Some(_)) => bail!("the arguments are --config FILE or --ready HOST:PORT"),
    }
}

fn try_main<C: CommonConfig>(
    name: &'static str,
    config: C,
    start: impl AsyncFnOnce(Kit, C) -> anyhow::Result<()>,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .build()
        .context("runtime")?;
    let kit = Kit::new(name, telemetry.metrics_handle());
    let (listen, grace) = (config.health().map(|health| health.listen), config.grace());
    let ended = runtime.block_on(async {
        let signals = Signals::new().context("signals")?;
        let start = start(kit.clone(), config);
        live(&kit, listen, grace, Some(signals), start).await
    });
    runtime.shutdown_timeout(CLOSING);
    ended
}

/// Start, life and drain of a process.
pub(crate) async fn live(
    kit: &Kit,
    listen: Option<SocketAddr>,
    grace: Duration,
    signals: Option<Signals>,
    start: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let closed = CancellationToken::new();
    // Tasks of their own: the door answers, and signals are heard, until the drain is over.
    let outer = Tasks::new(kit.shutdown().clone());
    if let Some(listen) = listen {
        let listener = door::bind(listen).await?;
        let address = listener.local_addr().context("health.listen")?;
        tracing::info!(%address, "health door open");
        let serving = axum::serve(listener, kit.health_routes())
            .with_graceful_shutdown(closed.clone().cancelled_owned())
            .into_future();
        outer.vital("health-door", async move { Ok(serving.await?) });
    }
    if let Some(signals) = signals {
        let (closed, shutdown) = (closed.clone(), kit.shutdown().clone());
        outer.spawn("signals", async move {
            tokio::select! {
                () = signals.watch(shutdown) => {}
                () = closed.cancelled() => {}
            }
        });
    }

    let started = start_and_wait(kit, start).await;
    kit.shutdown().cancel();
    kit.health().draining();
    let drained = drain(kit, grace).await;
    closed.cancel();
    if let Err(tasks) = outer.join(CLOSING).await {
        tracing::warn!(?tasks, "not closed in time");
    }
    // The first cause is what is reported; the later ones follow from it.
    started?;
    [kit.tasks(), &outer].into_iter().find_map(Tasks::take_failure).map_or(Ok(()), Err)?;
    drained
}

/// Runs the start, and returns when the process is to stop.
async fn start_and_wait(
    kit: &Kit,
    start: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let start = Box::pin(AssertUnwindSafe(start).catch_unwind());
    tokio::select! {
        biased;
        () = kit.shutdown().cancelled() => return Ok(()),
        started = start => match started {
            Err(_panic) => bail!("start panicked"),
            Ok(started) => started.context("start failed")?,
        },
    }
    kit.health().started();
    tracing::info!("started");
    kit.shutdown().cancelled().await;
    Ok(())
}

/// Joins the tasks, then does what was left for the drain.
async fn drain(kit: &Kit, grace: Duration) -> anyhow::Result<()> {
    tracing::info!("draining");
    let joined = kit.tasks().join(grace).await;
    while let Some((name, work)) = kit.next_drain() {
        match tokio::time::timeout(CLOSING, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::warn!(name, error = format!("{error:#}"), "drain failed");
            }
            Ok(Err(_panic)) => tracing::warn!(name, "drain panicked"),
            Err(_) => tracing::warn!(name, "drain not done in time"),
        }
    }
    joined.map_err(|tasks| {
        anyhow::anyhow!("still running after the grace period: {}", tasks.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(arguments: &[&str], variable: Option<&str>) -> Result<Option<PathBuf>, String> {
        config_file(arguments.iter().map(OsString::from), variable.map(OsString::from))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_whole_question_about_health_is_one() {
        let ask = |arguments: &[&str]| health_question(arguments.iter().map(OsString::from));
        assert_eq!(ask(&["--ready", "a:1"]).as_deref(), Some("a:1"));
        for other in [&["--ready"][..], &["a:1"], &[], &["--ready", "a:1", "b"]] {
            assert_eq!(ask(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_file_is_named_by_the_argument_or_the_variable() {
        assert_eq!(file(&[], None), Ok(None));
        assert_eq!(file(&[], Some("a")), Ok(Some("a".into())));
        assert_eq!(file(&["--config", "b"], Some("a")), Ok(Some("b".into())));
        assert_eq!(file(&["--config=b"], None), Ok(Some("b".into())));
        for refused in [&["--config"][..], &["b"], &["--config", "b", "c"], &["--conf=b"]] {
            assert!(file(refused, None).is_err(), "{refused:?}");
        }
    }
}
