//! Downloads from a server that does what the input says: a conversation of any length, on loopback,
//! with a clock that jumps over every pause.
//!
//! An honest server may fail, break off, stall, refuse ranges and get new content as often as it
//! likes, but tells the truth about what it sends. From it, what a download calls whole is one
//! version of the content. A wild server says and sends anything. From it, a download ends, without a
//! panic, and a file has its name only when the download succeeded.

#![no_main]

mod server;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use acs_recording::{ContentUrl, Overwrite, RecordingClient};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use server::{Script, Server, content};

#[derive(Arbitrary, Debug)]
struct Conversation {
    script: Script,
    asked: Asked,
    before: Before,
}

/// What the caller wants.
#[derive(Arbitrary, Debug)]
struct Asked {
    how: How,
    range: Option<(u16, Option<u16>)>,
    connections: u8,
    sha256: bool,
    overwrite: u8,
    ready_timeout: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum How {
    File,
    Bytes,
    Writer,
}

/// What an earlier run left behind.
#[derive(Arbitrary, Debug)]
struct Before {
    /// It was dropped when it had asked so many times.
    dropped_after: Option<u8>,
    /// Then the machine lost power, and of its files only so many bytes are left.
    torn: Option<(u16, u16)>,
    /// A file with the name of the download.
    existing: Option<u16>,
}

/// However slow a server is, nobody waits longer. Two minutes per operation, times what is waited
/// for that is not ready, restarts and stalls.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

struct World {
    runtime: Runtime,
    server: Server,
    client: RecordingClient,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start());
    let text = format!(
        "endpoint={};accesskey=MDEyMzQ1Njc4OWFiY2RlZg==",
        server.url()
    );
    let client = RecordingClient::builder(text.parse().unwrap())
        .allow_content_host(server.authority())
        .build()
        .unwrap();
    World {
        runtime,
        server,
        client,
    }
});

fuzz_target!(|conversation: Conversation| {
    let world = &*WORLD;
    world.runtime.block_on(async {
        let run = Box::pin(run(world, &conversation));
        assert!(timeout(LONGEST, run).await.is_ok(), "it does not end");
        world.server.end().await;
    });
});

async fn run(world: &World, conversation: &Conversation) {
    let Conversation {
        script,
        asked,
        before,
    } = conversation;
    let folder = tempfile::Builder::new()
        .tempdir_in(shared_memory())
        .unwrap();
    let path = folder.path().join("a.wav");
    let existing = before
        .existing
        .map(|size| vec![b'e'; usize::from(size % 4096)]);
    if let Some(existing) = &existing {
        std::fs::write(&path, existing).unwrap();
    }
    world.server.play(script.clone());
    let location: ContentUrl = format!("{}/v1/objects/o/content/audiowav", world.server.url())
        .parse()
        .unwrap();
    if let (Some(answers), How::File) = (before.dropped_after, &asked.how) {
        let first = asked.apply(world.client.download(&location)).to_file(&path);
        tokio::select! {
            _ = Box::pin(first) => {}
            () = world.server.answered(usize::from(answers % 8)) => {}
        }
        // The clock does not move on before files are left alone.
        sleep(Duration::from_secs(1)).await;
        if let Some(left) = before.torn {
            tear(folder.path(), left);
        }
    }
    let there_before = std::fs::read(&path).ok();

    let download = asked.apply(world.client.download(&location));
    let got = match asked.how {
        How::Bytes => Box::pin(download.into_bytes()).await.ok(),
        How::Writer => {
            let mut bytes = Vec::new();
            let written = Box::pin(download.to_writer(&mut bytes)).await;
            written.ok().map(|written| {
                assert_eq!(written.bytes, bytes.len() as u64);
                bytes
            })
        }
        How::File => match Box::pin(download.to_file(&path)).await {
            Ok(saved) => {
                let bytes = std::fs::read(&path).expect("a saved file is there");
                assert_eq!(saved.bytes, bytes.len() as u64);
                let is_left = std::fs::read_dir(folder.path()).unwrap().any(|entry| {
                    entry
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .contains(".part")
                });
                // A file that was taken for the content keeps what it came to.
                let skipped = there_before.as_deref() == Some(&bytes[..]);
                assert!(skipped || !is_left, "something was left behind");
                (!skipped).then_some(bytes)
            }
            Err(_) => {
                // What was there is there, and nothing else has the name.
                assert_eq!(std::fs::read(&path).ok(), there_before);
                None
            }
        },
    };
    if let (Script::Honest(honest), Some(bytes)) = (script, got) {
        let is_one = (0..=honest.versions()).any(|version| {
            let whole = content(honest.size, version);
            asked.part_of(&whole).is_some_and(|part| part == bytes)
        });
        assert!(is_one, "{} bytes of no version", bytes.len());
    }
}

impl Asked {
    fn apply(&self, mut download: acs_recording::Download) -> acs_recording::Download {
        if let Some((start, end)) = self.range {
            let start = u64::from(start);
            download = match end {
                Some(end) => download.range(start..u64::from(end)),
                None => download.range(start..),
            };
        }
        if self.connections > 0 {
            download = download.connections(usize::from(self.connections % 5));
        }
        if self.sha256 {
            download = download.sha256();
        }
        if let Some(seconds) = self.ready_timeout {
            download = download.ready_timeout(Duration::from_secs(u64::from(seconds)));
        }
        download.overwrite(match self.overwrite % 3 {
            0 => Overwrite::Replace,
            1 => Overwrite::Skip,
            _ => Overwrite::Fail,
        })
    }

    fn part_of<'a>(&self, whole: &'a [u8]) -> Option<&'a [u8]> {
        let (start, end) = self.range.unwrap_or((0, None));
        let end = end.map_or(whole.len(), usize::from).min(whole.len());
        whole.get(usize::from(start).min(end)..end)
    }
}

/// Leaves of an unfinished file and its journal what a power failure may leave.
fn tear(folder: &Path, (of_file, of_journal): (u16, u16)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let left = match path.extension().and_then(|ending| ending.to_str()) {
            Some("part") => of_file,
            Some("journal") => of_journal,
            _ => continue,
        };
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.min(u64::from(left))).unwrap();
    }
}

/// A folder in memory where there is one, since every file is synced.
fn shared_memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
