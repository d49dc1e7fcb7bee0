//! The container image. No test can build it, because that needs a container engine. What it runs is
//! tried with the program of this test run.

use std::path::Path;
use std::process::Command;

use crate::program::{PROGRAM, Program};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .parent()
        .unwrap()
}

fn dockerfile() -> String {
    std::fs::read_to_string(root().join("crates/acs-emulator/Dockerfile")).unwrap()
}

/// The arguments of an instruction in JSON form.
fn arguments(dockerfile: &str, instruction: &str) -> Vec<String> {
    let joined = dockerfile.replace("\\\n", " ");
    let line = joined
        .lines()
        .find(|line| line.starts_with(instruction))
        .unwrap_or_else(|| panic!("no {instruction}"));
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

#[test]
fn its_command_starts_and_its_health_check_passes() {
    let dockerfile = dockerfile();
    assert_eq!(arguments(&dockerfile, "ENTRYPOINT"), ["/acs-emulator"]);
    let mut options = arguments(&dockerfile, "CMD");
    // Other tests of this machine may use the ports.
    for option in &mut options {
        if let Some((address, _port)) = option.rsplit_once(':') {
            *option = format!("{address}:0");
        }
    }
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().unwrap();
    let ready_file = folder.path().join("ready.json");
    let ready_file = ready_file.to_str().unwrap();
    let program = Program::start(&[&options, &["--ready-file", ready_file][..]].concat());
    let endpoint = program.text("endpoint");
    assert!(endpoint.starts_with("http://"), "{endpoint}");

    let check = arguments(&dockerfile, "HEALTHCHECK");
    let (entry, check) = check.split_first().unwrap();
    assert_eq!(entry, "/acs-emulator");
    let healthy = |file: &str| {
        let mut health = Command::new(PROGRAM);
        health.args(check).args(["--ready-file", file]);
        health.output().unwrap().status.success()
    };
    assert!(healthy(ready_file));
    assert!(!healthy("missing.json"));
}

#[test]
fn it_copies_files_that_exist_and_does_not_run_as_root() {
    let dockerfile = dockerfile();
    let copied = dockerfile
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"));
    let mut count = 0;
    for line in copied {
        let mut paths: Vec<_> = line.split_whitespace().skip(1).collect();
        paths.pop();
        for path in paths {
            assert!(root().join(path).exists(), "{path}");
            count += 1;
        }
    }
    assert!(count > 0);
    let user = dockerfile.lines().rfind(|line| line.starts_with("USER "));
    assert_eq!(user, Some("USER 65532:65532"));
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(dockerfile.contains("--profile dist") && manifest.contains("[profile.dist]"));
}
