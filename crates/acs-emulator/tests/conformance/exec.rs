//! The command `exec`: the environment, the exit code and the signals of the command.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::program::PROGRAM;
use crate::sdks::{packages, python};

fn exec(command: &[&str]) -> Command {
    let mut exec = Command::new(PROGRAM);
    exec.arg("exec").arg("--").args(command);
    exec
}

#[cfg(unix)]
#[test]
fn the_exit_code_is_that_of_the_command() {
    let code = |command: &[&str]| exec(command).output().unwrap().status.code();
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(128 + 9));
    assert_eq!(code(&["/no/such/program"]), Some(127));
    assert_eq!(code(&["/"]), Some(126));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let mut exec = Command::new(PROGRAM);
    let output = exec
        .args(["exec", "--http", &taken, "--", "echo", "ran"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(output.stdout.is_empty(), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("--http") && error.contains(&taken),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn the_command_alone_writes_to_standard_output() {
    let output = exec(&["sh", "-c", "echo out; echo err >&2"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "err\n");
}

#[cfg(unix)]
#[test]
fn signals_are_forwarded_and_the_emulator_stops() {
    let folder = tempfile::tempdir().unwrap();
    let ready_file = folder.path().join("ready.json");
    let mut command = Command::new(PROGRAM);
    command.args(["exec", "--ready-file", ready_file.to_str().unwrap(), "--"]);
    command.args([
        "sh",
        "-c",
        "trap 'exit 5' TERM; echo trapped > trapped; while :; do sleep 0.05; done",
    ]);
    let mut child = command.current_dir(&folder).spawn().unwrap();
    let trapped = folder.path().join("trapped");
    while !fs::read_to_string(&trapped).is_ok_and(|text| text == "trapped\n") {
        assert!(child.try_wait().unwrap().is_none(), "it should be running");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ready: Value = serde_json::from_str(&fs::read_to_string(&ready_file).unwrap()).unwrap();
    let address = ready["endpoint"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://");
    assert!(std::net::TcpStream::connect(address).is_ok());

    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(!ready_file.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// Signs a request with the official SDK, over HTTPS, without any setting in the program. The
/// recording does not exist, so the service must say 404.
#[test]
fn programs_of_node_and_python_trust_the_emulator() {
    if let Some(packages) = packages("node") {
        let script = r#"
            const { CallAutomationClient } = require("@azure/communication-call-automation");
            const client = new CallAutomationClient(process.env.ACS_CONNECTION_STRING);
            client.getCallRecording().getState("unknown").catch((error) => console.log(error.statusCode));
        "#;
        let output = exec(&["node", "-e", script])
            .current_dir(&packages)
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"404\n", "{output:?}");
    }
    if let Some(packages) = packages("python") {
        let python = python(&packages);
        let script = "
import os
from azure.communication.callautomation import CallAutomationClient
from azure.core.exceptions import HttpResponseError
text = os.environ['COMMUNICATION_SERVICES_CONNECTION_STRING']
try:
    CallAutomationClient.from_connection_string(text).get_recording_properties('unknown')
except HttpResponseError as error:
    print(error.status_code)
";
        let output = exec(&[python.to_str().unwrap(), "-c", script])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"404\n", "{output:?}");
    }
}

#[test]
fn programs_of_java_trust_the_emulator_and_the_system() {
    let Some(packages) = packages("java") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("State.java");
    fs::write(
        &source,
        r#"
import com.azure.communication.callautomation.CallAutomationClientBuilder;
import com.azure.core.exception.HttpResponseException;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class State {
    public static void main(String[] args) throws Exception {
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init((java.security.KeyStore) null);
        var trusted = ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers();
        System.out.println(trusted.length);
        var client = new CallAutomationClientBuilder()
            .connectionString(System.getenv("ACS_CONNECTION_STRING"))
            .buildClient();
        try {
            client.getCallRecording().getState("unknown");
        } catch (HttpResponseException error) {
            System.out.println(error.getResponse().getStatusCode());
        }
        System.exit(0);
    }
}
"#,
    )
    .unwrap();
    let jars = packages.join("lib/*");
    let output = exec(&[
        "java",
        "-cp",
        jars.to_str().unwrap(),
        source.to_str().unwrap(),
    ])
    .output()
    .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = out.lines().collect();
    let [trusted, status] = lines[..] else {
        panic!("{output:?}");
    };
    assert_eq!(status, "404", "{output:?}");
    // Systems have more than a hundred; this one may have none.
    let system = rustls_native_certs::load_native_certs().certs;
    let distinct: std::collections::HashSet<_> = system.iter().collect();
    assert_eq!(trusted.parse::<usize>().unwrap(), distinct.len() + 1);
}
