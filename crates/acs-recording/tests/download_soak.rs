//! Hundreds of downloads with random faults, from a seed.
//!
//! The short run is a test like any other. The full one takes some minutes:
//!
//! ```text
//! cargo test -p acs-recording --release --test download_soak -- --ignored --nocapture full
//! ```
//!
//! `ACS_SOAK_SEED` and `ACS_SOAK_COUNT` choose another run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may panic, and the long one reports its results"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use acs_emulator::{Clock, Emulator, Fault, Operation, StoredChunk, SyntheticRecording};
use acs_recording::{ContentUrl, ExponentialBackoff, RecordingClient, RetryPolicyExt as _};
use fastrand::Rng;
use storage::{Behavior, Storage, content};

/// The timeout of an attempt. An attempt that takes longer counts as a hang.
const TIMEOUT: Duration = Duration::from_secs(60);
const CHILD: &str = "ACS_SOAK_CHILD";
/// Tests that measure bytes run one at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// One download, in this process or in another.
struct SoakDownload {
    connection_string: String,
    location: String,
    /// None for the complete content without `Range`.
    range: Option<(u64, u64)>,
    path: PathBuf,
    connections: usize,
}

impl SoakDownload {
    async fn run(&self) -> acs_recording::Result<u64> {
        let policy = ExponentialBackoff::default()
            .initial_delay(Duration::from_millis(1))
            .with_attempt_limit(5);
        let client = RecordingClient::builder(self.connection_string.parse()?)
            .retry_policy(policy)
            .attempt_timeout(Duration::from_millis(400))
            .build()?;
        let location: ContentUrl = self.location.parse()?;
        let mut download = client.download(&location);
        if let Some((start, end)) = self.range {
            download = download.range(start..end);
        }
        let download = download
            .ready_timeout(Duration::from_millis(1500))
            .read_timeout(Duration::from_millis(300))
            .to_file(&self.path)
            .connections(self.connections);
        Ok(download.await?.transferred)
    }

    fn spawn(&self) -> Child {
        let Self {
            connection_string,
            location,
            range,
            path,
            connections,
        } = self;
        let path = path.display();
        let range = range.map_or(String::new(), |(start, end)| format!("{start} {end}"));
        let job = format!("{connection_string}\n{location}\n{range}\n{path}\n{connections}");
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child"])
            .env(CHILD, job)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// The download of another process until it is killed.
#[tokio::test]
#[ignore = "only as a process of its own"]
async fn child() {
    let Ok(job) = std::env::var(CHILD) else {
        return;
    };
    let words: Vec<_> = job.lines().collect();
    let job = SoakDownload {
        connection_string: words[0].to_owned(),
        location: words[1].to_owned(),
        range: words[2]
            .split_once(' ')
            .map(|(start, end)| (start.parse().unwrap(), end.parse().unwrap())),
        path: words[3].into(),
        connections: words[4].parse().unwrap(),
    };
    job.run().await.unwrap();
}

/// How a download in another process ended.
#[derive(PartialEq, Eq)]
enum End {
    Done,
    Failed,
    /// Possibly only after the file was renamed.
    Killed,
}

/// Kills a download after some time, unless it has ended.
async fn kill_after(mut child: Child, time: Duration) -> End {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        match child.try_wait().unwrap() {
            Some(status) if status.success() => return End::Done,
            Some(_) => return End::Failed,
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    End::Killed
}

/// From 0 to `max`, small ones as often as large ones.
fn size(random: &mut Rng, max: u64) -> u64 {
    if random.u8(..10) == 0 {
        return 0;
    }
    let bits = (max as f64).log2() * random.f64();
    (bits.exp2() as u64).min(max)
}

fn fault(random: &mut Rng, chunk: &StoredChunk, length: u64, acs: &Emulator) -> Fault {
    let on = Fault::on(Operation::Content).target(chunk.document_id());
    let on = on.after(random.u32(..2)).times(random.u32(1..3));
    match random.u8(..11) {
        0 | 1 => on.cut_after(random.u64(..=length)),
        2 => on.disconnect(),
        3 => on.status([500, 502, 503, 504][random.usize(..4)]),
        4 => on.status(429).retry_after(Duration::ZERO),
        5 => on.ignore_range(),
        6 => on.first_byte_delay(Duration::from_secs(20)),
        7 => on.ignore_range().cut_after(random.u64(..=length)),
        8 => on.never_respond(),
        9 => on.empty_body(),
        _ => {
            let place = acs.endpoint().replace("127.0.0.1", "localhost");
            let path = chunk.content_location().split_once("/v1/").unwrap().1;
            on.status(302).header(
                "location",
                format!("{}/v1/{path}", place.trim_end_matches('/')),
            )
        }
    }
}

/// Whether the file equals the stored content, with each byte changed by `alter`.
fn is_correct(path: &Path, chunk: &StoredChunk, (start, end): (u64, u64), alter: u8) -> bool {
    let file = std::fs::read(path).unwrap();
    let mut rest = file.as_slice();
    let mut at = start;
    while at < end {
        let piece = chunk.read(at, usize::try_from(end - at).unwrap().min(1 << 20));
        let Some((head, tail)) = rest.split_at_checked(piece.len()) else {
            return false;
        };
        if !head
            .iter()
            .zip(&piece)
            .all(|(one, other)| *one == other ^ alter)
        {
            return false;
        }
        rest = tail;
        at += piece.len() as u64;
    }
    rest.is_empty()
}

#[derive(Debug, Default)]
struct Tally {
    downloads: usize,
    kills: usize,
    failures: usize,
    hangs: usize,
    corrupt: usize,
    /// Downloads that failed at all attempts.
    missing: usize,
    leaked: usize,
    bytes: u64,
}

async fn soak(seed: u64, count: usize, max: u64, limit: Duration) -> Tally {
    let begun = Instant::now();
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .start()
        .await
        .unwrap();
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::default();
    for number in 0..count {
        if begun.elapsed() > limit {
            break;
        }
        let whole = SyntheticRecording::new(size(&mut random, max).max(80)).seed(number as u64);
        let stored = acs.add_recording(whole);
        let chunk = &stored.chunks()[0];
        // Half of them complete, the others with a range.
        let range = if random.bool() {
            (0, chunk.len())
        } else {
            let start = random.u64(..chunk.len());
            (start, start + size(&mut random, chunk.len() - start))
        };
        let length = range.1 - range.0;
        acs.faults().clear();
        let changes = random.u8(..5) == 0;
        if changes {
            // Another version from some request on, with another entity tag.
            let on = || Fault::on(Operation::Content).target(chunk.document_id());
            let first = on().times(random.u32(1..4)).etag("\"1\"");
            acs.faults().add(first.cut_after(random.u64(..=length)));
            acs.faults().add(on().corrupt(0x5a).etag("\"2\""));
        } else {
            for _ in 0..random.u8(..6) {
                acs.faults().add(fault(&mut random, chunk, length, &acs));
            }
        }
        let plain = range == (0, chunk.len()) && random.bool();
        let folder = tempfile::tempdir().unwrap();
        let job = SoakDownload {
            connection_string: acs.connection_string().to_owned(),
            location: chunk.content_location().to_owned(),
            range: Some(range).filter(|_| !plain),
            path: folder.path().join("a.wav"),
            connections: random.usize(1..7),
        };
        let kills = if random.u8(..6) == 0 {
            random.u8(1..4)
        } else {
            0
        };
        for _ in 0..kills {
            let time = Duration::from_millis(random.u64(5..150));
            if job.path.exists() {
                break;
            }
            match kill_after(job.spawn(), time).await {
                End::Done => break,
                End::Failed => tally.failures += 1,
                End::Killed => tally.kills += 1,
            }
        }
        for _ in 0..20 {
            if job.path.exists() {
                break;
            }
            match tokio::time::timeout(TIMEOUT, job.run()).await {
                Ok(Ok(_)) => break,
                Ok(Err(_)) => tally.failures += 1,
                Err(_) => tally.hangs += 1,
            }
        }
        tally.downloads += 1;
        tally.bytes += length;
        if !job.path.exists() {
            println!("download {number} of seed {seed}: {range:?} was not received");
            tally.missing += 1;
            continue;
        }
        let right = is_correct(&job.path, chunk, range, 0)
            || (changes && is_correct(&job.path, chunk, range, 0x5a));
        if !right {
            println!("download {number} of seed {seed}: {range:?} is not correct");
            tally.corrupt += 1;
        }
        // The next run removes files of a process that was killed after the rename.
        if kills > 0 {
            job.run().await.unwrap_err();
        }
        tally.leaked += std::fs::read_dir(folder.path()).unwrap().count() - 1;
    }
    println!("seed {seed}, {:.0?}: {tally:?}", begun.elapsed());
    assert_eq!(
        (tally.corrupt, tally.hangs, tally.leaked),
        (0, 0, 0),
        "seed {seed}"
    );
    tally
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn short() {
    let _alone = ALONE.lock().await;
    let limit = Duration::from_secs(40);
    let tally = soak(setting("ACS_SOAK_SEED", 7), 120, 2 << 20, limit).await;
    assert!(tally.downloads > 20 && tally.kills > 0, "{tally:?}");
    // On a busy machine, an attempt can be too slow.
    assert!(tally.missing * 10 < tally.downloads, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn full() {
    let count = usize::try_from(setting("ACS_SOAK_COUNT", 1000)).unwrap();
    let tally = soak(
        setting("ACS_SOAK_SEED", 1),
        count,
        64 << 20,
        Duration::from_secs(60 * 60),
    )
    .await;
    assert_eq!((tally.downloads, tally.missing), (count, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_kills_cost_little() {
    let _alone = ALONE.lock().await;
    let bytes = content(64 << 20, 99);
    let behavior = Behavior {
        rate: Some(6e6),
        ..Behavior::default()
    };
    let storage = Storage::start(bytes.clone(), move |_, _| behavior.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let job = SoakDownload {
        connection_string: format!("endpoint={};accesskey={}", storage.url, common::KEY),
        location: String::from(storage.location()),
        range: None,
        path: folder.path().join("a.wav"),
        connections: 4,
    };
    let mut random = Rng::with_seed(5);
    let mut kills = 0;
    // A process that is killed after the rename has finished, and the next one would not
    // replace the file.
    while !job.path.exists() {
        // On a slow machine, most runs must save something.
        let time = Duration::from_millis(random.u64(400..1000)) * (1 + kills / 10);
        match kill_after(job.spawn(), time).await {
            End::Done => break,
            End::Failed => panic!("a download failed without a kill, after {kills} kills"),
            End::Killed => kills += 1,
        }
        assert!(kills < 100);
    }
    let ratio = storage.sent.load(Ordering::Relaxed) as f64 / bytes.len() as f64;
    println!("{kills} kills, {ratio:.3} times the bytes");
    assert!(std::fs::read(&job.path).unwrap() == *bytes);
    // Files that the last process had no time to remove.
    job.run().await.unwrap_err();
    assert_eq!(storage::names(folder.path()), ["a.wav"]);
    assert!(kills >= 2 && ratio < 1.2, "{kills} kills, {ratio}");
}
