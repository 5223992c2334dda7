//! An outbox stores each piece of mail once.

use bytes::Bytes;
use portcullis_bus::{Mail, MailKind, Outbox};

use crate::shop;

/// The suite. `stored` tells the bodies that were stored for the bot `shop`, in order.
pub async fn outbox(outbox: &dyn Outbox, stored: impl AsyncFn() -> Vec<Bytes>) {
    let mail = |kind, id: &str, body: &'static str| Mail {
        kind,
        bot: shop(),
        id: id.into(),
        body: body.into(),
    };
    outbox.send(mail(MailKind::Verdict, "inbound/1", "verdict 1")).await.unwrap();
    outbox.send(mail(MailKind::Verdict, "inbound/1", "verdict 1 again")).await.unwrap();
    outbox.send(mail(MailKind::Resolution, "inbound/1", "resolution 1")).await.unwrap();
    outbox.send(mail(MailKind::Verdict, "inbound/2", "verdict 2")).await.unwrap();
    assert_eq!(stored().await, ["verdict 1", "resolution 1", "verdict 2"]);
}
