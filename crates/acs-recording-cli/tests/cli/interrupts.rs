//! Ctrl-C and SIGTERM at any time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};

use crate::events::{Listening, post};
use crate::program::{Program, event, interrupt, spawn, terminate, until};

/// Starts a command that gets no response, interrupts it, and returns its error.
fn interrupted(acs: &Emulator, operation: Operation, arguments: &[&str]) -> String {
    let program = Program::new(acs);
    let fault = acs.faults().add(Fault::on(operation).never_respond());
    let child = spawn(&mut program.command(arguments));
    until("no request was sent", || fault.hits() > 0);
    interrupt(&child);
    fault.remove();
    program.check(child.output()).failure(130)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_request_has_an_accurate_hint() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let place = recording.chunks()[0].delete_location();
    let delete = interrupted(&acs, Operation::Delete, &["delete", place]);
    insta::assert_snapshot!(delete, @"error: interrupted; some content may have been deleted; run the same command again to delete the rest");
    let id = call.call_connection_id();
    let end = interrupted(&acs, Operation::HangUp, &["call", "hang-up", id]);
    insta::assert_snapshot!(end, @"error: interrupted; run `acs-recording call get` to see whether it took effect");
    let callback = ["--callback-url", "https://app.example/calls"];
    let create = [&["call", "create", "8:acs:bob"][..], &callback].concat();
    let create = interrupted(&acs, Operation::CreateCall, &create);
    insta::assert_snapshot!(create, @"error: interrupted; the call may have been created");
    let get = interrupted(&acs, Operation::GetCall, &["call", "get", id]);
    insta::assert_snapshot!(get, @"error: interrupted; nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_has_printed_the_recording_id() {
    let acs = Emulator::builder()
        .start_delay(Duration::from_secs(10 * 60))
        .start()
        .await
        .unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = ["start", "--server-call-id", call.server_call_id(), "--wait"];
    let mut child = spawn(&mut program.command(&start));
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    let id = line.split([' ', ',']).nth(1).unwrap().to_owned();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(program.run(&["stop", &id]).text(), "stopped", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_keeps_the_part_file_of_a_download() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(1_000_000));
    let slow = Fault::on(Operation::Content).bytes_per_second(10_000);
    let slow = acs.faults().add(slow);
    let program = Program::new(&acs);
    let place = recording.chunks()[0].content_location();
    // The part file of each download shows that it has begun.
    for (json, name) in [(false, "a.wav"), (true, "b.wav")] {
        let mut arguments = vec!["download", place, "-o", name];
        if json {
            arguments.extend(["--output", "json"]);
        }
        let child = spawn(&mut program.command(&arguments));
        let part = program.dir.path().join(format!("{name}.part"));
        let began = || std::fs::metadata(&part).is_ok_and(|part| part.len() > 0);
        until("no bytes were received", began);
        terminate(&child);
        let failure = program.check(child.output()).failure(143);
        if json {
            let failure: serde_json::Value = serde_json::from_str(&failure).unwrap();
            assert_eq!(failure["error"]["kind"], "interrupted");
            assert_eq!(failure["error"]["exit_code"], 143);
        } else {
            insta::assert_snapshot!(failure, @"error: terminated; the downloaded part is kept in a .part file; run the same command again to resume");
        }
        assert!(!program.dir.path().join(name).exists());
    }
    slow.remove();
    program.run(&["download", place, "-o", "a.wav"]).text();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_listener_and_an_emulator_with_143() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listening = Listening::start(&mut program.command(&listen));
    post(
        &listening.url,
        r#"[{"id": "1", "eventType": "x", "data": {}}]"#,
    );
    terminate(&listening.child);
    let run = listening.end(&program);
    assert_eq!(run.code, Some(143), "{run:?}");
    assert_eq!(run.err, "");
    assert_eq!(run.out.lines().count(), 1);

    for (end, code) in [(terminate as fn(&_), 143), (interrupt, 0)] {
        let mut child = spawn(&mut program.command(&[
            "emulator",
            "--http",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ]));
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        end(&child);
        let run = program.check(child.output());
        assert_eq!(run.code, Some(code), "{run:?}");
        assert_eq!(run.err, "");
    }
}

/// A pipe without a writer simulates a file that is slow to read.
#[test]
fn inspect_can_be_interrupted() {
    let program = Program::with_connection_string("");
    let pipe = program.dir.path().join("slow.wav");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let child = spawn(&mut program.command(&["inspect", "slow.wav"]));
    // This waits until the program opens the pipe, too.
    let _held = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    interrupt(&child);
    let run = program.check(child.output());
    insta::assert_snapshot!(run.failure(130), @"error: interrupted; nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_ends_while_a_request_is_open() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    for count in [&[][..], &["--count", "1"]] {
        let listening = Listening::start(&mut program.command(&[&listen, count].concat()));
        let address = listening.url.strip_prefix("http://").unwrap();
        let address = address.split('/').next().unwrap();
        let mut open = std::net::TcpStream::connect(address).unwrap();
        let head = "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: 9\r\n\r\n1");
        open.write_all(request.as_bytes()).unwrap();
        if count.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            interrupt(&listening.child);
        } else {
            post(
                &listening.url,
                r#"[{"id": "1", "eventType": "x", "data": {}}]"#,
            );
        }
        let begun = Instant::now();
        assert_eq!(listening.end(&program).code, Some(0));
        assert!(begun.elapsed() < Duration::from_secs(6), "{begun:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_reports_and_resumes_pending_recordings() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(1_000_000));
    let slow = Fault::on(Operation::Content).bytes_per_second(10_000);
    let slow = acs.faults().add(slow);
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listen = [&listen[..], &["--download-to", "rec"]].concat();
    let listening = Listening::start(&mut program.command(&listen));
    // The test does not wait for the download.
    let answer = post(&listening.url, &event(&recording).to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let name = format!("rec/{}.000.wav", recording.chunks()[0].document_id());
    let part = program.dir.path().join(format!("{name}.part"));
    until("no bytes were received", || part.exists());
    let begun = Instant::now();
    interrupt(&listening.child);
    let run = listening.end(&program);
    assert!(begun.elapsed() < Duration::from_secs(6), "{begun:?}");
    let note = "1 recording is left in rec/.spool; the next start resumes";
    assert!(run.err.contains(note), "{run:?}");
    assert_eq!(run.text().lines().count(), 1);

    slow.remove();
    let again = [&listen[..], &["--count", "1"]].concat();
    let run = program.run(&again);
    assert!(
        run.err.contains("1 recording is left from an earlier run"),
        "{run:?}"
    );
    // The event is not delivered again.
    assert_eq!(run.text().lines().count(), 2);
    assert_eq!(
        program.read(&name).len() as u64,
        recording.chunks()[0].len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_download_is_retried_and_reported() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100));
    let denied = Fault::on(Operation::Content).status(403);
    let denied = acs.faults().add(denied);
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listen = [&listen[..], &["--download-to", "rec"]].concat();
    let mut listening = Listening::start(&mut program.command(&listen));
    let answer = post(&listening.url, &event(&recording).to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = listening.line();
    assert!(line.starts_with("error: event e1: "), "{line}");
    assert!(line.contains("; retrying in "), "{line}");
    denied.remove();
    interrupt(&listening.child);
    assert_eq!(listening.end(&program).code, Some(0));
}
