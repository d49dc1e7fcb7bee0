//! `status --watch`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use acs_emulator::{Emulator, Fault, Operation};
use serde_json::Value;

use crate::program::{Program, interrupt, spawn, until};

fn lines(child: &mut Child) -> BufReader<ChildStdout> {
    BufReader::new(child.stdout.take().unwrap())
}

fn line(out: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_a_line_until_the_recording_ends() {
    let acs = Emulator::builder()
        .start_delay(Duration::ZERO)
        .start()
        .await
        .unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = ["start", "--server-call-id", call.server_call_id(), "--wait"];
    let id = program.run(&start).text();
    let watch = [
        "status",
        &id,
        "--watch",
        "--interval",
        "10ms",
        "--max-retries",
        "0",
    ];
    let mut child = spawn(&mut program.command(&watch));
    let mut out = lines(&mut child);
    let first = line(&mut out);
    assert_eq!(
        (&first["recording_id"], &first["state"]),
        (&id.clone().into(), &"active".into())
    );
    assert!(first["time"].is_string(), "{first}");
    program.run(&["pause", &id]).text();
    assert_eq!(line(&mut out)["state"], "inactive");
    // Failures for a moment do not end it.
    let fault = acs.faults().add(Fault::on(Operation::State).status(503));
    until("no request failed", || fault.hits() > 2);
    fault.remove();
    program.run(&["resume", &id]).text();
    assert_eq!(line(&mut out)["state"], "active");
    program.run(&["stop", &id]).text();
    assert_eq!(line(&mut out)["state"], "ended");
    let run = program.check(child.output());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.err.matches("trying again").count(), 1, "{run:?}");

    program.run(&watch).failure(4);
    let interval = program.run(&["status", &id, "--interval", "1s"]);
    assert_eq!(interval.code, Some(2), "{interval:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_ctrl_c() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let id = program
        .run(&["start", "--server-call-id", call.server_call_id()])
        .text();
    let mut child = spawn(&mut program.command(&["status", &id, "--watch", "--interval", "1h"]));
    line(&mut lines(&mut child));
    interrupt(&child);
    assert_eq!(program.check(child.output()).code, Some(0));
}
