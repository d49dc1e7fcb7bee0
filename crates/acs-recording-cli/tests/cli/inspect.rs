//! `inspect` and `metadata show`.

use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use acs_emulator::{Clock, Emulator, Script, SyntheticRecording};
use serde_json::{Value, json};

use crate::events::Listening;
use crate::program::Program;
#[cfg(target_os = "linux")]
use crate::program::{peak_memory, spawn};

/// A downloaded recording.
struct Recorded {
    program: Program,
    media: String,
    metadata: String,
}

impl Recorded {
    /// Alice speaks for two seconds and Bob for one, of four; Carol is silent.
    async fn new(kind: &str) -> Self {
        let acs = Emulator::builder()
            .clock(Clock::manual())
            .event_delay(Duration::ZERO)
            .start()
            .await
            .unwrap();
        let script = Script::new()
            .join(Duration::ZERO, "alice")
            .join(Duration::ZERO, "bob")
            .join(Duration::ZERO, "carol")
            .speak(Duration::ZERO, "alice", Duration::from_secs(2))
            .speak(Duration::from_secs(2), "bob", Duration::from_secs(1));
        let call = acs.call(Vec::<&str>::new()).script(script).await;
        let program = Program::new(&acs);
        let mut listen = program.command(&[
            "events",
            "listen",
            "--port",
            "0",
            "--allow-unauthenticated",
            "--count",
            "1",
            "--download-to",
            "rec",
            "--output",
            "json",
        ]);
        let listen = Listening::start(&mut listen);
        acs.subscribe(&listen.url).await.unwrap();
        acs.clock().advance(Duration::from_millis(100));
        let start = ["start", "--server-call-id", call.server_call_id()];
        let id = program
            .run(&[&start[..], &["--media", kind]].concat())
            .text();
        acs.clock().advance(Duration::from_secs(4));
        assert_eq!(program.run(&["stop", &id]).text(), "stopped");
        acs.clock().advance(Duration::from_secs(1));
        let lines = listen.end(&program).text();
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines[0]["type"],
            "Microsoft.Communication.RecordingFileStatusUpdated"
        );
        let path = |kind: &str| lines[1]["chunks"][0][kind]["path"].as_str();
        Self {
            media: path("media").unwrap().to_owned(),
            metadata: path("metadata").unwrap().to_owned(),
            program,
        }
    }

    fn inspect(&self, file: &str) -> Value {
        self.program
            .run(&["inspect", file, "--output", "json"])
            .json()
    }
}

fn assert_close(value: &Value, expected: f64, tolerance: f64) {
    let found = value.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= tolerance,
        "{found}, not {expected}"
    );
}

/// Checks the members that the reports on all formats have.
#[track_caller]
fn assert_shape(report: &Value) {
    let mut members: Vec<_> = report.as_object().unwrap().keys().collect();
    // Their order depends on the features that other crates of the workspace enable.
    members.sort();
    assert_eq!(
        members,
        [
            "bits",
            "channels",
            "duration_ms",
            "format",
            "metadata",
            "notes",
            "path",
            "sample_rate",
            "tracks",
            "truncated",
            "warnings",
        ]
    );
    for track in report["tracks"].as_array().unwrap() {
        for member in ["track", "kind", "codec", "duration_ms", "bytes", "bit_rate"] {
            assert!(track.get(member).is_some(), "{member}: {track}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_with_three_channels_is_inspected() {
    let recorded = Recorded::new("unmixed").await;
    let (program, media, metadata) = (&recorded.program, &*recorded.media, &*recorded.metadata);
    let shown = program.run(&["inspect", media, "--png", "x.png", "--width", "32"]);
    assert_eq!(program.read("x.png")[1..4], *b"PNG");
    let shown = shown.text().replace(media, "rec/ID.000.wav");
    insta::with_settings!({filters => vec![(r"[0-9a-f]{8}-[0-9a-f-]{27}", "[guid]")]}, {
        insta::assert_snapshot!("inspect", shown);
    });
    let report = recorded.inspect(media);
    assert_shape(&report);
    assert_eq!(report["channels"].as_array().unwrap().len(), 3);
    assert_eq!(report["sample_rate"], 16_000);
    assert_eq!(report["metadata"], metadata);
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[guid]"),
        (r"0-weu-d1-[0-9a-f]+", "[document]"),
        (r"\d{4}-\d\d-\d\dT\S+", "[time]"),
    ]}, {
        insta::assert_snapshot!("metadata", program.run(&["metadata", "show", metadata]).text());
    });
    program.run(&["metadata", "show", media]).failure(6);
    let said = program.run(&["inspect", metadata]).failure(6);
    assert!(said.contains("a JSON document"), "{said}");
    program.run(&["inspect", "missing.wav"]).failure(1);
    program.run(&["inspect", "rec"]).failure(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mp3_has_length_and_levels() {
    let recorded = Recorded::new("mp3").await;
    let media = &*recorded.media;
    let report = recorded.inspect(media);
    assert_shape(&report);
    assert_eq!(report["format"], "mp3");
    assert_eq!(report["truncated"], false);
    assert_eq!(report["warnings"], json!([]));
    assert_close(&report["duration_ms"], 4000.0, 300.0);
    let track = &report["tracks"][0];
    assert_eq!(
        (&track["codec"], &track["kind"]),
        (&json!("MP3"), &json!("audio"))
    );
    assert_eq!(
        (&track["sample_rate"], &track["channels"]),
        (&json!(16_000), &json!(1))
    );
    assert_close(&track["bit_rate"], 48_000.0, 10.0);
    assert_three_quarters_of_speech(&report);
    let text = recorded.program.run(&["inspect", media]).text();
    assert!(
        text.contains(": MP3, 1 channel, 16000 Hz, 48 kbit/s, 0:0"),
        "{text}"
    );

    // Half of the file: the rest is reported as missing.
    let file = recorded.program.read(media);
    check_corrupted(&recorded.program, &file);
    recorded.program.write("half.mp3", &file[..file.len() / 2]);
    let half = recorded.inspect("half.mp3");
    assert_eq!(half["truncated"], true);
    assert_close(&half["duration_ms"], 2000.0, 200.0);
    assert!(half["channels"][0]["speech"].as_f64().unwrap() > 0.5);
    let text = recorded.program.run(&["inspect", "half.mp3"]).text();
    assert!(text.contains("cut off"), "{text}");

    // Tags at both ends are not audio, and data between frames is reported.
    let mut tagged = b"ID3\x04\0\0\0\0\x02\0".to_vec();
    tagged.extend([0; 256]);
    tagged.extend(&file);
    tagged.extend([&b"TAG"[..], &[0; 125]].concat());
    recorded.program.write("tagged.wav", &tagged);
    let again = recorded.inspect("tagged.wav");
    assert_eq!(again["duration_ms"], report["duration_ms"]);
    assert_eq!(
        again["channels"][0]["waveform"],
        report["channels"][0]["waveform"]
    );
    assert_eq!(again["warnings"], json!([]));
    let mut spoiled = file.clone();
    spoiled[5 * 216..5 * 216 + 216].fill(b'x');
    recorded.program.write("spoiled.mp3", &spoiled);
    let spoiled = recorded.inspect("spoiled.mp3");
    assert!(
        spoiled["warnings"].to_string().contains("not MP3"),
        "{spoiled}"
    );
    assert_close(&spoiled["duration_ms"], 4000.0, 400.0);
}

/// Whatever bytes are invalid, the program reports what it finds, or an error.
#[track_caller]
fn check_corrupted(program: &Program, file: &[u8]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 1).unwrap() % below
    };
    let names: Vec<_> = (0..150).map(|number| format!("spoiled.{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let mut spoiled = file.to_vec();
        // Headers and lists are at the beginning, so most errors are placed there.
        let within = if number % 3 == 0 { file.len() } else { 1500 };
        for _ in 0..=random(8) {
            let at = random(within);
            spoiled[at] = u8::try_from(random(256)).unwrap();
        }
        program.write(name, &spoiled);
    }
    let mut arguments = vec!["inspect", "--output", "json"];
    arguments.extend(names.iter().map(String::as_str));
    let run = program.run(&arguments);
    assert!(matches!(run.code, Some(0 | 6)), "{run:?}");
    let reported = run.out.lines().count() + run.err.lines().count();
    assert_eq!(reported, names.len(), "{}", run.err);
}

/// Speech is in the first three of four seconds.
#[track_caller]
fn assert_three_quarters_of_speech(report: &Value) {
    let channels = report["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 1, "{report}");
    let channel = &channels[0];
    assert!(channel["rms_dbfs"].as_f64().unwrap() > -40.0, "{channel}");
    let waveform = channel["waveform"].as_array().unwrap();
    let peak = |from: usize, to: usize| {
        let peaks = waveform[from..to].iter().map(|peak| peak.as_f64().unwrap());
        peaks.fold(0.0, f64::max)
    };
    assert!(peak(0, 30) > 0.1 && peak(31, 44) > 0.1, "{channel}");
    assert!(peak(48, 60) < 0.01, "{channel}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mp4_has_video_and_audio() {
    let recorded = Recorded::new("mp4").await;
    let media = &*recorded.media;
    let report = recorded.inspect(media);
    assert_shape(&report);
    assert_eq!(report["format"], "mp4");
    assert_eq!(report["truncated"], false);
    assert_close(&report["duration_ms"], 4000.0, 250.0);
    let [video, audio] = &report["tracks"].as_array().unwrap()[..] else {
        panic!("{report}");
    };
    assert_eq!(
        (&video["codec"], &video["kind"]),
        (&json!("H.264"), &json!("video"))
    );
    assert_eq!(
        (&video["width"], &video["height"]),
        (&json!(1920), &json!(1080))
    );
    assert_close(&video["frame_rate"], 8.0, 0.3);
    assert_close(&video["frames"], 32.0, 2.0);
    assert_eq!(video["key_frames"], 1);
    assert_eq!(
        (&audio["codec"], &audio["kind"]),
        (&json!("AAC-LC"), &json!("audio"))
    );
    assert_eq!(
        (&audio["sample_rate"], &audio["channels"]),
        (&json!(16_000), &json!(1))
    );
    assert_eq!(report["channels"][0]["track"], 1);
    assert_three_quarters_of_speech(&report);
    let text = recorded
        .program
        .run(&["inspect", media, "--png", "x.png"])
        .text();
    assert!(text.contains(": MP4, 2 tracks, 0:0"), "{text}");
    assert!(
        text.contains("\ntrack 0  picture: H.264, 1920 x 1080, 8"),
        "{text}"
    );
    assert!(
        text.contains("\ntrack 1  audio: AAC-LC, 1 channel, 16000 Hz"),
        "{text}"
    );

    // Cut within the media, with the list of tracks before it.
    let file = recorded.program.read(media);
    recorded
        .program
        .write("half.mp4", &file[..file.len() * 6 / 10]);
    let half = recorded.inspect("half.mp4");
    assert_eq!(half["truncated"], true);
    assert_eq!(half["tracks"].as_array().unwrap().len(), 2);
    assert!(
        half["warnings"].to_string().contains("samples of track 1"),
        "{half}"
    );
    assert!(
        half["channels"][0]["speech"].as_f64().unwrap() > 0.3,
        "{half}"
    );
    check_corrupted(&recorded.program, &file);
    // Truncation at any position is handled.
    for end in (16..file.len()).step_by(file.len() / 40) {
        recorded.program.write("cut.mp4", &file[..end]);
        let cut = recorded.inspect("cut.mp4");
        assert_eq!(cut["truncated"], true, "{end}: {cut}");
    }
}

#[test]
fn an_mp4_without_tracks_is_reported() {
    let program = Program::with_connection_string("");
    let boxed = |name: &[u8; 4], content: &[u8]| {
        let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&size[..], name, content].concat()
    };
    let file = [
        boxed(b"ftyp", b"isom\0\0\x02\0isommp41"),
        boxed(b"free", b""),
        boxed(b"mdat", &[0; 20]),
    ];
    program.write("call.mp4", &file.concat());
    insta::assert_snapshot!(program.run(&["inspect", "call.mp4"]).text(), @r"
    call.mp4: MP4, no tracks
    warning: There is no moov box, the list of tracks: no player finds picture or sound in this file. It has 20 bytes of media data; perhaps the program that wrote it did not finish it.
    ");
    let report = program
        .run(&["inspect", "call.mp4", "--output", "json"])
        .json();
    assert_shape(&report);
    assert_eq!(report["tracks"], json!([]));
    assert_eq!(report["truncated"], false);
    // A truncated file is reported.
    program.write("cut.mp4", &file.concat()[..50]);
    let text = program.run(&["inspect", "cut.mp4"]).text();
    assert!(text.contains("cut off") && text.contains("moov"), "{text}");
    let none = [file[0].clone(), boxed(b"moov", b"")].concat();
    program.write("none.mp4", &none);
    let text = program.run(&["inspect", "none.mp4"]).text();
    assert!(text.contains("There are no tracks."), "{text}");
}

/// One second of audio on two channels, the first at a quarter of full scale.
fn wav() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for _ in 0..16_000 {
        writer.write_sample(8192_i16).unwrap();
        writer.write_sample(0_i16).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

#[test]
fn a_wav_of_unknown_length_is_read_to_the_end() {
    let program = Program::with_connection_string("");
    let whole = wav();
    program.write("whole.wav", &whole);
    let of_whole = program
        .run(&["inspect", "whole.wav", "--output", "json"])
        .json();
    assert_eq!(of_whole["duration_ms"], 1000);
    assert_eq!(of_whole["channels"][0]["rms_dbfs"], -12.0);
    let data = whole.windows(4).position(|name| name == b"data").unwrap() + 4;
    for size in [0, u32::MAX] {
        let mut file = whole.clone();
        file[4..8].copy_from_slice(&size.to_le_bytes());
        file[data..data + 4].copy_from_slice(&size.to_le_bytes());
        program.write("whole.wav", &file);
        let report = program
            .run(&["inspect", "whole.wav", "--output", "json"])
            .json();
        assert_eq!(report, of_whole);
    }
}

#[test]
fn a_truncated_wav_is_reported_and_measured() {
    let program = Program::with_connection_string("");
    let whole = wav();
    let data = whole.windows(4).position(|name| name == b"data").unwrap() + 8;
    program.write("cut.wav", &whole[..data + 32_000]);
    let text = program.run(&["inspect", "cut.wav", "--width", "8"]).text();
    insta::assert_snapshot!(text, @r"
    cut.wav: WAV, 2 channels, 16000 Hz, 16 bit, 0:00.5, cut off
    warning: Only 32000 of 64000 bytes of audio are in the file.

    channel 0  (no name)
    |▄▄▄▄▄▄▄▄|
    level -12.0 dBFS, peak -12.0 dBFS, speech 100 %, silence 0 %

    channel 1  (no name)
    |        |
    level silent, peak silent, speech 0 %, silence 100 %
    ");
    let report = program
        .run(&["inspect", "cut.wav", "--output", "json"])
        .json();
    assert_shape(&report);
    assert_eq!(report["truncated"], true);
    assert_eq!(report["duration_ms"], 500);
}

#[test]
fn the_format_is_detected_from_the_content() {
    let program = Program::with_connection_string("");
    program.write("call.mp4", &wav());
    let text = program.run(&["inspect", "call.mp4"]).text();
    assert!(text.starts_with("call.mp4: WAV, 2 channels"), "{text}");
    for (content, kind) in [
        (
            &b"<!DOCTYPE html>\n<html>sign in</html>"[..],
            "an HTML page",
        ),
        (br#"{"error": {"code": "NotFound"}}"#, "a JSON document"),
        (b"", "empty"),
        (b"ID3\x04\0\0\0\0\0\0", "without any audio"),
    ] {
        program.write("call.wav", content);
        let said = program.run(&["inspect", "call.wav"]).failure(6);
        assert!(
            said.starts_with("error: call.wav: ") && said.contains(kind),
            "{said}"
        );
    }
    // A failure does not stop the other files.
    let run = program.run(&["inspect", "call.wav", "call.mp4"]);
    assert_eq!(run.code, Some(6));
    assert!(run.out.contains("call.mp4: WAV"), "{run:?}");
    let two = ["inspect", "call.mp4", "call.mp4", "--png", "x.png"];
    program.run(&two).failure(2);
}

#[test]
fn metadata_names_of_own_storage_are_found() {
    let program = Program::with_connection_string("");
    let document = |chunk: u32, id: &str, name: &str| {
        let participants = json!([{"participantId": name, "channel": 0}]);
        let document = json!({
            "chunkDocumentId": id, "chunkIndex": chunk, "participants": participants,
        });
        document.to_string().into_bytes()
    };
    for (media, metadata) in [
        (
            "0-audiowavmultichannel.0-weu-d7-1.wav",
            "0-acsmetadata.0-weu-d7-1.json",
        ),
        ("0-audiowavmultichannel.wav", "0-acsmetadata.json"),
    ] {
        program.write(media, &wav());
        program.write(metadata, &document(0, "0-weu-d7-1", "4:+14255550100"));
        let report = program.run(&["inspect", media, "--output", "json"]).json();
        assert_eq!(report["channels"][0]["participant"], "4:+14255550100");
        assert_eq!(report["channels"][1]["participant"], Value::Null);
        assert_eq!(report["metadata"], metadata);
        // No image is written instead.
        let png = program.run(&["inspect", media, "--png", metadata]);
        assert!(png.failure(2).contains(metadata));
    }
    // The next chunk has no metadata document.
    program.write("1-audiowavmultichannel.wav", &wav());
    let next = ["inspect", "1-audiowavmultichannel.wav", "--output", "json"];
    assert_eq!(program.run(&next).json()["metadata"], Value::Null);
    // The given file takes precedence, even if it belongs to another recording.
    program.write("other.json", &document(7, "other", "8:acs:a_b"));
    let given = [&next[..], &["--metadata", "other.json"]].concat();
    let report = program.run(&given).json();
    assert_eq!(report["channels"][0]["participant"], "8:acs:a_b");
}

#[test]
fn sparse_metadata_documents_are_shown() {
    let program = Program::with_connection_string("");
    program.write("call.json", b"{}");
    program.write("call.wav", &wav());
    let text = program.run(&["metadata", "show", "call.json"]).text();
    assert_eq!(text, "the document is empty");
    let report = program
        .run(&["metadata", "show", "call.json", "--output", "json"])
        .json();
    assert_eq!(report["participants"], json!([]));
    let text = program.run(&["inspect", "call.wav"]).text();
    assert!(
        text.contains("warning: No names: call.json is empty"),
        "{text}"
    );
    program.write("call.json", b"<html>");
    let text = program.run(&["inspect", "call.wav"]).text();
    assert!(text.contains("warning: No names: call.json"), "{text}");
    program.run(&["metadata", "show", "call.json"]).failure(6);
}

#[test]
fn absurd_files_are_rejected() {
    let program = Program::with_connection_string("");
    let mut file = wav();
    // Plain PCM with 30,000 channels.
    let format = file.windows(4).position(|name| name == b"fmt ").unwrap() + 8;
    file[format..format + 2].copy_from_slice(&1_u16.to_le_bytes());
    file[format + 2..format + 4].copy_from_slice(&30_000_u16.to_le_bytes());
    file[format + 12..format + 14].copy_from_slice(&60_000_u16.to_le_bytes());
    program.write("call.wav", &file);
    let png = program.run(&["inspect", "call.wav", "--png", "x.png"]);
    insta::assert_snapshot!(png.failure(2), @"error: --png: 30000 channels do not fit into an image; an image shows up to 100 channels");
    assert!(!program.dir.path().join("x.png").exists());
    let text = program.run(&["inspect", "call.wav"]).text();
    assert!(text.contains("30000 channels are more than"), "{text}");
}

#[test]
fn an_image_overwrites_only_images() {
    let program = Program::with_connection_string("");
    program.write("call.wav", &wav());
    program.write("notes.txt", b"mine");
    program.write("empty.png", b"");
    let png = |name: &str| program.run(&["inspect", "call.wav", "--png", name]);
    let said = png("notes.txt").failure(2);
    assert!(said.contains("would replace notes.txt"), "{said}");
    assert_eq!(program.read("notes.txt"), b"mine");
    for _ in 0..2 {
        png("empty.png").text();
        png("new.png").text();
    }
    assert_eq!(program.read("new.png")[1..4], *b"PNG");
    // It shows who spoke when, so it is as private as the recording.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(program.dir.path().join("new.png")).unwrap();
        assert_eq!(file.permissions().mode() & 0o077, 0);
    }
}

/// Not all systems allow such names.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_not_lost() {
    use std::os::unix::ffi::OsStringExt as _;
    let program = Program::with_connection_string("");
    let name = PathBuf::from(std::ffi::OsString::from_vec(b"a\xff.wav".to_vec()));
    std::fs::write(program.dir.path().join(&name), wav()).unwrap();
    let mut command = program.command(&["inspect", "--output", "json"]);
    let report = program.check(command.arg(&name).output().unwrap()).json();
    assert_eq!(report["path"], "a\u{fffd}.wav");
    assert_eq!(report["path_base64"], "Yf8ud2F2");
}

/// The file is sparse, and Linux reports the memory of a running program.
#[cfg(target_os = "linux")]
#[test]
fn a_long_file_needs_little_memory() {
    const SIZE: u64 = 80_000_000;
    let program = Program::with_connection_string("");
    let mut head = wav();
    let data = head.windows(4).position(|name| name == b"data").unwrap() + 8;
    head.truncate(data);
    // One channel of 64-bit floating point, up to the end of the file.
    let format = head.windows(4).position(|name| name == b"fmt ").unwrap() + 8;
    for (at, value) in [(0, 3_u16), (2, 1), (12, 8), (14, 64)] {
        head[format + at..format + at + 2].copy_from_slice(&value.to_le_bytes());
    }
    head[data - 4..].fill(0xFF);
    program.write("call.wav", &head);
    let path = program.dir.path().join("call.wav");
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(data as u64 + SIZE).unwrap();
    let inspect = ["inspect", "call.wav", "--output", "json"];
    let mut child = spawn(&mut program.command(&inspect));
    let peak = peak_memory(&mut child);
    let report = program.check(child.output()).json();
    assert_eq!(report["duration_ms"], SIZE / 8 / 16);
    assert!((1..16 * 1024).contains(&peak), "{peak} KiB");
}

/// A sparse file of more than 4 GiB.
#[tokio::test]
async fn files_over_four_gib_are_read() {
    const SIZE: u64 = 5 << 30;
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(SIZE));
    let program = Program::new(&acs);
    program.write("call.wav", &recording.chunks()[0].read(0, 80));
    let path = program.dir.path().join("call.wav");
    let head = program.read("call.wav");
    assert!(head.starts_with(b"RF64"));
    // Its format has few frames per byte, so it is read quickly.
    let format = head.windows(4).position(|name| name == b"fmt ").unwrap() + 8;
    let mut head = head;
    head[format..format + 2].copy_from_slice(&2_u16.to_le_bytes());
    std::fs::write(&path, &head).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(SIZE).unwrap();
    let report = program
        .run(&["inspect", "call.wav", "--output", "json"])
        .json();
    assert_eq!(report["truncated"], false);
    assert_eq!(report["tracks"][0]["bytes"], SIZE - 80);
    file.set_len(SIZE - 1000).unwrap();
    let report = program
        .run(&["inspect", "call.wav", "--output", "json"])
        .json();
    assert_eq!(report["truncated"], true);
}
