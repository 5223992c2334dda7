//! A redis-server of a test's own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_state_redis::{Redis, RedisOptions, connect};
use secrecy::SecretString;

/// A server on a free port that keeps nothing on disk; it ends with the test.
pub(crate) struct Server {
    port: u16,
    child: Child,
    folder: tempfile::TempDir,
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PORTCULLIS_REDIS_SERVER") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
        .expect("no redis-server: run `make tools`")
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(port, &folder);
        Self { port, child, folder }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts an empty server where the killed one was.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder);
    }

    pub(crate) fn connect(&self) -> Redis {
        let url = SecretString::from(format!("redis://127.0.0.1:{}", self.port));
        // Wide for a busy test machine; what a killed server costs is measured in `faults`.
        let response_timeout = Duration::from_secs(2);
        connect(&url, RedisOptions { response_timeout, ..RedisOptions::default() }).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &tempfile::TempDir) -> Child {
    let child = Command::new(binary())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server does not start");
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
