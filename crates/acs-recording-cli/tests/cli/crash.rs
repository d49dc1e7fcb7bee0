//! The listener under `kill -9`, at moments between an event and the deletion of its recording.
//!
//! The short run is a test like any other. The full one, with 200 kills, takes some minutes:
//!
//! ```text
//! cargo test -p acs-recording-cli --test cli -- --ignored --nocapture crash::full
//! ```
//!
//! `ACS_CRASH_SEED` chooses other moments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, FaultHandle, LargeRecording, Operation, StoredRecording};
use acs_recording::{ErrorKind, NeverRetry, RecordingClient, RecordingManifest};
use fastrand::Rng;
use sha2::{Digest as _, Sha256};

use crate::events::{Listening, SECRET, try_post};
use crate::program::{Program, event, interrupt, spawn, until};

/// A recording that was announced.
struct Announced {
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
    /// Kills before the program had answered the last event.
    unanswered: usize,
    /// Kills while the program started.
    starting: usize,
    /// Kills of which a recording was partly deleted, or its deletion asked for.
    deleting: usize,
    recordings: usize,
    files: usize,
}

struct Crash {
    acs: Emulator,
    client: RecordingClient,
    program: Program,
    random: Rng,
    recordings: Vec<Announced>,
    tally: Tally,
}

impl Crash {
    async fn new(seed: u64) -> Self {
        let acs = Emulator::start().await.unwrap();
        // So that there is a time to be killed in.
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
        let mut recording = LargeRecording::new(size());
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
        // Counts, and makes a deletion take a moment.
        let delay = Duration::from_millis(self.random.u64(0..30));
        let deletes = Fault::on(Operation::Delete).target(&first).delay(delay);
        self.recordings.push(Announced {
            deletes: self.acs.faults().add(deletes),
            event: event.to_string(),
            stored,
            files,
            is_acknowledged: false,
            is_deleted: false,
        });
    }

    /// Posts what was not acknowledged, as Event Grid does, and perhaps something else once more.
    fn post(&mut self, url: &str) -> std::thread::JoinHandle<Vec<usize>> {
        let mut events: Vec<_> = (0..self.recordings.len())
            .filter(|&number| !self.recordings[number].is_acknowledged)
            .collect();
        let again = self.random.choice(0..self.recordings.len());
        // Only what was handled: any other would hide it if it were lost.
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

    /// Runs the program, and kills it at some moment.
    async fn run_and_kill(&mut self) {
        // Often there is enough left from before.
        let open = self.recordings.iter().filter(|one| !one.is_deleted).count();
        if open == 0 || open < 4 && self.random.bool() {
            self.add_recording();
        }
        let is_starting = self.random.u8(..8) == 0 && open > 0;
        let mut unanswered = false;
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
                // Around the answer, or somewhere in a download.
                0 => self.random.u64(..20_000),
                1 => self.random.u64(..250_000),
                // Right when a recording is deleted.
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
            unanswered = self.recordings.iter().any(|one| !one.is_acknowledged);
        }
        let (deleting, open) = self.look().await;
        // Where all was done already, nothing was hit.
        if open {
            self.tally.kills += 1;
            self.tally.unanswered += usize::from(unanswered);
            self.tally.starting += usize::from(is_starting);
            self.tally.deleting += usize::from(deleting);
        }
    }

    fn deletes(&self) -> u32 {
        self.recordings.iter().map(|one| one.deletes.hits()).sum()
    }

    /// Looks at what is on disk and at the service: nothing is deleted that is not here and right.
    /// Tells whether a deletion was under way, and whether any recording is not deleted.
    async fn look(&mut self) -> (bool, bool) {
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
            // Nothing that was said to be deleted is there any more.
            let is_said = manifest(&folder, one).is_some_and(|known| known.deleted_at.is_some());
            assert!(!is_said || gone == one.stored.chunks().len());
            one.is_deleted = gone == one.stored.chunks().len();
            deleting |= gone > 0 || one.deletes.hits() > 0;
            open |= !one.is_deleted;
        }
        (deleting, open)
    }

    /// Lets the program finish, and looks whether all is as it should be.
    async fn finish(mut self) -> Tally {
        let listening = Listening::start(&mut self.command());
        let url = listening.with_secret();
        for number in self.post(&url).join().unwrap() {
            self.recordings[number].is_acknowledged = true;
        }
        assert!(self.recordings.iter().all(|one| one.is_acknowledged));
        let folder = self.program.dir.path().join("rec");
        let count = |name: &str| folder.join(".spool").join(name).read_dir().unwrap().count();
        until("the spool is not worked off", || count("pending") == 0);
        interrupt(&listening.child);
        let run = listening.end(&self.program);
        assert_eq!(run.code, Some(0), "{run:?}");

        let (_, open) = self.look().await;
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
        assert_eq!(names, expected, "nothing is left over");
        self.tally.recordings = self.recordings.len();
        assert_eq!(count("done"), self.tally.recordings);
        assert_eq!(
            (count("noted"), count("unreadable"), count("tmp")),
            (0, 0, 0)
        );
        self.tally
    }
}

impl Announced {
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

fn manifest(folder: &Path, one: &Announced) -> Option<RecordingManifest> {
    let path = folder.join(format!("{}.manifest.json", one.stem()));
    path.exists()
        .then(|| RecordingManifest::load(path).unwrap())
}

/// Every file of a recording is there, is what the service had, and is vouched for.
fn assert_whole(folder: &Path, one: &Announced) {
    let manifest = manifest(folder, one).unwrap_or_else(|| panic!("deleted, and no manifest"));
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
            panic!("deleted, and not here: {name}: {error}");
        });
        assert!(
            Sha256::digest(file).as_slice() == hash,
            "deleted, and not right here: {name}"
        );
        let metadata = std::fs::read(folder.join(name.replace(".wav", ".json"))).unwrap();
        serde_json::from_slice::<serde_json::Value>(&metadata).unwrap();
    }
}

#[allow(clippy::print_stdout, reason = "the long run says how it went")]
async fn crash(seed: u64, kills: usize) -> Tally {
    let begun = Instant::now();
    let mut crash = Crash::new(seed).await;
    while crash.tally.kills < kills {
        crash.run_and_kill().await;
    }
    let tally = crash.finish().await;
    println!(
        "seed {seed}, {:.0?}: {tally:?}, all of them whole and deleted once",
        begun.elapsed()
    );
    tally
}

fn seed(otherwise: u64) -> u64 {
    std::env::var("ACS_CRASH_SEED").map_or(otherwise, |text| text.parse().unwrap())
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
        tally.unanswered.min(tally.starting).min(tally.deleting) > 0,
        "{tally:?}"
    );
}
