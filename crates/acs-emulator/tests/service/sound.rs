//! The audio in recordings.

use std::f64::consts::TAU;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use acs_emulator::{Call, Emulator, Error, Participant};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use serde_json::{Value, json};

use crate::client::{emulator, post, post_empty, start};
use crate::content::{finish, read};

/// Reads the channels of a file after checking its format.
fn channels(file: Vec<u8>) -> Vec<Vec<i16>> {
    let mut reader = WavReader::new(Cursor::new(file)).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.sample_rate, spec.bits_per_sample, spec.sample_format),
        (16_000, 16, SampleFormat::Int)
    );
    let mut channels = vec![Vec::new(); usize::from(spec.channels)];
    for (n, sample) in reader.samples::<i16>().enumerate() {
        channels[n % usize::from(spec.channels)].push(sample.unwrap());
    }
    channels
}

/// The share of the audio's energy around this frequency.
fn share(samples: &[i16], frequency: f64) -> f64 {
    let window = |n: usize, length: usize| {
        let n = f64::from(u32::try_from(n).unwrap());
        let length = f64::from(u32::try_from(length).unwrap());
        0.5 - 0.5 * (TAU * n / length).cos()
    };
    // Frames of 1/8 s have a frequency resolution that is coarse enough for a tone that swells.
    let mut at_frequency = 0.0;
    let mut in_total = 0.0;
    for frame in samples.chunks_exact(2_000) {
        let step = TAU * frequency / 16_000.0;
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        let (mut weight, mut power) = (0.0, 0.0);
        for (n, sample) in frame.iter().enumerate() {
            let window = window(n, frame.len());
            let sample = f64::from(*sample) * window;
            let angle = step * f64::from(u32::try_from(n).unwrap());
            re += sample * angle.cos();
            im += sample * angle.sin();
            energy += sample * sample;
            weight += window;
            power += window * window;
        }
        at_frequency += 2.0 * (re * re + im * im) * power / (weight * weight);
        in_total += energy;
    }
    if in_total > 0.0 {
        at_frequency / in_total
    } else {
        0.0
    }
}

const ALICE: f64 = 220.0;
const BOB: f64 = 277.18;

async fn start_unmixed(acs: &Emulator, call: &Call, options: Value) -> String {
    let mut request = json!({
        "callConnectionId": call.call_connection_id(),
        "recordingContentType": "audio",
        "recordingChannelType": "unmixed",
        "recordingFormatType": "wav",
    });
    let Value::Object(options) = options else {
        panic!("not an object")
    };
    request.as_object_mut().unwrap().extend(options);
    start(acs, &request).await
}

fn write_wav(path: &Path, channels: u16, rate: u32, samples: impl Iterator<Item = i16>) {
    let spec = WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for sample in samples {
        for _ in 0..channels {
            writer.write_sample(sample).unwrap();
        }
    }
    writer.finalize().unwrap();
}

#[tokio::test]
async fn each_channel_contains_its_participant_without_the_pause() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let ordering = json!([{"rawId": call.participant("bob")}]);
    let id = start_unmixed(
        &acs,
        &call,
        json!({"audioChannelParticipantOrdering": ordering}),
    )
    .await;
    acs.clock().advance(Duration::from_micros(1_234_567));
    post_empty(&acs, &format!("/calling/recordings/{id}:pause")).await;
    acs.clock().advance(Duration::from_secs(7));
    post_empty(&acs, &format!("/calling/recordings/{id}:resume")).await;
    acs.clock().advance(Duration::from_micros(2_000_020));
    let locations = finish(&acs, &call).await;
    assert!(locations.content.ends_with("/content/audiowavmultichannel"));

    let audio = channels(read(&acs, &locations.content).await.body);
    assert_eq!(audio.len(), 2);
    // 3.234587 s at 16 kHz are 51753.392 frames.
    assert_eq!([audio[0].len(), audio[1].len()], [51_753, 51_753]);
    assert!(share(&audio[0], BOB) > 0.9, "{}", share(&audio[0], BOB));
    assert!(
        share(&audio[0], ALICE) < 0.01,
        "{}",
        share(&audio[0], ALICE)
    );
    assert!(share(&audio[1], ALICE) > 0.9, "{}", share(&audio[1], ALICE));
    assert!(share(&audio[1], BOB) < 0.01, "{}", share(&audio[1], BOB));

    let metadata = read(&acs, &locations.metadata).await.json();
    assert_eq!(metadata["chunkDuration"], 3235);
    assert_eq!(metadata["pauseResumeIntervals"][0]["duration"], 7000);
    assert_eq!(
        metadata["participants"],
        json!([
            {"participantId": call.participant("alice").unwrap(), "channel": 1},
            {"participantId": call.participant("bob").unwrap(), "channel": 0},
        ])
    );
}

#[tokio::test]
async fn the_position_in_an_audio_file_follows_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let ramp = folder.path().join("ramp.wav");
    write_wav(&ramp, 1, 16_000, 0..32_000);
    let acs = emulator().await;
    let alice = Participant::new("alice").audio_file(&ramp).unwrap();
    let call = acs.call([alice]).await;
    let id = start_unmixed(&acs, &call, json!({})).await;
    acs.clock().advance(Duration::from_millis(500));
    post_empty(&acs, &format!("/calling/recordings/{id}:pause")).await;
    acs.clock().advance(Duration::from_millis(300));
    post_empty(&acs, &format!("/calling/recordings/{id}:resume")).await;
    acs.clock().advance(Duration::from_millis(1500));
    let locations = finish(&acs, &call).await;

    let audio = channels(read(&acs, &locations.content).await.body);
    // The recording became active 200 ms after the call began, the pause removed 300 ms, and the
    // file ends 2 s after the call began.
    let expected: Vec<i16> = (3_200..11_200)
        .chain(16_000..32_000)
        .chain(std::iter::repeat_n(0, 8_000))
        .collect();
    assert_eq!(audio, [expected]);
}

#[tokio::test]
async fn audio_files_are_resampled_to_the_same_pitch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let tone = (0..48_000 * 3).map(|n| {
        let sample = (TAU * 440.0 * f64::from(n) / 48_000.0).sin() * 10_000.0;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the tone fits into 16 bits"
        )]
        let sample = sample as i16;
        sample
    });
    write_wav(&path, 2, 48_000, tone);
    let acs = emulator().await;
    let call = acs
        .call([
            Participant::new("alice").audio_file(&path).unwrap(),
            Participant::new("bob"),
        ])
        .await;
    start_unmixed(&acs, &call, json!({})).await;
    acs.clock().advance(Duration::from_secs(2));
    let locations = finish(&acs, &call).await;

    let audio = channels(read(&acs, &locations.content).await.body);
    assert_eq!(audio[0].len(), 32_000);
    assert!(
        share(&audio[0], 440.0) > 0.95,
        "{}",
        share(&audio[0], 440.0)
    );
    assert!(share(&audio[1], BOB) > 0.9, "{}", share(&audio[1], BOB));
    let peak = audio[0].iter().max().unwrap();
    assert!((9_800..=10_000).contains(peak), "{peak}");
}

#[tokio::test]
async fn a_mixed_file_has_all_participants_on_one_channel() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    start(
        &acs,
        &json!({"callConnectionId": call.call_connection_id(), "recordingFormatType": "wav"}),
    )
    .await;
    acs.clock().advance(Duration::from_secs(2));
    let locations = finish(&acs, &call).await;
    assert!(locations.content.ends_with("/content/audiowav"));
    let audio = channels(read(&acs, &locations.content).await.body);
    assert_eq!(audio.len(), 1);
    assert_eq!(audio[0].len(), 32_000);
    for tone in [ALICE, BOB] {
        let share = share(&audio[0], tone);
        assert!((0.4..0.6).contains(&share), "{tone}: {share}");
    }
}

#[tokio::test]
async fn channels_between_pinned_channels_are_silent() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let affinity = json!([
        {"participant": {"rawId": call.participant("alice")}, "channel": 3},
        {"participant": {"rawId": call.participant("bob")}, "channel": 1},
    ]);
    start_unmixed(&acs, &call, json!({"channelAffinity": affinity})).await;
    acs.clock().advance(Duration::from_secs(1));
    let locations = finish(&acs, &call).await;
    let audio = channels(read(&acs, &locations.content).await.body);
    assert_eq!(audio.len(), 4);
    for silent in [0, 2] {
        assert!(audio[silent].iter().all(|sample| *sample == 0), "{silent}");
    }
    assert!(share(&audio[3], ALICE) > 0.9);
    assert!(share(&audio[1], BOB) > 0.9);
}

#[tokio::test]
async fn an_added_participant_speaks_after_joining() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    start_unmixed(&acs, &call, json!({})).await;
    acs.clock().advance(Duration::from_millis(900));
    let add = json!({"participantToAdd": {"rawId": "4:+4930123456"}});
    let path = format!(
        "/calling/callConnections/{}/participants:add",
        call.call_connection_id()
    );
    assert_eq!(post(&acs, &path, &add).await.status, 202);
    acs.clock().advance(Duration::from_millis(1100));
    let locations = finish(&acs, &call).await;
    let audio = channels(read(&acs, &locations.content).await.body);
    assert_eq!(audio.len(), 2);
    let (before, after) = audio[1].split_at(16_000);
    assert!(before.iter().all(|sample| *sample == 0));
    assert!(share(after, BOB) > 0.9);
    assert!(share(&audio[0], ALICE) > 0.9);
}

#[test]
fn a_missing_audio_file_is_an_error() {
    let error = Participant::new("alice")
        .audio_file("missing.wav")
        .unwrap_err();
    assert!(matches!(error, Error::AudioFile { .. }));
    assert_eq!(error.to_string(), "cannot read the WAV file missing.wav");
}
