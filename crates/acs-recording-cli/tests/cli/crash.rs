//! The listener, killed with `kill -9` between an event and the deletion of its recording.
//!
//! The short run is a test like any other. The full one, with 200 kills, takes some minutes:
//!
//! ```text
//! cargo test -p acs-recording-cli --test cli -- --ignored --nocapture crash::full
//! ```
//!
//! `ACS_CRASH_SEED` selects other times for the kills.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, FaultHandle, Operation, StoredRecording, SyntheticRecording};
use acs_recording::{ErrorKind, NeverRetry, RecordingClient, RecordingManifest};
use fastrand::Rng;
use sha2::{Digest as _, Sha256};

use crate::events::{Listening, SECRET, try_post};
use crate::program::{Program, event, interrupt, spawn, until};

/// A recording with an event.
struct RecordedCall {
    stored: StoredRecording,
    event: String,
    /// SHA-256 of every file, by its name.
    files: BTreeMap<String, Vec<u8>>,
    is_acknowledged: bool,
    is_deleted: bool,
    deletes: FaultHandle,
}

#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// Kills before the program responded to the last event.
    unacknowledged: usize,
    /// Kills while the program started.
    starting: usize,
    /// Kills during the deletion of a recording.
    deleting: usize,
    recordings: usize,
    files: usize,
}

struct Crash {
    acs: Emulator,
    client: RecordingClient,
    program: Program,
    random: Rng,
    recordings: Vec<RecordedCall>,
    tally: Tally,
}

impl Crash {
    async fn new(seed: u64) -> Self {
        let acs = Emulator::start().await.unwrap();
        // Makes downloads long enough to be interrupted.
        acs.faults()
            .add(Fault::on(Operation::Content).bytes_per_second(500_000));
        let builder = RecordingClient::builder(acs.connection_string().parse().unwrap());
        Self {
            client: builder.retry_policy(NeverRetry).build().unwrap(),
            program: Program::new(&acs),
            acs,
            random: Rng::with_seed(seed),
            recordings: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn command(&self) -> Command {
        let listen = ["events", "listen", "--port", "0", "--download-to", "rec"];
        let listen = [&listen[..], &["--delete-after"]].concat();
        let mut command = self.program.command(&listen);
        command.env("ACS_WEBHOOK_SECRET", SECRET);
        command
    }

    fn add_recording(&mut self) {
        let mut size = || self.random.u64(1000..90_000);
        let mut recording = SyntheticRecording::new(size());
        for _ in 0..size() % 3 {
            recording = recording.chunk(size());
        }
        let stored = self.acs.add_recording(recording.seed(self.random.u64(..)));
        let mut event = event(&stored);
        let id = stored.recording_id();
        event[0]["id"] = id.into();
        event[0]["subject"] = format!("/recording/recordingId/{id}").into();
        let first = stored.chunks()[0].document_id().to_owned();
        let mut files = BTreeMap::new();
        for (index, chunk) in stored.chunks().iter().enumerate() {
            let mut hash = Sha256::new();
            let mut at = 0;
            while at < chunk.len() {
                let piece = chunk.read(at, 1 << 20);
                at += piece.len() as u64;
                hash.update(piece);
            }
            files.insert(format!("{first}.{index:03}.wav"), hash.finalize().to_vec());
        }
        // Counts deletions, and delays them.
        let delay = Duration::from_millis(self.random.u64(0..30));
        let deletes = Fault::on(Operation::Delete).target(&first).delay(delay);
        self.recordings.push(RecordedCall {
            deletes: self.acs.faults().add(deletes),
            event: event.to_string(),
            stored,
            files,
            is_acknowledged: false,
            is_deleted: false,
        });
    }

    /// Posts events that were not acknowledged, like Event Grid, and sometimes repeats another
    /// event.
    fn post(&mut self, url: &str) -> std::thread::JoinHandle<Vec<usize>> {
        let mut events: Vec<_> = (0..self.recordings.len())
            .filter(|&number| !self.recordings[number].is_acknowledged)
            .collect();
        let again = self.random.choice(0..self.recordings.len());
        // Only repeats handled events. Repeating another event would hide its loss.
        let again = again.filter(|&number| self.recordings[number].is_deleted);
        events.extend(again);
        let posts: Vec<_> = events
            .into_iter()
            .map(|number| (number, self.recordings[number].event.clone()))
            .collect();
        let url = url.to_owned();
        std::thread::spawn(move || {
            let acknowledged = |(number, event): &(usize, String)| {
                let answer = try_post(&url, event).ok()?;
                answer.starts_with("HTTP/1.1 200").then_some(*number)
            };
            posts.iter().filter_map(acknowledged).collect()
        })
    }

    /// Runs the program, and kills it at a random time.
    async fn run_and_kill(&mut self) {
        // Often, enough recordings are left from earlier runs.
        let open = self.recordings.iter().filter(|one| !one.is_deleted).count();
        if open == 0 || open < 4 && self.random.bool() {
            self.add_recording();
        }
        let is_starting = self.random.u8(..8) == 0 && open > 0;
        let mut unacknowledged = false;
        if is_starting {
            let mut child = spawn(&mut self.command());
            std::thread::sleep(Duration::from_millis(self.random.u64(..60)));
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let mut listening = Listening::start(&mut self.command());
            let url = listening.with_secret();
            let posts = self.post(&url);
            let deletes = self.deletes();
            let moment = match self.random.u8(..3) {
                // Around the response, or during a download.
                0 => self.random.u64(..20_000),
                1 => self.random.u64(..250_000),
                // During the deletion of a recording.
                _ => {
                    let end = Instant::now() + Duration::from_millis(800);
                    while self.deletes() == deletes && Instant::now() < end {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    self.random.u64(..45_000)
                }
            };
            std::thread::sleep(Duration::from_micros(moment));
            listening.child.kill().unwrap();
            listening.child.wait().unwrap();
            for number in posts.join().unwrap() {
                self.recordings[number].is_acknowledged = true;
            }
            unacknowledged = self.recordings.iter().any(|one| !one.is_acknowledged);
        }
        let (deleting, open) = self.check().await;
        // If everything was finished already, the kill does not count.
        if open {
            self.tally.kills += 1;
            self.tally.unacknowledged += usize::from(unacknowledged);
            self.tally.starting += usize::from(is_starting);
            self.tally.deleting += usize::from(deleting);
        }
    }

    fn deletes(&self) -> u32 {
        self.recordings.iter().map(|one| one.deletes.hits()).sum()
    }

    /// Checks that all content deleted from the service is complete on disk. Returns whether a
    /// deletion was in progress, and whether any recording is not deleted.
    async fn check(&mut self) -> (bool, bool) {
        let folder = self.program.dir.path().join("rec");
        let (mut deleting, mut open) = (false, false);
        for one in &mut self.recordings {
            if one.is_deleted {
                continue;
            }
            let mut gone = 0;
            for chunk in one.stored.chunks() {
                let location = chunk.metadata_location().parse().unwrap();
                let download = self.client.download(&location);
                let copy = folder.join("copy");
                match download.ready_timeout(Duration::ZERO).to_file(&copy).await {
                    Ok(_) => std::fs::remove_file(copy).unwrap(),
                    Err(error) if error.kind() == ErrorKind::NotFound => gone += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            if gone > 0 {
                assert_whole(&folder, one);
            }
            // Content that is reported as deleted no longer exists.
            let is_reported =
                manifest(&folder, one).is_some_and(|known| known.deleted_at.is_some());
            assert!(!is_reported || gone == one.stored.chunks().len());
            one.is_deleted = gone == one.stored.chunks().len();
            deleting |= gone > 0 || one.deletes.hits() > 0;
            open |= !one.is_deleted;
        }
        (deleting, open)
    }

    /// Lets the program finish, and checks the result.
    async fn finish(mut self) -> Tally {
        let listening = Listening::start(&mut self.command());
        let url = listening.with_secret();
        for number in self.post(&url).join().unwrap() {
            self.recordings[number].is_acknowledged = true;
        }
        assert!(self.recordings.iter().all(|one| one.is_acknowledged));
        let folder = self.program.dir.path().join("rec");
        let count = |name: &str| folder.join(".spool").join(name).read_dir().unwrap().count();
        until("the spool is not empty", || count("pending") == 0);
        interrupt(&listening.child);
        let run = listening.end(&self.program);
        assert_eq!(run.code, Some(0), "{run:?}");

        let (_, open) = self.check().await;
        assert!(!open, "not everything is deleted");
        let mut expected = vec![".spool".to_owned()];
        for one in &self.recordings {
            assert_whole(&folder, one);
            let manifest = manifest(&folder, one).unwrap();
            assert!(manifest.complete && manifest.deleted_at.is_some());
            assert_eq!(
                manifest.event_id.as_deref(),
                Some(one.stored.recording_id())
            );
            expected.push(format!("{}.manifest.json", one.stem()));
            let media = one.files.keys();
            expected.extend(media.clone().cloned());
            expected.extend(media.map(|name| name.replace(".wav", ".json")));
            self.tally.files += one.files.len();
        }
        expected.sort();
        let entries = folder.read_dir().unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, expected, "no other files remain");
        self.tally.recordings = self.recordings.len();
        assert_eq!(count("done"), self.tally.recordings);
        assert_eq!(
            (count("noted"), count("unreadable"), count("tmp")),
            (0, 0, 0)
        );
        self.tally
    }
}

impl RecordedCall {
    fn stem(&self) -> &str {
        self.stored.chunks()[0].document_id()
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn manifest(folder: &Path, one: &RecordedCall) -> Option<RecordingManifest> {
    let path = folder.join(format!("{}.manifest.json", one.stem()));
    path.exists()
        .then(|| RecordingManifest::load(path).unwrap())
}

/// Asserts that every file of a recording exists, equals the content of the service, and is in the
/// manifest.
fn assert_whole(folder: &Path, one: &RecordedCall) {
    let manifest = manifest(folder, one).unwrap_or_else(|| panic!("deleted without a manifest"));
    assert!(manifest.complete && manifest.saved_at.is_some());
    assert_eq!(manifest.chunks.len(), one.files.len());
    for (chunk, (name, hash)) in manifest.chunks.iter().zip(&one.files) {
        let vouched = chunk.media.as_ref().unwrap();
        assert_eq!(
            (&vouched.name, vouched.sha256.to_string()),
            (name, hex(hash))
        );
        let metadata = chunk.metadata.as_ref().unwrap();
        let document = std::fs::read(folder.join(&metadata.name)).unwrap();
        let found = hex(&Sha256::digest(document));
        assert_eq!(found, metadata.sha256.to_string());
    }
    for (name, hash) in &one.files {
        let file = std::fs::read(folder.join(name)).unwrap_or_else(|error| {
            panic!("deleted, but missing on disk: {name}: {error}");
        });
        assert!(
            Sha256::digest(file).as_slice() == hash,
            "deleted, but different on disk: {name}"
        );
        let metadata = std::fs::read(folder.join(name.replace(".wav", ".json"))).unwrap();
        serde_json::from_slice::<serde_json::Value>(&metadata).unwrap();
    }
}

#[allow(clippy::print_stdout, reason = "the long run reports its results")]
async fn crash(seed: u64, kills: usize) -> Tally {
    let begun = Instant::now();
    let mut crash = Crash::new(seed).await;
    while crash.tally.kills < kills {
        crash.run_and_kill().await;
    }
    let tally = crash.finish().await;
    println!(
        "seed {seed}, {:.0?}: {tally:?}, all complete and deleted once",
        begun.elapsed()
    );
    tally
}

fn seed(default: u64) -> u64 {
    std::env::var("ACS_CRASH_SEED").map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn short() {
    let tally = crash(seed(7), 20).await;
    assert!(tally.recordings > 3, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn full() {
    let tally = crash(seed(1), 200).await;
    assert!(tally.recordings > 30, "{tally:?}");
    assert!(
        tally.unacknowledged.min(tally.starting).min(tally.deleting) > 0,
        "{tally:?}"
    );
}
