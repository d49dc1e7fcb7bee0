//! `download` and `delete`.

use std::process::Child;
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};

#[cfg(target_os = "linux")]
use crate::program::peak_memory;
use crate::program::{Program, event, interrupt, spawn};

#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_downloaded_and_deleted() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(3_000_000));
    let chunk = &recording.chunks()[0];
    let program = Program::new(&acs);
    let download = ["download", chunk.content_location(), "-o", "call.wav"];
    assert_eq!(program.run(&download).text(), "call.wav");
    let file = program.read("call.wav");
    assert_eq!(file.len(), 3_000_000);
    assert!(file.starts_with(&chunk.read(0, 100)));

    insta::assert_snapshot!(program.run(&download).failure(1), @"error: download recording: call.wav already exists and was left unchanged; use another name, or add --overwrite replace or --overwrite skip");
    let skip = [&download[..], &["--overwrite", "skip", "--output", "json"]].concat();
    assert_eq!(program.run(&skip).json()["transferred"], 0);
    let sum = [
        &download[..],
        &["--overwrite", "replace", "--sha256", "--connections", "3"],
    ]
    .concat();
    let sum = program.run(&sum).text();
    assert_eq!(sum.split("  ").next().unwrap().len(), 64, "{sum}");

    let delete = program.run(&["delete", chunk.delete_location()]).text();
    assert!(delete.starts_with("deleted http"), "{delete}");
    program.run(&["delete", chunk.delete_location()]).text();
    program
        .run(&["download", chunk.content_location(), "-o", "b"])
        .failure(4);
    let elsewhere = ["download", "https://media.example/x", "-o", "b"];
    let elsewhere = program.run(&elsewhere).failure(2);
    assert!(
        elsewhere.contains("not a host of the service"),
        "{elsewhere}"
    );
    assert!(!elsewhere.contains("allow"), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_resumes() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(40_000_000));
    let slow = acs
        .faults()
        .add(Fault::on(Operation::Content).bytes_per_second(200_000));
    let program = Program::new(&acs);
    let location = recording.chunks()[0].content_location();
    let download = ["download", location, "-o", "call.wav"];
    let child = spawn(&mut program.command(&download));
    wait_for_bytes(&program, &child);
    interrupt(&child);
    let stopped = program.check(child.output());
    insta::assert_snapshot!(stopped.failure(130), @"error: interrupted; the downloaded part is kept in a .part file; run the same command again to resume");
    slow.remove();
    let saved = program.run(&[&download[..], &["--output", "json"]].concat());
    let saved = saved.json();
    assert_eq!(saved["bytes"], 40_000_000);
    assert!(
        saved["transferred"].as_u64().unwrap() < 40_000_000,
        "{saved}"
    );
}

/// Waits until the journal contains some bytes of the download.
fn wait_for_bytes(program: &Program, child: &Child) {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        let files = std::fs::read_dir(program.dir.path()).unwrap();
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        for file in files.filter(|file| file.extension().is_none_or(|e| e != "part")) {
            let journal = std::fs::read_to_string(file).unwrap_or_default();
            if journal.lines().count() > 2 {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no bytes were received by process {}", child.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_downloaded_by_its_event() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(200_000).chunk(100_000));
    let event = event(&recording).to_string();
    let program = Program::new(&acs);
    program.write("event.json", event.as_bytes());
    let download = ["download", "--event", "event.json", "--dir", "rec"];
    let text = program.run(&download).text();
    assert_eq!(text.lines().count(), 4, "{text}");
    let again = [
        "download",
        "--event",
        "-",
        "--dir",
        "rec",
        "--output",
        "json",
        "--delete-after",
    ];
    let again = program.feed(&again, &event).json();
    assert_eq!(again["chunks"][1]["media"]["transferred"], 0);
    assert_eq!(again["deleted"], true);
    let gone = ["download", "--event", "event.json", "--dir", "other"];
    program.run(&gone).failure(4);
    program.run(&["delete", "--event", "event.json"]).text();
    let none = program.feed(&["download", "--event", "-", "--dir", "x"], "[]");
    assert!(none.failure(2).contains("no event announces a recording"));
    program
        .run(&["download", "--event", "no.json", "--dir", "x"])
        .failure(1);
}

/// An event that does not announce the second of three chunks.
fn with_a_gap(acs: &Emulator) -> (acs_emulator::StoredRecording, serde_json::Value) {
    let recording = SyntheticRecording::new(1000).chunk(1000).chunk(1000);
    let recording = acs.add_recording(recording);
    let mut event = event(&recording);
    let chunks = &mut event[0]["data"]["recordingStorageInfo"]["recordingChunks"];
    chunks.as_array_mut().unwrap().remove(1);
    (recording, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_recording_has_its_own_exit_code() {
    let acs = Emulator::start().await.unwrap();
    let (recording, event) = with_a_gap(&acs);
    let program = Program::new(&acs);
    program.write("event.json", event.to_string().as_bytes());
    let download = ["download", "--event", "event.json", "--dir", "rec"];
    let keeping = [&download[..], &["--delete-after"]].concat();
    let run = program.run(&keeping);
    assert_eq!(run.code, Some(8), "{run:?}");
    assert_eq!(run.out.lines().count(), 4, "{run:?}");
    for part in ["chunk 1 is missing", "nothing was deleted", "manifest.json"] {
        assert!(run.err.contains(part), "{run:?}");
    }
    let id = recording.chunks()[0].document_id();
    assert_eq!(program.read(format!("rec/{id}.002.wav")).len(), 1000);

    let json = [&keeping[..], &["--delete-incomplete", "--output", "json"]].concat();
    let run = program.run(&json);
    assert_eq!(run.code, Some(8), "{run:?}");
    let line: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (&line["complete"], &line["deleted"]),
        (&false.into(), &true.into())
    );
    assert_eq!(line["missing"][0]["index"], 1);
    assert_eq!(line["chunks"][1]["index"], 2);
    assert!(
        line["manifest"]
            .as_str()
            .unwrap()
            .ends_with("manifest.json")
    );
    assert_eq!(
        line["chunks"][0]["media"]["sha256"].as_str().unwrap().len(),
        64
    );
    assert!(line["warnings"][0].as_str().unwrap().contains("chunk 1"));
    let error = run.err.trim_end().lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["kind"], "incomplete");
    assert_eq!(error["error"]["exit_code"], 8);
    let kept = recording.chunks()[1].content_location();
    program.run(&["download", kept, "-o", "kept.wav"]).text();
    let insists = [&download[..], &["--delete-incomplete"]].concat();
    assert_eq!(program.run(&insists).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_in_own_storage_are_skipped() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(1000));
    let program = Program::new(&acs);
    let download = ["download", "--event", "-", "--dir", "rec", "--delete-after"];
    let json = [&download[..], &["--output", "json"]].concat();

    let mut none = event(&recording);
    none[0]["data"]["recordingStorageInfo"]["recordingChunks"] = serde_json::json!([]);
    let run = program.feed(&json, &none.to_string());
    assert_eq!(run.json()["skipped"], "nothing-to-download");

    let mut own = event(&recording);
    let chunk = &mut own[0]["data"]["recordingStorageInfo"]["recordingChunks"][0];
    chunk["contentLocation"] = "https://acme.blob.core.usgovcloudapi.net/c/0-audiowav.wav".into();
    chunk["deleteLocation"] = serde_json::Value::Null;
    own[0]["data"]["storageType"] = "AzureBlob".into();
    let run = program.feed(&json, &own.to_string());
    assert_eq!(run.json()["skipped"], "own-storage");
    let run = program.feed(&download, &own.to_string());
    assert!(!run.err.contains("--allow-content-host"), "{run:?}");
    assert!(run.err.contains("skipped: "), "{run:?}");
    assert_eq!(run.text(), "");
    let run = program.feed(&["delete", "--event", "-"], &own.to_string());
    assert!(run.err.contains("your own storage"), "{run:?}");
    assert_eq!(run.text(), "");

    // Together with one that can be downloaded, which was delivered twice.
    let whole = event(&recording);
    let all = serde_json::json!([none[0], own[0], whole[0], whole[0]]);
    let run = program.feed(&download, &all.to_string());
    assert_eq!(run.text().lines().count(), 2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_by_default() {
    use std::os::unix::fs::PermissionsExt as _;

    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(1000));
    let program = Program::new(&acs);
    let location = recording.chunks()[0].content_location();
    let download = ["download", location, "-o"];
    for (name, options, expected) in [
        ("a", &[][..], 0o600),
        ("b", &["--file-mode", "640"][..], 0o640),
    ] {
        program
            .run(&[&download[..], &[name], options].concat())
            .text();
        let found = std::fs::metadata(program.dir.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, expected);
    }
    for wrong in ["9", "4755", "044"] {
        let run = [&download[..], &["c", "--file-mode", wrong]].concat();
        assert_eq!(program.run(&run).code, Some(2), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_downloaded_concurrently() {
    let acs = Emulator::start().await.unwrap();
    let sizes = [100_000, 200_000, 300_000, 400_000, 500_000, 600_000];
    let recordings = sizes.map(|size| acs.add_recording(SyntheticRecording::new(size)));
    let program = Program::new(&acs);
    let urls: Vec<_> = recordings
        .iter()
        .map(|recording| recording.chunks()[0].content_location())
        .collect();
    let metadata = recordings[0].chunks()[0].metadata_location();
    let names: Vec<_> = recordings
        .iter()
        .map(|recording| format!("rec/{}.wav", recording.chunks()[0].document_id()))
        .collect();
    let download = [&["download", metadata, "--dir", "rec"], &urls[..]].concat();
    let mut lines: Vec<_> = program
        .run(&download)
        .text()
        .lines()
        .map(str::to_owned)
        .collect();
    let json = format!("rec/{}.json", recordings[0].chunks()[0].document_id());
    let mut wanted = names.clone();
    wanted.push(json);
    lines.sort();
    wanted.sort();
    assert_eq!(lines, wanted);
    for (name, size) in names.iter().zip(sizes) {
        assert_eq!(program.read(name).len() as u64, size);
    }

    // Existing files are kept, and a failure does not stop the other downloads.
    std::fs::remove_file(program.dir.path().join(&names[1])).unwrap();
    let gone = acs.add_recording(SyntheticRecording::new(10));
    let gone = &gone.chunks()[0];
    program.run(&["delete", gone.delete_location()]).text();
    let gone = gone.content_location();
    let again = [
        &["download", gone, "--dir", "rec", "--output", "json"],
        &urls[..],
    ]
    .concat();
    let run = program.run(&again);
    assert_eq!(run.code, Some(4), "{run:?}");
    let error: serde_json::Value =
        serde_json::from_str(run.err.trim().lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["kind"], "not-found");
    let transferred: u64 = run
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|file| file["transferred"].as_u64().unwrap())
        .sum();
    assert_eq!(transferred, sizes[1]);

    let one_file = [&["download", "-o", "x"], &urls[..]].concat();
    assert!(program.run(&one_file).failure(2).contains("--dir"));
    let nowhere = program.run(&["download", urls[0]]);
    assert!(nowhere.err.contains("--dir"), "{nowhere:?}");
}

/// Linux reports memory while the program runs. Its code does not count, because it is large
/// without optimization.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_download_needs_little_memory() {
    let acs = Emulator::start().await.unwrap();
    let recording = acs.add_recording(SyntheticRecording::new(300_000_000));
    let program = Program::new(&acs);
    let location = recording.chunks()[0].content_location();
    let mut child = spawn(&mut program.command(&["download", location, "-o", "call.wav"]));
    let peak = peak_memory(&mut child);
    program.check(child.output()).text();
    // The limit of an optimized program is 24 MiB, code included. The usual value here, without code,
    // is 14 to 16 MiB, depending on the load of the machine.
    assert!((1..17 * 1024).contains(&peak), "{peak} KiB");
}
