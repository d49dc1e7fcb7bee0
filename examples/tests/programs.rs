//! The examples as a newcomer runs them: as programs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use acs_emulator::Emulator;

const KEY: &str = "d3Jvbmcga2V5LCBidXQgYSBrZXk=";

/// A built example; cargo builds examples before it runs the tests of their package.
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
        "recording goes on",
        "recording stopped",
        "event received",
        "downloaded",
        "deleted",
        "channel 0: alice (8:acs:",
        "channel 1: bob (8:acs:",
    ] {
        assert!(stdout.contains(step), "no {step:?} in\n{stdout}");
    }
    let [wav] = &files(&out, "wav")[..] else {
        panic!("not one WAV file in {out:?}")
    };
    assert_eq!(files(&out, "json").len(), 1);
    let mut wav = hound::WavReader::open(wav).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 16_000));
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let seconds = f64::from(wav.duration()) / 16_000.0;
    assert!(
        seconds > 0.9,
        "{seconds} s: at least one second less a delayed start"
    );
    for channel in 0..2 {
        assert!(
            samples
                .iter()
                .skip(channel)
                .step_by(2)
                .any(|sample| *sample != 0),
            "silence"
        );
    }
    assert!(stdout.contains(&format!("{seconds:.3} s")), "{stdout}");

    fails(
        example("quickstart").arg("--out").arg(&out),
        "cannot make folder",
    );
}

#[test]
fn the_webhook_downloads_what_is_announced() {
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
        panic!("not one file: {stdout}")
    };
    let bytes = std::fs::metadata(file).unwrap().len();
    let line = format!("{} ({bytes} bytes)", file.display());
    assert!(stdout.lines().any(|found| found == line), "{stdout}");
}

#[test]
fn what_is_wrong_is_said_in_one_line_without_the_key() {
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
async fn what_the_service_refuses_is_said_in_one_line_without_the_key() {
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
    // The emulator answers on this runtime, so waiting for the programs happens beside it.
    tokio::task::spawn_blocking(move || {
        fails(&mut wrong_key, "access key");
        fails(&mut unknown, "8522");
        fails(&mut nobody, "cannot be reached");
    })
    .await
    .unwrap();
}
