//! `emulator`.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use crate::events::Listening;
use crate::program::{Program, Running, interrupt, spawn};

/// Starts an emulator, and returns it with its first line of output.
fn start(program: &Program, arguments: &[&str]) -> (Running, Value) {
    // Well-known ports may be taken.
    let admin = ["--admin", "127.0.0.1:0"];
    let http = ["--http", "127.0.0.1:0"];
    let http = if arguments.contains(&"--https") {
        &[][..]
    } else {
        &http
    };
    let mut child = spawn(&mut program.command(&[arguments, &admin, http].concat()));
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap();
    (child, ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_shows_its_activity() {
    let emulator = Program::with_connection_string("");
    let (child, ready) = start(&emulator, &["emulator", "-v"]);
    assert_eq!(ready["event"], "ready");

    let program = Program::with_connection_string(ready["connection_string"].as_str().unwrap());
    let create = [
        "call",
        "create",
        "8:acs:alice",
        "--callback-url",
        "https://app.example/calls",
        "--output",
        "json",
    ];
    let call = program.run(&create).json();
    let call = call["server_call_id"].as_str().unwrap();
    let start = ["start", "--server-call-id", call, "--media", "wav"];
    let id = program
        .run(&[&start[..], &["--wait", "--max-retries", "0"]].concat())
        .text();
    program.run(&["pause", &id]).text();
    program.run(&["resume", &id]).text();
    program.run(&["stop", &id]).text();
    // It has ended, which is reported and is not a failure.
    program.run(&["stop", &id]).text();

    interrupt(&child);
    let run = emulator.check(child.output());
    assert_eq!(run.code, Some(0));
    for expected in [
        "call created: ",
        "participant joined: ",
        "call connected: ",
        "recording started: ",
        "recording paused: ",
        "recording resumed: ",
        "recording stopped: ",
    ] {
        assert_eq!(
            run.err.matches(expected).count(),
            1,
            "{expected}\n{}",
            run.err
        );
    }
    let joined = run
        .err
        .lines()
        .find(|line| line.contains("participant joined"));
    assert!(
        joined.is_some_and(|line| line.ends_with("8:acs:alice")),
        "{}",
        run.err
    );
    // Ids are shortened to their ends.
    assert!(!run.err.contains(&id), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_the_emulator_prints_one_line() {
    let emulator = Program::with_connection_string("");
    let ca = ["--https", "127.0.0.1:0", "--ca-out", "ca.pem"];
    let (child, ready) = start(&emulator, &[&["emulator"], &ca[..]].concat());
    assert_eq!(ready["endpoint"], Value::Null);
    let text = ready["https_connection_string"].as_str().unwrap();
    let program = Program::with_connection_string(text);
    let ca = emulator.dir.path().join("ca.pem");
    let status = ["status", "rid", "--ca-cert", ca.to_str().unwrap()];
    program.run(&status).failure(4);
    interrupt(&child);
    let run = emulator.check(child.output());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));

    let missing = ["emulator", "--script", "missing.json"];
    emulator.run(&missing).failure(1);
}

/// The command is a shell that runs this program: it finds the connection string in the environment,
/// trusts the emulator over HTTPS, and learns that the recording does not exist.
#[cfg(unix)]
#[test]
fn a_command_runs_with_an_emulator_of_its_own() {
    let program = Program::with_connection_string("");
    let script = r#""$0" status unknown; echo "status: $?"; exit 9"#;
    let exec = ["emulator", "exec", "--"];
    let shell = ["sh", "-c", script, env!("CARGO_BIN_EXE_acs-recording")];
    let run = program.run(&[&exec[..], &shell].concat());
    assert_eq!(
        (run.code, run.out.as_str()),
        (Some(9), "status: 4\n"),
        "{run:?}"
    );

    let missing = program.run(&[&exec[..], &["/no/such/program"]].concat());
    assert_eq!(missing.code, Some(127), "{missing:?}");
    assert!(missing.err.contains("/no/such/program"), "{missing:?}");
}

#[test]
fn an_invalid_event_queue_is_a_usage_error() {
    let emulator = Program::with_connection_string("");
    let url = "https://account.queue.core.windows.net/Events?sig=secret";
    let by_key = ["--event-queue-connection-string", "AccountName=secret"];
    for arguments in [
        &["emulator", "--event-queue", url][..],
        &["emulator", "--event-queue", "events"],
        &["emulator", "--event-queue", "events", by_key[0], by_key[1]],
    ] {
        let ports = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let run = emulator.run(&[arguments, &ports].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.err.contains("queue"), "{run:?}");
        assert!(!run.err.contains("secret"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_recordings_are_downloaded_through_a_redirect() {
    let emulator = Program::with_connection_string("");
    let chunks = ["emulator", "--chunk-duration", "1", "--redirect-content"];
    let (child, ready) = start(&emulator, &chunks);
    let program = Program::with_connection_string(ready["connection_string"].as_str().unwrap());
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--allow-unauthenticated",
        "--count",
        "1",
        "--download-to",
        "rec",
        "-v",
    ];
    let listening = Listening::start(&mut program.command(&listen));
    let subscriptions = format!("{}/subscriptions", ready["admin"].as_str().unwrap());
    let subscription = json!({
        "url": listening.url,
        "events": ["Microsoft.Communication.RecordingFileStatusUpdated"],
    });
    let answer = reqwest::Client::new()
        .post(subscriptions)
        .json(&subscription);
    assert!(answer.send().await.unwrap().status().is_success());

    let create = ["call", "create", "8:acs:alice", "--output", "json"];
    let callback = ["--callback-url", "https://app.example/calls"];
    let call = program.run(&[&create[..], &callback].concat()).json();
    let call = call["server_call_id"].as_str().unwrap();
    let start = ["start", "--server-call-id", call, "--media", "wav"];
    let id = program.run(&start).text();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    program.run(&["stop", &id]).text();

    let run = listening.end(&program);
    assert_eq!(run.code, Some(0), "{run:?}");
    let files = std::fs::read_dir(program.dir.path().join("rec")).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".spool")
        .collect();
    files.sort();
    let manifest = files.pop().unwrap();
    assert!(manifest.ends_with(".manifest.json"), "{manifest}");
    assert!(files.len() >= 4 && files.len() % 2 == 0, "{files:?}");
    for (number, pair) in files.chunks(2).enumerate() {
        assert!(
            pair[0].ends_with(&format!(".{number:03}.json")),
            "{files:?}"
        );
        assert!(pair[1].ends_with(&format!(".{number:03}.wav")), "{files:?}");
    }
    assert!(run.err.contains("redirected"), "{}", run.err);
    interrupt(&child);
    assert_eq!(emulator.check(child.output()).code, Some(0));
}
