//! How far a reader is behind its stream, and how full a stream is, as metrics.

use std::time::Duration;

use async_nats::Client;
use tokio_util::sync::CancellationToken;

use crate::journals::Journals;
use crate::store;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// Looks at a durable consumer now and then until `shutdown`: `portcullis_consumer_pending` (not yet delivered),
/// `portcullis_consumer_unacknowledged` (delivered, not yet done) and `portcullis_consumer_floor` (the number in the
/// stream up to which all is done, which stands still where one entry is in the way). What cannot be had now is asked
/// for again; the last figures stay until then.
pub async fn watch(
    client: Client,
    stream: &'static str,
    consumer: &'static str,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        look(&client, stream, consumer).await;
        pause(&shutdown).await;
    }
}

/// The same of a reader of the record, in each of its streams: also of those that nobody reads.
pub async fn watch_journals(client: Client, reader: &'static str, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        for stream in streams(&client).await {
            look(&client, &stream, reader).await;
        }
        pause(&shutdown).await;
    }
}

/// Those of the record. None where the server does not answer.
async fn streams(client: &Client) -> Vec<String> {
    let found = Journals::found(client).await.ok().flatten();
    found.into_iter().flat_map(Journals::streams).collect()
}

async fn look(client: &Client, stream: &str, consumer: &'static str) {
    if let Ok(reader) = store::consumer(client, stream, consumer).await {
        let info = reader.cached_info();
        let labels = [("stream", stream.to_owned()), ("consumer", consumer.to_owned())];
        metrics::gauge!("portcullis_consumer_pending", &labels).set(info.num_pending as f64);
        metrics::gauge!("portcullis_consumer_unacknowledged", &labels)
            .set(info.num_ack_pending as f64);
        metrics::gauge!("portcullis_consumer_floor", &labels)
            .set(info.ack_floor.stream_sequence as f64);
    }
}

/// Looks at the streams of the record now and then until `shutdown`: `portcullis_stream_bytes`, and
/// `portcullis_stream_limit_bytes` where it has a limit. Only for users that may ask.
pub async fn watch_fill(client: Client, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        for stream in streams(&client).await {
            let Ok(found) = store::context(&client).get_stream(&stream).await else { continue };
            let info = found.cached_info();
            metrics::gauge!("portcullis_stream_bytes", "stream" => stream.clone())
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
