//! Rejected input, and the error messages.

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};
use serde_json::Value;

use crate::events::{Listening, post};
use crate::program::{Program, event};

#[tokio::test(flavor = "multi_thread")]
async fn delete_after_requires_an_event() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let program = Program::new(&acs);
    let url = recording.chunks()[0].content_location();
    let download = ["download", url, "-o", "x"];
    let deleting = program.run(&[&download[..], &["--delete-after"]].concat());
    assert_eq!(deleting.code, Some(2), "{deleting:?}");
    program.run(&download).text();
}

#[test]
fn where_to_copy_a_connection_string_from_is_said_once() {
    let endpoint = "endpoint=https://contoso.communication.azure.com";
    for text in [
        "x",
        endpoint,
        &format!("{endpoint};accesskey=c2VjcmV0%"),
        &format!("{endpoint};accesskey=c2Vj cmV0"),
    ] {
        let failure = Program::with_connection_string(text)
            .run(&["status", "rid"])
            .failure(2);
        assert_eq!(failure.matches("\"Keys\"").count(), 1, "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_paths_and_numbers_are_rejected() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let program = Program::new(&acs);
    let url = recording.chunks()[0].content_location();
    for count in ["0", "33", "x"] {
        let download = ["download", url, "-o", "x", "--connections", count];
        assert_eq!(program.run(&download).code, Some(2), "{count}");
    }
    std::fs::create_dir(program.dir.path().join("there")).unwrap();
    let folder = program.run(&["download", url, "-o", "there"]).failure(2);
    assert!(folder.contains("--dir"), "{folder}");
    let nowhere = program.run(&["download", url, "-o", "-"]).failure(2);
    assert!(nowhere.contains("pass a file name"), "{nowhere}");
    let none = [
        "events",
        "listen",
        "--allow-unauthenticated",
        "--port",
        "0",
        "--count",
        "0",
    ];
    assert_eq!(program.run(&none).code, Some(2));
    let http = acs.endpoint().strip_prefix("http://").unwrap();
    let taken = program.run(&["emulator", "--http", http]).failure(2);
    assert!(taken.contains(http), "{taken}");
    program.write("script.json", b"[{]");
    let script = ["emulator", "--script", "script.json"];
    assert!(program.run(&script).failure(2).contains("script.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_never_overwrites_a_recording() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(100_000));
    let program = Program::new(&acs);
    let url = recording.chunks()[0].content_location();
    program.run(&["download", url, "-o", "call.wav"]).text();
    let before = program.read("call.wav");
    for name in ["call.wav", "./call.wav"] {
        let failure = program
            .run(&["inspect", "call.wav", "--png", name])
            .failure(2);
        assert!(failure.contains("would replace call.wav"), "{failure}");
    }
    program.write("call.json", b"{}");
    let document = ["inspect", "call.wav", "--png", "call.json"];
    program.run(&document).failure(2);
    assert!(program.read("call.wav") == before);
    assert_eq!(program.read("call.json"), b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_last_event_is_reported() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let program = Program::new(&acs);
    let line = event(&recording)[0].to_string();
    let cut = format!("{line}\n{}", &line[..line.len() / 2]);
    program.write("events.json", cut.as_bytes());
    let parsed = program.run(&["events", "parse", "events.json"]);
    assert_eq!(parsed.code, Some(2), "{parsed:?}");
    assert_eq!(parsed.out.lines().count(), 1, "{parsed:?}");
    let download = ["download", "--event", "events.json", "--dir", "rec"];
    let download = program.run(&download);
    assert_eq!(download.code, Some(2), "{download:?}");
    assert_eq!(download.out.lines().count(), 2, "{download:?}");
    assert!(download.err.contains("events.json"), "{download:?}");
    let delete = program.run(&["delete", "--event", "events.json"]);
    assert_eq!((delete.code, delete.out.lines().count()), (Some(2), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deletion_does_not_stop_the_others() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(200_000).chunk(100_000));
    let program = Program::new(&acs);
    program.write("event.json", event(&recording).to_string().as_bytes());
    let chunks = recording.chunks();
    let first = &chunks[0];
    let fault = Fault::on(Operation::Delete).target(first.document_id());
    acs.faults().add(fault.status(403));
    let run = program.run(&["delete", "--event", "event.json"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_eq!(run.out.lines().count(), chunks.len() - 1, "{run:?}");
    assert!(run.err.contains(first.delete_location()), "{run:?}");
}

#[test]
fn other_json_is_not_a_metadata_document() {
    let program = Program::with_connection_string("");
    for text in [r#"{"id": "1", "eventType": "x"}"#, "[]"] {
        program.write("x.json", text.as_bytes());
        let failure = program.run(&["metadata", "show", "x.json"]).failure(6);
        assert!(failure.contains("not a metadata document"), "{failure}");
    }
}

/// Each line of standard error.
#[track_caller]
fn errors(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{text}")))
        .map(|line| line["error"].clone())
        .collect()
}

#[test]
fn errors_are_json_too() {
    let program = Program::with_connection_string("");
    for arguments in [
        &["nonsense", "--output", "json"][..],
        &["--output=json", "start"],
        &["download", "x", "--output", "json"],
    ] {
        let run = program.run(arguments);
        let [error] = &errors(&run.err)[..] else {
            panic!("{run:?}")
        };
        assert_eq!((run.code, &error["exit_code"]), (Some(2), &2.into()));
        assert_eq!(error["kind"], "invalid-input");
        assert!(
            !error["message"].as_str().unwrap().contains("Usage"),
            "{error}"
        );
    }
    let bad = program.feed(&["events", "parse", "--output", "json"], "[1, 2]");
    assert_eq!((bad.code, errors(&bad.err).len()), (Some(2), 2), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_authentication_names_the_options() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let elsewhere = event(&recording).to_string();
    let elsewhere = elsewhere.replace(acs.endpoint(), "https://media.example");
    let program = Program::new(&acs);
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let json = ["--download-to", "rec", "--count", "1", "--output", "json"];
    let mut command = program.command(&[&listen[..], &json].concat());
    let listening = Listening::start(command.env("RUST_LOG", "off"));
    let answer = post(&listening.url, &elsewhere);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let run = listening.end(&program);
    let [error] = &errors(&run.err)[..] else {
        panic!("{run:?}")
    };
    assert_eq!(error["kind"], "forbidden-host");
    // An event must not cause credentials to be sent to another host.
    assert!(!run.err.contains("allow"), "{run:?}");
}

/// No request is sent, because these hosts do not exist.
#[test]
fn own_storage_is_recognized_in_every_cloud() {
    let resource = "endpoint=https://contoso.communication.azure.us/;accesskey=YWJj";
    let program = Program::with_connection_string(resource);
    for (host, storage) in [
        ("acme.blob.core.windows.net", None),
        ("acme.blob.core.usgovcloudapi.net", Some("AzureBlob")),
        ("acme.blob.core.chinacloudapi.cn", None),
        ("acme.z7.blob.storage.azure.net", None),
        ("media.contoso.example", Some("AzureBlob")),
    ] {
        let url = format!("https://{host}/rec/20251002/call/eyJQbGF0-1/0-audiowav.wav");
        let event = serde_json::json!([{
            "id": "1",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {
                "recordingStorageInfo": {"recordingChunks": [{
                    "documentId": "0-weu-d7-0000000000000000000000000000abc0",
                    "index": 0,
                    "contentLocation": url,
                    "metadataLocation": url.replace("audiowav.wav", "acsmetadata.json"),
                }]},
                "storageType": storage,
            },
        }]);
        program.write("event.json", event.to_string().as_bytes());
        let download = ["download", "--event", "event.json", "--dir", "rec"];
        let run = program.run(&[&download[..], &["--output", "json"]].concat());
        assert!(run.err.contains("that account's credentials"), "{run:?}");
        assert!(!run.err.contains("allow"), "{run:?}");
        assert_eq!(run.json()["skipped"], "own-storage");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_location_cannot_stop_a_recording() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = ["start", "--server-call-id", call.server_call_id(), "--wait"];
    let id = program.run(&start).text();
    let forged = format!("{}/calling/recordings/{id}", acs.endpoint());
    let failure = program.run(&["delete", &forged]).failure(2);
    assert!(failure.contains("not one of recorded content"), "{failure}");
    program.run(&["download", &forged, "-o", "x"]).failure(2);

    let recording = acs.add_recording(SyntheticRecording::new(10));
    let mut event = event(&recording);
    event[0]["data"]["recordingStorageInfo"]["recordingChunks"][0]["deleteLocation"] =
        forged.into();
    program.write("event.json", event.to_string().as_bytes());
    let deletion = program.run(&["delete", "--event", "event.json"]);
    assert!(deletion.failure(2).contains("another object"));
    assert_eq!(program.run(&["status", &id]).text(), "active");
}

#[test]
fn invalid_values_are_rejected_with_a_reason() {
    let program = Program::with_connection_string("endpoint=http://127.0.0.1:1/;accesskey=YWJj");
    let guid = "0b1a9ac5-0f8b-4d5e-9d0e-8a6a2f0c7d11";
    let link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_a%40thread.v2/0";
    let recording = "eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiIwMzAwIn0";
    for (arguments, said) in [
        (
            &["start", "--server-call-id", "aHR0cHM6Ly9h%3D"][..],
            "percent-encoded",
        ),
        (
            &["start", "--server-call-id", "\"aHR0cHM6Ly9h\""],
            "in quotes",
        ),
        (&["start", "--server-call-id", link], "Teams meeting"),
        (
            &["start", "--server-call-id", "19:meeting_a@thread.v2"],
            "thread id",
        ),
        (&["start", "--server-call-id", recording], "recording id"),
        (&["start", "--server-call-id", guid], "a GUID"),
        (
            &["start", "--call-connection-id", "aHR0cHM6Ly9hcGk="],
            "server call id",
        ),
        (
            &["start", "--group-call-id", "99400535222211121"],
            "not a GUID",
        ),
        (&["stop", "aHR0cHM6Ly9hcGk="], "server call id"),
        (&["status", guid], "a GUID"),
        (
            &["pause", "https://eu.asm.skype.com/v1/objects/o"],
            "recorded content",
        ),
        (
            &[
                "status",
                "rid",
                "--endpoint",
                "https://portal.azure.com/#home",
            ],
            "Azure portal",
        ),
        (
            &["status", "rid", "--endpoint", "/subscriptions/1/x"],
            "Azure Resource Manager",
        ),
        (
            &["status", "rid", "--custom-endpoint", "http://front.example"],
            "not https",
        ),
        (
            &[
                "events",
                "listen",
                "--callback-resource-id",
                "/subscriptions/1/resourceGroups/r",
            ],
            "Azure Resource Manager",
        ),
        (
            &[
                "events",
                "listen",
                "--callback-resource-id",
                "a.communication.azure.com",
            ],
            "endpoint",
        ),
    ] {
        let run = program.run(arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.err.contains(said), "{arguments:?}: {run:?}");
    }
    for (text, said) in [
        (
            "endpoint=https://portal.azure.com/#home;accesskey=c2VjcmV0",
            "Azure portal",
        ),
        (
            "endpoint=https://a.example/;accesskey=endpoint=https://a.example/",
            "is a connection string",
        ),
    ] {
        let failure = Program::with_connection_string(text).run(&["status", "rid"]);
        assert!(failure.err.contains(said), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_printed_is_not_acknowledged() {
    let program = Program::with_connection_string("");
    let listen = ["events", "listen", "--port", "0", "--allow-unauthenticated"];
    let mut listening = Listening::start(&mut program.command(&listen));
    drop(listening.child.stdout.take());
    let answer = post(
        &listening.url,
        r#"[{"id": "1", "eventType": "x", "data": {}}]"#,
    );
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(listening.end(&program).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_content_is_noted_and_bounded() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    acs.faults().add(Fault::on(Operation::Content).status(404));
    let program = Program::new(&acs);
    let mut event = event(&recording);
    let now = jiff::Timestamp::now();
    event[0]["data"]["recordingStartTime"] = now.to_string().into();
    event[0]["data"]["recordingDurationMs"] = 1000.into();
    program.write("event.json", event.to_string().as_bytes());
    let download = ["download", "--event", "event.json", "--dir", "rec"];
    let begun = std::time::Instant::now();
    let run = program.run(&[&download[..], &["--operation-timeout", "5s"]].concat());
    assert!(begun.elapsed().as_secs() < 30, "{run:?}");
    assert!(matches!(run.code, Some(4 | 7)), "{run:?}");
    assert!(run.err.contains("waiting"), "{run:?}");
}
