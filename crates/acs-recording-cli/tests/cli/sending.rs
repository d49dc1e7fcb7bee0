//! `events trigger` and `events replay`.

use std::time::Duration;

use acs_emulator::{Emulator, SyntheticRecording};
use acs_recording::{EventPayload, Events};
use serde_json::{Value, json};

use crate::events::{Listening, SECRET};
use crate::program::{Program, event};
use crate::receiver::Receiver;

const FILE_STATUS: &str = "RecordingFileStatusUpdated";

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_trigger_posts_as_event_grid_does() {
    let program = Program::with_connection_string("");
    let receiver = Receiver::start(&[]);
    let trigger = ["events", "trigger", FILE_STATUS, "--to", &receiver.url];
    let run = program.run(&[&trigger[..], &["--recording-id", "rid"]].concat());
    let text = run.text();
    assert!(
        text.starts_with("delivered RecordingFileStatusUpdated "),
        "{text}"
    );
    assert!(text.ends_with(", recording rid"), "{text}");
    let [handshake, post] = &receiver.received()[..] else {
        panic!("{:?}", receiver.received());
    };
    assert_eq!(
        handshake.header("aeg-event-type"),
        Some("SubscriptionValidation")
    );
    assert_eq!(
        handshake.json()[0]["eventType"],
        "Microsoft.EventGrid.SubscriptionValidationEvent"
    );
    for (name, value) in [
        ("aeg-event-type", "Notification"),
        ("aeg-delivery-count", "0"),
        ("aeg-metadata-version", "1"),
        ("aeg-data-version", "1.0"),
        ("content-type", "application/json; charset=utf-8"),
    ] {
        assert_eq!(post.header(name), Some(value), "{post:?}");
    }
    let event = &post.json()[0];
    assert_eq!(post.header("aeg-output-event-id"), event["id"].as_str());
    assert!(post.header("aeg-subscription-name").is_some());
    assert!(post.header("authorization").is_none());
    let subject = event["subject"].as_str().unwrap();
    assert!(subject.ends_with("/recordingId/rid"), "{subject}");

    let cloud = ["--schema", "cloud-events", "--output", "json"];
    let json = program.run(&[&trigger[..], &cloud].concat()).json();
    assert_eq!(
        (&json["status"], &json["delivered"]),
        (&200.into(), &true.into())
    );
    let requests = receiver.received();
    let [options, post] = &requests[2..] else {
        panic!("{requests:?}");
    };
    assert_eq!(options.method, "OPTIONS");
    let origin = Some("eventgrid.azure.net");
    assert_eq!(options.header("webhook-request-origin"), origin);
    assert_eq!(post.header("webhook-request-origin"), origin);
    let content_type = post.header("content-type");
    assert_eq!(
        content_type,
        Some("application/cloudevents+json; charset=utf-8")
    );
    assert_eq!(post.json()["specversion"], "1.0");
    assert_eq!(post.json()["id"], json["id"]);
}

#[test]
fn batches_are_arrays() {
    let program = Program::with_connection_string("");
    let receiver = Receiver::start(&[]);
    let trigger = ["events", "trigger", "callended", "--to", &receiver.url];
    let batch = ["--count", "3", "--batch", "2", "--no-handshake"];
    let cloud = ["--schema", "cloud-events"];
    let run = program.run(&[&trigger[..], &batch, &cloud].concat());
    assert_eq!(run.text().lines().count(), 3);
    let requests = receiver.received();
    let counts = requests
        .iter()
        .map(|post| post.json().as_array().unwrap().len());
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts, [2, 1]);
    let content_type = requests[0].header("content-type").unwrap();
    assert!(content_type.starts_with("application/cloudevents-batch+json"));
    assert_eq!(requests[0].header("aeg-output-event-id"), None);
}

/// Callbacks have no handshake, no headers of Event Grid, and are arrays of CloudEvents.
#[test]
fn callbacks_are_posted_as_call_automation_does() {
    let program = Program::with_connection_string("");
    let receiver = Receiver::start(&[]);
    let trigger = ["events", "trigger", "CallConnected", "--to", &receiver.url];
    program.run(&trigger).text();
    let requests = receiver.received();
    let [post] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert!(
        !post.headers.keys().any(|name| name.starts_with("aeg-")),
        "{post:?}"
    );
    let event = &post.json()[0];
    assert_eq!(event["type"], "Microsoft.Communication.CallConnected");
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["data"]["resultInformation"]["code"], 200);
    // Unless Event Grid is asked for.
    program
        .run(&[&trigger[..], &["--schema", "event-grid"]].concat())
        .text();
    assert_eq!(receiver.received().len(), 3);
}

#[test]
fn every_known_type_is_printed_and_read() {
    let program = Program::with_connection_string("");
    for event_type in EventPayload::KNOWN_TYPES {
        let run = program.run(&["events", "trigger", event_type, "--print"]);
        let text = run.text();
        let event = Events::parse(text.as_bytes()).next().unwrap().unwrap();
        assert_eq!(event.event_type, *event_type);
        assert_ne!(event.payload(), &EventPayload::Unknown);
    }
    let unknown = program.run(&["events", "trigger", "Unknown", "--print"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains(FILE_STATUS), "{unknown:?}");
}

#[test]
fn an_event_can_be_changed() {
    let program = Program::with_connection_string("");
    let print = ["events", "trigger", FILE_STATUS, "--print"];
    let changes = [
        "--set",
        "data.recordingFormatType=Wav",
        "--set",
        "data.recordingDurationMs=1000",
        "--set",
        "subject=/x",
        "--chunks",
        "2",
        "--content-origin",
        "http://127.0.0.1:9",
    ];
    let event = program.run(&[&print[..], &changes].concat()).json();
    let data = &event[0]["data"];
    assert_eq!(data["recordingFormatType"], "Wav");
    assert_eq!(data["recordingDurationMs"], 1000);
    assert_eq!(event[0]["subject"], "/x");
    let location = &data["recordingStorageInfo"]["recordingChunks"][1]["contentLocation"];
    let location = location.as_str().unwrap();
    assert!(
        location.starts_with("http://127.0.0.1:9/v1/objects/0-weu-d1-"),
        "{location}"
    );

    program.write("data.json", br#"{"a": 1}"#);
    let data = program.run(&[&print[..], &["--data", "data.json"]].concat());
    assert_eq!(data.json()[0]["data"], json!({"a": 1}));
    program.write("data.json", b"[1]");
    let data = program.run(&[&print[..], &["--data", "data.json"]].concat());
    assert!(
        data.failure(2)
            .contains("data.json: the data of an event is a JSON object")
    );
    let set = program.run(&[&print[..], &["--set", "subject.x=1"]].concat());
    assert!(set.failure(2).contains("--set: `subject` is neither"));
}

#[test]
fn rejections_have_exit_codes_and_show_no_secret() {
    let program = Program::with_connection_string("");
    for (status, code) in [
        (401, 3),
        (403, 3),
        (404, 4),
        (429, 7),
        (503, 7),
        (400, 1),
        (302, 1),
    ] {
        let receiver = Receiver::start(&[status]);
        let to = format!("{}?code=s3cret", receiver.url);
        let run = program.run(&["events", "trigger", "CallStarted", "--to", &to]);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.out.starts_with("rejected CallStarted "), "{run:?}");
        assert!(run.err.contains(&format!("status {status}")), "{run:?}");
        assert!(
            run.err.contains(&receiver.url) && !run.err.contains("s3cret"),
            "{run:?}"
        );
    }
    let none = [
        "events",
        "trigger",
        "CallStarted",
        "--to",
        "http://127.0.0.1:1/?code=s3cret",
    ];
    let failure = program.run(&none).failure(5);
    assert!(
        failure.contains("handshake") && !failure.contains("s3cret"),
        "{failure}"
    );
    let failure = program
        .run(&["events", "trigger", "CallStarted"])
        .failure(2);
    assert!(failure.contains("--to"), "{failure}");
    let plain = [
        "events",
        "trigger",
        "CallStarted",
        "--to",
        "http://app.example/?code=s3cret",
    ];
    let run = program.run(&plain);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("on loopback only"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_accepts_what_is_triggered() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--count", "3"];
    let mut command = program.command(&listen);
    let listening = Listening::start(command.env("ACS_WEBHOOK_SECRET", SECRET));
    let refused = ["events", "trigger", "CallEnded", "--to", &listening.url];
    program.run(&refused).failure(3);
    let to = listening.with_secret();
    for schema in ["event-grid", "cloud-events"] {
        let trigger = [
            "events",
            "trigger",
            "CallEnded",
            "--to",
            &to,
            "--schema",
            schema,
        ];
        program.run(&trigger).text();
    }
    let validation = [
        "events",
        "trigger",
        "SubscriptionValidationEvent",
        "--to",
        &to,
    ];
    let validated = program.run(&validation).text();
    assert!(
        validated.starts_with("validated http://127.0.0.1:"),
        "{validated}"
    );
    program
        .run(&["events", "trigger", "CallConnected", "--to", &to])
        .text();
    let run = listening.end(&program);
    let events = lines(&run.text());
    let schemas = events.iter().map(|event| event["schema"].as_str().unwrap());
    let schemas: Vec<_> = schemas.collect();
    assert_eq!(schemas, ["event-grid", "cloud-events", "cloud-events"]);
    assert!(events.iter().all(|event| event["known"] == true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_verifies_the_token_of_a_trigger() {
    let program = Program::with_connection_string("");
    // Both ends must know the address.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = free.local_addr().unwrap().to_string();
    drop(free);
    let authority = format!("http://{issuer}");
    let tenant = "12c0cdab-3c40-4e86-80b9-3e6f98d2d344";
    let listen = ["events", "listen", "--port", "0", "--count", "1"];
    let trust = ["--entra-tenant", tenant, "--entra-audience", "api://app"];
    let listen = [&listen[..], &trust, &["--entra-authority", &authority]].concat();
    let listening = Listening::start(&mut program.command(&listen));
    let trigger = ["events", "trigger", "CallEnded", "--to", &listening.url];
    let failure = program.run(&trigger).failure(3);
    assert!(failure.contains("401"), "{failure}");
    let token = ["--token-issuer", &issuer, "--token-tenant", tenant];
    let trigger = [&trigger[..], &token].concat();
    let good = ["--token-audience", "api://app"];
    let accepted = program.run(&[&trigger[..], &good].concat());
    accepted.text();
    assert_eq!(listening.end(&program).text().lines().count(), 1);
    let remote = ["--token-issuer", "10.0.0.1:80", "--token-audience", "a"];
    let call = [
        "events",
        "trigger",
        "CallEnded",
        "--to",
        "http://127.0.0.1:1",
    ];
    let failure = program.run(&[&call[..], &remote].concat()).failure(2);
    assert!(failure.contains("loopback"), "{failure}");
    program.write("key.pem", b"no key");
    let key = ["--token-key", "key.pem", "--token-audience", "a"];
    let failure = program.run(&[&call[..], &key].concat()).failure(2);
    assert!(
        failure.contains("key.pem") && failure.contains("openssl"),
        "{failure}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_replayed_in_order_and_not_changed() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let program = Program::with_connection_string("");
    let mut noted = event(&recording);
    noted[0]["id"] = "noted".into();
    for (folder, name, content) in [
        ("pending", "b.json", event(&recording)[0].to_string()),
        ("noted", "a.json", noted[0].to_string()),
        ("noted", "a.reason.json", "{\"error\": \"x\"}".to_owned()),
        (
            "done",
            "c.json",
            noted[0].to_string().replace("noted", "done"),
        ),
        ("unreadable", "d.raw", "?".to_owned()),
    ] {
        let folder = program.dir.path().join("rec/.spool").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
        // Files are in the order of their times.
        std::thread::sleep(Duration::from_millis(15));
    }
    let ids = |run: crate::program::Run| -> Vec<String> {
        let lines = lines(&run.text());
        lines
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let dry = ["events", "replay", "rec", "--dry-run", "--output", "json"];
    let run = program.run(&dry);
    assert!(run.err.contains("2 events would be sent"), "{run:?}");
    assert_eq!(ids(run), ["e1", "noted"]);
    let all = program.run(&[&dry[..], &["--include-done"]].concat());
    assert_eq!(ids(all), ["e1", "noted", "done"]);
    let after = program.run(&[&dry[..], &["--after", "e1"]].concat());
    assert_eq!(ids(after), ["noted"]);
    let failure = program.run(&[&dry[..], &["--after", "x"]].concat());
    assert!(
        failure.err.contains("no event has the id `x`"),
        "{failure:?}"
    );

    let receiver = Receiver::start(&[]);
    let replay = [
        "events",
        "replay",
        "rec/.spool",
        "--to",
        &receiver.url,
        "--rate",
        "100",
    ];
    let run = program.run(&replay);
    assert!(run.err.contains("2 of 2 events delivered"), "{run:?}");
    let requests = receiver.received();
    assert_eq!(requests.len(), 2, "there is no handshake");
    assert_eq!(requests[0].header("aeg-event-type"), Some("Notification"));
    let sent = &requests[0].json()[0];
    let kept = &event(&recording)[0];
    for member in ["id", "topic", "subject", "data", "eventType", "eventTime"] {
        assert_eq!(sent[member], kept[member], "{member}");
    }
    let pending = program.read("rec/.spool/pending/b.json");
    assert_eq!(String::from_utf8(pending).unwrap(), kept.to_string());
}

#[test]
fn dead_letters_are_replayed_without_their_reasons() {
    let program = Program::with_connection_string("");
    let folder = program.dir.path().join("dead/2026/11/25");
    std::fs::create_dir_all(&folder).unwrap();
    let dead = json!([{
        "id": "dead", "topic": "/t", "subject": "/s", "eventType": "Contoso.New", "data": {"a": 1},
        "eventTime": "2026-11-25T00:00:00Z", "dataVersion": "1", "metadataVersion": "1",
        "deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 30,
        "lastDeliveryOutcome": "NotFound", "publishTime": "2026-11-25T00:00:00Z",
        "lastDeliveryAttemptTime": "2026-11-25T12:00:00Z",
    }, {
        "id": "other", "topic": "/t", "subject": "/s", "eventType": "Contoso.Other", "data": {},
    }]);
    std::fs::write(folder.join("1.json"), dead.to_string()).unwrap();
    // Recordings and hidden files are not read.
    std::fs::write(folder.join("call.mp4"), b"no event").unwrap();
    std::fs::write(folder.join(".hidden.json"), b"no event").unwrap();
    let receiver = Receiver::start(&[]);
    let replay = [
        "events",
        "replay",
        "dead",
        "--to",
        &receiver.url,
        "--type",
        "new",
    ];
    let run = program.run(&replay);
    assert!(
        run.err.contains("1 of 1 events delivered, 1 skipped"),
        "{run:?}"
    );
    let mut expected = dead[0].clone();
    expected.as_object_mut().unwrap().retain(|name, _| {
        [
            "id",
            "topic",
            "subject",
            "eventType",
            "data",
            "eventTime",
            "dataVersion",
            "metadataVersion",
        ]
        .contains(&name.as_str())
    });
    assert_eq!(receiver.received()[0].json(), json!([expected]));
}

#[test]
fn a_replay_reports_each_event_and_fails_if_one_does() {
    let program = Program::with_connection_string("");
    let line = |id: &str| json!({"id": id, "type": "T", "source": "/s", "data": 1}).to_string();
    let text = [line("a"), "not json".to_owned(), line("b"), line("c")].join("\n");
    program.write("events.jsonl", text.as_bytes());
    let receiver = Receiver::start(&[200, 401]);
    let replay = ["events", "replay", "events.jsonl", "--to", &receiver.url];
    let run = program.run(&[&replay[..], &["--output", "json"]].concat());
    let outcomes: Vec<_> = lines(&run.out)
        .iter()
        .map(|line| {
            (
                line["id"].clone(),
                line["delivered"].clone(),
                line["status"].clone(),
            )
        })
        .collect();
    let expected = [("a", true, 200), ("b", false, 401), ("c", true, 200)];
    let expected =
        expected.map(|(id, delivered, status)| (id.into(), delivered.into(), status.into()));
    assert_eq!(outcomes, expected);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("2 events were not delivered"), "{run:?}");
    let requests = receiver.received();
    let content_type = requests[0].header("content-type").unwrap();
    assert!(content_type.starts_with("application/cloudevents+json"));
}

#[test]
fn a_replay_retries_as_event_grid_does() {
    let program = Program::with_connection_string("");
    let line = |id: &str| json!({"id": id, "type": "T", "source": "/s", "data": 1}).to_string();
    program.write(
        "events.jsonl",
        format!("{}\n{}\n", line("a"), line("b")).as_bytes(),
    );
    let receiver = Receiver::start(&[500, 503, 200, 413]);
    let replay = ["events", "replay", "events.jsonl", "--to", &receiver.url];
    let retry = ["--retry", "--retry-delay", "1ms", "--output", "json"];
    let run = program.run(&[&replay[..], &retry].concat());
    assert_eq!(run.code, Some(1), "{run:?}");
    let attempts: Vec<_> = lines(&run.out)
        .iter()
        .map(|line| line["attempts"].clone())
        .collect();
    assert_eq!(attempts, [3, 1]);
    let requests = receiver.received();
    let order: Vec<_> = requests
        .iter()
        .map(|post| post.json()["id"].clone())
        .collect();
    assert_eq!(order, ["a", "a", "a", "b"]);
    assert_eq!(requests[2].header("aeg-delivery-count"), Some("2"));
}
