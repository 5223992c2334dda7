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
}

impl RedisServer {
    /// Starts a server.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-redis-").tempdir().unwrap();
        let mut server = Self { process: None, folder, port: 0 };
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

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
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
            Command::new(program("PORTCULLIS_REDIS_SERVER", "redis-server"))
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(self.port.to_string())
                .arg("--dir")
                .arg(self.folder.path()),
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

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

async fn pongs(port: u16) -> bool {
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
