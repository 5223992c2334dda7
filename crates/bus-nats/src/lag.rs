//! How far a reader is behind its stream, and how full a stream is, as metrics.

use std::time::Duration;

use async_nats::Client;
use tokio_util::sync::CancellationToken;

use crate::store;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// Looks at a durable consumer now and then until `shutdown`: `portcullis_consumer_pending` (not yet delivered) and
/// `portcullis_consumer_unacknowledged` (delivered, not yet done). What cannot be had now is asked for again;
/// the last figures stay until then.
pub async fn watch(
    client: Client,
    stream: &'static str,
    consumer: &'static str,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        if let Ok(reader) = store::consumer(&client, stream, consumer).await {
            let info = reader.cached_info();
            let labels = [("stream", stream), ("consumer", consumer)];
            metrics::gauge!("portcullis_consumer_pending", &labels).set(info.num_pending as f64);
            metrics::gauge!("portcullis_consumer_unacknowledged", &labels)
                .set(info.num_ack_pending as f64);
        }
        pause(&shutdown).await;
    }
}

/// Looks at a stream now and then until `shutdown`: `portcullis_stream_bytes`, and `portcullis_stream_limit_bytes`
/// where it has a limit. Only for users that may ask.
pub async fn watch_stream(client: Client, stream: &'static str, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Ok(found) = store::context(&client).get_stream(stream).await {
            let info = found.cached_info();
            metrics::gauge!("portcullis_stream_bytes", "stream" => stream)
                .set(info.state.bytes as f64);
            if info.config.max_bytes > 0 {
                metrics::gauge!("portcullis_stream_limit_bytes", "stream" => stream)
                    .set(info.config.max_bytes as f64);
            }
        }
        pause(&shutdown).await;
    }
}

async fn pause(shutdown: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(LOOK) => {}
        () = shutdown.cancelled() => {}
    }
}
