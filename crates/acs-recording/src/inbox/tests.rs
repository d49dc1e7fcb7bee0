use std::future::IntoFuture;
use std::io::Write;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Subscriber;

use super::*;
use crate::event::Events;
use crate::ids::{RecordingId, ServerCallId};

/// What is logged, as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn lines() -> (impl Fn() -> String, impl Subscriber + Send + Sync) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let text = move || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (text, subscriber)
}

pub(super) fn event(json: &str) -> Event {
    Events::parse(json.as_bytes()).next().unwrap().unwrap()
}

fn callback(kind: &str, data: &str) -> Event {
    event(&format!(
        r#"{{"id": "1", "source": "s", "specversion": "1.0", "data": {data},
            "type": "Microsoft.Communication.{kind}"}}"#
    ))
}

pub(super) fn file(recording: &str) -> Event {
    event(&format!(
        r#"{{"id": "f", "topic": "t", "subject": "/recording/call/c/recordingId/{recording}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": []}}}}}}"#
    ))
}

pub(super) fn state(recording: &str, state: &str, second: u8) -> Event {
    event(&format!(
        r#"{{"id": "s{second}", "source": "s", "time": "2026-01-01T00:00:{second:02}Z",
            "type": "Microsoft.Communication.RecordingStateChanged",
            "data": {{"recordingId": "{recording}", "state": "{state}",
                      "startDateTime": "2026-01-01T00:00:{second:02}Z"}}}}"#
    ))
}

fn id(text: &str) -> RecordingId {
    RecordingId::new(text).unwrap()
}

#[tokio::test]
async fn it_does_not_matter_what_comes_first() {
    let inbox = Inbox::new();
    let before = inbox.file_ready(id("r1"));
    let also = inbox.file_ready(id("r1"));
    let other = inbox.file_ready(id("r2"));
    inbox.deliver(file("r1")).await.unwrap();
    let after = inbox.file_ready(id("r1"));
    for wait in [before, also, after] {
        assert_eq!(wait.await.unwrap().recording_id, Some(id("r1")));
    }
    assert!(other.into_future().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn waits_have_limits_and_leave_nothing_behind() {
    let inbox = Inbox::new();
    let error = inbox
        .file_ready(id("r"))
        .timeout(Duration::from_secs(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "wait for the file of a recording: recording r: no event came within 7s"
    );
    assert!(
        inbox
            .file_ready(id("r"))
            .into_future()
            .now_or_never()
            .is_none()
    );
    drop(inbox.file_ready(id("r")));
    assert!(inbox.lock().watchers.is_empty());
    // A wait that was given up took nothing away.
    let mut wait = Box::pin(inbox.file_ready(id("r")).into_future());
    assert!((&mut wait).now_or_never().is_none());
    inbox.deliver(file("r")).await.unwrap();
    drop(wait);
    inbox.file_ready(id("r")).await.unwrap();
}

#[tokio::test]
async fn a_matcher_that_panics_harms_only_its_own_wait() {
    let inbox = Inbox::new();
    let mut stream = inbox.events();
    // Watchers are called in any order, so there are several on both sides.
    let good: Vec<_> = (0..8).map(|_| inbox.file_ready(id("r"))).collect();
    let bad = |_| {
        inbox.wait_for("wait for a key", |event| -> Option<Result<()>> {
            panic!("no {}", event.id)
        })
    };
    let waiting: Vec<_> = (0..8).map(bad).collect();
    inbox.deliver(file("r")).await.unwrap();
    for wait in good {
        wait.await.unwrap();
    }
    assert_eq!(stream.next().await.unwrap().id, "f");
    // One that sees the backlog is no different.
    let late = bad(8);
    for wait in waiting.into_iter().chain([late]) {
        let error = wait.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.is_retryable());
        assert_eq!(
            error.to_string(),
            "wait for a key: the function that looks at events panicked: no f"
        );
    }
    assert!(inbox.lock().watchers.is_empty());
    assert!(!inbox.inner.is_poisoned());
    inbox.file_ready(id("r")).await.unwrap();
    inbox.deliver(file("r2")).await.unwrap();
    inbox.file_ready(id("r2")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().recording_id(), Some(id("r2")));
}

#[tokio::test]
async fn what_a_matcher_holds_may_use_the_inbox_when_it_is_dropped() {
    let inbox = Inbox::new();
    let holding = || {
        let held = inbox.file_ready(id("other"));
        inbox.wait_for("wait for anything", move |_| {
            let _held = &held;
            Some(Ok(()))
        })
    };
    drop(holding());
    let (wait, gone) = (holding(), holding());
    inbox.deliver(file("r")).await.unwrap();
    wait.await.unwrap();
    drop(gone);
    holding().await.unwrap();
    assert!(inbox.lock().watchers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_state_counts() {
    let inbox = Inbox::new();
    // In the wrong order, as events come.
    inbox.deliver(state("r", "active", 2)).await.unwrap();
    inbox.deliver(state("r", "inactive", 1)).await.unwrap();
    inbox.deliver(state("q", "inactive", 9)).await.unwrap();
    inbox.recording_active(id("r")).await.unwrap();
    inbox.deliver(state("r", "inactive", 3)).await.unwrap();
    let active = inbox.recording_active(id("r"));
    assert!(active.into_future().now_or_never().is_none());
    let active = inbox.recording_active(id("r"));
    inbox.deliver(state("r", "active", 4)).await.unwrap();
    assert_eq!(active.await.unwrap().state, Some(RecordingState::Active));
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_is_not_the_state() {
    let inbox = Inbox::new();
    inbox.deliver(state("r", "inactive", 5)).await.unwrap();
    let kept = inbox.recording_active(id("r"));
    inbox.deliver(state("r", "active", 4)).await.unwrap();
    assert!(kept.into_future().now_or_never().is_none());

    let inbox = Inbox::new();
    let live = inbox.recording_active(id("r"));
    inbox.deliver(state("r", "inactive", 5)).await.unwrap();
    inbox.deliver(state("q", "inactive", 9)).await.unwrap();
    inbox.deliver(state("r", "active", 4)).await.unwrap();
    inbox.deliver(state("r", "active", 6)).await.unwrap();
    let time = live.await.unwrap().start.unwrap();
    assert_eq!(time.to_string(), "2026-01-01T00:00:06Z");

    // Without a time nothing tells that it is old.
    let live = inbox.recording_state(id("r"), RecordingState::Inactive);
    let data = r#"{"recordingId": "r", "state": "inactive"}"#;
    inbox
        .deliver(callback("RecordingStateChanged", data))
        .await
        .unwrap();
    live.await.unwrap();
}

#[tokio::test]
async fn failures_end_waits() {
    let inbox = Inbox::new();
    let active = inbox.recording_active(id("r"));
    let data = r#"{"recordingId": "r", "operationContext": "o1",
        "resultInformation": {"code": 400, "subCode": 8553, "message": "There is one already."}}"#;
    inbox
        .deliver(callback("StartRecordingFailed", data))
        .await
        .unwrap();
    let error = active.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(error.code(), Some("8553"));
    assert_eq!(
        error.to_string(),
        "wait for a state of a recording: recording r: StartRecordingFailed: There is one already."
    );
    assert_eq!(
        inbox.recording_active(id("r")).await.unwrap_err().code(),
        Some("8553")
    );

    let call = CallConnectionId::new("cc").unwrap();
    let connected = inbox.call_connected(&call);
    let in_context = inbox.call_connected_in("o2");
    let outcome = inbox.outcome_of("o2");
    let data = r#"{"callConnectionId": "cc", "operationContext": "o2"}"#;
    inbox
        .deliver(callback(
            "ParticipantsUpdated",
            r#"{"callConnectionId": "cc"}"#,
        ))
        .await
        .unwrap();
    inbox
        .deliver(callback("CallConnected", data))
        .await
        .unwrap();
    inbox
        .deliver(callback("CallDisconnected", data))
        .await
        .unwrap();
    assert_eq!(
        connected.await.unwrap().operation_context.as_deref(),
        Some("o2")
    );
    assert_eq!(
        in_context.await.unwrap().call_connection_id.as_deref(),
        Some("cc")
    );
    assert_eq!(
        outcome.await.unwrap().event_type,
        "Microsoft.Communication.CallConnected"
    );
    let failed = inbox.call_connected_in("o3");
    inbox
        .deliver(callback(
            "CreateCallFailed",
            r#"{"operationContext": "o3"}"#,
        ))
        .await
        .unwrap();
    assert!(
        failed
            .await
            .unwrap_err()
            .to_string()
            .contains("CreateCallFailed: no reason given")
    );
}

/// An event about a file as older versions of the service write it.
fn nameless_file(call: &str, duration: u64) -> Event {
    event(&format!(
        r#"{{"id": "f{duration}", "topic": "t", "subject": "/recording/call/c{call}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": []}},
                      "recordingDurationMs": {duration}}}}}"#
    ))
}

fn ended(call: &str) -> Event {
    event(&format!(
        r#"{{"id": "e", "topic": "t", "subject": "call/{call}",
            "eventType": "Microsoft.Communication.CallEnded", "data": {{"reason": {{}}}}}}"#
    ))
}

fn in_call(recording: &str) -> AwaitedRecording {
    AwaitedRecording::new(id(recording)).call(ServerCallId::new("aHR0cHM_Ly9j+w==").unwrap())
}

fn is_pending<T: Send + 'static>(wait: Wait<T>) -> bool {
    now(wait).is_none()
}

#[tokio::test(start_paused = true)]
async fn a_file_without_a_recording_is_found_by_its_call() {
    let inbox = Inbox::new();
    let wait = inbox.file_ready(in_call("r"));
    let unknown_call = inbox.file_ready(id("r"));
    // Another recording of the call, and another call.
    inbox.deliver(file("r2")).await.unwrap();
    inbox
        .deliver(nameless_file("/serverCallId/b3RoZXI", 1))
        .await
        .unwrap();
    inbox
        .deliver(nameless_file(
            "/recordingId/r3/serverCallId/aHR0cHM_Ly9j+w",
            2,
        ))
        .await
        .unwrap();
    // Without padding, and in the other alphabet.
    inbox
        .deliver(nameless_file("/serverCallId/aHR0cHM/Ly9j-w", 3))
        .await
        .unwrap();
    assert_eq!(wait.await.unwrap().duration, Some(Duration::from_millis(3)));
    assert!(is_pending(unknown_call));
    // The id alone is enough when there is one.
    inbox.deliver(file("r")).await.unwrap();
    inbox.file_ready(id("r")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_learns_the_call_from_other_events() {
    let inbox = Inbox::new();
    let by_state = inbox.file_ready(id("r"));
    let connection = CallConnectionId::new("cc").unwrap();
    let by_connection =
        inbox.file_ready(AwaitedRecording::new(id("q")).call_connection(connection));
    let by_log_id = inbox.file_ready(id("p"));
    for (kind, data) in [
        (
            "RecordingStateChanged",
            r#"{"recordingId": "r", "state": "active", "serverCallId": "cw=="}"#,
        ),
        (
            "CallConnected",
            r#"{"callConnectionId": "cc", "serverCallId": "dA=="}"#,
        ),
        (
            "RecordingStateChanged",
            r#"{"recordingId": "p", "state": "active", "correlationId": "c"}"#,
        ),
    ] {
        inbox.deliver(callback(kind, data)).await.unwrap();
    }
    inbox
        .deliver(nameless_file("/serverCallId/dA", 2))
        .await
        .unwrap();
    inbox
        .deliver(nameless_file("/serverCallId/cw", 1))
        .await
        .unwrap();
    inbox.deliver(nameless_file("", 3)).await.unwrap();
    for (wait, duration) in [(by_state, 1), (by_connection, 2), (by_log_id, 3)] {
        let duration = Duration::from_millis(duration);
        assert_eq!(wait.await.unwrap().duration, Some(duration));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_ends_the_wait_for_a_file_at_once() {
    let failure = |members: &str| {
        let data = format!(
            r#"{{{members} "resultInformation": {{"code": 400, "subCode": 8553, "message": "No."}}}}"#
        );
        callback("StartRecordingFailed", &data)
    };
    let connection = CallConnectionId::new("cc").unwrap();
    for members in [
        r#""recordingId": "r","#,
        r#""serverCallId": "aHR0cHM_Ly9j+w==","#,
        r#""callConnectionId": "cc","#,
    ] {
        let inbox = Inbox::new();
        let recording = in_call("r").call_connection(connection.clone());
        let before = inbox.file_ready(recording.clone());
        inbox.deliver(failure(members)).await.unwrap();
        for wait in [before, inbox.file_ready(recording)] {
            let begun = Instant::now();
            let error = wait.await.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Service, Some("8553"))
            );
            assert!(!error.is_retryable());
            assert_eq!(
                error.to_string(),
                "wait for the file of a recording: recording r: StartRecordingFailed: No."
            );
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
    }
    // Another recording of the call; and a second start of a call whose first one is recording.
    let inbox = Inbox::new();
    let wait = inbox.file_ready(in_call("r"));
    inbox
        .deliver(failure(
            r#""recordingId": "r2", "serverCallId": "aHR0cHM_Ly9j+w==","#,
        ))
        .await
        .unwrap();
    inbox.deliver(state("r", "active", 1)).await.unwrap();
    inbox
        .deliver(failure(r#""serverCallId": "aHR0cHM_Ly9j+w==","#))
        .await
        .unwrap();
    assert!(is_pending(wait));
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_never_began_has_no_file() {
    let not_begun = |result: &str| {
        let data = format!(
            r#"{{"recordingId": "r", "state": "inactive", {result}
                "startDateTime": "0001-01-01T00:00:00+00:00"}}"#
        );
        callback("RecordingStateChanged", &data)
    };
    let call = "aHR0cHM_Ly9j+w";
    // The end of the call, before or after the state is known.
    for last in [0, 1] {
        let inbox = Inbox::new();
        let wait = inbox.file_ready(in_call("r"));
        let mut events = [ended(call), not_begun("")];
        events.rotate_left(last);
        for event in events {
            inbox.deliver(event).await.unwrap();
        }
        let error = wait.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NothingToDownload);
        assert!(
            error.to_string().contains("recording r: its call is over"),
            "{error}"
        );
    }
    let inbox = Inbox::new();
    let wait = inbox.file_ready(id("r"));
    let result = r#""resultInformation": {"code": 500, "subCode": 9999, "message": "Ouch."},"#;
    inbox.deliver(not_begun(result)).await.unwrap();
    let error = wait.await.unwrap_err().to_string();
    assert!(error.contains("RecordingStateChanged: Ouch."), "{error}");
    // A call that did not come about.
    let recording = in_call("r").call_connection(CallConnectionId::new("cc").unwrap());
    let wait = inbox.file_ready(recording);
    inbox
        .deliver(callback("ConnectFailed", r#"{"callConnectionId": "cc"}"#))
        .await
        .unwrap();
    wait.await.unwrap_err();

    // What began has a file, whatever comes then; and the end of the call alone says nothing.
    let inbox = Inbox::new();
    let wait = inbox.file_ready(in_call("r"));
    let alone = inbox.file_ready(in_call("r9"));
    for event in [
        not_begun(""),
        state("r", "active", 1),
        state("r", "inactive", 2),
        ended(call),
        callback(
            "CallDisconnected",
            r#"{"serverCallId": "aHR0cHM_Ly9j+w=="}"#,
        ),
        ended("b3RoZXI"),
    ] {
        inbox.deliver(event).await.unwrap();
    }
    assert!(is_pending(alone));
    inbox.deliver(file("r")).await.unwrap();
    wait.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_call_ends_the_wait_for_an_active_recording() {
    let inbox = Inbox::new();
    let active = inbox.recording_active(in_call("r"));
    let inactive = inbox.recording_state(in_call("r"), RecordingState::Inactive);
    inbox.deliver(ended("aHR0cHM_Ly9j+w")).await.unwrap();
    let error = active.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains("recording r: its call is over"),
        "{error}"
    );
    assert!(is_pending(inactive));
}

#[tokio::test(start_paused = true)]
async fn errors_name_the_call() {
    let inbox = Inbox::new();
    let call = CallConnectionId::new("cc").unwrap();
    let error = inbox.call_connected(&call).await.unwrap_err().to_string();
    assert!(
        error.contains("call connection cc: no event came within 60s"),
        "{error}"
    );
    for error in [
        inbox.call_connected_in("o1").await.unwrap_err(),
        inbox.outcome_of("o1").await.unwrap_err(),
    ] {
        assert!(
            error.to_string().contains(r#"operation context "o1""#),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_push_out_what_is_waited_for() {
    let inbox = Inbox::new();
    inbox.deliver(file("r")).await.unwrap();
    inbox
        .deliver(callback("CallConnected", r#"{"callConnectionId": "cc"}"#))
        .await
        .unwrap();
    for _ in 0..5000 {
        inbox
            .deliver(callback("ParticipantsUpdated", "{}"))
            .await
            .unwrap();
    }
    inbox.file_ready(id("r")).await.unwrap();
    inbox
        .call_connected(&CallConnectionId::new("cc").unwrap())
        .await
        .unwrap();
}

/// What a future gives without waiting, however much a task did before.
fn now<F: IntoFuture>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future.into_future());
    tokio::task::unconstrained(&mut future).now_or_never()
}

/// The ids of recordings in a stream that ended or has nothing more.
fn read(stream: &mut EventStream) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(Some(event)) = now(stream.next()) {
        ids.push(event.recording_id().unwrap().as_str().to_owned());
    }
    ids
}

#[tokio::test]
async fn streams_begin_with_what_is_kept() {
    let inbox = Inbox::with_backlog(2);
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
async fn a_delivery_waits_for_a_stream_that_is_full() {
    let inbox = Inbox::with_backlog(0);
    let mut slow = inbox.events();
    for number in 0..stream::CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
    }
    let wait = inbox.recording_active(id("r1000"));
    let mut delivery = Box::pin(inbox.deliver(numbered(1000)));
    assert!(now(&mut delivery).is_none());
    // Waits come first.
    now(wait).unwrap().unwrap();
    slow.next().await.unwrap();
    delivery.await.unwrap();
    assert_eq!(read(&mut slow).last().unwrap(), "r1000");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_stops_neither_waits_nor_other_streams_nor_all_for_ever() {
    let inbox = Inbox::new();
    let mut unread = inbox.events();
    let mut read_on = inbox.events();
    for number in 0..stream::CAPACITY {
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
        // As Event Grid does.
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
    assert_eq!(read(&mut unread).len(), usize::from(stream::CAPACITY));
    assert!(unread.next().await.is_none());
    assert!(unread.has_lagged() && !read_on.has_lagged());
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_costs_a_delivery_of_many_events_little() {
    let inbox = Inbox::new();
    let _unread = inbox.events();
    for number in 0..stream::CAPACITY {
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
async fn a_delivery_that_is_dropped_comes_again_to_those_who_miss_it() {
    let inbox = Inbox::new();
    let mut slow = inbox.events();
    let mut quick = inbox.events();
    for number in 0..stream::CAPACITY {
        inbox.deliver(numbered(number.into())).await.unwrap();
        read(&mut quick);
    }
    // A webhook that runs out of time.
    assert!(now(inbox.deliver(numbered(1000))).is_none());
    assert_eq!(read(&mut quick), ["r1000"]);
    read(&mut slow);
    inbox.deliver(numbered(1000)).await.unwrap();
    assert_eq!(read(&mut slow), ["r1000"]);
    assert!(read(&mut quick).is_empty());
    // From then on it is as any other that comes twice.
    inbox.deliver(numbered(1000)).await.unwrap();
    assert_eq!(read(&mut quick), ["r1000"]);
    // A stream that is dropped is waited for no more.
    for number in 3000..3000 + u32::from(stream::CAPACITY) {
        inbox.deliver(numbered(number)).await.unwrap_or_default();
        read(&mut quick);
    }
    let begun = Instant::now();
    drop(slow);
    inbox.deliver(numbered(5000)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(inbox.lock().partial.len() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_bounded_in_bytes() {
    let inbox = Inbox::with_backlog(0);
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
    // One that is larger than all there may be waits for an empty queue.
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
