//! The tasks of a process: each has a name, none is forgotten.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Spawns tasks and keeps track of them. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many of each name are running.
    running: BTreeMap<&'static str, usize>,
    /// The first failure of a vital task.
    failure: Option<anyhow::Error>,
}

impl Tasks {
    /// No tasks. The failure of a vital one cancels `shutdown`.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, state: Arc::default() }
    }

    /// Runs a task that may end at any time. Its panic is logged and counted, and stays there.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                metrics::counter!("portcullis_tasks_panicked_total", "task" => name).increment(1);
                tracing::error!(task = name, "task panicked");
            }
        });
    }

    /// Runs a task without which the process is of no use. If it fails, panics or ends before the
    /// shutdown, the process shuts down with an error that names it.
    pub fn vital(
        &self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let this = self.clone();
        self.start(name, async move {
            let failure = match AssertUnwindSafe(task).catch_unwind().await {
                Err(_panic) => anyhow::anyhow!("task {name} panicked"),
                Ok(Err(error)) => error.context(format!("task {name} failed")),
                Ok(Ok(())) if this.shutdown.is_cancelled() => return,
                Ok(Ok(())) => anyhow::anyhow!("task {name} ended before the shutdown"),
            };
            this.lock().failure.get_or_insert(failure);
            this.shutdown.cancel();
        });
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that spawns: tracked and watched")]
    fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = Running::new(self, name);
        let span = tracing::Span::current();
        let task = async move {
            let _running = running;
            task.await;
        };
        drop(tokio::spawn(self.tracker.track_future(task.instrument(span))));
    }

    /// Waits until every task has ended, at most `grace`. Names those that have not.
    ///
    /// # Errors
    /// The names of the tasks that are still running.
    pub async fn join(&self, grace: Duration) -> Result<(), Vec<&'static str>> {
        self.tracker.close();
        match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lock().running.keys().copied().collect()),
        }
    }

    /// The first failure of a vital task, once.
    pub fn take_failure(&self) -> Option<anyhow::Error> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a task as running as long as it lives, however it ends.
struct Running {
    state: Arc<Mutex<State>>,
    name: &'static str,
}

impl Running {
    fn new(tasks: &Tasks, name: &'static str) -> Self {
        *tasks.lock().running.entry(name).or_default() += 1;
        Self { state: Arc::clone(&tasks.state), name }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                state.running.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_vital_task_that_fails_panics_or_ends_shuts_down_and_is_named() {
        type Ending = fn() -> anyhow::Result<()>;
        let endings: [(Ending, &str); 3] = [
            (|| Err(anyhow::anyhow!("no bus")), "task serve failed: no bus"),
            (|| panic!("secret text"), "task serve panicked"),
            (|| Ok(()), "task serve ended before the shutdown"),
        ];
        for (ending, says) in endings {
            let shutdown = CancellationToken::new();
            let tasks = Tasks::new(shutdown.clone());
            tasks.vital("serve", async move { ending() });
            shutdown.cancelled().await;
            tasks.join(LONG).await.unwrap();
            assert_eq!(format!("{:#}", tasks.take_failure().unwrap()), says);
        }
    }

    #[tokio::test]
    async fn a_vital_task_may_end_after_the_shutdown_and_others_may_panic() {
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("side", async { panic!("aside") });
        let seen = shutdown.clone();
        tasks.vital("serve", async move {
            seen.cancelled().await;
            Ok(())
        });
        tokio::task::yield_now().await;
        assert!(!shutdown.is_cancelled());
        shutdown.cancel();
        tasks.join(LONG).await.unwrap();
        assert!(tasks.take_failure().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_the_grace_period_is_named() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("quick", async {});
        tasks.spawn("stuck", std::future::pending());
        assert_eq!(tasks.join(LONG).await.unwrap_err(), ["stuck"]);
    }
}
