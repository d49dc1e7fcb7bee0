//! The drivers, which are programs in the languages of the SDKs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Program, file, shown};

/// Where the packages are, or `None` after a word about it.
#[allow(clippy::print_stderr, reason = "a word to whoever runs the tests")]
fn packages(folder: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("ACS_TEST_PACKAGES") else {
        eprintln!("left out: the official SDKs; use `cargo xtask test`");
        return None;
    };
    let folder = Path::new(&root).join(folder);
    if folder.join("installed").exists() {
        return Some(folder);
    }
    eprintln!("left out: {} has no packages", folder.display());
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI no suite may be left out"
    );
    None
}

/// Runs a driver against an emulator of its own.
fn drive(mut driver: Command, schema: &str) {
    const GROUP: &str = "0d0a2b9e-5a3d-4f0d-9d0e-1f6f5b2f7a11";
    const ROOM: &str = "99445276259151407";
    let folder = tempfile::tempdir().unwrap();
    let script = serde_json::json!({"calls": [
        {"group": GROUP, "participants": ["dora", "emil"]},
        {"room": ROOM, "participants": ["fay", "gus"]},
    ]});
    let script = file(&folder, "script.json", &script.to_string());
    let ca = shown(&folder.path().join("ca.pem"));
    let emulator = Program::start(&[
        "--https",
        "127.0.0.1:0",
        "--host-name",
        "eu-storage.asm.skype.com",
        "--content-origin",
        "https://eu-storage.asm.skype.com:0",
        "--ca-out",
        &ca,
        "--script",
        &script,
    ]);
    let output = driver
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
    assert!(
        output.status.success() && out.contains("conformance: ok"),
        "{schema}: {out}\n{err}"
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
    for schema in ["event-grid", "cloud-events"] {
        let mut node = Command::new("node");
        node.arg(driver("calls.mjs")).env("ACS_PACKAGES", &packages);
        drive(node, schema);
    }
}

#[test]
fn the_python_sdk_runs_a_recorded_call() {
    let Some(packages) = packages("python") else {
        return;
    };
    for schema in ["event-grid", "cloud-events"] {
        let mut python = Command::new(packages.join(if cfg!(windows) {
            "Scripts/python.exe"
        } else {
            "bin/python"
        }));
        python.arg(driver("calls.py"));
        drive(python, schema);
    }
}
