//! Connects to a server of the test's own.

use std::time::Duration;

use portcullis_state_redis::{Redis, RedisOptions, connect};
use portcullis_testkit::RedisServer;

pub(crate) fn to(server: &RedisServer) -> Redis {
    // Wide for a busy test machine; what an absent or silent server costs is measured in `faults`.
    let response_timeout = Duration::from_secs(2);
    connect(&server.url().into(), RedisOptions { response_timeout, ..RedisOptions::default() })
        .unwrap()
}
