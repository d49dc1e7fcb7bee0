//! `StorageQueue` against Azurite.

use std::sync::Arc;
use std::time::Duration;

use acs_recording::{EventPayload, EventSchema as Schema, Events};
use acs_recording_archive::{ErrorKind, EventQueue, Message, StorageQueue};
use acs_test_support::{Azurite, Proxy, Rule};
use http::Method;

use crate::token::Token;

const LEASE: Duration = Duration::from_secs(60);
/// The shortest that the service has.
const SHORT: Duration = Duration::from_secs(1);

/// A queue of its own in the Azurite that the tests share.
async fn queue(azurite: &Azurite, name: &str) -> StorageQueue {
    azurite.create_queue(name).await;
    StorageQueue::from_connection_string(&azurite.connection_string(), name).unwrap()
}

/// The same through a proxy.
async fn queue_through_proxy(azurite: &Azurite, name: &str) -> (StorageQueue, Proxy) {
    azurite.create_queue(name).await;
    let proxy = Proxy::start(azurite.queue_endpoint()).await;
    let text = proxy.through(&azurite.connection_string());
    let queue = StorageQueue::from_connection_string(&text, name).unwrap();
    (queue, proxy)
}

async fn receive(queue: &StorageQueue, lease: Duration) -> Option<Message> {
    queue.receive(1, lease).await.unwrap().pop()
}

/// Receives as soon as a message is visible.
async fn wait(queue: &StorageQueue, lease: Duration) -> Message {
    let message = async {
        loop {
            if let Some(message) = receive(queue, lease).await {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), message)
        .await
        .expect("no message is visible")
}

async fn is_empty(queue: &StorageQueue) -> bool {
    queue.approximate_depth().await.unwrap() == Some(0)
}

/// Everything that a worker does with a message.
async fn live(queue: &StorageQueue) {
    queue.send("a").await.unwrap();
    let mut message = receive(queue, LEASE).await.unwrap();
    assert_eq!((&message.body[..], message.dequeue_count), (&b"a"[..], 1));
    assert!(message.inserted_at.unwrap() < message.expires_at.unwrap());
    assert_eq!(queue.approximate_depth().await.unwrap(), Some(1));
    assert_eq!(receive(queue, LEASE).await, None);
    queue.renew(&mut message, LEASE).await.unwrap();
    queue.release(&message, Duration::ZERO).await.unwrap();
    let message = receive(queue, LEASE).await.unwrap();
    assert_eq!(message.dequeue_count, 2);
    queue.bury(&message, "test").await.unwrap();
    let poison = queue.poison_queue();
    assert_eq!(poison.peek(1).await.unwrap()[0].body, "a");
    assert_eq!(poison.retry(|_| true).await.unwrap(), 1);
    let message = receive(queue, LEASE).await.unwrap();
    queue.complete(&message).await.unwrap();
    assert!(is_empty(queue).await);
}

#[tokio::test]
async fn messages_live_with_an_account_key_and_with_a_sas() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    live(&queue(&azurite, "by-key").await).await;

    let url = azurite.create_queue("by-sas").await;
    let sas = Azurite::sas("rwdlacup");
    live(&StorageQueue::new(format!("{url}?{sas}"), None).unwrap()).await;

    azurite.create_queue("by-sas-in-string").await;
    let text = azurite.connection_string_with_sas();
    live(&StorageQueue::from_connection_string(&text, "by-sas-in-string").unwrap()).await;
}

#[tokio::test]
async fn a_message_that_expires_meanwhile_gets_into_the_poison_queue() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "expiring").await;
    let url = azurite.queue("expiring");
    let url = format!("{url}/messages?messagettl=1&{}", Azurite::sas("rwdlacup"));
    let body = "<QueueMessage><MessageText>a</MessageText></QueueMessage>";
    let sent = azurite.client().post(url).body(body).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 201);
    let message = receive(&queue, LEASE).await.unwrap();
    while message.expires_at.unwrap() > jiff::Timestamp::now() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    queue.bury(&message, "test").await.unwrap();
    let poison = queue.poison_queue().peek(1).await.unwrap();
    assert_eq!(poison[0].body, "a");
}

#[tokio::test]
async fn messages_live_with_a_token_over_tls() {
    let Some(azurite) = Azurite::shared_with_tls() else {
        return;
    };
    let url = azurite.create_queue("by-token").await;
    let builder = StorageQueue::builder(&url, Some(Arc::new(Token))).unwrap();
    let untrusted = builder.clone().build().unwrap();
    let ca_certificate = azurite.ca_certificate().unwrap().as_bytes();
    let queue = builder.add_root_certificate(ca_certificate).unwrap();
    live(&queue.build().unwrap()).await;

    let error = untrusted.receive(1, LEASE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("add its root certificate"), "{text}");
}

#[tokio::test]
async fn events_of_the_emulator_arrive_in_both_schemas() {
    use acs_emulator::{Clock, Emulator, EventSchema};

    let Some(azurite) = Azurite::shared() else {
        return;
    };
    for (name, schema, expected) in [
        ("grid", EventSchema::EventGrid, Schema::EventGrid),
        ("cloud", EventSchema::CloudEvents, Schema::CloudEvents),
    ] {
        let queue = queue(&azurite, name).await;
        let acs = Emulator::builder().clock(Clock::manual());
        let acs = acs.start().await.unwrap();
        acs.subscribe_queue(name)
            .connection_string(azurite.connection_string())
            .schema(schema)
            .events(["Microsoft.Communication.IncomingCall"])
            .await
            .unwrap();
        acs.incoming_call("carol");
        let message = wait(&queue, LEASE).await;
        let event = Events::parse(&message.body).next().unwrap().unwrap();
        assert_eq!(event.schema, expected);
        assert!(
            matches!(event.payload(), EventPayload::IncomingCall(_)),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn a_lease_is_lost_to_whoever_receives_the_message_next() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "lost-lease").await;
    queue.send("a").await.unwrap();
    let mut lost = receive(&queue, SHORT).await.unwrap();
    let held = wait(&queue, LEASE).await;
    for error in [
        queue.complete(&lost).await.unwrap_err(),
        queue.release(&lost, Duration::ZERO).await.unwrap_err(),
        queue.renew(&mut lost, LEASE).await.unwrap_err(),
        queue.bury(&lost, "test").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
        assert!(error.to_string().contains("another receiver"), "{error}");
    }
    queue.complete(&held).await.unwrap();
    let error = queue.renew(&mut lost, LEASE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert!(error.to_string().contains("no longer exists"), "{error}");
}

#[tokio::test]
async fn a_renewal_extends_the_lease_and_voids_the_earlier_receipt() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "renewal").await;
    queue.send("a").await.unwrap();
    let mut message = receive(&queue, SHORT).await.unwrap();
    let earlier = message.clone();
    queue.renew(&mut message, LEASE).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(receive(&queue, LEASE).await, None);
    let error = queue.complete(&earlier).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    queue.complete(&message).await.unwrap();
}

#[tokio::test]
async fn messages_are_received_in_the_number_asked_for() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "numbers").await;
    for number in 0..35 {
        queue.send(number.to_string()).await.unwrap();
    }
    assert!(queue.receive(0, LEASE).await.unwrap().is_empty());
    assert_eq!(queue.receive(2, LEASE).await.unwrap().len(), 2);
    // The service's own limit.
    assert_eq!(queue.receive(100, LEASE).await.unwrap().len(), 32);
}

#[tokio::test]
async fn a_poison_queue_is_created_when_it_is_needed() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "bury").await;
    let poison = queue.poison_queue();
    assert!(poison.peek(10).await.unwrap().is_empty());
    assert_eq!(poison.approximate_depth().await.unwrap(), Some(0));
    assert_eq!(poison.retry(|_| true).await.unwrap(), 0);
    // XML has to carry all of it.
    for body in [
        "not <base64> & not \"JSON\" ]]> ü\u{1f600}",
        "  spaces\n",
        "",
    ] {
        queue.send(body).await.unwrap();
        let message = receive(&queue, LEASE).await.unwrap();
        let received = message.body.clone();
        queue.bury(&message, "test").await.unwrap();
        let buried = poison.peek(1).await.unwrap().remove(0);
        assert_eq!(buried.body, received);
        assert_eq!(buried.body, body);
        assert_eq!(buried.expires_at, None, "it expires");
        assert_eq!(poison.remove(|_| true).await.unwrap(), 1);
    }
    assert!(is_empty(&queue).await);
}

#[tokio::test]
async fn poison_messages_are_sent_back_or_removed_one_by_one() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "poison").await;
    for number in 0..34 {
        queue.send(number.to_string()).await.unwrap();
        let message = receive(&queue, LEASE).await.unwrap();
        queue.bury(&message, "test").await.unwrap();
    }
    let poison = queue.poison_queue();
    assert_eq!(poison.peek(3).await.unwrap().len(), 3);
    assert_eq!(poison.peek(100).await.unwrap().len(), 32);
    // The last one is beyond what one request returns.
    let is_last = |message: &Message| message.body == "33";
    assert_eq!(poison.retry(is_last).await.unwrap(), 1);
    assert_eq!(receive(&queue, LEASE).await.unwrap().body, "33");
    assert_eq!(
        poison.remove(|message| message.body == "0").await.unwrap(),
        1
    );
    // What was passed over is visible again at once.
    assert_eq!(poison.peek(100).await.unwrap().len(), 32);
    assert_eq!(poison.retry(|_| true).await.unwrap(), 32);
    assert_eq!(poison.approximate_depth().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_message_has_64_kib_and_no_more() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let queue = queue(&azurite, "large").await;
    let largest = "a".repeat(64 << 10);
    queue.send(largest.clone()).await.unwrap();
    let message = receive(&queue, LEASE).await.unwrap();
    assert!(message.body == largest);
    queue.bury(&message, "test").await.unwrap();
    assert!(queue.poison_queue().peek(1).await.unwrap()[0].body == largest);

    let error = queue.send("a".repeat(65 << 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("64 KiB"), "{error}");
    let error = queue.send(&b"\xff"[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn mistakes_have_errors_of_their_own() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let text = azurite.connection_string();
    let missing = StorageQueue::from_connection_string(&text, "missing").unwrap();
    let url = azurite.create_queue("mistakes").await;
    let wrong_key = text.replace("AccountKey=Eb", "AccountKey=AA");
    let wrong_key = StorageQueue::from_connection_string(&wrong_key, "mistakes").unwrap();
    let add_only = StorageQueue::new(format!("{url}?{}", Azurite::sas("a")), None).unwrap();
    for (queue, kind, reason) in [
        (
            &missing,
            ErrorKind::NotFound,
            "the queue missing does not exist",
        ),
        (
            &wrong_key,
            ErrorKind::Authentication,
            "rejects the credential",
        ),
        (&add_only, ErrorKind::PermissionDenied, "lacks a permission"),
    ] {
        let error = queue.receive(1, LEASE).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(reason), "{text}");
        assert!(!text.contains('<') && !text.contains("sig="), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
    // It may add, but not count.
    add_only.send("a").await.unwrap();
    assert_eq!(add_only.approximate_depth().await.unwrap(), None);
    let unknown = missing.approximate_depth().await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_poison_queue_that_cannot_be_reached_keeps_the_message() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let url = azurite.create_queue("no-poison").await;
    let sas = Azurite::sas("rup");
    let queue = StorageQueue::new(format!("{url}?{sas}"), None).unwrap();
    let sender = queue_of_all(&azurite, "no-poison");
    sender.send("a").await.unwrap();
    let message = receive(&queue, LEASE).await.unwrap();
    let error = queue.bury(&message, "test").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("stays where it is"), "{error}");
    queue.release(&message, Duration::ZERO).await.unwrap();

    let broken = azurite.create_queue("no-poison-other").await;
    let broken = format!("{broken}?{}", Azurite::sas("a"));
    let queue = StorageQueue::builder(format!("{url}?{sas}"), None).unwrap();
    let queue = queue.poison_queue(broken).unwrap().build().unwrap();
    let message = receive(&queue, LEASE).await.unwrap();
    queue.bury(&message, "test").await.unwrap();
    let buried = receive(&queue_of_all(&azurite, "no-poison-other"), LEASE).await;
    assert_eq!(buried.unwrap().body, "a");
    assert!(is_empty(&sender).await);
}

fn queue_of_all(azurite: &Azurite, name: &str) -> StorageQueue {
    StorageQueue::from_connection_string(&azurite.connection_string(), name).unwrap()
}

#[tokio::test]
async fn a_lost_response_to_a_renewal_loses_the_lease() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let (queue, proxy) = queue_through_proxy(&azurite, "lost-renewal").await;
    queue.send("a").await.unwrap();
    let mut message = receive(&queue, LEASE).await.unwrap();
    proxy.add(Rule::lose_response(Method::PUT, "/messages/"));
    let error = queue.renew(&mut message, Duration::from_secs(9)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    let text = error.to_string();
    assert!(text.contains("an earlier attempt was lost"), "{text}");
    // The renewal counted, so somebody gets the message after it.
    let message = wait(&queue, LEASE).await;
    assert_eq!(message.dequeue_count, 2);
}

#[tokio::test]
async fn a_renewal_ends_within_a_third_of_its_lease() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let (queue, proxy) = queue_through_proxy(&azurite, "slow-renewal").await;
    queue.send("a").await.unwrap();
    let mut message = receive(&queue, LEASE).await.unwrap();
    let delay = Duration::from_secs(600);
    proxy.add(Rule::delay(Method::PUT, "/messages/", delay));
    let start = std::time::Instant::now();
    let lease = Duration::from_secs(3);
    let error = queue.renew(&mut message, lease).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() < lease, "{:?}", start.elapsed());

    // A service that is busy for a moment is none that fails.
    let mut message = wait(&queue, LEASE).await;
    proxy.add(Rule::respond(Method::PUT, "/messages/", 503).times(2));
    queue.renew(&mut message, LEASE).await.unwrap();
    queue.complete(&message).await.unwrap();
}

#[tokio::test]
async fn lost_responses_leave_no_message_behind() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let (queue, proxy) = queue_through_proxy(&azurite, "lost-responses").await;
    queue.send("a").await.unwrap();
    queue.send("b").await.unwrap();
    proxy.add(Rule::lose_response(Method::GET, "visibilitytimeout=1"));
    // One is leased to nobody for a while, and the other one comes.
    let mut message = receive(&queue, SHORT).await.unwrap();
    assert_eq!(message.dequeue_count, 1);
    queue.renew(&mut message, LEASE).await.unwrap();
    let other = wait(&queue, LEASE).await;
    assert_eq!(other.dequeue_count, 2);
    assert_ne!(message.id, other.id);
    queue.complete(&other).await.unwrap();

    proxy.add(Rule::lose_response(Method::PUT, "visibilitytimeout=0"));
    queue.release(&message, Duration::ZERO).await.unwrap();
    let message = wait(&queue, LEASE).await;
    proxy.add(Rule::lose_response(Method::DELETE, "/messages/"));
    queue.complete(&message).await.unwrap();
    assert!(is_empty(&queue).await);
}

#[tokio::test]
async fn a_lost_response_while_burying_doubles_a_message_and_never_loses_one() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let (queue, proxy) = queue_through_proxy(&azurite, "lost-burial").await;
    queue.send("a").await.unwrap();
    let message = receive(&queue, LEASE).await.unwrap();
    proxy.add(Rule::lose_response(Method::PUT, "/lost-burial-poison"));
    proxy.add(Rule::lose_response(
        Method::POST,
        "/lost-burial-poison/messages",
    ));
    queue.bury(&message, "test").await.unwrap();
    assert!(is_empty(&queue).await);
    let buried = queue.poison_queue().peek(32).await.unwrap();
    assert!(!buried.is_empty());
    assert!(buried.iter().all(|message| message.body == "a"));
    // It was added before it was deleted.
    let requests = proxy.requests();
    let position = |method: Method| requests.iter().position(|(known, _)| *known == method);
    let sent = requests.iter().rposition(|(method, target)| {
        *method == Method::POST && target.contains("/lost-burial-poison/")
    });
    assert!(sent < position(Method::DELETE), "{requests:?}");
}
