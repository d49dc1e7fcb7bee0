//! The life cycle of a recording, with a manual clock.

use super::*;
use std::time::Duration;

use crate::media::Format;
use crate::service::call::CallIds;
use crate::service::calls::Calls;
use crate::service::clock::{Clock, after};
use crate::service::connection::ConnectionProperties;
use crate::service::recording_request::ChannelLayout;

const DELAY: Duration = Duration::from_millis(200);

struct Stage {
    clock: Clock,
    calls: Calls,
    call: CallKey,
    recordings: Recordings,
}

fn spec() -> RecordingSpec {
    RecordingSpec {
        channels: ChannelLayout::Mixed,
        format: Format::Wav,
        container: None,
        content_origin: None,
    }
}

impl Stage {
    fn new() -> Self {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let call = calls.create(CallIds::default(), clock.now());
        calls.connect(call, ConnectionProperties::default(), clock.now());
        calls.get_mut(call).join("8:a", None, clock.now());
        Self {
            clock,
            calls,
            call,
            recordings: Recordings::default(),
        }
    }

    fn start(&mut self, paused: bool) -> String {
        let now = self.clock.now();
        let times = (now, after(now, DELAY));
        self.recordings
            .start(self.call, "endpoint", spec(), paused, times)
            .unwrap()
    }

    fn wait(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn is_active(&self, id: &str) -> bool {
        let state = self.recordings.get(id).unwrap().state(self.clock.now());
        state == RecordingState::Active
    }

    fn switch(&mut self, id: &str, on: bool) {
        self.recordings.switch(id, on, self.clock.now()).unwrap();
    }

    fn end(&mut self, id: &str) -> Result<EndedRecording, ServiceError> {
        let call = self.calls.get(self.call);
        let now = self.clock.now();
        self.recordings.end(id, EndReason::Stopped, call, now)
    }

    /// The recorded periods in milliseconds from the start of the clock.
    fn spans(&mut self, id: &str) -> Vec<(i128, i128)> {
        let start = Clock::manual().now();
        let millis = |at: Timestamp| at.duration_since(start).as_millis();
        let ended = self.end(id).unwrap();
        let spans = ended.spans.iter();
        spans
            .map(|span| (millis(span.start), millis(span.end)))
            .collect()
    }
}

#[test]
fn a_recording_becomes_active_after_a_delay() {
    let mut stage = Stage::new();
    let id = stage.start(false);
    assert!(!stage.is_active(&id));
    stage.wait(199);
    assert!(!stage.is_active(&id));
    stage.wait(1);
    assert!(stage.is_active(&id));
}

#[test]
fn pausing_and_resuming_are_idempotent() {
    let mut stage = Stage::new();
    let id = stage.start(false);
    stage.wait(1200);
    stage.switch(&id, false);
    stage.wait(100);
    stage.switch(&id, false);
    assert!(!stage.is_active(&id));
    stage.wait(400);
    stage.switch(&id, true);
    stage.switch(&id, true);
    assert!(stage.is_active(&id));
    stage.wait(1000);
    assert_eq!(stage.spans(&id), [(200, 1200), (1700, 2700)]);
}

#[test]
fn a_pause_before_the_recorder_is_ready_is_kept() {
    let mut stage = Stage::new();
    let id = stage.start(false);
    stage.wait(100);
    stage.switch(&id, false);
    stage.wait(1000);
    assert!(!stage.is_active(&id));
    stage.switch(&id, true);
    stage.wait(250);
    assert_eq!(stage.spans(&id), [(1100, 1350)]);
}

#[test]
fn nothing_is_recorded_before_the_recorder_is_ready_or_during_a_pause() {
    let mut stage = Stage::new();
    let early = stage.start(false);
    stage.wait(200);
    assert_eq!(stage.spans(&early), []);

    let paused = stage.start(true);
    stage.wait(5000);
    assert!(!stage.is_active(&paused));
    assert_eq!(stage.spans(&paused), []);
}

#[test]
fn a_call_has_one_recording_at_a_time() {
    let mut stage = Stage::new();
    let first = stage.start(false);
    let now = stage.clock.now();
    let again = stage
        .recordings
        .start(stage.call, "endpoint", spec(), false, (now, now));
    assert_eq!(again.err(), Some(ServiceError::Duplicate));
    stage.end(&first).unwrap();
    let second = stage.start(false);
    assert_ne!(first, second);
}

#[test]
fn an_ended_recording_is_not_found() {
    let mut stage = Stage::new();
    let id = stage.start(false);
    stage.wait(1200);
    stage.end(&id).unwrap();
    let now = stage.clock.now();
    let not_found = Some(ServiceError::RecordingNotFound);
    assert_eq!(stage.recordings.get(&id).err(), not_found);
    assert_eq!(stage.recordings.switch(&id, false, now).err(), not_found);
    assert_eq!(stage.end(&id).err(), not_found);
}
