//! Waits for the files of a recording.

use super::*;

/// A file event of an older version of the service, without the recording's id.
fn file_without_ids(call: &str, duration: u64) -> Event {
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

fn filter_with_call(recording: &str) -> RecordingFilter {
    RecordingFilter::new(id(recording))
        .server_call_id(ServerCallId::new("aHR0cHM_Ly9j+w==").unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_file_without_a_recording_id_is_found_by_its_call() {
    let inbox = Inbox::new();
    let wait = inbox.file_ready(filter_with_call("r"));
    let unknown_call = inbox.file_ready(id("r"));
    // Another recording of the call, and another call.
    inbox.deliver(file("r2")).await.unwrap();
    inbox
        .deliver(file_without_ids("/serverCallId/b3RoZXI", 1))
        .await
        .unwrap();
    inbox
        .deliver(file_without_ids(
            "/recordingId/r3/serverCallId/aHR0cHM_Ly9j+w",
            2,
        ))
        .await
        .unwrap();
    // Without padding, and in the other alphabet.
    inbox
        .deliver(file_without_ids("/serverCallId/aHR0cHM/Ly9j-w", 3))
        .await
        .unwrap();
    assert_eq!(wait.await.unwrap().duration, Some(Duration::from_millis(3)));
    assert!(is_pending(unknown_call));
    // The recording's id alone is enough.
    inbox.deliver(file("r")).await.unwrap();
    inbox.file_ready(id("r")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_learns_the_call_from_other_events() {
    let inbox = Inbox::new();
    let by_state = inbox.file_ready(id("r"));
    let connection = CallConnectionId::new("cc").unwrap();
    let by_connection =
        inbox.file_ready(RecordingFilter::new(id("q")).call_connection_id(connection));
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
        .deliver(file_without_ids("/serverCallId/dA", 2))
        .await
        .unwrap();
    inbox
        .deliver(file_without_ids("/serverCallId/cw", 1))
        .await
        .unwrap();
    inbox.deliver(file_without_ids("", 3)).await.unwrap();
    for (wait, duration) in [(by_state, 1), (by_connection, 2), (by_log_id, 3)] {
        let duration = Duration::from_millis(duration);
        assert_eq!(wait.await.unwrap().duration, Some(duration));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_ends_the_wait_for_a_file() {
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
        let recording = filter_with_call("r").call_connection_id(connection.clone());
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
    // Another recording of the call. Then a second start in a call with an active recording.
    let inbox = Inbox::new();
    let wait = inbox.file_ready(filter_with_call("r"));
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
async fn a_recording_that_was_never_active_has_no_file() {
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
        let wait = inbox.file_ready(filter_with_call("r"));
        let mut events = [ended(call), not_begun("")];
        events.rotate_left(last);
        for event in events {
            inbox.deliver(event).await.unwrap();
        }
        let error = wait.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NothingToDownload);
        assert!(
            error
                .to_string()
                .contains("recording r: the call has ended"),
            "{error}"
        );
    }
    let inbox = Inbox::new();
    let wait = inbox.file_ready(id("r"));
    let result = r#""resultInformation": {"code": 500, "subCode": 9999, "message": "Ouch."},"#;
    inbox.deliver(not_begun(result)).await.unwrap();
    let error = wait.await.unwrap_err().to_string();
    assert!(error.contains("RecordingStateChanged: Ouch."), "{error}");
    // A call that could not be established.
    let recording = filter_with_call("r").call_connection_id(CallConnectionId::new("cc").unwrap());
    let wait = inbox.file_ready(recording);
    inbox
        .deliver(callback("ConnectFailed", r#"{"callConnectionId": "cc"}"#))
        .await
        .unwrap();
    wait.await.unwrap_err();

    // An active recording has a file, whatever follows. The end of the call alone is no error.
    let inbox = Inbox::new();
    let wait = inbox.file_ready(filter_with_call("r"));
    let alone = inbox.file_ready(filter_with_call("r9"));
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
    let active = inbox.recording_active(filter_with_call("r"));
    let inactive = inbox.recording_state(filter_with_call("r"), RecordingState::Inactive);
    inbox.deliver(ended("aHR0cHM_Ly9j+w")).await.unwrap();
    let error = active.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .contains("recording r: the call has ended"),
        "{error}"
    );
    assert!(is_pending(inactive));
}
