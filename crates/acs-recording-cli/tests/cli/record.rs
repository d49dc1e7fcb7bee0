//! `record`: from the start to files.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStderr, Command};
use std::time::Duration;

use acs_emulator::{Emulator, Fault, Operation};
use serde_json::Value;

use crate::program::{Program, Run, Running, interrupt, spawn, until};

/// A running `record`.
struct Recording {
    child: Running,
    err: BufReader<ChildStderr>,
    webhook: String,
}

impl Recording {
    fn start(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let err = BufReader::new(child.stderr.take().unwrap());
        let webhook = String::new();
        let mut recording = Self {
            child,
            err,
            webhook,
        };
        let line = recording.line();
        let url = line.trim().strip_prefix("listening on ");
        url.unwrap_or_else(|| panic!("{line}"))
            .clone_into(&mut recording.webhook);
        recording
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.err.read_line(&mut line).unwrap();
        line
    }

    /// The id of the recording, which is printed at once.
    fn id(&mut self) -> String {
        let line = self.line();
        let id = line.trim().strip_prefix("recording ");
        id.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    fn end(mut self, program: &Program) -> Run {
        let mut run = program.check(self.child.output());
        self.err.read_to_string(&mut run.err).unwrap();
        run
    }
}

/// Records a new call until something ends it.
async fn record(acs: &Emulator, program: &Program, options: &[&str]) -> (Recording, String) {
    let call = acs.call(["alice"]).await;
    let call_id = ["--server-call-id", call.server_call_id()];
    let mut recording = Recording::start(&mut command(program, &[&call_id, options].concat()));
    let id = recording.id();
    (recording, id)
}

async fn emulator() -> Emulator {
    let builder = Emulator::builder()
        .start_delay(Duration::ZERO)
        .event_delay(Duration::ZERO);
    builder.start().await.unwrap()
}

fn command(program: &Program, arguments: &[&str]) -> Command {
    let record = [
        "record",
        "--dir",
        "rec",
        "--port",
        "0",
        "--allow-unauthenticated",
    ];
    let quick = ["--interval", "20ms", "--media", "wav"];
    program.command(&[&record[..], &quick, arguments].concat())
}

fn steps(program: &Program) -> Vec<Value> {
    let text = String::from_utf8(program.read("rec/recordings.jsonl")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_a_recording_and_saves_it() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let mut recording = Recording::start(&mut command(
        &program,
        &[
            "--server-call-id",
            call.server_call_id(),
            "--output",
            "json",
        ],
    ));
    acs.subscribe(&recording.webhook).await.unwrap();
    let id = recording.id();
    until("the id is not on disk", || steps(&program).len() > 1);
    let started = &steps(&program)[1];
    assert_eq!(
        (&started["step"], &started["recording_id"]),
        (&"started".into(), &id.clone().into())
    );
    until("it is not active", || {
        program.run(&["status", &id]).text() == "active"
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    interrupt(&recording.child);
    let run = recording.end(&program);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.err
            .contains(&format!("record --resume {id} --dir 'rec'")),
        "{run:?}"
    );
    let lines: Vec<Value> = run
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [started, stopped, saved] = &lines[..] else {
        panic!("{run:?}");
    };
    assert_eq!(
        (&started["step"], &stopped["step"]),
        (&"started".into(), &"stopped".into())
    );
    assert_eq!(saved["complete"], true);
    let manifest = saved["manifest"].as_str().unwrap();
    let media = saved["chunks"][0]["media"]["path"].as_str().unwrap();
    assert!(program.read(media).starts_with(b"RIFF"));
    assert!(program.read(manifest).starts_with(b"{"));
    let names: Vec<_> = steps(&program)
        .iter()
        .map(|step| step["step"].clone())
        .collect();
    assert_eq!(names, ["starting", "started", "stopped", "saved"]);

    // Continuing with it finds that it is saved.
    let again = command(&program, &["--resume", &id]).output().unwrap();
    let again = program.check(again);
    assert!(again.err.contains("saved before"), "{again:?}");
    assert_eq!(again.text(), manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_call_or_a_duration_ends_a_recording() {
    let acs = emulator().await;
    let program = Program::new(&acs);
    for by_duration in [false, true] {
        let call = acs.call(["alice"]).await;
        let id = ["--server-call-id", call.server_call_id()];
        let duration = if by_duration {
            &["--duration", "300ms"][..]
        } else {
            &[]
        };
        let mut recording = Recording::start(&mut command(&program, &[&id, duration].concat()));
        acs.subscribe(&recording.webhook).await.unwrap();
        let id = recording.id();
        if !by_duration {
            until("it is not active", || {
                program.run(&["status", &id]).text() == "active"
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            call.hang_up();
        }
        let run = recording.end(&program);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.out.lines().count(), 2, "{run:?}");
        assert!(run.out.contains(".000.wav"), "{run:?}");
    }
}

/// The event arrives at another run than the one that started the recording.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_continued_after_a_crash() {
    let acs = emulator().await;
    let program = Program::new(&acs);
    let (mut recording, id) = record(&acs, &program, &[]).await;
    until("it is not active", || {
        program.run(&["status", &id]).text() == "active"
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    recording.child.kill().unwrap();
    drop(recording);
    let resumed = Recording::start(&mut command(&program, &["--resume", &id]));
    acs.subscribe(&resumed.webhook).await.unwrap();
    interrupt(&resumed.child);
    let run = resumed.end(&program);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains(".000.wav"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_leaves_with_a_hint() {
    let acs = emulator().await;
    let program = Program::new(&acs);
    let (mut recording, id) = record(&acs, &program, &[]).await;
    interrupt(&recording.child);
    // Nobody announces the files.
    while !recording.line().contains("waiting for the files") {}
    interrupt(&recording.child);
    let run = recording.end(&program);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.err.contains("record --resume RECORDING_ID"), "{run:?}");
    // It is stopped all the same.
    program.run(&["status", &id]).failure(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_announced_are_a_failure_that_says_how_to_continue() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let call_id = [
        "--server-call-id",
        call.server_call_id(),
        "--duration",
        "50ms",
    ];
    let arguments = [&call_id[..], &["--timeout", "100ms"]].concat();
    let mut recording = Recording::start(&mut command(&program, &arguments));
    let id = recording.id();
    let run = recording.end(&program);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("were not announced within"), "{run:?}");
    assert!(
        run.err
            .contains(&format!("record --resume {id} --dir 'rec'")),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_a_recording_while_its_state_cannot_be_seen() {
    let acs = emulator().await;
    let program = Program::new(&acs);
    let silent = acs
        .faults()
        .add(Fault::on(Operation::State).never_respond());
    let (recording, _) = record(&acs, &program, &[]).await;
    acs.subscribe(&recording.webhook).await.unwrap();
    until("no request was sent", || silent.hits() > 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    interrupt(&recording.child);
    let run = recording.end(&program);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains(".000.wav"), "{run:?}");
}

/// The response to the start is lost. The id can still be found out.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_response_can_be_repeated() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    acs.faults()
        .add(Fault::on(Operation::Start).never_respond());
    let id = ["--server-call-id", call.server_call_id()];
    let brief = ["--operation-timeout", "200ms"];
    let recording = Recording::start(&mut command(&program, &[&id[..], &brief].concat()));
    let run = recording.end(&program);
    assert_eq!(run.code, Some(5), "{run:?}");
    let starting = steps(&program).remove(0);
    assert_eq!(starting["step"], "starting");
    let repeat = starting["repeatability_id"].as_str().unwrap();
    let first_sent = starting["first_sent"].as_str().unwrap();
    let hint = format!("--repeatability-id {repeat} --first-sent {first_sent}");
    assert!(run.err.contains(&hint), "{run:?}");
    let options = [
        "start",
        "--repeatability-id",
        repeat,
        "--first-sent",
        first_sent,
    ];
    acs.faults().clear();
    program.run(&[&options[..], &id].concat()).text();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_started_that_cannot_be_saved() {
    let acs = emulator().await;
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let starts = acs.faults().add(Fault::on(Operation::Start).status(500));
    let record = ["record", "--server-call-id", call.server_call_id(), "--dir"];
    let failure = program.run(&[&record[..], &["rec"]].concat()).failure(2);
    assert!(failure.contains("ACS_WEBHOOK_SECRET"), "{failure}");
    program.write("file", b"");
    let local = ["--allow-unauthenticated", "--port", "0"];
    program
        .run(&[&record[..], &["file"], &local].concat())
        .failure(1);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let taken = ["rec", "--allow-unauthenticated", "--port", &port];
    let failure = program.run(&[&record[..], &taken].concat()).failure(2);
    assert!(failure.contains("cannot listen"), "{failure}");
    let none = ["record", "--dir", "rec", "--allow-unauthenticated"];
    let failure = program.run(&none);
    assert_eq!(failure.code, Some(2), "{failure:?}");
    assert!(failure.err.contains("--resume"), "{failure:?}");
    assert_eq!(starts.hits(), 0);
}
