//! A real nats-server on a free port, with JetStream on a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::process::{Process, program};

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    /// Configuration text added to the server's own, such as an `authorization` block.
    pub config: String,
    /// Whether every write is synced to the disk before it is acknowledged.
    pub sync_always: bool,
}

/// A nats-server that dies with its test.
pub struct NatsServer {
    process: Option<Process>,
    folder: TempDir,
    options: NatsOptions,
    port: u16,
}

impl NatsServer {
    /// Starts a server without users.
    pub async fn start() -> Self {
        Self::start_with(NatsOptions::default()).await
    }

    /// Starts a server.
    pub async fn start_with(options: NatsOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-nats-").tempdir().unwrap();
        let mut server = Self { process: None, folder, options, port: 0 };
        server.launch().await;
        server
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it at once (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills it if it runs, and starts it again on the same port and store.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    /// Stops its clock (`SIGSTOP`): connections stay, nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the server runs").signal("STOP");
    }

    /// Lets it go on (`SIGCONT`).
    pub fn resume(&self) {
        self.process.as_ref().expect("the server runs").signal("CONT");
    }

    async fn launch(&mut self) {
        let config = self.folder.path().join("server.conf");
        std::fs::write(&config, self.config_text()).unwrap();
        let mut process = Process::start(
            Command::new(program("PORTCULLIS_NATS_SERVER", "nats-server")).arg("-c").arg(&config),
            self.folder.path(),
        );
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(process.runs(), "nats-server ended at its start: is its configuration right?");
            assert!(Instant::now() < end, "nats-server was not ready within 20 s");
            if self.port == 0 {
                self.port = read_port(self.folder.path(), process.id()).unwrap_or(0);
            }
            if self.port != 0 && greets(self.port).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.process = Some(process);
    }

    fn config_text(&self) -> String {
        let folder = self.folder.path().display();
        // -1 lets the server choose; a restart keeps the port that it chose.
        let port = if self.port == 0 { -1 } else { i32::from(self.port) };
        // Streams set aside what they may hold; by itself the server would allow a share of the disk that is
        // free at that moment, and tests would fail on a small one that they hardly write to.
        let sync = if self.options.sync_always { "sync_interval: always" } else { "" };
        format!(
            "server_name: test\nhost: 127.0.0.1\nport: {port}\nports_file_dir: \"{folder}\"\n\
             max_payload: 8388608\njetstream {{ store_dir: \"{folder}/store\"\n\
             max_file_store: 64GB\nmax_memory_store: 1GB\n{sync}\n}}\n{}\n",
            self.options.config
        )
    }
}

/// The server writes the ports that it chose into a file named after its process.
fn read_port(folder: &Path, pid: u32) -> Option<u16> {
    let file: PathBuf = folder.join(format!("nats-server_{pid}.ports"));
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

/// Whether the server sends its first line, which it does once JetStream is there.
async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut first = [0_u8; 5];
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut first)).await;
    matches!(read, Ok(Ok(_))) && first == *b"INFO "
}
