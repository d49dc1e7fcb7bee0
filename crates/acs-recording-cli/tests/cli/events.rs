//! `events parse` and `events listen`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStderr, Command};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, LargeRecording, Operation};

use crate::program::{Program, Run, Running, event, interrupt, spawn};

/// A webhook that runs.
pub(crate) struct Listening {
    pub(crate) child: Running,
    err: BufReader<ChildStderr>,
    pub(crate) url: String,
}

impl Listening {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, err, url }
    }

    /// What it led to, when it ends.
    pub(crate) fn end(mut self, program: &Program) -> Run {
        let mut run = program.check(self.child.output());
        self.err.read_to_string(&mut run.err).unwrap();
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_lines() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(LargeRecording::new(10));
    let program = Program::with_connection_string("");
    let line = program.feed(&["events", "parse"], &event(&recording).to_string());
    let line = line.json();
    assert_eq!(line["recording_id"], "rid");
    assert_eq!(line["known"], true);
    assert!(line["data"]["recordingStorageInfo"].is_object());

    let several = format!("{}\n{}\n", event(&recording), event(&recording));
    let several = program.feed(&["events", "parse"], &several).text();
    assert_eq!(several.lines().count(), 2);
    // Printed events are events again.
    let again = program.feed(&["events", "parse"], &several).text();
    assert_eq!(again.matches("\"recordingStorageInfo\":").count(), 2);

    let mixed = program.feed(
        &["events", "parse", "-"],
        r#"[{"id": 1}, {"id": "2", "eventType": "x"}]"#,
    );
    assert_eq!(mixed.code, Some(2));
    assert_eq!(mixed.out.lines().count(), 1, "{mixed:?}");
    program.feed(&["events", "parse"], "no events").failure(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_checks_who_posts() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0"];
    let failure = program.run(&listen).failure(2);
    assert!(failure.contains("ACS_WEBHOOK_SECRET"), "{failure}");
    let mut command = program.command(&listen);
    let listening = Listening::start(command.env("ACS_WEBHOOK_SECRET", "0123456789abcdef"));
    acs.subscribe(&listening.url).await.unwrap_err();
    let url = format!("{}?code=0123456789abcdef", listening.url);
    acs.subscribe(&url).await.unwrap();
    interrupt(&listening.child);
    assert_eq!(listening.end(&program).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_deletes_what_it_has_downloaded() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(LargeRecording::new(100_000));
    let program = Program::new(&acs);
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--no-check",
        "--count",
        "1",
        "--download-to",
        "rec",
        "--delete-after",
    ];
    let listening = Listening::start(&mut program.command(&listen));
    let answer = post(&listening.url, &event(&recording).to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let run = listening.end(&program);
    assert!(run.err.contains("deleted from the service"), "{run:?}");
    assert_eq!(run.text().lines().count(), 3);
    let gone = [
        "download",
        recording.chunks()[0].content_location(),
        "-o",
        "x",
    ];
    program.run(&gone).failure(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_come_in_beside_each_other() {
    let acs = Emulator::start().await.unwrap();
    let slow = acs
        .faults()
        .add(Fault::on(Operation::Content).bytes_per_second(10_000));
    let recordings = [100_000, 100_000].map(|size| acs.add_recording(LargeRecording::new(size)));
    let program = Program::new(&acs);
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--no-check",
        "--count",
        "2",
        "--download-to",
        "rec",
    ];
    let listening = Listening::start(&mut program.command(&listen));
    let posts = recordings.each_ref().map(|recording| {
        let (url, mut event) = (listening.url.clone(), event(recording));
        event[0]["id"] = recording.chunks()[0].document_id().into();
        std::thread::spawn(move || post(&url, &event.to_string()))
    });
    let parts = recordings.each_ref().map(|recording| {
        let name = format!("rec/{}.000.wav.part", recording.chunks()[0].document_id());
        program.dir.path().join(name)
    });
    let until = Instant::now() + Duration::from_secs(20);
    while !parts.iter().all(|part| part.exists()) {
        assert!(Instant::now() < until, "they come one after the other");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    slow.remove();
    for answer in posts {
        let answer = answer.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(listening.end(&program).text().lines().count(), 6);
}

/// Posts as Event Grid does, and gives the answer.
pub(crate) fn post(url: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let address = address.split('/').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         connection: close\r\naeg-event-type: Notification\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
