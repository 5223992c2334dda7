//! A record in several streams: their number stays what it was at first.

use portcullis_bus_nats::Journals;
use portcullis_bus_nats::admin::{self, InitError, InitOptions, Outcome};
use portcullis_testkit::NatsServer;

use crate::{client, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_journals_is_fixed_by_the_first_init() {
    let of = |number: u16| InitOptions { journals: Journals::new(number), ..small() };
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let made = admin::init(&bus, &of(3)).await.unwrap();
    assert!(made.iter().any(|change| change.name == "JOURNAL_2/audit"), "{made:?}");
    // Who does not say a number, as an older command or a chart would, leaves it as it is.
    for options in [small(), of(3)] {
        let again = admin::init(&bus, &options).await.unwrap();
        assert!(again.iter().all(|change| change.outcome == Outcome::Unchanged), "{again:?}");
        assert_eq!(again.len(), made.len());
    }
    let error = admin::init(&bus, &of(2)).await.unwrap_err();
    assert_eq!(error, InitError::Journals { asked: 2, found: 3 });

    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    let error = admin::init(&bus, &of(2)).await.unwrap_err();
    assert_eq!(error, InitError::Journals { asked: 2, found: 1 });
    assert_eq!(Journals::found(&bus).await, Ok(Some(Journals::default())));
}
