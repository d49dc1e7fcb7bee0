//! The media files, checked with tools that know nothing about the emulator.

use std::process::{Command, Stdio};
use std::time::Duration;

use acs_emulator::{Clock, Emulator, SyntheticRecording};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Request, Response, emulator, post_empty, start};
use crate::content::{finish, read};
use crate::webhook::Webhook;

/// The output of ffprobe for a file. `None`, with a message, if ffprobe is not installed.
fn probe(file: &[u8]) -> Option<Value> {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), file).unwrap();
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-show_streams",
            "-show_format",
        ])
        .args(["-of", "json"])
        .arg(temporary.path())
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "ffprobe is required: {error}"
            );
            eprintln!("skipped: ffprobe is not installed");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The number of samples in 12.3 seconds.
const SAMPLES: usize = 196_800;

/// The number of audio samples that a player decodes from a file.
fn decoded(file: &[u8]) -> usize {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), file).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(temporary.path())
        .args(["-vn", "-f", "s16le", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    output.stdout.len() / 2
}

/// The stream of this type in the output of ffprobe.
fn stream<'a>(found: &'a Value, kind: &str) -> &'a Value {
    let streams = found["streams"].as_array().unwrap();
    let mut matching = streams.iter().filter(|stream| stream["codec_type"] == kind);
    let stream = matching
        .next()
        .unwrap_or_else(|| panic!("no {kind} in {found}"));
    assert!(matching.next().is_none(), "{found}");
    stream
}

#[track_caller]
fn assert_lasts(found: &Value, seconds: f64, tolerance: f64) {
    let text = found["duration"]
        .as_str()
        .unwrap_or_else(|| panic!("{found}"));
    let duration: f64 = text.parse().unwrap();
    assert!(
        (duration - seconds).abs() <= tolerance,
        "the duration is {duration} s instead of {seconds} s"
    );
}

/// Records for 12.3 seconds with a pause in between. Returns the file, the metadata and the name of
/// the file.
async fn recorded(options: Value) -> (Vec<u8>, Value, String) {
    let acs = emulator().await;
    let call = acs
        .call(["alice", "bob", "carol", "dave", "erin", "frank"])
        .await;
    let mut request = json!({"callConnectionId": call.call_connection_id()});
    let Value::Object(options) = options else {
        panic!()
    };
    request.as_object_mut().unwrap().extend(options);
    let id = start(&acs, &request).await;
    acs.clock().advance(Duration::from_secs(5));
    post_empty(&acs, &format!("/calling/recordings/{id}:pause")).await;
    acs.clock().advance(Duration::from_secs(60));
    post_empty(&acs, &format!("/calling/recordings/{id}:resume")).await;
    acs.clock().advance(Duration::from_millis(7_300));
    let locations = finish(&acs, &call).await;
    let metadata = read(&acs, &locations.metadata).await.json();
    let name = locations.content.rsplit_once('/').unwrap().1.to_owned();
    (read(&acs, &locations.content).await.body, metadata, name)
}

#[tokio::test]
async fn wav_files_have_one_or_five_channels() {
    for (channel, channels, name) in [
        ("mixed", 1, "audiowav"),
        ("unmixed", 5, "audiowavmultichannel"),
    ] {
        let options = json!({
            "recordingContentType": "audio",
            "recordingChannelType": channel,
            "recordingFormatType": "wav",
        });
        let (file, metadata, file_name) = recorded(options).await;
        assert_eq!(file_name, name);
        assert_eq!(
            metadata["recordingInfo"]["audioConfiguration"]["channels"],
            channels
        );
        let Some(found) = probe(&file) else { return };
        let audio = stream(&found, "audio");
        assert_eq!(audio["codec_name"], "pcm_s16le");
        assert_eq!(audio["sample_rate"], "16000");
        assert_eq!(audio["channels"], channels);
        assert_lasts(audio, 12.3, 0.000_1);
    }
}

#[tokio::test]
async fn mp3_files_have_one_channel() {
    let options = json!({"recordingContentType": "audio", "recordingFormatType": "mp3"});
    let (file, metadata, name) = recorded(options).await;
    assert_eq!(name, "audiomp3");
    let info = &metadata["recordingInfo"];
    assert_eq!(info["format"], "mp3");
    assert_eq!(info["audioConfiguration"]["bitRate"], 48_000);
    let Some(found) = probe(&file) else { return };
    let audio = stream(&found, "audio");
    assert_eq!(audio["codec_name"], "mp3");
    assert_eq!(audio["sample_rate"], "16000");
    assert_eq!(audio["channels"], 1);
    assert_eq!(audio["bit_rate"], "48000");
    // The stream consists of frames of 36 ms and states how much to skip at both ends.
    assert_lasts(&found["format"], 12.3, 0.11);
    assert_eq!(decoded(&file), SAMPLES);
}

#[tokio::test]
async fn recordings_without_options_are_videos() {
    let (file, metadata, name) = recorded(json!({})).await;
    assert_eq!(name, "video");
    assert_eq!(
        metadata["recordingInfo"],
        json!({
            "contentType": "audioVideo",
            "channelType": "mixed",
            "format": "mp4",
            "audioConfiguration": {"sampleRate": 16_000, "bitRate": 48_000, "channels": 1},
            "videoConfiguration": {
                "longerSideLength": 1920,
                "shorterSideLength": 1080,
                "framerate": 8,
                "bitRate": 1_000_000,
            },
        })
    );
    let Some(found) = probe(&file) else { return };
    let video = stream(&found, "video");
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["width"], 1920);
    assert_eq!(video["height"], 1080);
    assert_eq!(video["r_frame_rate"], "8/1");
    assert_eq!(video["nb_read_frames"], "99");
    assert_lasts(video, 12.3, 0.001);
    let audio = stream(&found, "audio");
    assert_eq!(audio["codec_name"], "aac");
    assert_eq!(audio["sample_rate"], "16000");
    assert_eq!(audio["channels"], 1);
    assert_lasts(audio, 12.3, 0.001);
    assert_lasts(&found["format"], 12.3, 0.001);
    // Players skip what precedes the first sample, and may play to the end of the last access unit.
    assert!((SAMPLES..SAMPLES + 1_024).contains(&decoded(&file)));
}

/// The chunks in the event of a recording of ten seconds.
async fn chunks(acs: &Emulator, format: &str) -> Vec<Value> {
    let call = acs.call(["alice"]).await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    start(
        acs,
        &json!({
            "callConnectionId": call.call_connection_id(),
            "recordingFormatType": format,
        }),
    )
    .await;
    acs.clock().advance(Duration::from_secs(10));
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let data = webhook.next().await.event()["data"].clone();
    assert_eq!(data["recordingDurationMs"], 10_000);
    data["recordingStorageInfo"]["recordingChunks"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn long_recordings_are_split_by_duration() {
    let builder = Emulator::builder().clock(Clock::manual());
    let acs = builder
        .chunk_duration(Duration::from_secs(4))
        .start()
        .await
        .unwrap();
    let chunks = chunks(&acs, "wav").await;
    let mut audio = Vec::new();
    for (index, (chunk, expected)) in chunks.iter().zip([4_000, 4_000, 2_000]).enumerate() {
        assert_eq!(chunk["index"], index);
        let reason = if index < 2 {
            "ChunkMaximumTimeExceeded"
        } else {
            "SessionEnded"
        };
        assert_eq!(chunk["endReason"], reason);
        let metadata = read(&acs, chunk["metadataLocation"].as_str().unwrap())
            .await
            .json();
        assert_eq!(metadata["chunkIndex"], index);
        assert_eq!(metadata["chunkDuration"], expected);
        assert_eq!(metadata["chunkDocumentId"], chunk["documentId"]);
        let start = format!("2026-01-01T00:00:0{}.2000000Z", 4 * index);
        assert_eq!(metadata["chunkStartTime"], start);
        let file = read(&acs, chunk["contentLocation"].as_str().unwrap())
            .await
            .body;
        assert_eq!(file.len(), 44 + 32 * expected);
        audio.extend_from_slice(&file[44..]);
    }
    assert_eq!(chunks.len(), 3);

    let whole = emulator().await;
    let one = self::chunks(&whole, "wav").await;
    let file = read(&whole, one[0]["contentLocation"].as_str().unwrap())
        .await
        .body;
    assert!(
        file[44..] == audio,
        "the chunks differ from the whole recording"
    );
}

#[tokio::test]
async fn long_recordings_are_split_by_size() {
    for (format, limit) in [("wav", 100_000), ("mp3", 20_000), ("mp4", 60_000)] {
        let builder = Emulator::builder().clock(Clock::manual());
        let acs = builder.chunk_size(limit).start().await.unwrap();
        let chunks = chunks(&acs, format).await;
        assert!((2..9).contains(&chunks.len()), "{format}: {}", chunks.len());
        let (last, others) = chunks.split_last().unwrap();
        assert_eq!(last["endReason"], "SessionEnded");
        for chunk in others {
            assert_eq!(chunk["endReason"], "ChunkMaximumSizeExceeded");
        }
        let mut total = 0;
        for chunk in &chunks {
            let metadata = read(&acs, chunk["metadataLocation"].as_str().unwrap())
                .await
                .json();
            total += metadata["chunkDuration"].as_i64().unwrap();
            let file = read(&acs, chunk["contentLocation"].as_str().unwrap())
                .await
                .body;
            assert!(file.len() as u64 <= limit, "{format}: {}", file.len());
            // All chunks but the last use at least half of the limit.
            assert!(
                chunk == last || file.len() as u64 > limit / 2,
                "{format}: {}",
                file.len()
            );
        }
        assert!((9_995..=10_005).contains(&total), "{format}: {total}");
    }
}

#[tokio::test]
async fn metadata_types_can_be_swapped() {
    let builder = Emulator::builder().clock(Clock::manual());
    let acs = builder.swap_metadata_types().start().await.unwrap();
    let chunk = &chunks(&acs, "mp4").await[0];
    let metadata = read(&acs, chunk["metadataLocation"].as_str().unwrap())
        .await
        .json();
    assert_eq!(metadata["recordingInfo"]["contentType"], "mixed");
    assert_eq!(metadata["recordingInfo"]["channelType"], "audioVideo");
}

async fn range(acs: &Emulator, location: &str, range: &str) -> Response {
    let request = Request::content(acs, Method::GET, location);
    request.header("range", range).send().await
}

#[tokio::test]
async fn recordings_of_any_size_are_available_at_once() {
    const SIZE: u64 = 30 << 30;
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let recording = SyntheticRecording::new(SIZE).chunk(1_000_001).seed(7);
    let stored = acs.add_recording(recording);
    let [large, small] = stored.chunks() else {
        panic!("{stored:?}")
    };
    assert_eq!((large.len(), small.len()), (SIZE, 1_000_000));

    for first in [0, 79, 12_345_678_901, SIZE - 70_000] {
        let header = format!("bytes={first}-{}", first + 69_999);
        let part = range(&acs, large.content_location(), &header).await;
        assert_eq!(part.status, 206);
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{}/{SIZE}", first + 69_999)
        );
        assert_eq!(part.header("content-length"), "70000");
        let mut expected = Vec::new();
        while expected.len() < 70_000 {
            expected.extend(large.read(first + expected.len() as u64, 70_000 - expected.len()));
        }
        assert!(part.body == expected, "at {first}");
    }
    let whole = read(&acs, small.content_location()).await;
    assert_eq!(whole.body.len(), 1_000_000);
    if let Some(found) = probe(&whole.body) {
        assert_lasts(stream(&found, "audio"), 31.248_625, 0.000_1);
    }

    acs.clock().advance(Duration::from_millis(500));
    let event = webhook.next().await.event().clone();
    let chunks = &event["data"]["recordingStorageInfo"]["recordingChunks"];
    assert_eq!(chunks[0]["contentLocation"], large.content_location());
    assert_eq!(chunks[0]["endReason"], "ChunkMaximumSizeExceeded");
    assert_eq!(chunks[1]["documentId"], small.document_id());
    assert!(
        event["subject"]
            .as_str()
            .unwrap()
            .ends_with(stored.recording_id())
    );
    let metadata = read(&acs, large.metadata_location()).await.json();
    // 30 GiB without the header last 1,006,632,957.5 milliseconds.
    assert_eq!(metadata["chunkDuration"], 1_006_632_958);

    let deleted = Request::content(&acs, Method::DELETE, large.delete_location());
    deleted.send().await.assert_empty(200);
    range(&acs, large.content_location(), "bytes=0-9")
        .await
        .assert_empty(404);
}

#[tokio::test]
async fn a_long_recording_is_generated_as_it_is_read() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let request = json!({
        "callConnectionId": call.call_connection_id(),
        "recordingFormatType": "wav",
    });
    start(&acs, &request).await;
    acs.clock().advance(Duration::from_secs(3 * 60 * 60));
    let location = finish(&acs, &call).await.content;
    let size: u64 = 44 + 3 * 3_600 * 32_000;
    let end = range(&acs, &location, "bytes=-640000").await;
    assert_eq!(end.status, 206);
    assert_eq!(
        end.header("content-range"),
        format!("bytes {}-{}/{size}", size - 640_000, size - 1)
    );
    assert!(end.body.iter().any(|byte| *byte != 0));
    let overlap = range(&acs, &location, &format!("bytes={}-", size - 333_333)).await;
    assert!(end.body[640_000 - 333_333..] == overlap.body);
}

#[tokio::test]
async fn content_can_be_redirected_to_another_host() {
    let builder = Emulator::builder().clock(Clock::manual());
    let acs = builder.redirect_content().start().await.unwrap();
    let stored = acs.add_recording(SyntheticRecording::new(100));
    let chunk = &stored.chunks()[0];
    for location in [chunk.content_location(), chunk.metadata_location()] {
        let path = location.strip_prefix(acs.endpoint()).unwrap();
        let request = Request::content(&acs, Method::GET, location);
        let response = request.clone().signed().try_send().await.unwrap();
        assert_eq!(response.status(), 302);
        let port = acs.endpoint().rsplit_once(':').unwrap().1;
        let target = response.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(target, format!("http://localhost:{port}{path}"));
        assert!(response.bytes().await.unwrap().is_empty());

        let there = request
            .header("host", &format!("localhost:{port}"))
            .send()
            .await;
        assert_eq!(there.status, 200);
        assert!(!there.body.is_empty());
    }
    let deleted = Request::content(&acs, Method::DELETE, chunk.delete_location());
    deleted.send().await.assert_empty(200);
}

#[tokio::test]
async fn an_added_recording_has_just_ended() {
    let acs = emulator().await;
    let mut webhook = Webhook::responding(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    // Two files of ten seconds each.
    let bytes = 44 + 2 * 16_000 * 10;
    acs.add_recording(SyntheticRecording::new(bytes).chunk(bytes));
    acs.clock().advance(Duration::from_millis(500));
    let delivery = webhook.next().await;
    let data = &delivery.event()["data"];
    assert_eq!(data["recordingStartTime"], "2025-12-31T23:59:40.0000000Z");
    assert_eq!(data["recordingDurationMs"], 20_000);
}
