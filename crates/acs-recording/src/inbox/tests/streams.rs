//! Streams of events.

use super::super::stream::CAPACITY;
use super::*;

/// The ids of the recordings in the events that a stream has ready.
fn read(stream: &mut EventStream) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(Some(event)) = now(stream.next()) {
        ids.push(event.recording_id().unwrap().as_str().to_owned());
    }
    ids
}

#[tokio::test]
async fn streams_begin_with_recent_events() {
    let inbox = Inbox::with_capacity(2);
    for recording in ["r1", "r2", "r3"] {
        inbox.deliver(file(recording)).await.unwrap();
    }
    let mut stream = inbox.events();
    inbox.deliver(file("r4")).await.unwrap();
    assert_eq!(read(&mut stream), ["r2", "r3", "r4"]);
    drop(inbox);
    assert!(stream.next().await.is_none());
    assert!(!stream.has_lagged());
}

/// An event with an id of its own.
fn numbered(number: u32) -> Event {
    event(&format!(
        r#"{{"id": "{number}", "source": "s", "type": "Microsoft.Communication.RecordingStateChanged",
            "data": {{"recordingId": "r{number}", "state": "active"}}}}"#
    ))
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_for_a_full_stream() {
    let inbox = Inbox::with_capacity(0);
    let mut slow = inbox.events();
    for number in 0..CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
    }
    let wait = inbox.recording_active(id("r1000"));
    let mut delivery = Box::pin(inbox.deliver(numbered(1000)));
    assert!(now(&mut delivery).is_none());
    // The wait gets the event nevertheless.
    now(wait).unwrap().unwrap();
    slow.next().await.unwrap();
    delivery.await.unwrap();
    assert_eq!(read(&mut slow).last().unwrap(), "r1000");
}

#[tokio::test(start_paused = true)]
async fn an_unread_stream_is_closed_and_affects_nothing_else() {
    let inbox = Inbox::new();
    let mut unread = inbox.events();
    let mut read_on = inbox.events();
    for number in 0..CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
        read(&mut read_on);
    }
    let full = Instant::now();
    let mut failures = 0;
    for number in 2000..2100 {
        let wait = inbox.recording_active(id(&format!("r{number}")));
        let mut delivery = Box::pin(inbox.deliver(numbered(number)));
        let at_once = now(&mut delivery);
        now(wait).unwrap().unwrap();
        assert_eq!(read(&mut read_on), [format!("r{number}")]);
        let mut outcome = match at_once {
            Some(outcome) => outcome,
            None => delivery.await,
        };
        // Event Grid retries, too.
        while let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Throttled);
            assert!(error.is_retryable(), "{error}");
            failures += 1;
            tokio::time::sleep(Duration::from_secs(10)).await;
            outcome = inbox.deliver(numbered(number)).await;
        }
        assert!(read(&mut read_on).is_empty(), "no event comes twice");
    }
    assert!(
        full.elapsed() < Duration::from_secs(80),
        "{:?}",
        full.elapsed()
    );
    assert!((1..10).contains(&failures), "{failures}");
    assert_eq!(read(&mut unread).len(), usize::from(CAPACITY));
    assert!(unread.next().await.is_none());
    assert!(unread.has_lagged() && !read_on.has_lagged());
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_delays_a_batch_only_once() {
    let inbox = Inbox::new();
    let _unread = inbox.events();
    for number in 0..CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
    }
    let begun = Instant::now();
    for number in 2000..2100 {
        inbox.deliver(numbered(number)).await.unwrap_err();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_delivery_reaches_only_streams_that_missed_it() {
    let inbox = Inbox::new();
    let mut slow = inbox.events();
    let mut quick = inbox.events();
    for number in 0..CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
        read(&mut quick);
    }
    // A webhook drops the delivery when it times out.
    assert!(now(inbox.deliver(numbered(1000))).is_none());
    assert_eq!(read(&mut quick), ["r1000"]);
    read(&mut slow);
    inbox.deliver(numbered(1000)).await.unwrap();
    assert_eq!(read(&mut slow), ["r1000"]);
    assert!(read(&mut quick).is_empty());
    // A further delivery is a duplicate like every other.
    inbox.deliver(numbered(1000)).await.unwrap();
    assert_eq!(read(&mut quick), ["r1000"]);
    // A delivery does not wait for a dropped stream.
    for number in 3000..3000 + u32::from(CAPACITY) {
        inbox.deliver(numbered(number)).await.unwrap_or_default();
        read(&mut quick);
    }
    let begun = Instant::now();
    drop(slow);
    inbox.deliver(numbered(5000)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(inbox.dispatcher.lock().incomplete.len() <= 1);
}

#[tokio::test(start_paused = true)]
async fn the_size_of_a_stream_is_bounded() {
    let inbox = Inbox::with_capacity(0);
    let mut unread = inbox.events();
    let large = format!(
        r#"{{"id": "l", "type": "Contoso.Large", "data": "{}"}}"#,
        "x".repeat(1 << 20)
    );
    let mut taken = 0;
    while inbox.deliver(event(&large)).await.is_ok() {
        taken += 1;
    }
    assert!((14..=16).contains(&taken), "{taken}");
    assert!(unread.next().await.is_some());
    // An event beyond the capacity waits for an empty queue.
    let huge = large
        .replace("\"l\"", "\"h\"")
        .replace("xx", &"x".repeat(40));
    let mut delivery = Box::pin(inbox.deliver(event(&huge)));
    assert!(now(&mut delivery).is_none());
    for _ in 1..taken {
        unread.next().await.unwrap();
    }
    delivery.await.unwrap();
    assert_eq!(unread.next().await.unwrap().id, "h");
}
