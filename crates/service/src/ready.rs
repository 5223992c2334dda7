//! `--ready HOST:PORT`: asks the health door of a service whether it is ready, so that an image without a
//! shell can be its own health check.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

/// How long each of connecting, writing and reading may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most that is read of an answer; more than any readiness.
const MOST: u64 = 64 * 1024;

/// Asks, and tells on stderr what is missing. 0: ready; 1: not ready, or nobody answers.
pub(crate) fn ask(address: &str) -> ExitCode {
    let ready = readiness(address);
    let Err(error) = ready else { return ExitCode::SUCCESS };
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "{address}: {error:#}");
    ExitCode::FAILURE
}

fn readiness(address: &str) -> anyhow::Result<()> {
    let answer = get(address, "/readyz")?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => bail!("not ready: {body}"),
        _ => bail!("this is no health door"),
    }
}

fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut last = None;
    for address in
        address.to_socket_addrs().context("the address is not HOST:PORT, or has no such host")?
    {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                write!(stream, "GET {path} HTTP/1.0\r\nConnection: close\r\n\r\n")?;
                let mut answer = String::new();
                stream
                    .take(MOST)
                    .read_to_string(&mut answer)
                    .context("the answer cannot be read")?;
                return Ok(answer);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("no address"), anyhow::Error::from))
}
