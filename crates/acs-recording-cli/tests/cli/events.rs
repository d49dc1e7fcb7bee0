//! `events parse` and `events listen`.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStderr, Command};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};

use crate::program::{Program, Run, Running, event, interrupt, spawn, until};

pub(crate) const SECRET: &str = "0123456789abcdef";

/// A running webhook.
pub(crate) struct Listening {
    pub(crate) child: Running,
    err: BufReader<ChildStderr>,
    pub(crate) url: String,
}

impl Listening {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let err = BufReader::new(child.stderr.take().unwrap());
        let url = String::new();
        let mut listening = Self { child, err, url };
        let line = listening.line();
        let url = line.trim().strip_prefix("listening on ");
        url.unwrap_or_else(|| panic!("{line}"))
            .clone_into(&mut listening.url);
        listening
    }

    /// The next line on standard error.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.err.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn with_secret(&self) -> String {
        format!("{}?code={SECRET}", self.url)
    }

    /// Interrupts it, and returns its result.
    pub(crate) fn end(mut self, program: &Program) -> Run {
        let mut run = program.check(self.child.output());
        self.err.read_to_string(&mut run.err).unwrap();
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_printed_as_lines() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
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
async fn a_webhook_authenticates_deliveries() {
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

#[test]
fn a_webhook_accepts_its_secret_in_a_header() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--secret-header"];
    let failure = program.run(&[&listen[..], &["x-key"]].concat()).failure(2);
    assert!(failure.contains("ACS_WEBHOOK_SECRET"), "{failure}");
    let mut command = program.command(&[&listen[..], &["x-key"]].concat());
    let listening = Listening::start(command.env("ACS_WEBHOOK_SECRET", SECRET));
    let body = r#"[{"id": "1", "topic": "/t", "eventType": "Contoso.Test"}]"#;
    let json = "content-type: application/json\r\n";
    let refused = post(&listening.with_secret(), body);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let headers = format!("{json}x-key: {SECRET}\r\n");
    let accepted = post_as(&listening.url, "", &headers, body).unwrap();
    assert!(accepted.starts_with("HTTP/1.1 200"), "{accepted}");
    interrupt(&listening.child);
    let run = listening.end(&program);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.text().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_deletes_after_downloading() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100_000));
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--count", "1"];
    let listen = [&listen[..], &["--download-to", "rec", "--delete-after"]].concat();
    let mut command = program.command(&listen);
    let listening = Listening::start(command.env("ACS_WEBHOOK_SECRET", SECRET));
    let answer = post(&listening.with_secret(), &event(&recording).to_string());
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

/// Only authenticated events may cause a deletion.
#[test]
fn delete_after_requires_authentication() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listen = [&listen[..], &["--download-to", "rec", "--delete-after"]].concat();
    let run = program.run(&listen);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("--delete-after"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_only_local_requests_are_accepted() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listening = Listening::start(&mut program.command(&listen));
    let body = r#"[{"id": "1", "eventType": "x", "data": {}}]"#;
    let json = "content-type: application/json\r\n";
    for (host, headers, status) in [
        ("evil.example", json, 403),
        ("", &format!("{json}origin: https://evil.example\r\n"), 403),
        ("", &format!("{json}sec-fetch-site: cross-site\r\n"), 403),
        ("", "", 415),
        ("", "content-type: text/plain\r\n", 415),
        ("", json, 200),
    ] {
        let answer = post_as(&listening.url, host, headers, body).unwrap();
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{host} {headers}: {answer}");
    }
    interrupt(&listening.child);
    let run = listening.end(&program);
    assert!(run.err.contains("web pages of other origins"), "{run:?}");
    assert_eq!(run.text().lines().count(), 1);
}

/// Recordings in the customer's own storage, or without files, are reported once and never
/// requested again.
#[tokio::test(flavor = "multi_thread")]
async fn events_without_content_are_skipped_once() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100));
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listen = [&listen[..], &["--count", "2", "--download-to", "rec"]].concat();
    let listening = Listening::start(&mut program.command(&listen));
    let mut none = event(&recording);
    none[0]["id"] = "none".into();
    none[0]["data"]["recordingStorageInfo"]["recordingChunks"] = serde_json::json!([]);
    let own = event(&recording).to_string();
    let own = own.replace(
        acs.endpoint().trim_end_matches('/'),
        "https://own.blob.core.windows.net",
    );
    let mut own: serde_json::Value = serde_json::from_str(&own).unwrap();
    own[0]["id"] = "own".into();
    own[0]["data"]["storageType"] = "AzureBlob".into();
    let answer = post(&listening.url, &none.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until("it is not recorded", || {
        program
            .dir
            .path()
            .join("rec/.spool/noted")
            .read_dir()
            .unwrap()
            .count()
            == 2
    });
    for event in [&none, &own] {
        let answer = post(&listening.url, &event.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let run = listening.end(&program);
    assert_eq!(
        run.err.matches("announces no content").count(),
        1,
        "{run:?}"
    );
    assert_eq!(run.err.matches("skipped: ").count(), 2, "{run:?}");
    assert!(!run.err.contains("error"), "{run:?}");
    assert!(!run.err.contains("--allow-content-host"), "{run:?}");
    assert_eq!(run.text().lines().count(), 2);
}

#[tokio::test]
async fn a_skipped_recording_is_a_line_of_json() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100));
    let program = Program::new(&acs);
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--allow-unauthenticated",
        "--count",
    ];
    let listen = [
        &listen[..],
        &["1", "--download-to", "rec", "--output", "json"],
    ]
    .concat();
    let listening = Listening::start(&mut program.command(&listen));
    let mut none = event(&recording);
    none[0]["data"]["recordingStorageInfo"]["recordingChunks"] = serde_json::json!([]);
    let answer = post(&listening.url, &none.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let run = listening.end(&program);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<serde_json::Value> = run
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [event, skipped] = &lines[..] else {
        panic!("{run:?}");
    };
    assert_eq!(event["id"], none[0]["id"]);
    assert_eq!(skipped["skipped"], "nothing-to-download");
    assert!(skipped.get("recording_id").is_some(), "{skipped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_events_are_kept() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let body = r#"[{"id": "1"}, {"id": "2", "eventType": "x", "data": {}}]"#;
    for (spool, count) in [(&[][..], 0), (&["--download-to", "rec"][..], 1)] {
        let listen = [&listen[..], spool].concat();
        let listening = Listening::start(&mut program.command(&listen));
        let answer = post(&listening.url, body);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        interrupt(&listening.child);
        let run = listening.end(&program);
        assert_eq!(run.err.contains(r#"{"id": "1"}"#), count == 0, "{run:?}");
        assert!(run.err.contains("event 0 cannot be read"), "{run:?}");
        assert_eq!(run.text().lines().count(), 1);
        let kept = program.dir.path().join("rec/.spool/unreadable");
        assert_eq!(kept.read_dir().map_or(0, Iterator::count), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_belongs_to_one_listener() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let listen = [&listen[..], &["--download-to", "rec", "--spool", "s"]].concat();
    let first = Listening::start(&mut program.command(&listen));
    let failure = program.run(&listen).failure(1);
    assert!(
        failure.contains("another process uses the spool s"),
        "{failure}"
    );
    interrupt(&first.child);
    assert_eq!(first.end(&program).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_downloaded_concurrently() {
    let acs = Emulator::start().await.unwrap();
    let slow = acs
        .faults()
        .add(Fault::on(Operation::Content).bytes_per_second(10_000));
    let recordings =
        [100_000, 100_000].map(|size| acs.add_recording(SyntheticRecording::new(size)));
    let program = Program::new(&acs);
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--allow-unauthenticated",
        "--count",
        "2",
        "--download-to",
        "rec",
    ];
    let listening = Listening::start(&mut program.command(&listen));
    let posts = recordings.each_ref().map(|recording| {
        let (url, mut event) = (listening.url.clone(), event(recording));
        event[0]["id"] = recording.chunks()[0].document_id().into();
        event[0]["subject"] = format!("/recording/recordingId/{}", recording.recording_id()).into();
        std::thread::spawn(move || post(&url, &event.to_string()))
    });
    let parts = recordings.each_ref().map(|recording| {
        let name = format!("rec/{}.000.wav.part", recording.chunks()[0].document_id());
        program.dir.path().join(name)
    });
    let until = Instant::now() + Duration::from_secs(20);
    while !parts.iter().all(|part| part.exists()) {
        assert!(
            Instant::now() < until,
            "they are downloaded one after the other"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    slow.remove();
    for answer in posts {
        let answer = answer.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(listening.end(&program).text().lines().count(), 6);
}

/// Posts like Event Grid, and returns the response.
pub(crate) fn post(url: &str, body: &str) -> String {
    try_post(url, body).unwrap()
}

/// Like [`post`], but the server may have ended.
pub(crate) fn try_post(url: &str, body: &str) -> io::Result<String> {
    let headers = "content-type: application/json\r\naeg-event-type: Notification\r\n";
    post_as(url, "", headers, body)
}

/// Posts with these headers, and with a `Host` header that can differ from the URL.
fn post_as(url: &str, host: &str, headers: &str, body: &str) -> io::Result<String> {
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap();
    let mut stream = std::net::TcpStream::connect(address)?;
    let host = if host.is_empty() { address } else { host };
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
