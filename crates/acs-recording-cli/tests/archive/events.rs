//! `events trigger`, `events replay`, `record` and `doctor` with a queue.

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::time::Duration;

use acs_emulator::{Emulator, EventSchema};
use acs_recording::Events;
use acs_recording_archive::EventQueue as _;
use serde_json::json;

use crate::program::{interrupt, spawn, until};
use crate::site::{Site, lines};

/// A command that may use the queue by its name.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.program.command(arguments);
    let text = site.azurite.connection_string();
    command.env("ACS_QUEUE_CONNECTION_STRING", text);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_to_a_queue_as_event_grid_does() {
    let Some(site) = Site::new("cli-events").await else {
        return;
    };
    let trigger = ["events", "trigger", "RecordingFileStatusUpdated", "--queue"];
    let trigger = [&trigger[..], &[site.name, "--recording-id", "rid"]].concat();
    for schema in ["event-grid", "cloud-events"] {
        let trigger = [&trigger[..], &["--count", "2", "--schema", schema]].concat();
        let run = site
            .program
            .check(command(&site, &trigger).output().unwrap());
        assert_eq!(run.text().lines().count(), 2);
    }
    let line = json!({"id": "kept", "type": "T", "source": "/s", "data": 1}).to_string();
    site.program.write("events.jsonl", line.as_bytes());
    let replay = ["events", "replay", "events.jsonl", "--queue", site.name];
    let run = site
        .program
        .check(command(&site, &replay).output().unwrap());
    assert!(run.err.contains("1 of 1 events delivered"), "{run:?}");

    let messages = site
        .queue
        .receive(32, Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!(messages.len(), 5);
    for (index, message) in messages.iter().enumerate() {
        let text = std::str::from_utf8(&message.body).unwrap();
        assert!(!text.contains('{'), "it is not in base64: {text}");
        let event = Events::parse(&message.body).next().unwrap().unwrap();
        if index < 4 {
            assert_eq!(event.recording_id().unwrap().as_str(), "rid");
        } else {
            assert_eq!(event.id, "kept");
        }
    }
    let doctor = ["doctor", "--event-queue", site.name, "--output", "json"];
    let run = site
        .program
        .check(command(&site, &doctor).output().unwrap());
    let queue = lines(&run).pop().unwrap();
    assert_eq!(
        (&queue["check"], &queue["status"]),
        (&"queue".into(), &"ok".into())
    );
    assert!(
        queue["message"]
            .as_str()
            .unwrap()
            .contains("has about 5 messages"),
        "{queue}"
    );
}

/// The queue has messages of others, which stay in it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_saved_by_an_event_in_a_queue() {
    let Some(mut site) = Site::new("cli-record").await else {
        return;
    };
    let acs = Emulator::builder()
        .start_delay(Duration::ZERO)
        .event_delay(Duration::ZERO);
    let acs = acs.start().await.unwrap();
    let call = acs.call(["alice"]).await;
    site.program = crate::program::Program::new(&acs);
    let subscription = acs
        .subscribe_queue(site.name)
        .schema(EventSchema::CloudEvents);
    let text = site.azurite.connection_string();
    subscription.connection_string(text).await.unwrap();
    site.queue.send("no event").await.unwrap();
    site.send(&json!({"id": "1", "type": "T", "source": "/s", "data": 1}))
        .await;

    let record = [
        "record",
        "--dir",
        "rec",
        "--event-queue",
        site.name,
        "--media",
        "wav",
    ];
    let call_id = [
        "--server-call-id",
        call.server_call_id(),
        "--interval",
        "20ms",
    ];
    let mut child = spawn(&mut command(&site, &[&record[..], &call_id].concat()));
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    let line = next();
    assert!(
        line.starts_with("receiving from http://127.0.0.1:"),
        "{line}"
    );
    let line = next();
    let id = line.strip_prefix("recording ").unwrap();
    let status = ["status", id];
    until("it is not active", || {
        site.program.run(&status).out.trim() == "active"
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    interrupt(&child);
    let run = site.program.check(child.output());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains(".000.wav"), "{run:?}");
    assert_eq!(site.depth().await, 2, "only its own event was removed");
}
