//! Masked values on the real bus and in a real Redis: given back by whichever replica, in whole answers, in
//! streams and in what people release; never in another conversation.

use futures::StreamExt;
use portcullis_bus_nats::subjects;
use portcullis_client::{Door, HttpClient, Mail, Message, NatsClient, StreamDoor};
use portcullis_core::{ConversationId, Decision, MessageId, Verdict};
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, PATIENT, bot, run};

const ADDRESS: &str = "jane@example.org";

fn city() -> CityOptions {
    let masked = "[stages.sanitizer.settings.entities]\nemail = 'placeholder'\n";
    // A vault that is slow on a busy machine must not be what is tested here.
    let policy = format!("review = 'console'\nhold_s = 3600\n{PATIENT}{masked}");
    CityOptions::all().replicas("ingress", 2).policy("shop", &policy)
}

fn of(message: Message, conversation: &str) -> Message {
    message.bot(bot("shop")).conversation(ConversationId::parse(conversation).unwrap())
}

fn text(verdict: &Verdict) -> &str {
    verdict.text.as_ref().expect("forwarded").expose()
}

/// All that a person is shown of an answer that comes in pieces of so many characters.
async fn streamed(door: &dyn StreamDoor, message: &Message, text: &str, size: usize) -> String {
    let mut stream = door.stream(message).await.unwrap();
    let mut shown = String::new();
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(size) {
        let piece = stream.feed(&piece.iter().collect::<String>()).await.unwrap();
        assert_eq!(piece.stopped, None);
        shown.push_str(piece.text.expose());
    }
    let last = stream.finish().await.unwrap();
    shown.push_str(last.text.expose());
    shown
}

#[test]
fn values_come_back_in_answers_streams_and_releases_of_their_own_conversation() {
    run(async {
        let mut city = City::start(city()).await;
        let nats = NatsClient::new(city.bot("shop").await, bot("shop")).timeout(PATIENCE);
        // Whichever of the two replicas each of these is, they share one Redis.
        let http = HttpClient::new(&city.http_url()).unwrap().timeout(PATIENCE);

        let said = of(Message::inbound(format!("Please write to {ADDRESS}.")), "c-1");
        let said = nats.check(&said).await.unwrap();
        assert_eq!((said.decision, text(&said)), (Decision::Rewrite, "Please write to <EMAIL_1>."));

        let answer = "We have written to <EMAIL_1> today, and to no one else.";
        let (own, strange) = (answer.replace("<EMAIL_1>", ADDRESS), answer.to_owned());
        for (conversation, expected) in [("c-1", &own), ("c-2", &strange)] {
            let whole = http.check(&of(Message::outbound(answer), conversation)).await.unwrap();
            assert_eq!(text(&whole), expected, "{conversation}");
            let doors: [&dyn StreamDoor; 2] = [&nats, &http];
            for (door, size) in doors.into_iter().zip([1, 7]) {
                let message = of(Message::outbound(""), conversation);
                assert_eq!(&streamed(door, &message, answer, size).await, expected);
            }
        }

        // Without moderation every answer is for a human, who sees the placeholder; the person gets the value.
        city.service("moderation-0").kill();
        let id: MessageId = "held-1".parse().unwrap();
        let held = http.check(&of(Message::outbound(answer), "c-1").id(id.clone())).await.unwrap();
        assert_eq!(held.decision, Decision::Hold);
        let operator = city.user("operator").await;
        let order = async |order: serde_json::Value| {
            let subject = subjects::admin(order["command"].as_str().unwrap());
            let body = serde_json::to_vec(&order).unwrap();
            let done = operator.request(subject, body.into()).await.unwrap();
            serde_json::from_slice::<serde_json::Value>(&done.payload).unwrap()
        };
        let cases = order(json!({"command": "held", "bot": "shop"})).await;
        assert_eq!(cases["held"][0]["text"], answer);
        order(json!({"command": "release", "bot": "shop", "direction": "outbound", "id": "held-1", "by": "rita"}))
            .await;
        let mut mailbox = nats.mailbox().await.unwrap();
        let released = loop {
            let letter = tokio::time::timeout(PATIENCE, mailbox.next()).await.unwrap();
            let letter = letter.unwrap().unwrap();
            if let Mail::Resolution(record) = &letter.mail {
                break record.clone();
            }
        };
        assert_eq!((released.message, released.text.unwrap().expose()), (id, &*own));

        let record = serde_json::to_string(&city.journal().await).unwrap();
        assert!(!record.contains(ADDRESS), "the record keeps placeholders");
    });
}
