//! The log lines of activities.

use http::StatusCode;

use super::record::{Activity, Channel, DeliveryAttempt, DeliveryOutcome, RequestRecord, Verdict};
use crate::faults::Operation;
use crate::service::event::{CallChange, CallEvent, RecordingChange, RecordingEvent, ServiceEvent};

pub(super) fn write(activity: &Activity) {
    match activity {
        Activity::Service(ServiceEvent::Call(event)) => call(event),
        Activity::Service(ServiceEvent::Recording(event)) => recording(event),
        // Its delivery is logged.
        Activity::Service(ServiceEvent::Callback(_)) => {}
        Activity::Delivery(attempt) => match attempt.channel {
            Channel::Callback => callback(attempt),
            Channel::EventGrid => event(attempt),
        },
        Activity::Request(record) => request(record),
    }
}

/// Every line has the correlation id of the call, by which calls can be told apart.
fn call(event: &CallEvent) {
    let call = tracing::field::display(event.call.correlation_id);
    let server_call = event.call.server_call_id.as_str();
    let who = |raw_id: &String| match event.call.names.get(raw_id) {
        Some(name) => format!("{name} ({raw_id})"),
        None => raw_id.clone(),
    };
    match &event.change {
        CallChange::Created => {
            let (group, room) = (&event.call.ids.group, &event.call.ids.room);
            let (group, room) = (group.as_deref(), room.as_deref());
            tracing::info!(call, group, room, server_call, "call created");
        }
        CallChange::Ringing { caller, .. } => {
            tracing::info!(call, caller = who(caller), "call is ringing");
        }
        CallChange::Connected { connection_id } => {
            tracing::info!(call, connection = connection_id, "call connected");
        }
        CallChange::Started => tracing::debug!(call, "call started"),
        CallChange::ParticipantAdded { raw_id } => {
            tracing::info!(call, who = who(raw_id), "participant joined");
        }
        CallChange::ParticipantRemoved { raw_id } => {
            tracing::info!(call, who = who(raw_id), "participant left");
        }
        CallChange::ParticipantMuted { raw_id } => {
            tracing::debug!(call, who = who(raw_id), "participant muted");
        }
        CallChange::ParticipantUnmuted { raw_id } => {
            tracing::debug!(call, who = who(raw_id), "participant unmuted");
        }
        CallChange::ParticipantSpeaking { raw_id, until } => {
            let until = until.map(tracing::field::display);
            tracing::debug!(call, who = who(raw_id), until, "participant speaks");
        }
        CallChange::Ended => tracing::info!(call, "call ended"),
        CallChange::Removed => tracing::debug!(call, "call no longer kept"),
    }
}

fn recording(event: &RecordingEvent) {
    let call = tracing::field::display(event.correlation_id);
    let recording = event.recording_id.as_str();
    match &event.change {
        RecordingChange::Started => {
            let server_call = event.server_call_id.as_str();
            tracing::info!(call, recording, server_call, "recording started");
        }
        RecordingChange::RecorderJoined(state) => {
            tracing::debug!(call, recording, ?state, "recorder joined");
        }
        RecordingChange::Paused => tracing::info!(call, recording, "recording paused"),
        RecordingChange::Resumed => tracing::info!(call, recording, "recording resumed"),
        RecordingChange::Ended(ended) => {
            let seconds = ended.length().as_secs_f64();
            tracing::info!(call, recording, seconds, "recording stopped");
        }
    }
}

fn callback(attempt: &DeliveryAttempt) {
    let (kind, to) = (attempt.kind, attempt.to.as_str());
    let subject = attempt.subject.as_str();
    match (attempt.outcome, attempt.status) {
        (DeliveryOutcome::Delivered, _) => {
            tracing::info!(kind, to, subject, "callback accepted");
        }
        (_, Some(status)) => {
            let status = status.as_u16();
            tracing::warn!(kind, to, status, subject, "callback not accepted");
        }
        (_, None) => {
            let error = attempt.reason.as_deref();
            tracing::warn!(kind, to, error, subject, "callback not delivered");
        }
    }
}

fn event(event: &DeliveryAttempt) {
    let (kind, to, id) = (event.kind, event.to.as_str(), event.id.as_str());
    let (status, reason) = (event.status.as_ref().map(StatusCode::as_u16), &event.reason);
    let (attempt, reason) = (event.attempt, reason.as_deref());
    let subject = event.subject.as_str();
    match event.outcome {
        DeliveryOutcome::Delivered => {
            tracing::info!(kind, to, attempt, subject, id, "event delivered");
        }
        DeliveryOutcome::Dropped => {
            tracing::warn!(
                kind,
                to,
                status,
                reason,
                attempt,
                subject,
                id,
                "event dropped"
            );
        }
        DeliveryOutcome::Retry(delay) => {
            tracing::warn!(
                kind,
                to,
                status,
                reason,
                attempt,
                ?delay,
                subject,
                id,
                "event not accepted"
            );
        }
        DeliveryOutcome::Expired => {
            tracing::warn!(
                kind,
                to,
                subject,
                id,
                "event expired before it was accepted"
            );
        }
    }
}

fn request(record: &RequestRecord) {
    let path = record.path.as_str();
    if let Verdict::Denied(denial) = &record.authentication.verdict {
        let reason = denial.reason.to_string();
        tracing::info!(reason, path, "request denied");
        return;
    }
    let method = record.method.as_str();
    let status = record.status.map(|status| status.as_u16());
    let is_unknown = record.operation == Operation::Any && matches!(status, Some(404 | 405));
    if is_unknown {
        tracing::warn!(method, path, status, "the service has no such operation");
    } else {
        tracing::debug!(method, path, status, "request handled");
    }
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use crate::{Clock, Emulator};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    #[tokio::test]
    async fn lines_tell_calls_people_and_mistakes_apart() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        // The test has one thread, so all lines come from this emulator.
        let _guard = tracing::subscriber::set_default(subscriber);
        let acs = Emulator::builder()
            .clock(Clock::manual())
            .start()
            .await
            .unwrap();
        let (first, second) = (acs.call(["alice"]).await, acs.call(["bob"]).await);
        let clock = acs.clock();
        clock.advance(Duration::from_secs(1));
        drop(acs.runtime().service.state());
        for path in ["/calling/nothing", "/nothing", "/v2/objects"] {
            let url = format!("{}{path}", acs.endpoint());
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.get(url).send().await.unwrap();
        }
        for call in [&first, &second] {
            call.hang_up();
        }
        let lines = log.lines();
        let has = |parts: &[&str]| {
            let found = lines
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(found, "{parts:?} in {lines:#?}");
        };
        let ids: Vec<_> = {
            let state = acs.runtime().service.state();
            let calls = state.calls.iter();
            calls.map(|call| call.correlation_id.to_string()).collect()
        };
        has(&["participant joined", &ids[0], "alice (8:acs:"]);
        has(&["participant joined", &ids[1], "bob (8:acs:"]);
        has(&["call ended", &ids[0]]);
        has(&[
            "event without a subscription",
            "CallEnded",
            first.server_call_id(),
        ]);
        has(&["no such operation", "path=\"/nothing\""]);
        has(&["no such operation", "path=\"/v2/objects\""]);
    }
}
