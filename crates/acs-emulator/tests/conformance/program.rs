//! The program `acs-emulator`: its ready line, its listeners and its exit.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_acs-emulator");

/// A running emulator that is stopped at the end of the test.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) ready: Value,
}

impl Program {
    /// Starts the program at free ports, unless the arguments name others.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        let given = |option| args.contains(&option);
        if !given("--admin") {
            command.args(["--admin", "127.0.0.1:0"]);
        }
        if !given("--http") && !given("--https") {
            command.args(["--http", "127.0.0.1:0"]);
        }
        let mut child = command
            .args(args)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self {
            child,
            stdout,
            ready: serde_json::from_str(&line).unwrap(),
        }
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap()
    }

    /// Stops the program and returns its output after the ready line.
    #[cfg(unix)]
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(143));
        rest
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path_text(&path)
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Sends a request without a proxy, which could not reach a server on this machine.
async fn get(url: &str) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.get(url).send().await
}

async fn state(program: &Program) -> Value {
    let url = format!("{}/state", program.text("admin"));
    let response = get(&url).await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn by_default_it_serves_http_and_prints_the_endpoint() {
    let program = Program::start(&[]);
    let endpoint = program.text("endpoint").to_owned();
    assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
    let connection_string = program.text("connection_string");
    assert!(connection_string.starts_with(&format!("endpoint={endpoint}/;accesskey=")));
    assert_eq!(program.ready["event"], "ready");
    for member in ["https_connection_string", "https_endpoint", "ca_file"] {
        assert_eq!(program.ready[member], Value::Null, "{member}");
    }
    assert_eq!(state(&program).await["calls"], json!([]));
    let unsigned = get(&format!("{endpoint}/calling/recordings/x")).await;
    assert_eq!(unsigned.unwrap().status(), 401);
    assert_eq!(program.stop(), "");
    assert!(
        get(&endpoint).await.is_err(),
        "the program should have stopped"
    );
}

#[tokio::test]
async fn https_works_without_http_for_clients_that_trust_the_ca() {
    let folder = tempfile::tempdir().unwrap();
    let ca = path_text(&folder.path().join("ca.pem"));
    let script = r#"{"calls": [{"room": "1", "participants": ["alice", "bob"]}]}"#;
    let script = file(&folder, "script.json", script);
    let program = Program::start(&[
        "--https",
        "127.0.0.1:0",
        "--host-name",
        "acs.test",
        "--ca-out",
        &ca,
        "--script",
        &script,
    ]);
    assert_eq!(program.ready["endpoint"], Value::Null);
    assert_eq!(program.text("ca_file"), ca);
    let https = program.text("https_endpoint");
    let pem = std::fs::read(&ca).unwrap();
    let authority = reqwest::Certificate::from_pem(&pem).unwrap();
    let port = https.rsplit_once(':').unwrap().1.parse().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([authority])
        .resolve("acs.test", ([127, 0, 0, 1], port).into())
        .build()
        .unwrap();
    for origin in [https.to_owned(), format!("https://acs.test:{port}")] {
        let keys = client.get(format!("{origin}/calling/keys")).send();
        assert_eq!(keys.await.unwrap().status(), 200, "{origin}");
    }
    let untrusting = get(https).await.unwrap_err();
    assert!(untrusting.is_connect(), "{untrusting}");
    let calls = state(&program).await["calls"].clone();
    assert_eq!(calls[0]["participants"].as_array().unwrap().len(), 2);
}

#[test]
fn keys_and_the_resource_are_well_known_unless_others_are_asked_for() {
    let key = |program: &Program| {
        let text = program.text("connection_string");
        text.split_once("accesskey=").unwrap().1.to_owned()
    };
    let first = Program::start(&[]);
    let decoded = STANDARD.decode(key(&first)).unwrap();
    assert_eq!(decoded.len(), 64);
    assert!(decoded.starts_with(b"acs-emulator's well-known primary key"));
    assert_eq!(
        first.text("resource_id"),
        "ac5e0000-0000-4000-8000-000000000001"
    );

    let resource = "3d7a1a5e-9d2c-4f61-8f6e-9b3d2c1a0f4e";
    let second = Program::start(&["--random-keys", "--resource-id", resource]);
    assert_ne!(key(&second), key(&first));
    assert_eq!(second.text("resource_id"), resource);
}

#[tokio::test]
async fn readiness_needs_no_signature_and_is_never_faulty() {
    let program = Program::start(&[]);
    let admin = program.text("admin");
    let fault = reqwest::Client::builder().no_proxy().build().unwrap();
    let fault = fault
        .post(format!("{admin}/faults"))
        .body(r#"{"operation": "any", "status": 500}"#);
    let fault = fault.header("Content-Type", "application/json").send();
    assert!(fault.await.unwrap().status().is_success());
    for (origin, status) in [
        (program.text("endpoint"), "ready"),
        (admin.strip_suffix("/admin").unwrap(), "up"),
    ] {
        let response = get(&format!("{origin}/ready")).await.unwrap();
        assert_eq!(response.status(), 200, "{origin}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["status"], status);
    }
}

#[cfg(unix)]
#[test]
fn the_ready_file_has_the_ready_line_while_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "ready.json", "of an earlier run");
    let program = Program::start(&["--ready-file", &path]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), program.ready);
    program.stop();
    assert!(!Path::new(&path).exists());
}

#[tokio::test]
async fn a_client_trusts_the_authority_of_a_folder_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ca_dir = path_text(&folder.path().join("ca"));
    let start = || Program::start(&["--https", "127.0.0.1:0", "--ca-dir", &ca_dir]);
    let first = start();
    let pem = std::fs::read(first.text("ca_file")).unwrap();
    let authority = reqwest::Certificate::from_pem(&pem).unwrap();
    let client = reqwest::Client::builder().no_proxy();
    let client = client.tls_certs_only([authority]).build().unwrap();
    for program in [first, start()] {
        let ready = format!("{}/ready", program.text("https_endpoint"));
        assert_eq!(client.get(ready).send().await.unwrap().status(), 200);
    }
    std::fs::write(folder.path().join("ca/ca-key.pem"), "nonsense").unwrap();
    let mut broken = Command::new(PROGRAM);
    broken.args([
        "--https",
        "127.0.0.1:0",
        "--ca-dir",
        &ca_dir,
        "--admin",
        "127.0.0.1:0",
    ]);
    let output = broken.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("ca-key.pem") && error.contains("delete the folder"),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_an_error_that_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for option in ["--http", "--https", "--admin"] {
        let mut arguments = vec![option, &taken];
        for (other, free) in [("--http", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
            if other != option {
                arguments.extend([other, free]);
            }
        }
        let output = Command::new(PROGRAM).args(&arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        for expected in [&taken, option, "port 0 selects a free port"] {
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}

#[test]
fn invalid_options_are_rejected_at_startup() {
    for args in [
        ["--content-origin", "https://a.test/path"],
        ["--script", "/nowhere/script.json"],
        ["--chunk-duration", "0"],
        ["--chunk-duration", "14401"],
        ["--chunk-size", "0"],
        ["--http", "nonsense"],
    ] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_keys() {
    let key = |seed: &str| {
        let program = Program::start(&["--seed", seed, "--random-keys"]);
        let text = program.text("connection_string");
        text.split_once("accesskey=").unwrap().1.to_owned()
    };
    assert_eq!(key("7"), key("7"));
    assert_ne!(key("7"), key("8"));
}

#[test]
fn control_characters_in_logs_are_escaped() {
    let output = Command::new(PROGRAM)
        .args(["--content-origin", "http://a\u{1b}[2J\u{9b}\u{202e}b"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(r"http://a\u{1b}[2J\u{9b}\u{202e}b"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text}");
}

#[cfg(unix)]
#[test]
fn a_file_name_that_is_not_utf_8_is_reported_in_base64() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"ca\xff.pem"));
    let mut child = Command::new(PROGRAM)
        .args([
            "--https",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--ca-out",
        ])
        .arg(&name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
    let _ = child.kill();
    let _ = child.wait();
    read.unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let bytes = STANDARD.decode(ready["ca_file_base64"].as_str().unwrap());
    assert_eq!(bytes.unwrap(), name.as_os_str().as_bytes());
    assert!(
        ready["ca_file"]
            .as_str()
            .unwrap()
            .ends_with("ca\u{fffd}.pem")
    );
}

/// Serves a webhook at this address until the test ends. Returns the events that it receives.
async fn webhook(address: std::net::SocketAddr) -> tokio::sync::mpsc::UnboundedReceiver<Value> {
    let (sender, events) = tokio::sync::mpsc::unbounded_channel();
    let receive = async move |body: axum::body::Bytes| {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let code = body[0]["data"]["validationCode"].clone();
        sender.send(body[0].clone()).unwrap();
        json!({"validationResponse": code}).to_string()
    };
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().route("/events", axum::routing::post(receive));
    tokio::spawn(async move { axum::serve(listener, router).await });
    events
}

#[tokio::test]
async fn a_webhook_that_starts_later_misses_no_call_of_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let script = json!({"calls": [{"ring": true, "participants": ["carol"]}]}).to_string();
    let script = file(&folder, "script.json", &script);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let url = format!("http://{address}/events?code=secret");
    let kind = "Microsoft.Communication.IncomingCall";
    let program = Program::start(&[
        "--script",
        &script,
        "--webhook",
        &url,
        "--webhook-event",
        kind,
    ]);
    let mut events = webhook(address).await;
    let validation = events.recv().await.unwrap();
    assert_eq!(
        validation["eventType"],
        "Microsoft.EventGrid.SubscriptionValidationEvent"
    );
    let event = events.recv().await.unwrap();
    assert_eq!(event["eventType"], kind);
    assert!(!state(&program).await.to_string().contains("secret"));
}

#[test]
fn a_webhook_that_events_cannot_be_sent_to_is_refused_before_the_ready_line() {
    for (option, url) in [
        (
            "--webhook",
            "http://user:secret@app.example/events?code=secret",
        ),
        ("--webhook", "https:user:secret@"),
        ("--webhook", "user:secret@app.example/events?code=secret"),
        ("--webhook", "ftp://user:secret@app.example/"),
        ("--event-queue", "https://user:secret@a.example/q?sv=1"),
        (
            "--content-origin",
            "http://user:secret@app.example/x?code=secret",
        ),
    ] {
        let output = Command::new(PROGRAM)
            .args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args([option, url])
            .env("RUST_LOG", "trace")
            .output()
            .unwrap();
        let (out, log) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(output.status.code(), Some(1), "{url}: {log}");
        assert_eq!(out, "", "{url}");
        assert!(!log.contains("secret"), "{log}");
        assert!(log.contains("ERROR"), "{log}");
    }
}

#[tokio::test]
async fn an_admin_interface_beyond_loopback_needs_the_token_of_the_ready_line() {
    let program = Program::start(&["--admin", "0.0.0.0:0"]);
    let (admin, token) = (program.text("admin"), program.text("admin_token"));
    let page = program.text("admin_page");
    let origin = admin.strip_suffix("/admin").unwrap();
    assert_eq!(page, format!("{origin}/?token={token}"));
    let info = format!("{origin}/api/v1/info");
    let refused = get(&info).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let with_token = client.get(&info).bearer_auth(token).send().await.unwrap();
    assert_eq!(with_token.status(), 200);
    assert_eq!(get(&format!("{origin}/ready")).await.unwrap().status(), 200);

    let chosen = Program::start(&["--admin-token", "chosen"]);
    assert_eq!(chosen.text("admin_token"), "chosen");
    let loopback = Program::start(&[]);
    assert_eq!(loopback.ready["admin_token"], Value::Null);
    let origin = loopback.text("admin").strip_suffix("/admin").unwrap();
    assert_eq!(loopback.text("admin_page"), format!("{origin}/"));
}
