//! A server process that dies with its test, however the test ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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
/// process, kills it where no drop can run.
pub(crate) struct Process {
    server: Child,
    watchdog: Child,
}

impl Process {
    /// Starts `command` without output.
    pub(crate) fn start(command: &mut Command) -> Self {
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server's program starts");
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$0\" 2>/dev/null", &server.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self { server, watchdog }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.server.try_wait(), Ok(None))
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.server.id().to_string()])
            .status()
            .expect("sh starts");
        assert!(status.success(), "signal {name} was not delivered");
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
