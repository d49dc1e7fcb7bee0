//! `archive run` and `archive drain`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use acs_emulator::{Fault, Operation, SyntheticRecording};
use acs_recording_archive::EventQueue as _;
use serde_json::{Value, json};

use crate::program::{Run, Running, spawn, until};
use crate::site::{Site, content, lines};

const QUICK: [&str; 2] = ["--max-poll-interval", "100ms"];
const TO: [&str; 2] = ["--to", "archive"];

#[tokio::test(flavor = "multi_thread")]
async fn drain_archives_what_the_queue_holds_and_prints_a_line_for_each_message() {
    let Some(site) = Site::new("cli-drain").await else {
        return;
    };
    let first = site.record(5000).await;
    site.record(6000).await;
    site.send(&json!({
        "id": "other", "eventType": "Microsoft.Communication.CallStarted", "subject": "s",
        "data": {}, "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "1.0",
    }))
    .await;
    site.queue.send("not an event").await.unwrap();

    let run = site.run(&[&["drain", "--delete"][..], &TO, &QUICK].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = lines(&run);
    assert_eq!(lines[0]["event"], "ready");
    assert_eq!(lines[0]["store"], "archive");
    let summary = lines.last().unwrap();
    assert_eq!(
        (
            &summary["event"],
            &summary["archived"],
            &summary["ignored"],
            &summary["poisoned"]
        ),
        (&json!("summary"), &json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        (&summary["chunks"], &summary["bytes"]),
        (&json!(2), &json!(11_000))
    );
    let is_first = |line: &&Value| line["recording_id"] == first.recording_id();
    let line = lines.iter().find(is_first).unwrap();
    assert_eq!(
        (
            &line["event"],
            &line["outcome"],
            &line["deleted"],
            &line["dequeue_count"]
        ),
        (
            &json!("message"),
            &json!("archived"),
            &json!(true),
            &json!(1)
        )
    );
    let chunk = &line["chunks"][0];
    assert_eq!(
        (&chunk["bytes"], &chunk["new"]),
        (&json!(5000), &json!(true))
    );
    let media = chunk["media"].as_str().unwrap();
    let saved = site.program.read(format!("archive/{media}"));
    assert_eq!(saved, content(&first.chunks()[0]));
    let is_poison = |line: &&Value| line["outcome"] == "poisoned";
    let poison = lines.iter().find(is_poison).unwrap();
    assert_eq!(poison["error"]["kind"], "invalid-event");
    assert_eq!(site.depth().await, 0);
}

/// A worker that runs, with the first line that it printed.
struct Worker {
    child: Running,
    ready: Value,
    out: BufReader<std::process::ChildStdout>,
}

fn start(site: &Site, arguments: &[&str]) -> Worker {
    let arguments = [&["run"][..], &TO, &QUICK, arguments].concat();
    let mut child = spawn(&mut site.command(&arguments));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
        let output = child.stderr.as_mut().unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        panic!("{text}");
    });
    Worker { child, ready, out }
}

impl Worker {
    /// Waits for its end, and gives what it printed after the first line.
    fn end(mut self, site: &Site) -> Run {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let mut run = site.program.check(self.child.output());
        run.out = out;
        run
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_releases_what_is_in_progress_and_another_worker_finishes_it() {
    let Some(site) = Site::new("cli-sigterm").await else {
        return;
    };
    let slow = Fault::on(Operation::Content).bytes_per_second(10_000);
    let slow = site.acs.faults().add(slow);
    site.record(1_000_000).await;
    let worker = start(&site, &["--grace", "0s"]);
    until("no transfer begins", || slow.hits() > 0);
    crate::program::terminate(&worker.child);
    let run = worker.end(&site);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = lines(&run);
    assert_eq!(lines[0]["outcome"], "released");
    assert_eq!(lines[0]["retry_after_seconds"], 0.0);
    assert_eq!(lines[1]["released"], 1);
    slow.remove();
    // It is visible at once.
    let run = site.run(&[&["drain"][..], &TO, &QUICK].concat());
    assert_eq!(
        crate::site::lines(&run).last().unwrap()["archived"],
        1,
        "{run:?}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn transfers_finish_within_the_grace_period() {
    let Some(site) = Site::new("cli-grace").await else {
        return;
    };
    let slow = Fault::on(Operation::Content).bytes_per_second(100_000);
    let slow = site.acs.faults().add(slow);
    site.record(100_000).await;
    let worker = start(&site, &[]);
    until("no transfer begins", || slow.hits() > 0);
    crate::program::interrupt(&worker.child);
    let run = worker.end(&site);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(lines(&run)[0]["outcome"], "archived");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_exits_at_once() {
    let Some(site) = Site::new("cli-second-signal").await else {
        return;
    };
    let silent = site
        .acs
        .faults()
        .add(Fault::on(Operation::Content).never_respond());
    site.record(5000).await;
    let worker = start(&site, &["--grace", "1h", "--metrics", "127.0.0.1:0"]);
    until("no transfer begins", || silent.hits() > 0);
    crate::program::terminate(&worker.child);
    // The first signal has been handled when the worker says that it is stopping.
    let url = format!(
        "http://{}/readyz",
        worker.ready["metrics"].as_str().unwrap()
    );
    while reqwest::get(&url).await.unwrap().status() != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    crate::program::terminate(&worker.child);
    let run = worker.end(&site);
    assert_eq!(run.code, Some(143), "{run:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
    assert!(run.err.contains("when its lease runs out"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_probes_are_served() {
    let Some(site) = Site::new("cli-metrics").await else {
        return;
    };
    site.record(5000).await;
    let worker = start(&site, &["--metrics", "127.0.0.1:0"]);
    let origin = format!("http://{}", worker.ready["metrics"].as_str().unwrap());
    let get = async |path: &str| {
        let response = reqwest::get(format!("{origin}{path}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let archived = r#"acs_archive_messages_total{outcome="archived"} 1"#;
    let end = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let (status, text) = get("/metrics").await;
        assert_eq!(status, 200);
        if text.contains(archived) {
            break text;
        }
        assert!(Instant::now() < end, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for expected in [
        "# TYPE acs_archive_messages_total counter",
        "acs_archive_bytes_total 5000",
        "# TYPE acs_archive_transfer_seconds histogram",
        "acs_archive_transfer_seconds_count 1",
        "# HELP acs_archive_in_flight ",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get("/").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_by_its_url_with_a_sas_and_a_container_by_connection_string_do() {
    let Some(site) = Site::new("cli-sas").await else {
        return;
    };
    site.azurite.create_container("cli-sas").await;
    let stored = site.acs.add_recording(SyntheticRecording::new(9_000_000));
    site.send(&crate::site::event(&stored)).await;
    let sas = acs_test_support::Azurite::sas("rwdlacup");
    let queue = format!("{}?{sas}", site.azurite.queue("cli-sas"));
    let mut command = site
        .program
        .command(&["archive", "drain", "--to", "az://cli-sas/a/b"]);
    command.args(QUICK).env("ACS_ARCHIVE_QUEUE", &queue);
    command.env(
        "ACS_STORE_CONNECTION_STRING",
        site.azurite.connection_string(),
    );
    let run = site.program.check(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        !run.out.contains("sig=") && !run.err.contains("sig="),
        "{run:?}"
    );
    assert_eq!(lines(&run).last().unwrap()["bytes"], 9_000_000, "{run:?}");
    let verify = ["archive", "verify", "--deep", "--to", "az://cli-sas/a/b"];
    let mut command = site.program.command(&verify);
    command.env(
        "ACS_STORE_CONNECTION_STRING",
        site.azurite.connection_string(),
    );
    let run = site.program.check(command.output().unwrap());
    assert!(run.text().starts_with("1 of 1 chunks are sound"));
    assert_eq!(site.queue.approximate_depth().await.unwrap(), Some(0));
}
