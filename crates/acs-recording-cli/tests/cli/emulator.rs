//! `emulator`.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::program::{Program, interrupt, spawn};

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_says_what_happens() {
    let nobody = Program::with_connection_string("");
    let mut child = spawn(&mut nobody.command(&["emulator", "-v"]));
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["event"], "ready");

    let program = Program::with_connection_string(ready["connection_string"].as_str().unwrap());
    let create = [
        "call",
        "create",
        "8:acs:alice",
        "--callback",
        "https://app.example/calls",
        "--output",
        "json",
    ];
    let call = program.run(&create).json();
    let call = call["server_call_id"].as_str().unwrap();
    let start = ["start", "--server-call-id", call, "--media", "wav"];
    let id = program
        .run(&[&start[..], &["--wait", "--retries", "0"]].concat())
        .text();
    program.run(&["pause", &id]).text();
    program.run(&["resume", &id]).text();
    program.run(&["stop", &id]).text();
    program.run(&["stop", &id]).failure(4);

    interrupt(&child);
    let run = nobody.check(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0));
    for told in [
        "call created: ",
        "participant joined: 8:acs:alice",
        "call connected: ",
        "recording started: ",
        "recording paused: ",
        "recording resumed: ",
        "recording stopped: ",
    ] {
        assert_eq!(run.err.matches(told).count(), 1, "{told}\n{}", run.err);
    }
    // Ids have their ends only.
    assert!(!run.err.contains(&id), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_the_emulator_prints_one_line() {
    let nobody = Program::with_connection_string("");
    let ca = ["--https", "127.0.0.1:0", "--ca-out", "ca.pem"];
    let mut child = spawn(&mut nobody.command(&[&["emulator"], &ca[..]].concat()));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["endpoint"], Value::Null);
    let text = ready["https_connection_string"].as_str().unwrap();
    let program = Program::with_connection_string(text);
    let ca = nobody.dir.path().join("ca.pem");
    let status = ["status", "rid", "--ca-cert", ca.to_str().unwrap()];
    program.run(&status).failure(4);
    interrupt(&child);
    let run = nobody.check(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));

    let missing = ["emulator", "--script", "missing.json"];
    nobody.run(&missing).failure(1);
}
