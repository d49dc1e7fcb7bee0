//! `call`, and `emulator`.

use std::io::{BufRead as _, BufReader};

use acs_emulator::Emulator;
use serde_json::Value;

use crate::program::{Program, interrupt, spawn};

const CALLBACK: [&str; 2] = ["--callback", "https://app.example/calls"];

#[tokio::test(flavor = "multi_thread")]
async fn calls_give_ids_to_record() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let create = ["call", "create", "8:acs:alice", "--output", "json"];
    let call = program.run(&[&create[..], &CALLBACK].concat()).json();
    let (connection, server) = (&call["call_connection_id"], &call["server_call_id"]);
    let (connection, server) = (connection.as_str().unwrap(), server.as_str().unwrap());
    assert_eq!(call["state"], "connected");
    program.run(&["start", "--server-call-id", server]).text();
    let shown = program.run(&["call", "get", connection]).text();
    assert!(
        shown.contains(server) && shown.ends_with("connected"),
        "{shown}"
    );
    let hang_up = ["call", "hang-up", connection, "--for-everyone"];
    assert_eq!(program.run(&hang_up).text(), "hung up");
    program.run(&["call", "get", connection]).failure(4);

    let answer = ["call", "answer", "--context-file", "-"];
    let answered = program.feed(&[&answer[..], &CALLBACK].concat(), "any context\n");
    assert!(answered.text().ends_with("connected"));
}

#[test]
fn the_emulator_runs_until_it_is_interrupted() {
    let program = Program::with_connection_string("");
    let mut child = spawn(&mut program.command(&["emulator", "--seed", "1"]));
    let mut ready = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["event"], "ready");
    let user = Program::with_connection_string(ready["connection_string"].as_str().unwrap());
    let create = ["call", "create", "8:acs:alice"];
    user.run(&[&create[..], &CALLBACK].concat()).text();
    interrupt(&child);
    assert!(child.wait().unwrap().success());
}
