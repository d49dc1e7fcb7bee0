//! Waits in general, for states and for calls.

use super::*;

#[tokio::test]
async fn a_wait_may_begin_before_or_after_its_event() {
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
async fn waits_time_out_and_leave_nothing_behind() {
    let inbox = Inbox::new();
    let error = inbox
        .file_ready(id("r"))
        .timeout(Duration::from_secs(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "wait for the file of a recording: recording r: no event arrived within 7s"
    );
    assert!(
        inbox
            .file_ready(id("r"))
            .into_future()
            .now_or_never()
            .is_none()
    );
    drop(inbox.file_ready(id("r")));
    assert!(inbox.dispatcher.lock().watchers.is_empty());
    // A wait that is dropped does not take the event from others.
    let mut wait = Box::pin(inbox.file_ready(id("r")).into_future());
    assert!((&mut wait).now_or_never().is_none());
    inbox.deliver(file("r")).await.unwrap();
    drop(wait);
    inbox.file_ready(id("r")).await.unwrap();
}

#[tokio::test]
async fn a_panicking_matcher_ends_only_its_own_wait() {
    let inbox = Inbox::new();
    let mut stream = inbox.events();
    // Watchers are called in any order, so there are several of both kinds.
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
    // A recent event makes no difference.
    let late = bad(8);
    for wait in waiting.into_iter().chain([late]) {
        let error = wait.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.is_retryable());
        assert_eq!(
            error.to_string(),
            "wait for a key: the function that matches events panicked: no f"
        );
    }
    assert!(inbox.dispatcher.lock().watchers.is_empty());
    inbox.file_ready(id("r")).await.unwrap();
    inbox.deliver(file("r2")).await.unwrap();
    inbox.file_ready(id("r2")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().recording_id(), Some(id("r2")));
}

#[tokio::test]
async fn a_matcher_may_use_the_inbox_when_it_is_dropped() {
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
    assert!(inbox.dispatcher.lock().watchers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_state_counts() {
    let inbox = Inbox::new();
    // Events arrive in any order.
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
async fn late_events_do_not_change_the_state() {
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

    // An event without a time is not known to be old.
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
    let failed = inbox.call_connected(&CallConnectionId::new("cc3").unwrap());
    inbox
        .deliver(callback(
            "CreateCallFailed",
            r#"{"callConnectionId": "cc3"}"#,
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

#[tokio::test(start_paused = true)]
async fn errors_name_the_call() {
    let inbox = Inbox::new();
    let call = CallConnectionId::new("cc").unwrap();
    let error = inbox.call_connected(&call).await.unwrap_err().to_string();
    assert!(
        error.contains("call connection cc: no event arrived within 60s"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_other_events_does_not_evict_an_awaited_one() {
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
