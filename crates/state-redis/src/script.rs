//! Scripts, and what they are run with.

use redis::{Cmd, ToRedisArgs, cmd};

/// A script and its SHA-1, which is its name on the server.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

/// Keys and arguments of one run.
#[derive(Default)]
pub(crate) struct Invocation {
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }

    pub(crate) fn by_hash(&self, invocation: &Invocation) -> Cmd {
        invocation.command("EVALSHA", &self.hash)
    }

    /// With its code, which the server keeps. Unlike a load, it reaches the one node that has the keys.
    pub(crate) fn whole(&self, invocation: &Invocation) -> Cmd {
        invocation.command("EVAL", self.code)
    }
}

impl Invocation {
    pub(crate) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key);
        self
    }

    pub(crate) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        command
    }
}
