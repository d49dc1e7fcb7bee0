//! `archive put`, `archive list` and `archive verify`, without a queue.

use acs_emulator::{Emulator, SyntheticRecording};
use serde_json::{Value, json};

use crate::program::Program;
use crate::site::event;

/// A program with two recordings, of one and of two chunks, and the file with their events.
async fn announced() -> (Emulator, Program) {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let one = acs.add_recording(SyntheticRecording::new(4000));
    let two = acs.add_recording(SyntheticRecording::new(5000).chunk(600));
    let mut second = event(&two);
    second["eventTime"] = json!("2026-02-03T23:30:00Z");
    second["subject"] = json!("/recording/call/c-2/serverCallId/xyz/recordingId/rid-2");
    let events = json!([event(&one), second]);
    program.write("events.json", events.to_string().as_bytes());
    (acs, program)
}

fn rows(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const PUT: [&str; 6] = ["archive", "put", "--event", "events.json", "--to", "a"];

#[tokio::test(flavor = "multi_thread")]
async fn put_archives_once_and_the_catalogue_finds_it() {
    let (_acs, program) = announced().await;
    let text = program.run(&PUT).text();
    assert_eq!(text.lines().count(), 3, "{text}");
    for name in text.lines() {
        assert!(program.dir.path().join("a").join(name).is_file(), "{name}");
    }
    // The second time, nothing is new.
    let again = program.run(&[&PUT[..], &["--output", "json", "--delete"]].concat());
    for row in rows(&again.text()) {
        assert_eq!(row["deleted"], true);
        for chunk in row["chunks"].as_array().unwrap() {
            assert_eq!(chunk["new"], false);
        }
    }

    let list = |filter: &[&str]| {
        let list = ["archive", "list", "--to", "a", "--output", "json"];
        rows(&program.run(&[&list[..], filter].concat()).text())
    };
    assert_eq!(list(&[]).len(), 3);
    let second = list(&["--since", "2026-02-03", "--until", "2026-02-03"]);
    let mut indices = Vec::new();
    for row in &second {
        assert_eq!(
            (&row["call_id"], &row["recording_id"]),
            (&json!("c-2"), &json!("rid-2"))
        );
        indices.push(row["index"].as_u64());
    }
    // A folder lists its files in any order.
    indices.sort_unstable();
    assert_eq!(indices, [Some(0), Some(1)]);
    assert_eq!(list(&["--since", "2026-02-04"]).len(), 0);
    assert_eq!(list(&["--call", "c-2"]).len(), 2);
    assert_eq!(list(&["--recording", "rid-2"]).len(), 2);
    assert_eq!(list(&["--participant", "8:acs:nobody"]).len(), 0);

    let table = program.run(&["archive", "list", "--to", "a"]).text();
    let mut lines = table.lines();
    let heading = lines.next().unwrap();
    assert!(
        heading.starts_with("START (UTC)") && heading.ends_with("MEDIA"),
        "{table}"
    );
    assert_eq!(lines.count(), 3, "{table}");

    let verify = ["archive", "verify", "--to", "a", "--deep"];
    let text = program.run(&verify).text();
    assert!(text.starts_with("3 of 3 chunks are sound"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_is_missing_or_different() {
    let (_acs, program) = announced().await;
    let text = program.run(&PUT).text();
    let names: Vec<_> = text.lines().map(|name| format!("a/{name}")).collect();
    std::fs::remove_file(program.dir.path().join(&names[0])).unwrap();
    program.write(&names[1], b"short");
    let mut altered = program.read(&names[2]);
    altered[7] ^= 1;
    program.write(&names[2], &altered);

    // Sizes alone do not show an altered byte.
    for (depth, sound, kinds) in [
        (&[][..], 1, &["missing", "size"][..]),
        (&["--deep"], 0, &["content", "missing", "size"]),
    ] {
        let verify = ["archive", "verify", "--to", "a", "--output", "json"];
        let run = program.run(&[&verify[..], depth].concat());
        assert_eq!(run.code, Some(6), "{run:?}");
        let rows = rows(&run.out);
        let findings = rows.iter().filter_map(|row| row["findings"].as_array());
        let findings = findings
            .flatten()
            .map(|finding| finding["kind"].as_str().unwrap());
        let mut found: Vec<_> = findings.collect();
        found.sort_unstable();
        assert_eq!(found, kinds);
        let summary = rows.last().unwrap();
        assert_eq!(
            (&summary["chunks"], &summary["sound"]),
            (&json!(3), &json!(sound))
        );
        let error: Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(error["error"]["kind"], "corrupt-content");
    }

    // A receipt that cannot be read does not hide the others.
    let receipt = names[0].replace(".wav", ".receipt.json");
    program.write(&receipt, b"{");
    let run = program.run(&["archive", "list", "--to", "a"]);
    assert_eq!((run.code, run.out.lines().count()), (Some(1), 3), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn put_continues_after_a_recording_that_is_gone() {
    let (acs, program) = announced().await;
    let gone = acs.add_recording(SyntheticRecording::new(10));
    let kept = acs.add_recording(SyntheticRecording::new(20));
    program.write("gone.json", event(&gone).to_string().as_bytes());
    program.run(&["delete", "--event", "gone.json"]).text();
    let events = json!([event(&gone), event(&kept)]).to_string();
    program.write("events.json", events.as_bytes());
    let run = program.run(&[&PUT[..], &["--concurrency", "1"]].concat());
    assert_eq!(run.code, Some(4), "{run:?}");
    assert_eq!(run.out.lines().count(), 1, "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
    assert!(run.err.contains(gone.recording_id()), "{run:?}");
}
