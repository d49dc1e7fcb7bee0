//! `start`, `status`, `pause`, `resume`, `stop`, `wait`, and how failures look.

use acs_emulator::{Emulator, Fault, Operation};

use crate::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_controlled() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice", "bob"]).await;
    let program = Program::new(&acs);
    let id = program
        .run(&["start", "--server-call-id", call.server_call_id(), "--wait"])
        .text();
    assert_eq!(program.run(&["status", &id]).text(), "active");
    assert_eq!(program.run(&["pause", &id]).text(), "paused");
    let wait = ["wait", &id, "--until", "inactive", "--interval", "10ms"];
    assert_eq!(program.run(&wait).text(), "inactive");
    let wait = ["wait", &id, "--timeout", "50ms", "--interval", "10ms"];
    assert!(program.run(&wait).failure(5).contains("still inactive"));
    assert_eq!(program.run(&["resume", &id]).text(), "resumed");
    let status = program.run(&["status", &id, "--output", "json"]).json();
    assert_eq!(status["state"], "active");
    assert_eq!(status["recording_id"], id);
    let stopped = program.run(&["stop", &id, "--output", "json"]).json();
    assert_eq!(stopped["already_ended"], false);
    // Stopping an ended recording succeeds with a note.
    let again = program.run(&["stop", &id]);
    assert!(
        again.err.starts_with("note: ") && again.err.contains("it has already ended"),
        "{again:?}"
    );
    assert_eq!(again.text(), "stopped");
    let again = program.run(&["stop", &id, "--output", "json"]).json();
    assert_eq!(
        (&again["done"], &again["already_ended"]),
        (&"stopped".into(), &true.into())
    );
    let failure = program.run(&["status", &id]).failure(4);
    assert!(
        failure.starts_with("error: get recording properties:"),
        "{failure}"
    );
    let failure = program.run(&["status", &id, "--output", "json"]).failure(4);
    let failure: serde_json::Value = serde_json::from_str(&failure).unwrap();
    assert_eq!(failure["error"]["kind"], "not-found");
    assert_eq!(failure["error"]["exit_code"], 4);
    let detailed = program.run(&["status", &id, "--verbose"]);
    assert!(detailed.err.contains("\n  code: 8522"), "{detailed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_start_is_the_same_start() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = [
        "start",
        "--call-connection-id",
        call.call_connection_id(),
        "--repeatability-id",
        "0b1a9ac5-0f8b-4d5e-9d0e-8a6a2f0c7d11",
        "--first-sent",
        "2026-03-12T09:30:00Z",
        "--output",
        "json",
    ];
    let started = program.run(&start).json();
    assert_eq!(started["outcome_pending"], true);
    let again = program.run(&start).json();
    assert_eq!(again["recording_id"], started["recording_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_exit_codes() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let none = Program::with_connection_string("");
    insta::assert_snapshot!(none.run(&["status", "rid"]).failure(2), @"error: no resource is given; set ACS_CONNECTION_STRING, pass --connection-string-file FILE, or set ACS_ENDPOINT to use Microsoft Entra ID");
    let bad = Program::with_connection_string("endpoint=x;accesskey=c2VjcmV0");
    let failure = bad.run(&["status", "rid"]).failure(2);
    assert!(failure.contains("portal"), "{failure}");
    let call = acs.call(["alice"]).await;
    let start = ["start", "--server-call-id", call.server_call_id()];
    let channel = [&start[..], &["--channel", "0=8:acs:x"]].concat();
    assert!(program.run(&channel).failure(2).contains("--media unmixed"));
    assert_eq!(program.run(&["start"]).code, Some(2));
    assert_eq!(program.run(&["nonsense"]).code, Some(2));

    let other = format!(
        "endpoint={}/;accesskey=YmFzZTY0a2V5YmFzZTY0a2V5",
        acs.endpoint()
    );
    let stranger = Program::with_connection_string(&other);
    assert!(stranger.run(&start).failure(3).contains("401"));
    let unreachable =
        Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    unreachable
        .run(&["status", "rid", "--max-retries", "0"])
        .failure(5);

    let fault = acs.faults().add(Fault::on(Operation::Start).status(503));
    let once = [&start[..], &["--max-retries", "0"]].concat();
    program.run(&once).failure(7);
    assert_eq!(fault.hits(), 1);
    fault.remove();
    acs.faults()
        .add(Fault::on(Operation::Start).never_respond());
    let briefly = [&start[..], &["--operation-timeout", "100ms"]].concat();
    program.run(&briefly).failure(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_string_can_be_in_a_file() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::with_connection_string("");
    program.write(
        "acs.txt",
        format!("{}\n", acs.connection_string()).as_bytes(),
    );
    let file = ["--connection-string-file", "acs.txt"];
    let start = ["start", "--server-call-id", call.server_call_id()];
    program.run(&[&file[..], &start[..]].concat()).text();
    let missing = ["--connection-string-file", "no.txt", "status", "rid"];
    assert!(program.run(&missing).failure(1).contains("no.txt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_authorities_of_the_environment_are_trusted() {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let acs = Emulator::builder()
        .https(any)
        .without_http()
        .start()
        .await
        .unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = [
        "start",
        "--server-call-id",
        call.server_call_id(),
        "--max-retries",
        "0",
    ];
    program.run(&start).failure(5);
    program.write("ca.pem", acs.ca_certificate().unwrap().as_bytes());
    let mut trusting = program.command(&start);
    let output = trusting.env("SSL_CERT_FILE", "ca.pem").output().unwrap();
    program.check(output).text();
}

/// A program whose resource gives this response to every request.
fn with_response(status: &str, content_type: &str, body: &str) -> Program {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    break;
                }
            }
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    Program::with_connection_string(&format!("endpoint=http://{address}/;accesskey=YWJj"))
}

#[test]
fn hints_depend_on_status_and_code() {
    let missing = r#"{"error": {"code": "8522", "message": "Missing configuration."}}"#;
    let program = with_response("405 Method Not Allowed", "application/json", missing);
    for command in ["status", "stop", "pause"] {
        let failure = program.run(&[command, "rid"]).failure(1);
        assert!(
            failure.contains("405, code 8522: Missing configuration"),
            "{failure}"
        );
        assert!(failure.contains("configured"), "{failure}");
        assert!(
            !failure.contains("over") && !failure.contains("stopped"),
            "{failure}"
        );
    }
    let html = "<!DOCTYPE html><html><title>Not Found</title></html>";
    let gateway = with_response("404 Not Found", "text/html", html);
    for command in ["status", "stop"] {
        let failure = gateway.run(&[command, "rid"]).failure(4);
        assert!(
            failure.contains("a gateway or proxy responded with 404"),
            "{failure}"
        );
        assert!(!failure.contains("over"), "{failure}");
    }
    let gateway = with_response("401 Unauthorized", "text/html", html);
    let failure = gateway.run(&["status", "rid"]).failure(3);
    assert!(!failure.contains("key"), "{failure}");
}

/// Error responses of the service, with the request id at the end.
#[test]
fn json_errors_separate_message_and_hint() {
    let over = r#"{"error": {"code": "8522", "message": "Recording not found."}}"#;
    let program = with_response("404 Not Found", "application/json", over);
    let failure = program.run(&["status", "rid"]).failure(4);
    assert!(
        failure.contains("Recording not found; it was stopped"),
        "{failure}"
    );
    assert!(
        failure.ends_with(']') && failure.contains(" [request "),
        "{failure}"
    );
    let failure = program
        .run(&["status", "rid", "--output", "json"])
        .failure(4);
    let failure: serde_json::Value = serde_json::from_str(&failure).unwrap();
    let (message, advice) = (&failure["error"]["message"], &failure["error"]["hint"]);
    assert!(
        !message.as_str().unwrap().contains("it was stopped"),
        "{message}"
    );
    assert!(
        advice.as_str().unwrap().starts_with("it was stopped"),
        "{advice}"
    );
}
