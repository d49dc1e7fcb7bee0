use futures_util::FutureExt as _;

use super::*;
use crate::event::Events;

fn event(json: &str) -> Event {
    Events::parse(json.as_bytes()).next().unwrap().unwrap()
}

fn callback(kind: &str, data: &str) -> Event {
    event(&format!(
        r#"{{"id": "1", "source": "s", "specversion": "1.0", "data": {data},
            "type": "Microsoft.Communication.{kind}"}}"#
    ))
}

fn file(recording: &str) -> Event {
    event(&format!(
        r#"{{"id": "f", "topic": "t", "subject": "/recording/call/c/recordingId/{recording}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": []}}}}}}"#
    ))
}

fn state(recording: &str, state: &str, second: u8) -> Event {
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
    let before = inbox.file_ready(&id("r1"));
    let also = inbox.file_ready(&id("r1"));
    let other = inbox.file_ready(&id("r2"));
    inbox.deliver(file("r1")).unwrap();
    let after = inbox.file_ready(&id("r1"));
    for wait in [before, also, after] {
        assert_eq!(wait.await.unwrap().recording_id, Some(id("r1")));
    }
    assert!(other.into_future().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn waits_have_limits_and_leave_nothing_behind() {
    let inbox = Inbox::new();
    let error = inbox
        .file_ready(&id("r"))
        .within(Duration::from_secs(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "wait for the file of a recording: no event came within 7s"
    );
    assert!(
        inbox
            .file_ready(&id("r"))
            .into_future()
            .now_or_never()
            .is_none()
    );
    drop(inbox.file_ready(&id("r")));
    assert!(inbox.lock().watchers.is_empty());
    // A wait that was given up took nothing away.
    let mut wait = Box::pin(inbox.file_ready(&id("r")).into_future());
    assert!((&mut wait).now_or_never().is_none());
    inbox.deliver(file("r")).unwrap();
    drop(wait);
    inbox.file_ready(&id("r")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_state_counts() {
    let inbox = Inbox::new();
    // In the wrong order, as events come.
    inbox.deliver(state("r", "active", 2)).unwrap();
    inbox.deliver(state("r", "inactive", 1)).unwrap();
    inbox.deliver(state("q", "inactive", 9)).unwrap();
    inbox.recording_active(&id("r")).await.unwrap();
    inbox.deliver(state("r", "inactive", 3)).unwrap();
    let active = inbox.recording_active(&id("r"));
    assert!(active.into_future().now_or_never().is_none());
    let active = inbox.recording_active(&id("r"));
    inbox.deliver(state("r", "active", 4)).unwrap();
    assert_eq!(active.await.unwrap().state, Some(RecordingState::Active));
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_is_not_the_state() {
    let inbox = Inbox::new();
    inbox.deliver(state("r", "inactive", 5)).unwrap();
    let kept = inbox.recording_active(&id("r"));
    inbox.deliver(state("r", "active", 4)).unwrap();
    assert!(kept.into_future().now_or_never().is_none());

    let inbox = Inbox::new();
    let live = inbox.recording_active(&id("r"));
    inbox.deliver(state("r", "inactive", 5)).unwrap();
    inbox.deliver(state("q", "inactive", 9)).unwrap();
    inbox.deliver(state("r", "active", 4)).unwrap();
    inbox.deliver(state("r", "active", 6)).unwrap();
    let time = live.await.unwrap().start.unwrap();
    assert_eq!(time.to_string(), "2026-01-01T00:00:06Z");

    // Without a time nothing tells that it is old.
    let live = inbox.recording_state(&id("r"), RecordingState::Inactive);
    let data = r#"{"recordingId": "r", "state": "inactive"}"#;
    inbox
        .deliver(callback("RecordingStateChanged", data))
        .unwrap();
    live.await.unwrap();
}

#[tokio::test]
async fn failures_end_waits() {
    let inbox = Inbox::new();
    let active = inbox.recording_active(&id("r"));
    let data = r#"{"recordingId": "r", "operationContext": "o1",
        "resultInformation": {"code": 400, "subCode": 8553, "message": "There is one already."}}"#;
    inbox
        .deliver(callback("StartRecordingFailed", data))
        .unwrap();
    let error = active.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(error.code(), Some("8553"));
    assert_eq!(
        error.to_string(),
        "wait for a state of a recording: StartRecordingFailed: There is one already."
    );
    assert_eq!(
        inbox.recording_active(&id("r")).await.unwrap_err().code(),
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
        .unwrap();
    inbox.deliver(callback("CallConnected", data)).unwrap();
    inbox.deliver(callback("CallDisconnected", data)).unwrap();
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
        .unwrap();
    assert!(
        failed
            .await
            .unwrap_err()
            .to_string()
            .contains("CreateCallFailed: no reason given")
    );
}

#[tokio::test]
async fn streams_see_everything_or_refuse_it() {
    let inbox = Inbox::with_backlog(2);
    for recording in ["r1", "r2", "r3"] {
        inbox.deliver(file(recording)).unwrap();
    }
    let mut stream = inbox.events();
    inbox.deliver(file("r4")).unwrap();
    for recording in ["r2", "r3", "r4"] {
        let event = stream.next().await.unwrap();
        assert_eq!(event.recording_id(), Some(id(recording)));
    }
    for _ in 0..BACKLOG {
        inbox.deliver(file("r")).unwrap();
    }
    let error = inbox.deliver(file("one too many")).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    stream.next().await.unwrap();
    inbox.deliver(file("r")).unwrap();
    drop(stream);
    inbox.deliver(file("r")).unwrap();
    let mut stream = inbox.events();
    drop(inbox);
    assert!(stream.next().await.is_some());
    assert!(stream.next().await.is_some());
    assert!(stream.next().await.is_none());
}

#[test]
fn the_backlog_is_bounded_in_bytes() {
    let inbox = Inbox::new();
    let large = "x".repeat(1 << 20);
    // Wherever an event is large.
    for members in [
        format!(r#""data": "{large}""#),
        format!(r#""data_base64": "{large}""#),
        format!(r#""subject": "{large}""#),
        format!(r#""extension": "{large}""#),
    ] {
        let large = format!(r#"{{"id": "l", "type": "Contoso.Large", {members}}}"#);
        for _ in 0..40 {
            inbox.deliver(event(&large)).unwrap();
        }
        let inner = inbox.lock();
        let held = inner.backlog.iter().map(|event| event.size());
        assert_eq!(inner.bytes, held.sum::<usize>());
        assert!(inner.bytes <= BACKLOG_BYTES, "{}", inner.bytes);
        assert!(
            (15..=21).contains(&inner.backlog.len()),
            "{}",
            inner.backlog.len()
        );
    }
}
