//! A real OpenSearch on a free port: one node in a Java process, with a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, program};

/// What `tests/tools/setup.sh opensearch` makes: `lib/` with the engine and `classes/` with its launcher.
const VARIABLE: &str = "PORTCULLIS_OPENSEARCH";

/// An OpenSearch that dies with its test. A start takes some ten seconds: share one where the test does not stop it.
pub struct OpenSearch {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
}

impl OpenSearch {
    /// Starts a node.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-search-").tempdir().unwrap();
        let mut server = Self { process: None, folder, port: 0 };
        server.launch().await;
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it at once (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills it if it runs, and starts it again on the same port and with what it had stored.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    async fn launch(&mut self) {
        let told = self.folder.path().join("port");
        let _ = std::fs::remove_file(&told);
        let log_path = self.folder.path().join("log");
        let log = std::fs::File::create(&log_path).unwrap();
        let home = home();
        let classes = format!("{}/classes:{}/lib/*", home.display(), home.display());
        let mut command = Command::new(java());
        command
            .args(["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(classes)
            .arg("Launcher")
            .arg(self.folder.path())
            .arg(self.port.to_string());
        let mut process = Process::start_logging(&mut command, self.folder.path(), &log);
        let end = Instant::now() + Duration::from_secs(180);
        while !told.is_file() {
            let said = || std::fs::read_to_string(&log_path).unwrap_or_default();
            assert!(process.runs(), "OpenSearch ended at its start:\n{}", said());
            assert!(Instant::now() < end, "OpenSearch was not ready within 180 s:\n{}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.port = std::fs::read_to_string(&told).unwrap().trim().parse().unwrap();
        self.process = Some(process);
    }
}

fn home() -> PathBuf {
    let home = std::env::var_os(VARIABLE).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{VARIABLE} is not set: run `make test`, or first: eval \"$(tests/tools/setup.sh opensearch)\" \
             (it needs Java 17 and Maven, and says how to get them)"
        )
    });
    assert!(home.join("classes/Launcher.class").is_file(), "{VARIABLE} holds no launcher");
    home
}

/// Java of `JAVA_HOME`, else on `PATH`.
fn java() -> PathBuf {
    let of_home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    of_home.filter(|java| java.is_file()).unwrap_or_else(|| program("PORTCULLIS_JAVA", "java"))
}
