//! Real redis-servers that belong together: a cluster, and a master with a replica that Sentinels watch.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, program};
use crate::redis::{RedisServer, command, free_port, pongs};

const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "{what} did not come within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Three masters, and a replica of the first. Slots are divided evenly.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster, ready to serve.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-replica-validity-factor",
                "0",
                "--cluster-require-full-coverage",
                "no",
            ];
            // The bus of a cluster listens on a port of its own, which must be free and lawful too.
            let port = format!("{}", free_port());
            let mut all = arguments.to_vec();
            all.extend(["--cluster-port", &port]);
            nodes.push(RedisServer::start_with(&all).await);
        }
        let cluster = Self { nodes };
        let [first, second, third, replica] = &*cluster.nodes else { unreachable!() };
        for (node, slots) in
            [(first, ["0", "5460"]), (second, ["5461", "10922"]), (third, ["10923", "16383"])]
        {
            let answer = node.command(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).await;
            assert!(answer.starts_with("+OK"), "{answer}");
        }
        for node in &cluster.nodes[1..] {
            let bus = node.bus_port().await;
            let port = node.port().to_string();
            let answer = first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
            assert!(answer.starts_with("+OK"), "{answer}");
        }
        let id = first.command(&["CLUSTER", "MYID"]).await;
        let id = id.lines().nth(1).unwrap().to_owned();
        until("the replica", async || {
            replica.command(&["CLUSTER", "REPLICATE", &id]).await.starts_with("+OK")
        })
        .await;
        until("the cluster", async || {
            for node in &cluster.nodes {
                let info = node.command(&["CLUSTER", "INFO"]).await;
                let nodes = node.command(&["CLUSTER", "NODES"]).await;
                let linked = nodes.lines().filter(|line| line.contains(" connected")).count();
                if !info.contains("cluster_state:ok") || linked < 4 {
                    return false;
                }
            }
            replica.command(&["INFO", "replication"]).await.contains("master_link_status:up")
        })
        .await;
        cluster
    }

    /// Addresses of all nodes, with commas between.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(RedisServer::url).collect::<Vec<_>>().join(",")
    }

    /// The nodes: three masters, then the replica of the first.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Kills the first master and waits until its replica has taken its place.
    pub async fn fail_over(&mut self) {
        self.nodes[0].kill();
        let replica = &self.nodes[3];
        until("the failover", async || {
            replica.command(&["ROLE"]).await.contains("master")
                && replica.command(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok")
        })
        .await;
    }
}

impl RedisServer {
    async fn bus_port(&self) -> String {
        let answer = self.command(&["CONFIG", "GET", "cluster-port"]).await;
        answer.lines().nth(4).expect("the port of the bus").to_owned()
    }
}

/// A master named `limits`, a replica of it, and three Sentinels.
pub struct RedisSentinels {
    master: RedisServer,
    replica: RedisServer,
    sentinels: Vec<(Process, u16)>,
    _folders: Vec<TempDir>,
}

impl RedisSentinels {
    /// The name under which the master is known.
    pub const MASTER: &str = "limits";

    /// Starts all of them, ready for a failover.
    pub async fn start() -> Self {
        let master = RedisServer::start().await;
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        let (mut sentinels, mut folders) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let folder = tempfile::Builder::new().prefix("portcullis-sentinel-").tempdir().unwrap();
            let (process, port) = sentinel(&folder, master.port()).await;
            sentinels.push((process, port));
            folders.push(folder);
        }
        let all = Self { master, replica, sentinels, _folders: folders };
        until("the Sentinels", async || {
            for (_, port) in &all.sentinels {
                let known = command(*port, &["SENTINEL", "MASTER", Self::MASTER]).await;
                let field = |name: &str| {
                    known.lines().skip_while(|line| *line != name).nth(2).map(str::to_owned)
                };
                let others = field("num-other-sentinels").as_deref() == Some("2");
                if !others || field("num-slaves").as_deref() != Some("1") {
                    return false;
                }
            }
            all.replica.command(&["INFO", "replication"]).await.contains("master_link_status:up")
        })
        .await;
        all
    }

    /// Addresses of the Sentinels, with commas between.
    pub fn urls(&self) -> String {
        let url = |(_, port): &(Process, u16)| format!("redis://127.0.0.1:{port}");
        self.sentinels.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// Kills the master and waits until the Sentinels have made the replica one.
    pub async fn fail_over(&mut self) {
        self.master.kill();
        let replica = &self.replica;
        until("the failover", async || replica.command(&["ROLE"]).await.contains("master")).await;
    }

    /// The server that a failover makes the master.
    pub fn replica(&self) -> &RedisServer {
        &self.replica
    }
}

async fn sentinel(folder: &TempDir, master: u16) -> (Process, u16) {
    for _ in 0..10 {
        let port = free_port();
        let file: PathBuf = folder.path().join("sentinel.conf");
        let name = RedisSentinels::MASTER;
        let text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {name} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 3000\n",
            folder.path().display()
        );
        std::fs::write(&file, text).unwrap();
        let server = program("PORTCULLIS_REDIS_SERVER", "redis-server");
        let mut process =
            Process::start(Command::new(server).arg(&file).arg("--sentinel"), folder.path());
        let end = Instant::now() + Duration::from_secs(20);
        while process.runs() && Instant::now() < end {
            if pongs(port).await {
                return (process, port);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    panic!("no Sentinel started");
}
