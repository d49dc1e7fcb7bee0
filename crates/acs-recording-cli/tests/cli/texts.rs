//! Files as written by common tools: events, connection strings and secrets.

use acs_emulator::{Emulator, SyntheticRecording};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::program::{Program, event};

fn utf16(text: &str) -> Vec<u8> {
    let marked = format!("\u{feff}{text}");
    marked.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_in_common_wrappers() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let program = Program::new(&acs);
    let posted = event(&recording);
    let text = posted.to_string();
    let base64 = BASE64_STANDARD.encode(&text);
    let peeked = json!([{"content": base64, "dequeueCount": 2, "id": "m-1"}]);
    let received =
        json!({"value": [{"brokerProperties": {"lockToken": "t-1"}, "event": posted[0]}]});
    let files: [(&str, Vec<u8>); 8] = [
        ("redirect.json", utf16(&format!("{text}\r\n"))),
        ("core.json", format!("\u{feff}{text}").into_bytes()),
        ("message.txt", base64.clone().into_bytes()),
        (
            "peek.json",
            utf16(&serde_json::to_string_pretty(&peeked).unwrap()),
        ),
        ("receive.json", received.to_string().into_bytes()),
        ("lines.jsonl", format!("{}\n", posted[0]).into_bytes()),
        (
            "pretty.json",
            serde_json::to_string_pretty(&posted).unwrap().into_bytes(),
        ),
        ("quoted.json", json!(text).to_string().into_bytes()),
    ];
    for (name, content) in files {
        program.write(name, &content);
        let line = program.run(&["events", "parse", name]).json();
        assert_eq!(line["id"], "e1", "{name}");
        assert!(line["data"]["recordingStorageInfo"].is_object());
        let expected = match name {
            "peek.json" => json!({"messageId": "m-1", "dequeueCount": 2}),
            "receive.json" => json!({"lockToken": "t-1"}),
            _ => json!({}),
        };
        assert_eq!(line["attributes"], expected, "{name}");
        let dir = format!("{name}.d");
        program
            .run(&["download", "--event", name, "--dir", &dir])
            .text();
        let files = std::fs::read_dir(program.dir.path().join(&dir)).unwrap();
        assert!(files.count() >= 2, "{name}");
    }
    program.run(&["delete", "--event", "redirect.json"]).text();
    let place = recording.chunks()[0].content_location();
    let gone = program.run(&["download", place, "-o", "gone.wav"]);
    assert_eq!(gone.code, Some(4), "{gone:?}");

    // Several messages, and files that contain none.
    program.write("lines.txt", format!("{base64}\r\n{base64}\r\n").as_bytes());
    let lines = program.run(&["events", "parse", "lines.txt"]).text();
    assert_eq!(lines.lines().count(), 2);
    // Printed events are events again, with the same attributes.
    let printed = program.run(&["events", "parse", "peek.json"]).text();
    let again: Value = program.feed(&["events", "parse"], &printed).json();
    assert_eq!(
        again["attributes"],
        json!({"messageId": "m-1", "dequeueCount": 2})
    );
    for (content, name) in [
        ("<html><title>Sign in</title></html>", "HTML page"),
        (
            r#"{"cloudEventsVersion": "0.1", "eventType": "x"}"#,
            "CloudEvents 0.1",
        ),
        ("", "empty"),
    ] {
        let failure = program.feed(&["events", "parse"], content).failure(2);
        assert!(failure.contains(name), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_strings_are_found_in_files() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let string = acs.connection_string();
    let place = recording.chunks()[0].content_location();
    let env = format!("# ours\r\nLOG=info\r\nACS_CONNECTION_STRING=\"{string}\"\r\n");
    let program = Program::with_connection_string("");
    let contents = [
        string.as_bytes().to_vec(),
        format!("\u{feff}{string}\r\n").into_bytes(),
        utf16(&format!("'{string}'\r\n")),
        format!("$env:X = \"{string}\"\n").into_bytes(),
        utf16(&env),
    ];
    for (index, content) in contents.into_iter().enumerate() {
        program.write("acs.txt", &content);
        let name = format!("{index}.wav");
        let arguments = [
            "--connection-string-file",
            "acs.txt",
            "download",
            place,
            "-o",
            &name,
        ];
        program.run(&arguments).text();
        assert!(!program.read(&name).is_empty());
    }
    // Variables keep their quotation marks when Docker reads them from a file.
    let quoted = Program::with_connection_string(&format!("\"{string}\""));
    quoted.run(&["download", place, "-o", "x"]).text();

    let key = "c2VjcmV0c2VjcmV0";
    let parse = |content: &[u8]| {
        program.write("acs.txt", content);
        let arguments = ["--connection-string-file", "acs.txt", "status", "rid"];
        let failure = program.run(&arguments).failure(2);
        assert!(
            failure.contains("acs.txt") && !failure.contains(key),
            "{failure}"
        );
        failure
    };
    let two = format!(
        "A=\"endpoint=https://a.example/;accesskey={key}\"\nB=\"endpoint=https://b.example/;accesskey={key}\"\n"
    );
    let failure = parse(two.as_bytes());
    assert!(
        failure.contains("2 different connection strings"),
        "{failure}"
    );
    let failure = parse(format!("endpoint=https://a.example/;accesskey={key} x==").as_bytes());
    assert!(failure.contains("contains a space"), "{failure}");
    let failure = parse(b"endpoint=https://a.example/;accesskey=\xe9\xff");
    assert!(failure.contains("not UTF-8"), "{failure}");
}

#[test]
fn secrets_that_can_never_match_are_rejected() {
    let program = Program::with_connection_string("");
    program.write("secret.txt", &utf16("0123456789+abcdef\r\n"));
    let listen = [
        "events",
        "listen",
        "--port",
        "0",
        "--secret-file",
        "secret.txt",
    ];
    let failure = program.run(&listen).failure(2);
    assert!(failure.contains("raw `+`"), "{failure}");
    assert!(!failure.contains("abcdef"), "{failure}");
}

/// The raw JSON of an object member.
fn raw<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
    rest
}

#[test]
fn event_data_is_unchanged_however_deep_or_long() {
    let program = Program::with_connection_string("");
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{}1{}", "{\"a\":".repeat(300), "}".repeat(300));
    let kinds = [
        "Contoso.Test",
        "Microsoft.Communication.RecordingFileStatusUpdated",
    ];
    let values = [
        deep(127),
        deep(128),
        deep(2000),
        deep(100_000),
        objects,
        "12345678901234567890123".to_owned(),
        "0.1000000000000000055511151231257827".to_owned(),
        "1e999".to_owned(),
        "-0.0".to_owned(),
        "1.50".to_owned(),
        r#""\ud800""#.to_owned(),
        r#"{"a":1,"a":2}"#.to_owned(),
    ];
    for kind in kinds {
        for value in &values {
            let what = format!("{kind}: {}", value.chars().take(40).collect::<String>());
            let data = format!("{{\"x\":{value}}}");
            let event = format!(
                "[{{\"id\": \"1\", \"eventType\": \"{kind}\", \"extra\": {value},\n \"data\":\n {{ \"x\" : {value} }} }}]"
            );
            let line = program.feed(&["events", "parse"], &event).text();
            assert!(raw(&line, "data").starts_with(&data), "{what}: {line:.200}");
            let extra = format!("{{\"extra\":{value}}}");
            assert!(
                raw(&line, "attributes").starts_with(&extra),
                "{what}: {line:.200}"
            );
            // A second round trip.
            let again = program.feed(&["events", "parse"], &line).text();
            assert!(
                raw(&again, "data").starts_with(&data),
                "{what}: {again:.200}"
            );
            assert!(
                raw(&again, "attributes").starts_with(&extra),
                "{what}: {again:.200}"
            );
        }
    }
}

#[test]
fn event_data_that_is_not_json_is_kept() {
    let program = Program::with_connection_string("");
    let bytes = BASE64_STANDARD.encode(b"\x00\xff\x1b");
    let event = json!({"id": "1", "source": "s", "specversion": "1.0", "type": "Contoso.Test",
        "data_base64": bytes});
    let line = program
        .feed(&["events", "parse"], &event.to_string())
        .text();
    let first: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(first["data"], Value::Null);
    assert_eq!(first["data_base64"], bytes);
    let again = program.feed(&["events", "parse"], &line).json();
    assert_eq!(again, first);
}

/// Not all systems allow such names.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_not_utf_8_are_not_lost_in_json() {
    use std::os::unix::ffi::OsStrExt as _;
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(10));
    let place = recording.chunks()[0].content_location();
    let program = Program::new(&acs);
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    let encoded = BASE64_STANDARD.encode(b"a\xff");
    let run = |arguments: &[&str]| {
        let mut command = program.command(&["--output", "json"]);
        let named = |argument: &&str| match *argument {
            "NAME" => name.to_owned(),
            argument => argument.into(),
        };
        let output = command.args(arguments.iter().map(named)).output();
        program.check(output.unwrap())
    };
    let failures: &[&[&str]] = &[
        &["inspect", "NAME"],
        &["metadata", "show", "NAME"],
        &["events", "parse", "NAME"],
        &["download", "--event", "NAME", "--dir", "d"],
        &["delete", "--event", "NAME"],
        &["download", place, "-o", "NAME"],
        &["download", place, "--dir", "NAME"],
        &["--connection-string-file", "NAME", "delete", place],
        &["--ca-cert", "NAME", "delete", place],
        &["events", "listen", "--port", "0", "--secret-file", "NAME"],
        &["man", "--dir", "NAME"],
    ];
    let check = |commands: &[&[&str]], when: &str| {
        for arguments in commands {
            let run = run(arguments);
            assert_ne!(run.code, Some(0), "{when}: {arguments:?}: {run:?}");
            let line = run.err.lines().last().unwrap_or_default();
            let failure: Value = serde_json::from_str(line).unwrap_or_default();
            let error = &failure["error"];
            assert_eq!(error["path"], "a\u{fffd}", "{when}: {arguments:?}: {run:?}");
            assert_eq!(error["path_base64"], encoded, "{when}: {arguments:?}");
        }
    };
    check(&failures[..5], "missing");
    check(&failures[7..10], "missing");
    std::fs::write(program.dir.path().join(name), b"\xff{").unwrap();
    check(failures, "no text");
    std::fs::remove_file(program.dir.path().join(name)).unwrap();
    std::fs::create_dir(program.dir.path().join(name)).unwrap();
    check(&failures[..6], "a folder");
    std::fs::remove_dir(program.dir.path().join(name)).unwrap();
    let saved = run(&["download", place, "-o", "NAME"]).json();
    assert_eq!(saved["path_base64"], encoded);
}
