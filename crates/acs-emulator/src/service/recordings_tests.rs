//! The life cycle of a recording, with a manual clock.

use super::*;
use crate::service::calls::{Addresses, Calls, Terms};
use std::time::Duration;

use crate::service::clock::{Clock, after};
use crate::storage::settings::StoreSettings;

const DELAY: Duration = Duration::from_millis(200);

struct Stage {
    clock: Clock,
    calls: Calls,
    call: CallKey,
    recordings: Recordings,
    settings: StoreSettings,
}

fn tape(media: Media) -> Tape {
    Tape {
        media,
        format: Format::Wav,
        storage: None,
    }
}

impl Stage {
    fn new(people: &[&str]) -> Self {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let call = calls.create(Addresses::default(), clock.now());
        calls.connect(call, Terms::default(), clock.now());
        for raw_id in people {
            calls.get_mut(call).join(raw_id, None, clock.now());
        }
        Self {
            clock,
            calls,
            call,
            recordings: Recordings::default(),
            settings: StoreSettings::default(),
        }
    }

    fn start(&mut self, media: Media, paused: bool) -> String {
        let now = self.clock.now();
        self.recordings
            .start(
                self.call,
                "endpoint",
                tape(media),
                paused,
                (now, after(now, DELAY)),
            )
            .unwrap()
            .id
            .clone()
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

    fn end(&mut self, id: &str) -> Result<Option<Finished>, Refusal> {
        let store = Store {
            resource: Uuid::nil(),
            retention: Duration::from_secs(60),
            settings: &self.settings,
        };
        let call = self.calls.get(self.call);
        let now = self.clock.now();
        self.recordings
            .end(id, EndReason::Stopped, call, store, now)
    }
}

fn metadata(finished: &Finished) -> serde_json::Value {
    serde_json::from_slice(&finished.chunks[0].document.metadata).unwrap()
}

#[test]
fn a_recording_becomes_active_after_a_delay() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
    assert!(!stage.is_active(&id));
    stage.wait(199);
    assert!(!stage.is_active(&id));
    stage.wait(1);
    assert!(stage.is_active(&id));
}

#[test]
fn pausing_and_resuming_are_idempotent() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
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
    let finished = stage.end(&id).unwrap().unwrap();
    assert_eq!(finished.length, SignedDuration::from_secs(2));
    let pauses = &metadata(&finished)["pauseResumeIntervals"];
    assert_eq!(
        *pauses,
        serde_json::json!([{"startTime": "2026-01-01T00:00:01.2000000Z", "duration": 500}])
    );
}

#[test]
fn a_pause_before_the_recorder_is_ready_is_kept() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
    stage.wait(100);
    stage.switch(&id, false);
    stage.wait(1000);
    assert!(!stage.is_active(&id));
    stage.switch(&id, true);
    stage.wait(250);
    let finished = stage.end(&id).unwrap().unwrap();
    assert_eq!(finished.length, SignedDuration::from_millis(250));
    assert_eq!(
        metadata(&finished)["pauseResumeIntervals"],
        serde_json::json!([])
    );
}

#[test]
fn a_pause_may_last_until_the_end() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
    stage.wait(1200);
    stage.switch(&id, false);
    stage.wait(300);
    let finished = stage.end(&id).unwrap().unwrap();
    let metadata = metadata(&finished);
    assert_eq!(metadata["chunkDuration"], 1000);
    assert_eq!(metadata["pauseResumeIntervals"][0]["duration"], 300);
}

#[test]
fn a_recording_without_active_time_has_no_file() {
    let mut stage = Stage::new(&["8:a"]);
    let early = stage.start(Media::Mixed, false);
    stage.wait(200);
    assert!(stage.end(&early).unwrap().is_none());

    let paused = stage.start(Media::Mixed, true);
    stage.wait(5000);
    assert!(!stage.is_active(&paused));
    assert!(stage.end(&paused).unwrap().is_none());
}

#[test]
fn a_call_has_one_recording_at_a_time() {
    let mut stage = Stage::new(&["8:a"]);
    let first = stage.start(Media::Mixed, false);
    let now = stage.clock.now();
    let again = stage.recordings.start(
        stage.call,
        "endpoint",
        tape(Media::Mixed),
        false,
        (now, now),
    );
    assert_eq!(again.err(), Some(Refusal::Duplicate));
    stage.end(&first).unwrap();
    let second = stage.start(Media::Mixed, false);
    assert_ne!(first, second);
}

#[test]
fn only_the_document_of_an_ended_recording_remains() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
    stage.wait(1200);
    let document = stage.end(&id).unwrap().unwrap().chunks[0]
        .document
        .id
        .clone();
    let now = stage.clock.now();
    let not_found = Some(Refusal::RecordingNotFound);
    assert_eq!(stage.recordings.get(&id).err(), not_found);
    assert_eq!(stage.recordings.switch(&id, false, now).err(), not_found);
    assert_eq!(stage.end(&id).err(), not_found);

    stage.wait(59_999);
    assert!(
        stage
            .recordings
            .document(&document, stage.clock.now())
            .is_some()
    );
    stage.wait(1);
    assert!(
        stage
            .recordings
            .document(&document, stage.clock.now())
            .is_none()
    );
    assert!(!stage.recordings.delete(&document, stage.clock.now()));
}

#[test]
fn unmixed_files_have_one_channel_per_participant() {
    let mut stage = Stage::new(&["8:a", "8:b"]);
    let id = stage.start(
        Media::Unmixed {
            pinned: vec![("8:b".to_owned(), 2), ("8:ghost".to_owned(), 4)],
            ordering: Vec::new(),
        },
        false,
    );
    stage.wait(1200);
    stage
        .calls
        .get_mut(stage.call)
        .join("8:late", None, stage.clock.now());
    let finished = stage.end(&id).unwrap().unwrap();
    let metadata = metadata(&finished);
    assert_eq!(
        metadata["participants"],
        serde_json::json!([
            {"participantId": "8:a", "channel": 0},
            {"participantId": "8:b", "channel": 2},
        ])
    );
    assert_eq!(
        metadata["recordingInfo"],
        serde_json::json!({
            "contentType": "audio",
            "channelType": "unmixed",
            "format": "wav",
            "audioConfiguration": {"sampleRate": 16_000, "bitRate": 768_000, "channels": 3},
        })
    );
}

#[test]
fn a_muted_participant_becomes_silent() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(Media::Mixed, false);
    stage.wait(1200);
    let now = stage.clock.now();
    stage
        .calls
        .get_mut(stage.call)
        .mute(&["8:a".to_owned()], now)
        .unwrap();
    stage.wait(1000);
    let finished = stage.end(&id).unwrap().unwrap();
    let file = finished.chunks[0]
        .document
        .file(&crate::storage::document::Cache::default());
    let samples: Vec<i16> = hound::WavReader::new(std::io::Cursor::new(file.unwrap()))
        .unwrap()
        .samples()
        .map(Result::unwrap)
        .collect();
    assert_eq!(samples.len(), 32_000);
    assert!(samples[..16_000].iter().any(|sample| *sample > 5000));
    assert!(samples[16_000..].iter().all(|sample| *sample == 0));
}

#[test]
fn the_number_of_files_is_limited() {
    let mut stage = Stage::new(&["8:a"]);
    stage.settings.chunk_size = Some(1);
    let id = stage.start(Media::Mixed, false);
    stage.wait(200 + 60_000);
    let finished = stage.end(&id).unwrap().unwrap();
    assert!((9_990..=10_000).contains(&finished.chunks.len()));
    assert_eq!(finished.length, SignedDuration::from_secs(60));
}
