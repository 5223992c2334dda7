//! A server process that dies with its test, however the test ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Finds a server's program: the variable, then `PATH`.
pub(crate) fn program(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} names no file: run `make tools`");
        return path;
    }
    std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is neither in {variable} nor on PATH: run `make tools`"))
}

/// A running server. Killed on drop; a watchdog, which reads a pipe that closes with the test's
/// process, kills it and removes its folder where no drop can run.
pub struct Process {
    server: Child,
    watchdog: Child,
}

impl Process {
    /// Starts `command` without output.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self::launch(command, folder)
    }

    /// Starts `command` with its output in a file.
    pub fn start_logging(command: &mut Command, folder: &Path, log: &File) -> Self {
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
        Self::launch(command, folder)
    }

    fn launch(command: &mut Command, folder: &Path) -> Self {
        let server = command.stdin(Stdio::null()).spawn().expect("the server's program starts");
        let script = "read -r _; kill -9 \"$0\" 2>/dev/null; rm -rf \"$1\"";
        let watchdog = Command::new("sh")
            .args(["-c", script, &server.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self { server, watchdog }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.server.try_wait(), Ok(None))
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.server.id().to_string()])
            .status()
            .expect("sh starts");
        assert!(status.success(), "signal {name} was not delivered");
    }

    /// Waits for its end; `None` where it still runs after `timeout`.
    pub async fn ended(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + timeout;
        loop {
            if let Ok(Some(status)) = self.server.try_wait() {
                return Some(status);
            }
            if Instant::now() > end {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog goes first, so that it can never kill a later process with the same id.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
