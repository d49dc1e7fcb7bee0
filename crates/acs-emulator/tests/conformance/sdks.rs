//! Runs the drivers, which are written in the languages of the SDKs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Program, file, path_text};

/// The folder with the packages. `None`, with a message, if they are not installed.
#[allow(clippy::print_stderr, reason = "tests report that they were skipped")]
pub(crate) fn packages(folder: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("ACS_TEST_PACKAGES") else {
        eprintln!("skipped: the official SDKs are not installed; use `cargo xtask test`");
        return None;
    };
    let folder = Path::new(&root).join(folder);
    if folder.join("installed").exists() {
        return Some(folder);
    }
    // `cargo xtask test` has said why, and whether that is permitted.
    eprintln!("skipped: {} has no packages", folder.display());
    None
}

/// Runs a driver against its own emulator, once for each schema of events.
fn drive(sdk: &str, driver: impl Fn(&Path) -> Command) {
    for schema in ["event-grid", "cloud-events"] {
        drive_with(sdk, &driver, schema);
    }
}

fn drive_with(sdk: &str, driver: impl Fn(&Path) -> Command, schema: &str) {
    const GROUP: &str = "0d0a2b9e-5a3d-4f0d-9d0e-1f6f5b2f7a11";
    const ROOM: &str = "99445276259151407";
    let folder = tempfile::tempdir().unwrap();
    let script = serde_json::json!({"calls": [
        {"group": GROUP, "participants": ["dora", "emil"]},
        {"room": ROOM, "participants": ["fay", "gus"]},
    ]});
    let script = file(&folder, "script.json", &script.to_string());
    let ca = path_text(&folder.path().join("ca.pem"));
    let emulator = Program::start(&[
        "--https",
        "127.0.0.1:0",
        "--official-sdks",
        "--ca-out",
        &ca,
        "--script",
        &script,
    ]);
    let output = driver(folder.path())
        .env("ACS_READY", emulator.ready.to_string())
        .env("ACS_CA", &ca)
        .env("NODE_EXTRA_CA_CERTS", &ca)
        .env("ACS_SCHEMA", schema)
        .env("ACS_GROUP", GROUP)
        .env("ACS_ROOM", ROOM)
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let done = out
        .lines()
        .find_map(|line| line.strip_prefix("conformance: ok "));
    let Some(done) = done.filter(|_| output.status.success()) else {
        panic!("{sdk}, {schema}: {out}\n{err}");
    };
    let done: serde_json::Value = serde_json::from_str(done).unwrap();
    let count = |name: &str| done[name].as_u64().unwrap();
    let (flows, requests, events) = (count("flows"), count("requests"), count("events"));
    assert_eq!(flows, 5, "{sdk}");
    assert!(requests >= 40 && events >= 15, "{sdk}: {done}");
    // Not with `eprintln!`, which only failing tests show.
    let _ = writeln!(
        std::io::stderr(),
        "conformance: {sdk} SDK, {schema}: {flows} flows, {} steps ({requests} requests, {events} events)",
        requests + events,
    );
}

fn driver(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    folder.join(name)
}

#[test]
fn the_javascript_sdk_runs_a_recorded_call() {
    let Some(packages) = packages("node") else {
        return;
    };
    drive("JavaScript", |_| {
        let mut node = Command::new("node");
        node.arg(driver("calls.mjs")).env("ACS_PACKAGES", &packages);
        node
    });
}

#[test]
fn the_python_sdk_runs_a_recorded_call() {
    let Some(packages) = packages("python") else {
        return;
    };
    drive("Python", |_| {
        let mut python = Command::new(python(&packages));
        python.arg(driver("calls.py"));
        python
    });
}

pub(crate) fn python(packages: &Path) -> PathBuf {
    packages.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    })
}

#[test]
fn the_java_sdk_runs_a_recorded_call() {
    let Some(packages) = packages("java") else {
        return;
    };
    drive("Java", |folder| {
        // The emulator writes the certificate before its ready line.
        let trust_store = folder.join("trust.p12");
        if !trust_store.exists() {
            let mut keytool = Command::new("keytool");
            keytool.args(["-importcert", "-noprompt", "-alias", "acs-emulator"]);
            keytool.args(["-storepass", "changeit"]);
            keytool.arg("-file").arg(folder.join("ca.pem"));
            keytool.arg("-keystore").arg(&trust_store);
            let output = keytool.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let hosts = folder.join("hosts");
        std::fs::write(&hosts, "127.0.0.1 localhost eu-storage.asm.skype.com\n").unwrap();
        let property = |name: &str, value: &Path| format!("-D{name}={}", value.display());
        let mut java = Command::new("java");
        java.arg(property("jdk.net.hosts.file", &hosts));
        java.arg(property("javax.net.ssl.trustStore", &trust_store));
        java.arg("-Djavax.net.ssl.trustStorePassword=changeit");
        java.arg("-cp").arg(packages.join("lib/*"));
        java.arg(driver("Calls.java"));
        java
    });
}
