//! Two hundred concurrent downloads, in a process with a limit of 256 open files.
//!
//! The short run is a test like any other. The full one downloads 200 recordings of 16 MB, or as
//! many bytes as `ACS_DESCRIPTORS_BYTES` says, and prints the number of open files and the
//! memory of the process:
//!
//! ```text
//! cargo test -p acs-recording --release --test download_descriptors -- --ignored --nocapture full
//! ```

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic, and the long one reports its results"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use acs_emulator::{Clock, Emulator, SyntheticRecording};
use acs_recording::{ContentUrl, RecordingClient};
use futures_util::future::join_all;

const COUNT: u64 = 200;
const LIMIT: usize = 256;
const FOLDER: &str = "ACS_DESCRIPTORS_FOLDER";
const CONNECTION_STRING: &str = "ACS_DESCRIPTORS_CONNECTION_STRING";

#[tokio::test(flavor = "multi_thread")]
async fn short() {
    run(200_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes gigabytes"]
async fn full() {
    let bytes = std::env::var("ACS_DESCRIPTORS_BYTES");
    run(bytes.map_or(16_000_000, |text| text.parse().unwrap())).await;
}

/// The emulator runs in this process, the downloads in another one.
async fn run(bytes: u64) {
    let acs = Emulator::builder().clock(Clock::manual()).start();
    let acs = acs.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stored: Vec<_> = (0..COUNT)
        .map(|seed| acs.add_recording(SyntheticRecording::new(bytes + 1000 * seed).seed(seed)))
        .collect();
    let locations: Vec<_> = stored
        .iter()
        .map(|stored| stored.chunks()[0].content_location())
        .collect();
    std::fs::write(folder.path().join("locations"), locations.join("\n")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {LIMIT}; exec \"$@\""), "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "child"]);
    command.env(FOLDER, folder.path());
    command.env(CONNECTION_STRING, acs.connection_string());
    let child = tokio::task::spawn_blocking(move || command.output());
    let child = child.await.unwrap().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(child.status.success(), "{out}\n{err}");
    println!("{out}");
    for (number, stored) in stored.iter().enumerate() {
        let file = std::fs::read(path(folder.path(), number)).unwrap();
        let chunk = &stored.chunks()[0];
        assert_eq!(file.len() as u64, chunk.len(), "{number}");
        let mut rest = file.as_slice();
        while !rest.is_empty() {
            let at = (file.len() - rest.len()) as u64;
            let piece = chunk.read(at, 1 << 20);
            let tail = rest.strip_prefix(&piece[..]);
            rest = tail.unwrap_or_else(|| panic!("{number} at {at}"));
        }
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, stored.len() + 1, "no part file remains");
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number}.wav"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only as a process of its own"]
async fn child() {
    let (Ok(folder), Ok(connection_string)) =
        (std::env::var(FOLDER), std::env::var(CONNECTION_STRING))
    else {
        return;
    };
    let folder = PathBuf::from(folder);
    assert!(limit() <= LIMIT, "{}", limit());
    let client = RecordingClient::from_connection_string(&connection_string).unwrap();
    let locations = std::fs::read_to_string(folder.join("locations")).unwrap();
    let begun = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&done);
    let watch = std::thread::spawn(move || {
        let mut samples = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            samples.push((open_files(), memory()));
            std::thread::sleep(Duration::from_millis(5));
        }
        samples
    });
    let downloads = locations.lines().enumerate().map(|(number, location)| {
        let location: ContentUrl = location.parse().unwrap();
        let download = client.download(&location);
        let download = download.to_file(path(&folder, number));
        download.connections(4).into_future()
    });
    let failures: Vec<_> = join_all(downloads)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    done.store(true, Ordering::Relaxed);
    let samples = watch.join().unwrap();
    assert!(failures.is_empty(), "{}: {}", failures.len(), failures[0]);
    let files = samples.iter().map(|sample| sample.0).max().unwrap();
    let at = |part: usize| samples[(samples.len() - 1) * part / 100].1;
    let peak = samples.iter().map(|sample| sample.1).max().unwrap();
    println!(
        "{COUNT} downloads in {:.1?}: at most {files} files and connections open; \
         memory {} KiB after a fifth, {} in the middle, {} at the end, {peak} at the peak",
        begun.elapsed(),
        at(20),
        at(50),
        at(100),
    );
    assert!(files < LIMIT);
    // Memory depends on the number of connections, not on the size of the recordings.
    assert!(peak < 128 * 1024, "{peak} KiB");
}

/// The limit of open files of this process.
fn limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let number = line.and_then(|line| line.split_whitespace().nth(3));
    number.unwrap().parse().unwrap()
}

fn open_files() -> usize {
    // The limit, if no file is left for reading the folder.
    std::fs::read_dir("/proc/self/fd").map_or(LIMIT, Iterator::count)
}

/// The memory of this process in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0, |number| number.parse().unwrap())
}
