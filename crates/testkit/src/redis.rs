//! A real redis-server on a free port. It keeps nothing over a restart.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Process, program};

/// A redis-server that dies with its test.
pub struct RedisServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    variable: &'static str,
}

impl RedisServer {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further arguments, such as `--cluster-enabled yes`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-redis-").tempdir().unwrap();
        let arguments = arguments.iter().map(|&argument| argument.into()).collect();
        let mut server =
            Self { process: None, folder, port: 0, arguments, variable: "PORTCULLIS_REDIS_SERVER" };
        // Redis cannot choose a port of its own, so a port that was free a moment ago is tried; who
        // lost it to somebody else tries the next.
        for _ in 0..10 {
            server.port = free_port();
            if server.launch().await {
                return server;
            }
        }
        panic!("redis-server found no free port");
    }

    /// Starts a server that speaks TLS on a second port, with files in PEM: the authority that clients are
    /// asked for, its certificate and key. Returns that port too.
    pub async fn start_tls(ca: &str, certificate: &str, key: &str) -> (Self, u16) {
        let folder = tempfile::Builder::new().prefix("portcullis-redis-").tempdir().unwrap();
        let tls_port = free_port();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (ca, certificate, key) =
            (file("ca.pem", ca), file("server.pem", certificate), file("server.key", key));
        let arguments = [
            "--tls-port",
            &tls_port.to_string(),
            "--tls-ca-cert-file",
            &ca,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-auth-clients",
            "yes",
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        let variable = "PORTCULLIS_REDIS_TLS_SERVER";
        let mut server = Self { process: None, folder, port: free_port(), arguments, variable };
        assert!(server.launch().await, "no redis-server with TLS: run tests/tools/setup.sh");
        (server, tls_port)
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that goes with the server, for files that it reads.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Sends a command in words and returns the server's answer as it came; empty where it is away.
    pub async fn command(&self, words: &[&str]) -> String {
        command(self.port, words).await
    }

    /// Kills it at once (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills it if it runs, and starts it again, empty, on the same port.
    pub async fn restart(&mut self) {
        self.kill();
        assert!(self.launch().await, "redis-server did not start again on its port");
    }

    /// Stops its clock (`SIGSTOP`): connections stay, nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the server runs").signal("STOP");
    }

    /// Lets it go on (`SIGCONT`).
    pub fn resume(&self) {
        self.process.as_ref().expect("the server runs").signal("CONT");
    }

    async fn launch(&mut self) -> bool {
        let mut process = Process::start(
            Command::new(program(self.variable, "redis-server"))
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(self.port.to_string())
                .arg("--dir")
                .arg(self.folder.path())
                .args(&self.arguments),
            self.folder.path(),
        );
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if !process.runs() {
                return false;
            }
            if pongs(self.port).await && process.runs() {
                self.process = Some(process);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server was not ready within 20 s");
    }
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Sends a command, and reads until the server has been silent for a moment.
pub(crate) async fn command(port: u16, words: &[&str]) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return String::new();
    };
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let mut part = [0_u8; 4096];
        let mut patience = Duration::from_secs(5);
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(patience, stream.read(&mut part)).await
        {
            answer.extend_from_slice(&part[..read]);
            patience = Duration::from_millis(20);
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) async fn pongs(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut answer = [0_u8; 5];
    stream.write_all(b"PING\r\n").await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && answer == *b"+PONG"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_can_be_killed_and_comes_back_on_its_port() {
        let mut server = RedisServer::start().await;
        let port = server.port();
        server.kill();
        assert!(!pongs(port).await);
        server.restart().await;
        assert!(pongs(port).await);
        drop(server);
        assert!(!pongs(port).await);
    }
}
