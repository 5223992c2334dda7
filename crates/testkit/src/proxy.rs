//! A TCP proxy whose weather can be changed: clear, slow, cut, or a black hole.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Clear,
    /// They pass after this time, in each direction.
    Slow(Duration),
    /// They vanish; connections stay open.
    BlackHole,
    /// Connections are closed, and new ones too.
    Cut,
}

/// A proxy on a free port of 127.0.0.1. Ends, with its connections, on drop.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Starts a proxy to a port of 127.0.0.1.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel(Weather::Clear);
        #[expect(clippy::disallowed_methods, reason = "the handle ends the task on drop")]
        let task = tokio::spawn(accept(listener, port, seen));
        Self { address, weather, _task: AbortOnDropHandle::new(task) }
    }

    /// The proxy's own port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the weather, for open connections too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept(listener: TcpListener, port: u16, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            continue;
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let (one, other) = (weather.clone(), weather.clone());
        connections.spawn(async move {
            // Either direction's end is the end of both.
            tokio::select! {
                () = carry(near_in, far_out, one) => {}
                () = carry(far_in, near_out, other) => {}
            }
        });
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = weather.changed() => {
                if changed.is_err() || *weather.borrow() == Weather::Cut {
                    return;
                }
                continue;
            }
        };
        let Ok(read @ 1..) = read else { return };
        let now = *weather.borrow();
        match now {
            Weather::Clear => {}
            Weather::Slow(time) => tokio::time::sleep(time).await,
            Weather::BlackHole => continue,
            Weather::Cut => return,
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_weather_reaches_open_connections() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port()).await;
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut byte = [0_u8; 1];

        client.write_all(b"a").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        proxy.set(Weather::BlackHole);
        client.write_all(b"b").await.unwrap();
        let nothing =
            tokio::time::timeout(Duration::from_millis(100), server.read_exact(&mut byte));
        assert!(nothing.await.is_err());
        proxy.set(Weather::Clear);
        client.write_all(b"c").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"c");
        proxy.set(Weather::Cut);
        assert_eq!(server.read(&mut byte).await.unwrap(), 0);
    }
}
