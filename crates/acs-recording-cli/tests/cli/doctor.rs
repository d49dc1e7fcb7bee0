//! `doctor`.

use std::io::{Read as _, Write as _};

use acs_emulator::{Emulator, Fault, Operation};
use jiff::SignedDuration;
use serde_json::Value;

use crate::events::{Listening, SECRET};
use crate::program::{Program, Run, interrupt};

/// The status of each check, and what is said about it.
fn checks(run: &Run) -> Vec<(String, String, String)> {
    let lines = run.out.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .map(|line| {
            let said = format!("{} {}", text(&line["message"]), text(&line["hint"]));
            (text(&line["check"]), text(&line["status"]), said)
        })
        .collect()
}

#[track_caller]
fn check(run: &Run, name: &str, status: &str) -> String {
    let checks = checks(run);
    let found = checks.iter().find(|(check, ..)| check == name);
    let (_, found, said) = found.unwrap_or_else(|| panic!("{checks:?}"));
    assert_eq!(found, status, "{name}: {checks:?}");
    said.clone()
}

fn doctor(program: &Program, options: &[&str]) -> Run {
    program.run(&[&["doctor", "--output", "json"][..], options].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_with_the_emulator() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let run = doctor(&program, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let names: Vec<_> = checks(&run).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(
        names,
        ["config", "proxy", "dns", "tcp", "tls", "clock", "key"]
    );
    assert!(
        checks(&run).iter().all(|(_, status, _)| status == "ok"),
        "{run:?}"
    );
    let text = program.run(&["doctor"]).text();
    assert!(text.lines().all(|line| line.starts_with("✓ ")), "{text}");
    assert!(
        text.contains("from ACS_CONNECTION_STRING, with an access key"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_a_wrong_clock_are_found() {
    let acs = Emulator::start().await.unwrap();
    let other = format!(
        "endpoint={}/;accesskey=YmFzZTY0a2V5YmFzZTY0a2V5",
        acs.endpoint()
    );
    let run = doctor(&Program::with_connection_string(&other), &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        check(&run, "key", "failed").contains("page \"Keys\""),
        "{run:?}"
    );
    assert!(run.err.contains("1 check failed"), "{run:?}");

    let late = Emulator::builder().server_time_offset(SignedDuration::from_hours(1));
    let late = late.start().await.unwrap();
    let run = doctor(&Program::new(&late), &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(check(&run, "key", "failed").contains("NTP"), "{run:?}");

    let hour = std::time::Duration::from_secs(60 * 60);
    for (date, said) in [
        (
            std::time::SystemTime::now() + hour,
            "behind that of the service",
        ),
        (
            std::time::SystemTime::now() - hour,
            "ahead of that of the service",
        ),
    ] {
        let address = respond_at(date);
        let at = format!("endpoint=http://{address}/;accesskey=YWJj");
        let run = doctor(&Program::with_connection_string(&at), &[]);
        let clock = check(&run, "clock", "failed");
        assert!(clock.contains(said) && clock.contains("NTP"), "{clock}");
    }

    acs.faults().add(Fault::on(Operation::State).status(403));
    let run = doctor(&Program::new(&acs), &[]);
    check(&run, "key", "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_checks_are_skipped_if_an_earlier_one_fails() {
    let none = Program::with_connection_string("");
    let run = doctor(&none, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(checks(&run).len(), 1);
    assert!(check(&run, "config", "failed").contains("ACS_CONNECTION_STRING"));

    let unreachable =
        Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    let run = doctor(&unreachable, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(check(&run, "tcp", "failed").contains("check that the program runs"));
    check(&run, "tls", "skipped");
    check(&run, "key", "skipped");

    let nowhere = "endpoint=https://nowhere.invalid/;accesskey=YWJj";
    let run = doctor(&Program::with_connection_string(nowhere), &[]);
    assert!(check(&run, "dns", "failed").contains("nowhere.invalid"));
    check(&run, "tcp", "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_described_whether_or_not_it_is_trusted() {
    let builder = Emulator::builder().https(([127, 0, 0, 1], 0).into());
    let acs = builder.without_http().start().await.unwrap();
    let program = Program::new(&acs);
    let run = doctor(&program, &[]);
    let tls = check(&run, "tls", "failed");
    assert!(
        tls.contains("issued by ") && tls.contains("--ca-cert"),
        "{tls}"
    );
    check(&run, "key", "skipped");
    program.write("ca.pem", acs.ca_certificate().unwrap().as_bytes());
    let run = doctor(&program, &["--ca-cert", "ca.pem"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let trusted = checks(&run)
        .into_iter()
        .find(|(name, ..)| name == "tls")
        .unwrap();
    assert!(trusted.2.contains("is trusted"), "{run:?}");
    check(&run, "key", "ok");
}

#[test]
fn a_proxy_is_shown_without_its_password() {
    let program =
        Program::with_connection_string("endpoint=https://nowhere.invalid/;accesskey=YWJj");
    let mut command = program.command(&["doctor", "--output", "json"]);
    command.env("HTTPS_PROXY", "http://user:s3cret@127.0.0.1:1");
    let run = program.check(command.output().unwrap());
    let proxy = check(&run, "proxy", "ok");
    assert!(
        proxy.contains("http://127.0.0.1:1 (HTTPS_PROXY)"),
        "{proxy}"
    );
    check(&run, "dns", "skipped");
    check(&run, "tls", "failed");
    assert!(
        !run.out.contains("s3cret") && !run.err.contains("s3cret"),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_entra_credential_is_found() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::with_connection_string("");
    let entra = ["--endpoint", acs.endpoint(), "--credential", "environment"];
    let run = doctor(&program, &entra);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(check(&run, "config", "ok").contains("with Microsoft Entra ID"));
    assert!(check(&run, "token", "failed").contains("AZURE_TENANT_ID"));
    check(&run, "role", "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_validated() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let mut command = program.command(&["events", "listen", "--port", "0"]);
    let listening = Listening::start(command.env("ACS_WEBHOOK_SECRET", SECRET));
    let url = listening.with_secret();
    for schema in ["event-grid", "cloud-events"] {
        let run = doctor(&program, &["--webhook", &url, "--webhook-schema", schema]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let webhook = check(&run, "webhook", "warning");
        assert!(
            webhook.contains(schema) && webhook.contains("tunnel"),
            "{webhook}"
        );
        assert!(!run.out.contains(SECRET), "{run:?}");
    }
    let run = doctor(&program, &["--webhook", &listening.url]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(check(&run, "webhook", "failed").contains("401"));
    interrupt(&listening.child);
    listening.end(&program);
}

/// A server whose clock shows this time.
fn respond_at(time: std::time::SystemTime) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let date = httpdate::fmt_http_date(time);
    let response = format!(
        "HTTP/1.1 404 Not Found\r\ndate: {date}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    address
}

#[test]
fn a_queue_is_checked() {
    let program = Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    let run = doctor(&program, &["--event-queue", "recordings"]);
    assert!(check(&run, "queue", "failed").contains("ACS_QUEUE_CONNECTION_STRING"));
    let closed = "http://127.0.0.1:1/devstoreaccount1/recordings?sv=1&sp=r&sig=s3cret";
    let run = doctor(&program, &["--event-queue", closed]);
    check(&run, "queue", "failed");
    assert!(!run.out.contains("s3cret"), "{run:?}");
}
