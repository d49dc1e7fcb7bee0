//! The files of recordings, with a manual clock.

use super::*;
use std::time::Duration;

use crate::media::Format;
use crate::service::call::CallIds;
use crate::service::calls::{CallKey, Calls};
use crate::service::clock::{Clock, after};
use crate::service::connection::ConnectionProperties;
use crate::service::recording_request::{ChannelLayout, RecordingSpec};
use crate::service::recordings::{EndReason, Recordings};

const DELAY: Duration = Duration::from_millis(200);

struct Stage {
    clock: Clock,
    calls: Calls,
    call: CallKey,
    recordings: Recordings,
    store: Store,
}

impl Stage {
    fn new(raw_ids: &[&str]) -> Self {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let call = calls.create(CallIds::default(), clock.now());
        calls.connect(call, ConnectionProperties::default(), clock.now());
        for raw_id in raw_ids {
            calls.get_mut(call).join(raw_id, None, clock.now());
        }
        let settings = StorageSettings {
            retention: Duration::from_secs(60),
            ..StorageSettings::default()
        };
        Self {
            clock,
            calls,
            call,
            recordings: Recordings::default(),
            store: Store::new(settings, String::new(), Uuid::nil()),
        }
    }

    fn start(&mut self, channels: ChannelLayout, paused: bool) -> String {
        let now = self.clock.now();
        let spec = RecordingSpec {
            channels,
            format: Format::Wav,
            container: None,
            content_origin: None,
        };
        let times = (now, after(now, DELAY));
        self.recordings
            .start(self.call, "endpoint", spec, paused, times)
            .unwrap()
    }

    fn wait(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn switch(&mut self, id: &str, on: bool) {
        self.recordings.switch(id, on, self.clock.now()).unwrap();
    }

    fn end(&mut self, id: &str) -> Vec<Chunk> {
        let call = self.calls.get(self.call);
        let now = self.clock.now();
        let ended = self.recordings.end(id, EndReason::Stopped, call, now);
        self.store.add(&ended.unwrap())
    }

    fn is_stored(&self, id: &str) -> bool {
        self.store.document(id, self.clock.now()).is_some()
    }
}

fn metadata(chunks: &[Chunk]) -> serde_json::Value {
    serde_json::from_slice(&chunks[0].document.metadata).unwrap()
}

#[test]
fn pauses_are_listed_in_the_metadata() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(ChannelLayout::Mixed, false);
    stage.wait(1200);
    stage.switch(&id, false);
    stage.wait(500);
    stage.switch(&id, true);
    stage.wait(1000);
    let metadata = metadata(&stage.end(&id));
    assert_eq!(metadata["chunkDuration"], 2000);
    assert_eq!(
        metadata["pauseResumeIntervals"],
        serde_json::json!([{"startTime": "2026-01-01T00:00:01.2000000Z", "duration": 500}])
    );
}

#[test]
fn a_pause_before_the_first_sound_is_not_listed() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(ChannelLayout::Mixed, false);
    stage.wait(100);
    stage.switch(&id, false);
    stage.wait(1000);
    stage.switch(&id, true);
    stage.wait(250);
    let metadata = metadata(&stage.end(&id));
    assert_eq!(metadata["chunkDuration"], 250);
    assert_eq!(metadata["pauseResumeIntervals"], serde_json::json!([]));
}

#[test]
fn a_pause_may_last_until_the_end() {
    let mut stage = Stage::new(&["8:a"]);
    let id = stage.start(ChannelLayout::Mixed, false);
    stage.wait(1200);
    stage.switch(&id, false);
    stage.wait(300);
    let metadata = metadata(&stage.end(&id));
    assert_eq!(metadata["chunkDuration"], 1000);
    assert_eq!(metadata["pauseResumeIntervals"][0]["duration"], 300);
}

#[test]
fn a_recording_without_active_time_has_no_file() {
    let mut stage = Stage::new(&["8:a"]);
    let early = stage.start(ChannelLayout::Mixed, false);
    stage.wait(200);
    assert!(stage.end(&early).is_empty());

    let paused = stage.start(ChannelLayout::Mixed, true);
    stage.wait(5000);
    assert!(stage.end(&paused).is_empty());
}

#[test]
fn a_document_expires_and_can_be_deleted() {
    let mut stage = Stage::new(&["8:a"]);
    let mut record = || {
        let id = stage.start(ChannelLayout::Mixed, false);
        stage.wait(1200);
        stage.end(&id)[0].document.id.clone()
    };
    let (deleted, expired) = (record(), record());
    assert!(stage.store.delete(&deleted, stage.clock.now()));
    assert!(!stage.store.delete(&deleted, stage.clock.now()));
    assert!(!stage.is_stored(&deleted));

    stage.wait(59_999);
    assert!(stage.is_stored(&expired));
    stage.wait(1);
    assert!(!stage.is_stored(&expired));
    assert!(stage.store.list(stage.clock.now()).is_empty());
    assert!(!stage.store.delete(&expired, stage.clock.now()));
}

#[test]
fn unmixed_files_have_one_channel_per_participant() {
    let mut stage = Stage::new(&["8:a", "8:b"]);
    let id = stage.start(
        ChannelLayout::Unmixed {
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
    let metadata = metadata(&stage.end(&id));
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
    let id = stage.start(ChannelLayout::Mixed, false);
    stage.wait(1200);
    let now = stage.clock.now();
    stage
        .calls
        .get_mut(stage.call)
        .mute(&["8:a".to_owned()], now)
        .unwrap();
    stage.wait(1000);
    let chunks = stage.end(&id);
    let file = stage.store.file(&chunks[0].document).unwrap();
    let samples: Vec<i16> = hound::WavReader::new(std::io::Cursor::new(file))
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
    stage.store.settings.chunk_size = Some(1);
    let id = stage.start(ChannelLayout::Mixed, false);
    stage.wait(200 + 60_000);
    let chunks = stage.end(&id);
    assert!((9_990..=10_000).contains(&chunks.len()));
}
