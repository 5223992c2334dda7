//! What the record keeps of a person, and that it is gone after an order to erase: with nothing configured for it.

use std::sync::Arc;

use portcullis_bus_nats::subjects;
use portcullis_core::Recorded;
use portcullis_ledger::{LedgerReader, Query};
use portcullis_personal::PersonKeys;
use portcullis_testkit::eventually;
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, run};

/// How many entries of the ledger hold this text, for whoever has the keys.
fn found(city: &City, text: &str) -> usize {
    let Ok(keys) = PersonKeys::read(&city.data().join("keys/persons")) else { return 0 };
    let reader = LedgerReader::open(&city.data()).unwrap().revealing(Arc::new(keys));
    reader.search(Query { text: Some(text.into()), ..Query::default() }).map(Result::unwrap).count()
}

#[test]
fn what_people_wrote_is_sealed_to_audit_and_gone_when_they_are_erased() {
    run(async {
        // Until audit is there, nothing personal is kept, and ingress is ready all the same.
        let options = CityOptions::all();
        let mut city = City::start(options.clone().replicas("audit", 0)).await;
        let http = city.http();
        let message = |user: &str, text: &str| json!({"bot": "shop", "text": text, "user": user});
        let early = http.check(message("jane", "an early parcel")).await;
        assert_eq!(early.recorded, Recorded::Journal);
        assert!(city.metrics("ingress-0").await.contains("portcullis_audit_key_known 0"));

        city.add(&options, "audit", 0);
        city.service("audit-0").ready().await;
        eventually(PATIENCE, async || {
            city.metrics("ingress-0").await.contains("portcullis_audit_key_known 1")
        })
        .await;
        for user in ["jane", "john"] {
            http.check(message(user, &format!("the parcel of {user} is late"))).await;
        }
        eventually(PATIENCE, async || found(&city, "parcel of") == 2).await;
        assert_eq!((found(&city, "parcel of jane"), found(&city, "early parcel")), (1, 0));
        for (_, entry) in city.messages(subjects::JOURNAL).await {
            assert!(!String::from_utf8_lossy(&entry).contains("parcel"), "in the clear on the bus");
        }

        let order = json!({"command": "erase", "bot": "shop", "speaker": "jane", "by": "ops"});
        let done = http.post("/v1/admin", &order, &[]).await;
        assert_eq!(done.status, 200, "{}", done.body);
        eventually(PATIENCE, async || found(&city, "parcel of jane") == 0).await;
        assert_eq!(found(&city, "parcel of"), 1, "the other person stays");
    });
}
