//! A real PostgreSQL on a free port, with a cluster of its own that lives over a restart.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Process, program};
use crate::redis::free_port;

/// The user `nobody` and its group: a server that root starts is given to it, as PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Settings added to the server's own, as in `work_mem=8MB`.
    pub settings: Vec<String>,
    /// Whether what is stored is synced to the disk. Only a loss of power tells the difference.
    pub fsync: bool,
    /// The bytes that its disk has: it runs full then. See [`PostgresServer::more_room`].
    pub disk: Option<u64>,
}

/// How a disk is made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallDisk {
    /// A file system in memory, mounted at the cluster: writes fail with "no space left".
    Mounted,
    /// Where nothing can be mounted: a limit on each file of the server, so that a table cannot grow.
    FileLimit,
}

/// A PostgreSQL that dies with its test. Anybody on this machine may connect as `portcullis`.
pub struct PostgresServer {
    process: Option<Process>,
    mount: Option<Mount>,
    folder: TempDir,
    programs: PathBuf,
    options: PostgresOptions,
    port: u16,
}

impl PostgresServer {
    /// Makes a cluster and starts a server.
    pub async fn start() -> Self {
        Self::start_with(PostgresOptions::default()).await
    }

    /// Makes a cluster and starts a server.
    pub async fn start_with(options: PostgresOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-postgres-").tempdir().unwrap();
        let programs = reachable_programs(folder.path());
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mount = options.disk.and_then(|bytes| Mount::try_new(&data, bytes));
        let inner = data.join("cluster");
        fs::create_dir(&inner).unwrap();
        for path in [folder.path(), &data, &inner] {
            give(path);
        }
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--username=portcullis", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        if !options.fsync {
            // Small, so that a cluster is soon made; each is synced where that is asked for.
            initdb.arg("--wal-segsize=1");
        }
        initdb.args(["--no-sync", "--pgdata"]).arg(&inner);
        let made = as_nobody(&mut initdb).stdin(Stdio::null()).output().expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { process: None, mount, folder, programs, options, port: 0 };
        for _ in 0..10 {
            server.port = free_port();
            if server.launch().await {
                return server;
            }
        }
        panic!("postgres did not start; its words: {}", server.log());
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("postgres://portcullis@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Kills it at once, with all its processes: what was not written is lost, as in a crash.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The quickest end that leaves no process of the server behind.
            if process.runs() {
                process.signal("QUIT");
            }
            assert!(process.ended(Duration::from_secs(20)).await.is_some(), "postgres ends");
        }
    }

    /// Kills it if it runs, and starts it again on the same port and cluster.
    pub async fn restart(&mut self) {
        self.kill().await;
        assert!(self.launch().await, "postgres did not start again: {}", self.log());
    }

    /// How the small disk was made; `None` if it is not small.
    pub fn small_disk(&self) -> Option<SmallDisk> {
        self.options.disk?;
        Some(if self.mount.is_some() { SmallDisk::Mounted } else { SmallDisk::FileLimit })
    }

    /// Gives a small disk eight times the room. Where it was a limit on files, the server starts anew for it.
    pub async fn more_room(&mut self) {
        let bytes = self.options.disk.take().expect("the disk is small") * 8;
        match &self.mount {
            Some(mount) => mount.resize(bytes),
            None => self.restart().await,
        }
        // A server that has no room for its own log of changes ends, and whoever runs it starts it again.
        if !self.process.as_mut().is_some_and(Process::runs) {
            self.restart().await;
        }
    }

    async fn launch(&mut self) -> bool {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = match (self.options.disk, &self.mount) {
            (Some(bytes), None) => {
                let mut command = Command::new("sh");
                let script = "ulimit -f \"$0\" && exec \"$@\"";
                // In blocks of 512 bytes; the table alone gets that large.
                command.args(["-c", script, &(bytes / 512).to_string()]);
                command.arg(self.programs.join("postgres"));
                command
            }
            _ => Command::new(self.programs.join("postgres")),
        };
        command.arg("-D").arg(self.folder.path().join("data/cluster"));
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=40".to_owned(),
            "shared_buffers=32MB".to_owned(),
            format!("fsync={}", if self.options.fsync { "on" } else { "off" }),
        ];
        settings.extend(self.options.settings.iter().cloned());
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let process = Process::start_logging(as_nobody(&mut command), self.folder.path(), &log);
        self.process = Some(process);
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if !self.process.as_mut().is_some_and(Process::runs) {
                return false;
            }
            if serves(self.port).await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("postgres was not ready within 60 s: {}", self.log());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Its other processes end by themselves once it is gone; they may hold the mount until then.
        self.process = None;
        self.mount = None;
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn give(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn as_nobody(command: &mut Command) -> &mut Command {
    if is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// The folder of the programs: where they are, or a copy within `folder` if the server's user cannot get there.
fn reachable_programs(folder: &Path) -> PathBuf {
    let postgres = program("PORTCULLIS_POSTGRES", "postgres").canonicalize().unwrap();
    let programs = postgres.parent().unwrap();
    let open = |path: &Path| fs::metadata(path).is_ok_and(|at| at.permissions().mode() & 1 == 1);
    if !is_root() || programs.ancestors().all(open) {
        return programs.to_owned();
    }
    let copy = folder.join("programs");
    copy_tree(programs.parent().unwrap(), &copy);
    copy.join(programs.file_name().unwrap())
}

/// Links where it can: nothing of it is changed.
fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else if fs::hard_link(entry.path(), &to).is_err() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A file system in memory, gone on drop.
struct Mount(PathBuf);

impl Mount {
    fn try_new(at: &Path, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes},mode=0700");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "portcullis-test"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    fn resize(&self, bytes: u64) {
        let size = format!("remount,size={bytes}");
        let status = Command::new("mount").args(["-o", &size]).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "the mount grows");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: processes of the server may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether the server lets somebody in: it answers a start-up with "authenticated" and not with an error.
async fn serves(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let words = b"user\0portcullis\0database\0postgres\0\0";
    let mut start = Vec::new();
    start.extend_from_slice(&(8 + words.len() as u32).to_be_bytes());
    start.extend_from_slice(&196_608_u32.to_be_bytes());
    start.extend_from_slice(words);
    let mut first = [0_u8; 1];
    let asked = async {
        stream.write_all(&start).await?;
        stream.read_exact(&mut first).await
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), asked).await, Ok(Ok(_))) && first == *b"R"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_can_be_killed_and_comes_back_on_its_port() {
        let mut server = PostgresServer::start().await;
        let port = server.port();
        server.kill().await;
        assert!(!serves(port).await);
        server.restart().await;
        assert!(serves(port).await);
        drop(server);
        assert!(!serves(port).await);
    }
}
