//! What is wrong with a queue, a store or an option is one clear line.

use acs_test_support::Azurite;

use crate::program::Program;
use crate::site::Site;

const RESOURCE: &str = "endpoint=https://x.example;accesskey=c2VjcmV0a2V5";

#[test]
fn wrong_options_are_mistakes_of_usage_without_secrets() {
    let program = Program::with_connection_string(RESOURCE);
    let sas = "?sv=2026-04-06&sig=topsecret";
    let queue = &format!("https://a.queue.core.windows.net/recordings{sas}");
    for (arguments, says) in [
        (
            &["run", "--queue", "recordings", "--to", "a"][..],
            "ACS_QUEUE_CONNECTION_STRING",
        ),
        (
            &[
                "run",
                "--queue",
                &format!("https://a.queue.core.windows.net/Rec{sas}"),
                "--to",
                "a",
            ],
            "not the name of a queue",
        ),
        (
            &[
                "run",
                "--queue",
                queue,
                "--to",
                &format!("ftp://host/x{sas}"),
            ],
            "known store",
        ),
        (
            &[
                "run",
                "--queue",
                queue,
                "--to",
                "a",
                "--store-option",
                "aws_region=topsecret",
            ],
            "`aws_region`",
        ),
        (
            &[
                "run",
                "--queue",
                queue,
                "--to",
                "a",
                "--layout",
                "{yyyy}/{ext}",
            ],
            "layout",
        ),
        (
            &["run", "--queue", queue, "--to", "a", "--lease", "1y"],
            "duration",
        ),
        (
            &["run", "--queue", queue, "--to", "a", "--concurrency", "0"],
            "concurrency",
        ),
        (
            &["run", "--queue", queue, "--to", "a", "--lease", "0s"],
            "lease",
        ),
        (
            &["run", "--queue", queue, "--to", "a", "--max-attempts", "0"],
            "attempts",
        ),
        (
            &[
                "run",
                "--queue",
                queue,
                "--to",
                "a",
                "--metrics",
                "192.0.2.1:1",
            ],
            "--metrics",
        ),
        (&["list", "--to", "a", "--since", "yesterday"], "yesterday"),
        (&["put", "--event", "missing.json"], "--to"),
    ] {
        let run = program.run(&[&["archive"], arguments].concat());
        assert_eq!(run.code, Some(2), "{arguments:?}: {run:?}");
        assert!(run.err.contains(says), "{arguments:?}: {run:?}");
        assert!(!run.err.contains("topsecret"), "{arguments:?}: {run:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_mistakes_of_usage() {
    let program = Program::with_connection_string(RESOURCE);
    let queue = "https://a.queue.core.windows.net/recordings?sv=2026-04-06&sig=topsecret";
    for (option, value, says) in [
        ("--max-poll-interval", "0s", "--max-poll-interval"),
        ("--poison-queue", "recordings", "the queue itself"),
        ("--poison-queue", queue, "the queue itself"),
        ("--poison-queue", "Broken!", "not the name of a queue"),
    ] {
        let run = ["archive", "run", "--queue", queue, "--to", "a"];
        let failure = program.run(&[&run[..], &[option, value]].concat());
        let failure = failure.failure(2);
        assert!(failure.contains(says), "{option} {value}: {failure}");
        assert!(!failure.contains("topsecret"), "{failure}");
    }
}

#[test]
fn a_folder_that_does_not_exist_is_no_empty_archive() {
    let program = Program::with_connection_string(RESOURCE);
    for command in ["list", "verify"] {
        let run = program.run(&["archive", command, "--to", "missing"]);
        assert!(run.failure(4).contains("missing does not exist"));
        assert!(!program.dir.path().join("missing").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_or_container_that_cannot_be_used_ends_the_worker_with_one_line() {
    let Some(site) = Site::new("cli-refusals").await else {
        return;
    };
    let text = site.azurite.connection_string();
    let wrong_key = text.replace(Azurite::KEY, "d3JvbmcgdG9wc2VjcmV0");
    for (queue, connection_string, store, code, says) in [
        ("no-such-queue", &text, "az://cli-refusals", 4, "container"),
        ("no-such-queue", &text, "archive", 4, "no-such-queue"),
        (site.name, &wrong_key, "archive", 3, "queue"),
        (site.name, &wrong_key, "az://cli-refusals", 3, "store"),
    ] {
        let drain = ["archive", "drain", "--queue", queue, "--to", store];
        let mut command = site.program.command(&drain);
        command.env("ACS_QUEUE_CONNECTION_STRING", connection_string);
        command.env("ACS_STORE_CONNECTION_STRING", connection_string);
        let run = site.program.check(command.output().unwrap());
        assert_eq!(run.code, Some(code), "{queue} {store}: {run:?}");
        let failures = run.err.lines().filter(|line| line.starts_with("error: "));
        let failures: Vec<_> = failures.collect();
        assert_eq!(failures.len(), 1, "{run:?}");
        assert!(failures[0].contains(says), "{says}: {run:?}");
        assert!(!run.err.contains("d3JvbmcgdG9wc2VjcmV0"), "{run:?}");
    }
}
