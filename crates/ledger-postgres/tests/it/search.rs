//! Finding entries: every condition, both orders, page after page.

use portcullis_ledger::{Gap, Query, Record, Store};
use portcullis_testkit::PostgresServer;

use crate::{ledger, reader, records, time};

#[tokio::test]
async fn what_is_asked_is_found_and_nothing_else() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    kept.append_all(records(1..=2500)).await.unwrap();
    kept.append_all(vec![Record::gap(Gap { after: 2500, next: 2600 })]).await.unwrap();
    let find = async |query: Query| -> Vec<u64> {
        let rows = reader(&server).search(query).all().await.unwrap();
        rows.iter().map(|row| row.seq).collect()
    };
    let all: Vec<u64> = (1..=2501).collect();
    assert_eq!(find(Query::default()).await, all);
    let newest = find(Query { newest_first: true, limit: Some(3), ..Query::default() }).await;
    assert_eq!(newest, [2501, 2500, 2499]);
    let (from, until) = (Some(time(10)), Some(time(13)));
    assert_eq!(find(Query { from, until, ..Query::default() }).await, [10, 11, 12]);
    let id = |id: &str| Query { id: Some(id.into()), ..Query::default() };
    assert_eq!(find(id("action/shop/77")).await, [77]);
    assert_eq!(find(id("77")).await, [77], "the last part of an entry's id");
    assert_eq!(find(id("action/shop/0")).await, [0; 0]);
    let gaps = Query { kind: Some("gap".into()), ..Query::default() };
    assert_eq!(find(gaps).await, [2501]);
    let text = Query { text: Some("reason № 1234".into()), ..Query::default() };
    assert_eq!(find(text).await, [1234]);
    let speaker = Query { speaker: Some("hash-3".into()), limit: Some(4), ..Query::default() };
    assert_eq!(find(speaker).await, [3, 8, 13, 18]);
    let bot = portcullis_core::BotId::parse("other").unwrap();
    assert_eq!(find(Query { bot: Some(bot), ..Query::default() }).await, [0; 0]);
}
