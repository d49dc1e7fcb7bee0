//! Runs the examples as programs, as a new user would.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot continue fails"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use acs_emulator::{Emulator, SyntheticRecording};
use acs_recording::RecordingManifest;

const KEY: &str = "d3Jvbmcga2V5LCBidXQgYSBrZXk=";

/// A built example. Cargo builds the examples before it runs the tests of their package.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(profile.join("examples").join(name));
    command
        .env_remove("ACS_CONNECTION_STRING")
        .env_remove("ACS_SERVER_CALL_ID");
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn fails(command: &mut Command, says: &str) {
    let output = command.output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("error: ") && stderr.contains(says),
        "{stderr}"
    );
    assert!(
        !format!("{stdout}{stderr}").contains(KEY.trim_end_matches('=')),
        "{stdout}{stderr}"
    );
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn the_quickstart_records_a_call_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rec");
    let output = example("quickstart")
        .args(["--seconds", "0.5", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    for step in [
        "emulator started",
        "webhook subscribed",
        "call connected",
        "recording started",
        "recording is active",
        "recording is paused",
        "recording resumed",
        "recording stopped",
        "event received",
        "downloaded",
        "manifest written",
        "deleted",
        "channel 0: alice (8:acs:",
        "channel 1: bob (8:acs:",
    ] {
        assert!(stdout.contains(step), "no {step:?} in\n{stdout}");
    }
    let [wav] = &files(&out, "wav")[..] else {
        panic!("expected one WAV file in {out:?}")
    };
    assert_eq!(
        files(&out, "json").len(),
        2,
        "expected the metadata and the manifest"
    );
    let wav_name = wav.file_name().unwrap().to_str().unwrap();
    let manifest = out.join(wav_name.replace(".000.wav", ".manifest.json"));
    let manifest = RecordingManifest::load(manifest).unwrap();
    assert!(manifest.complete && manifest.deleted_at.is_some());
    let mut wav = hound::WavReader::open(wav).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 16_000));
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let seconds = f64::from(wav.duration()) / 16_000.0;
    assert!(
        seconds > 0.9,
        "{seconds} s: expected at least one second, less a delayed start"
    );
    for channel in 0..2 {
        assert!(
            samples
                .iter()
                .skip(channel)
                .step_by(2)
                .any(|sample| *sample != 0),
            "the recording is silent"
        );
    }
    assert!(stdout.contains(&format!("{seconds:.3} s")), "{stdout}");

    fails(
        example("quickstart").arg("--out").arg(&out),
        "cannot create folder",
    );
}

#[test]
fn the_webhook_downloads_announced_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let output = example("webhook")
        .env_remove("WEBHOOK_SECRET")
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    let [file] = &files(folder.path(), "mp4")[..] else {
        panic!("expected one file: {stdout}")
    };
    let bytes = std::fs::metadata(file).unwrap().len();
    let line = format!("{} ({bytes} bytes)", file.display());
    assert!(stdout.lines().any(|found| found == line), "{stdout}");
    let spool = folder.path().join(".spool");
    let count = |name: &str| std::fs::read_dir(spool.join(name)).unwrap().count();
    assert_eq!((count("pending"), count("done"), count("noted")), (0, 1, 0));
}

#[test]
fn the_download_example_works_without_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = example("download");
        let output = command.arg("--out").arg(folder.path()).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert!(output.status.success(), "{stdout}{stderr}");
        let (hash, path) = stdout.trim_end().split_once("  ").unwrap();
        assert_eq!(hash.len(), 64, "{stdout}");
        std::fs::metadata(path).unwrap().len()
    };
    // The expected size: the audio and the header of a WAV file.
    assert!(run() >= 32 * 1024 * 1024);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    fails(
        example("download").arg("event.json"),
        "set ACS_CONNECTION_STRING",
    );
    for what in [&[][..], &["https://media.example/x"]] {
        let mut download = example("download");
        let download = download.args(what).arg("--delete").arg("--out");
        fails(download.arg(folder.path()), "--delete requires a file");
    }
}

/// Downloads the recording of an event, and one file by its location. The second run finds the
/// files complete.
#[tokio::test]
async fn the_download_example_downloads_the_recording_of_an_event() {
    let emulator = Emulator::start().await.unwrap();
    let stored = emulator.add_recording(SyntheticRecording::new(3_000_000).chunk(500_000));
    let chunks = stored.chunks().iter().enumerate().map(|(index, chunk)| {
        serde_json::json!({
            "documentId": chunk.document_id(),
            "index": index,
            "contentLocation": chunk.content_location(),
            "metadataLocation": chunk.metadata_location(),
            "deleteLocation": chunk.delete_location(),
        })
    });
    let event = serde_json::json!([{
        "id": "e1",
        "topic": "/subscriptions/s",
        "subject": "/recording/call/c/serverCallId/abc/recordingId/rid",
        "data": {
            "recordingStorageInfo": {"recordingChunks": chunks.collect::<Vec<_>>()},
            "recordingFormatType": "Wav",
        },
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": "2026-01-01T00:00:00Z",
    }]);
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (
        folder.path().join("event.json"),
        folder.path().join("recordings"),
    );
    std::fs::write(&file, event.to_string()).unwrap();
    let location = stored.chunks()[0].content_location().to_owned();
    let connection_string = emulator.connection_string().to_owned();
    let run = move |what: &std::ffi::OsStr, expected: usize, more: &[&str]| {
        let mut command = example("download");
        command
            .env("ACS_CONNECTION_STRING", &connection_string)
            .arg(what)
            .args(more)
            .arg("--out")
            .arg(&out);
        let output = command.output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert!(output.status.success(), "{stdout}{stderr}");
        let lines: Vec<_> = stdout.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), expected, "{stdout}");
        for line in &lines {
            let (hash, path) = line.split_once("  ").unwrap();
            assert!(hash.len() == 64 && Path::new(path).is_file(), "{line}");
        }
        lines
    };
    // The emulator responds on this runtime, so the programs run on another thread.
    tokio::task::spawn_blocking(move || {
        let count = files_in(&file);
        let first = run(file.as_os_str(), count, &["--connections", "2"]);
        assert_eq!(run(file.as_os_str(), count, &[]), first);
        let one = run(location.as_ref(), 1, &[]);
        assert_eq!(one[0].split("  ").next(), first[0].split("  ").next());
        run(file.as_os_str(), count, &["--delete"]);
    })
    .await
    .unwrap();
}

/// The number of files of an event's recording.
fn files_in(event: &Path) -> usize {
    let text = std::fs::read_to_string(event).unwrap();
    text.matches("contentLocation").count()
}

#[test]
fn a_fleet_archives_everything_although_a_worker_is_killed() {
    let output = example("archive").arg("--local").output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    for step in [
        "recorded            20 calls",
        "killed in the middle of a transfer",
        "2 (killed), ",
        "20 of 20 recordings archived, verified and deleted",
    ] {
        assert!(stdout.contains(step), "no {step:?} in\n{stdout}");
    }
    assert!(!stdout.contains("NO"), "{stdout}");
}

#[test]
fn usage_errors_are_one_line_without_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = |connection_string: &str, call: &str| {
        let mut command = example("quickstart");
        command
            .current_dir(folder.path())
            .env("ACS_CONNECTION_STRING", connection_string);
        command.env("ACS_SERVER_CALL_ID", call);
        command
    };
    let call = "aHR0cHM6Ly9h";
    fails(
        &mut quickstart(&format!("endpoint=https://x;accesskey={KEY};x"), call),
        "part 3",
    );
    fails(
        &mut quickstart("endpoint=https://x;accesskey=###", call),
        "not base64",
    );
    let guid = "29228d3e-040e-4656-a70e-890ab4e173e5";
    fails(
        &mut quickstart(&format!("endpoint=https://x.example;accesskey={KEY}"), guid),
        "call connection id",
    );
}

#[tokio::test]
async fn service_errors_are_one_line_without_the_key() {
    let emulator = Emulator::start().await.unwrap();
    let state = |connection_string: &str| {
        let mut command = example("state");
        command
            .env("ACS_CONNECTION_STRING", connection_string)
            .arg("eyJQbGF0");
        command
    };
    let wrong_key = format!("endpoint={};accesskey={KEY}", emulator.endpoint());
    let mut wrong_key = state(&wrong_key);
    let mut unknown = state(emulator.connection_string());
    let mut nobody = state(&format!("endpoint=http://127.0.0.1:9;accesskey={KEY}"));
    // The emulator responds on this runtime, so the programs run on another thread.
    tokio::task::spawn_blocking(move || {
        fails(&mut wrong_key, "access key");
        fails(&mut unknown, "8522");
        fails(&mut nobody, "cannot be reached");
    })
    .await
    .unwrap();
}
