//! Serving HTTP to clients that may be slow on purpose: a request's head has to come in time, or the connection is
//! closed; its body has to, or it is refused.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Problem;

/// How long the head of a request may take, and how long a connection may be open without one.
const HEAD: Duration = Duration::from_secs(30);
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(30);
/// Pause after a connection could not be taken, as where no file descriptor is free.
const PAUSE: Duration = Duration::from_secs(1);

/// The whole body of a request.
///
/// # Errors
/// 413 where it is over `limit` bytes or broke off, 408 where it does not come in time.
pub async fn body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY, to_bytes(body, limit)).await;
    let late = |_| Problem::late(format!("the body took over {} seconds", BODY.as_secs()));
    let broken = |_| Problem::too_large(format!("the body is over {limit} bytes, or broke off"));
    read.map_err(late)?.map_err(broken)
}

/// Serves until `shutdown`, and then until what was begun is answered.
pub async fn serve(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
    serve_within(HEAD, listener, routes, shutdown).await;
}

async fn serve_within(
    head: Duration,
    listener: TcpListener,
    routes: Router,
    shutdown: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let (graceful, mut connections) = (GracefulShutdown::new(), JoinSet::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = http.serve_connection(io(stream), service(&routes));
                let served = graceful.watch(served);
                connections.spawn(async move {
                    // A client that went away, or was too slow, is its own matter.
                    let _ = served.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

fn io(stream: TcpStream) -> TokioIo<TcpStream> {
    // A verdict is small, and is waited for.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}

fn service(routes: &Router) -> TowerToHyperService<Router> {
    TowerToHyperService::new(routes.clone())
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_head_that_never_ends_is_not_waited_for_and_what_was_begun_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "done"
        };
        let routes = Router::new().route("/", get(slow));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let client = async {
            let mut idle = TcpStream::connect(address).await.unwrap();
            idle.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
            let mut read = Vec::new();
            idle.read_to_end(&mut read).await.unwrap();
            assert!(read.is_empty() || read.starts_with(b"HTTP/1.1 408"), "{read:?}");

            let mut begun = TcpStream::connect(address).await.unwrap();
            begun.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.send(()).unwrap();
            begun.read_to_end(&mut read).await.unwrap();
            assert!(read.ends_with(b"done"), "{read:?}");
        };
        let shutdown = async move {
            let _ = stopped.await;
        };
        let served = serve_within(Duration::from_millis(200), listener, routes, shutdown);
        tokio::join!(served, client);
    }
}
