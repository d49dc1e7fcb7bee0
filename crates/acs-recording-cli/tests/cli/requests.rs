//! The requests that are sent, and their credentials.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use acs_emulator::Emulator;
use serde_json::{Value, json};

use crate::program::{Program, Run};

/// A received request.
struct Request {
    /// The request line and headers.
    head: String,
    body: Vec<u8>,
}

impl Request {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Receives one request, responds to it, and returns it with the result of the program.
fn received(response: &str, run: impl FnOnce(&str) -> Run) -> (Request, Run) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{response}",
        response.len()
    );
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        reader.get_mut().write_all(response.as_bytes()).unwrap();
        Request { head, body }
    });
    let run = run(&address);
    // Ends the wait for a request if the program sent none.
    let _ = std::net::TcpStream::connect(address.trim_start_matches("http://"));
    let request = server.join().unwrap_or_else(|_| panic!("{run:?}"));
    (request, run)
}

/// A start with these options.
fn start(options: &[&str]) -> Request {
    let response = r#"{"recordingId": "rid", "recordingState": "active"}"#;
    let (request, run) = received(response, |address| {
        let resource = format!("endpoint={address}/;accesskey=YWJj");
        let program = Program::with_connection_string(&resource);
        program.run(&[&["start"], options].concat())
    });
    assert_eq!(run.text(), "rid");
    request
}

#[test]
fn a_start_sends_all_its_options() {
    let request = start(&[
        "--server-call-id",
        "abc",
        "--media",
        "unmixed",
        "--channel",
        "1=8:acs:alice",
        "--channel-order",
        "8:acs:bob",
        "--channel",
        "3=+14255550123",
        "--paused",
        "--state-callback-url",
        "https://app.example/state",
        "--storage-container-url",
        "https://own.blob.core.windows.net/calls",
        "--repeatability-id",
        "0b1a9ac5-0f8b-4d5e-9d0e-8a6a2f0c7d11",
        "--first-sent",
        "2026-03-12T09:30:00Z",
    ]);
    insta::assert_json_snapshot!("start", request.json());
    let head = request.head.to_ascii_lowercase();
    for line in [
        "repeatability-request-id: 0b1a9ac5-0f8b-4d5e-9d0e-8a6a2f0c7d11",
        "repeatability-first-sent: thu, 12 mar 2026 09:30:00 gmt",
    ] {
        assert!(head.contains(line), "{head}");
    }
}

#[test]
fn a_call_is_located_by_any_of_its_ids() {
    let group = "0b1a9ac5-0f8b-4d5e-9d0e-8a6a2f0c7d11";
    let request = start(&["--group-call-id", group]);
    let locator = json!({"kind": "groupCallLocator", "groupCallId": group});
    assert_eq!(request.json()["callLocator"], locator);
    let request = start(&["--room-id", "99486"]);
    let locator = json!({"kind": "roomCallLocator", "roomId": "99486"});
    assert_eq!(request.json()["callLocator"], locator);
    let request = start(&["--call-connection-id", "cid"]);
    assert_eq!(request.json()["callConnectionId"], "cid");
}

/// Without a tenant there is no token, but with the connection string there would be a response.
#[tokio::test(flavor = "multi_thread")]
async fn options_take_precedence_over_the_environment() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let entra = ["--credential", "environment"];
    let status = [&["status", "rid"][..], &entra].concat();
    let endpoint = ["--endpoint", "https://acs.example"];
    let failure = program.run(&[&status[..], &endpoint].concat()).failure(2);
    assert!(failure.contains("AZURE_TENANT_ID"), "{failure}");
    let mut command = program.command(&status);
    let output = command.env("ACS_ENDPOINT", "https://acs.example").output();
    program.check(output.unwrap()).failure(4);
    let unconfigured = Program::with_connection_string("");
    let mut command = unconfigured.command(&status);
    let output = command.env("ACS_ENDPOINT", "https://acs.example").output();
    let failure = unconfigured.check(output.unwrap()).failure(2);
    assert!(failure.contains("AZURE_TENANT_ID"), "{failure}");

    program.write("acs.txt", acs.connection_string().as_bytes());
    let file = ["--connection-string-file", "acs.txt"];
    let both = [&endpoint[..], &status, &file].concat();
    assert!(program.run(&both).failure(2).contains("two resources"));
}

#[test]
fn a_user_assigned_identity_is_named() {
    let (request, _) = received("{}", |address| {
        let program = Program::with_connection_string("");
        let status = ["status", "rid", "--credential", "managed-identity"];
        let endpoint = ["--endpoint", "https://acs.example", "--max-retries", "0"];
        let mut command = program.command(&[&status[..], &endpoint].concat());
        command
            .env("IDENTITY_ENDPOINT", format!("{address}/token"))
            .env("IDENTITY_HEADER", "x")
            .env("AZURE_CLIENT_ID", "identity-1");
        program.check(command.output().unwrap())
    });
    assert!(
        request.head.contains("client_id=identity-1"),
        "{}",
        request.head
    );
}

#[test]
fn requests_go_to_the_custom_endpoint() {
    let resource = "endpoint=https://contoso.communication.azure.us/;accesskey=YWJj";
    let response = r#"{"recordingId": "rid", "recordingState": "active"}"#;
    let (request, run) = received(response, |address| {
        let program = Program::with_connection_string(resource);
        program.run(&["status", "rid", "--custom-endpoint", address])
    });
    assert_eq!(run.text(), "active");
    let head = request.head.to_ascii_lowercase();
    assert!(
        head.contains("x-ms-host: contoso.communication.azure.us\r\n"),
        "{head}"
    );
}

/// A proxy receives no requests to this machine.
#[test]
fn loopback_bypasses_the_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let through = |command: &mut Command| {
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "all_proxy",
        ] {
            command.env(name, &proxy_url);
        }
    };
    let response = r#"{"recordingId": "rid", "recordingState": "active"}"#;
    let (_, run) = received(response, |address| {
        let resource = format!("endpoint={address}/;accesskey=YWJj");
        let program = Program::with_connection_string(&resource);
        let mut command = program.command(&["status", "rid"]);
        through(&mut command);
        program.check(command.output().unwrap())
    });
    assert_eq!(run.text(), "active");
    // The same applies to the managed identity endpoint.
    let (request, _) = received("{}", |address| {
        let program = Program::with_connection_string("");
        let status = ["status", "rid", "--credential", "managed-identity"];
        let endpoint = ["--endpoint", "https://acs.example", "--max-retries", "0"];
        let mut command = program.command(&[&status[..], &endpoint].concat());
        through(&mut command);
        command
            .env("IDENTITY_ENDPOINT", format!("{address}/token"))
            .env("IDENTITY_HEADER", "x");
        program.check(command.output().unwrap())
    });
    assert!(request.head.starts_with("GET /token?"), "{}", request.head);
    let no_connection = proxy.accept().unwrap_err();
    assert_eq!(no_connection.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn tokens_are_for_the_cloud_of_the_resource() {
    for (endpoint, cloud, scope) in [
        (
            "https://a.communication.azure.com",
            None,
            "communication.azure.com",
        ),
        (
            "https://a.communication.azure.us",
            None,
            "communication.azure.us",
        ),
        (
            "https://acs.example",
            Some("us-gov"),
            "communication.azure.us",
        ),
        (
            "https://acs.example",
            Some("china"),
            "communication.azure.cn",
        ),
    ] {
        let (request, _) = received("{}", |address| {
            let program = Program::with_connection_string("");
            let status = ["status", "rid", "--credential", "managed-identity"];
            let endpoint = ["--endpoint", endpoint, "--max-retries", "0"];
            let mut command = program.command(&[&status[..], &endpoint].concat());
            command.envs(cloud.map(|cloud| ("ACS_CLOUD", cloud)));
            command
                .env("IDENTITY_ENDPOINT", format!("{address}/token"))
                .env("IDENTITY_HEADER", "x");
            program.check(command.output().unwrap())
        });
        assert!(request.head.contains(scope), "{}", request.head);
    }
    let program = Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    let mut command = program.command(&["status", "rid"]);
    let output = command.env("ACS_CLOUD", "germany").output().unwrap();
    let failure = program.check(output).failure(2);
    assert!(failure.contains("us-gov"), "{failure}");
}

/// On a terminal, which the program `script` provides. Skipped if it is not installed.
#[cfg(target_os = "linux")]
#[test]
fn colors_can_be_disabled() {
    let program = Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    let run = |colors: &[(&str, &str)]| {
        let line = format!(
            "{} status rid --max-retries 0 -vv",
            env!("CARGO_BIN_EXE_acs-recording")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        command
            .env(
                "ACS_CONNECTION_STRING",
                "endpoint=http://127.0.0.1:1/;accesskey=YWJj",
            )
            .env_remove("NO_COLOR")
            .envs(colors.iter().copied())
            .current_dir(program.dir.path());
        let output = command.output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (Some(colored), Some(plain)) = (run(&[]), run(&[("NO_COLOR", "1")])) else {
        return;
    };
    assert!(colored.contains("\u{1b}["), "{colored}");
    assert!(
        plain.contains("error:") && !plain.contains("\u{1b}["),
        "{plain}"
    );
}
