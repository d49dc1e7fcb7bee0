//! Downloads from a loopback server whose behavior is the input: any number of requests and
//! responses, with a clock that skips every pause.
//!
//! An honest server can fail, interrupt, stall, ignore ranges and change its content any number of
//! times, but describes correctly what it sends. A successful download from it is one version of
//! the content. A wild server sends anything. A download from it ends without a panic, and a file
//! has its final name only if the download succeeded.

#![no_main]

mod server;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use acs_recording::{ContentUrl, Download, DownloadToFile, Overwrite, RecordingClient};
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

/// The options of the download.
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

/// The state that an earlier run left behind.
#[derive(Arbitrary, Debug)]
struct Before {
    /// The run was dropped after this number of requests.
    dropped_after: Option<u8>,
    /// Then the machine lost power, and only this number of bytes remained of its files.
    torn: Option<(u16, u16)>,
    /// A file with the final name of the download.
    existing: Option<u16>,
}

/// No download takes longer, however slow the server is: two minutes per operation, times waits for
/// content that is not ready, restarts and stalls.
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);

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
        assert!(
            timeout(MAX_DURATION, run).await.is_ok(),
            "the download does not end"
        );
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
    if let (Some(responses), How::File) = (before.dropped_after, &asked.how) {
        let first = asked.to_file(asked.request(world.client.download(&location)), &path);
        tokio::select! {
            _ = first.into_future() => {}
            () = world.server.wait_for_responses(usize::from(responses % 8)) => {}
        }
        // Waits until no file is written any more, before the clock moves on.
        sleep(Duration::from_secs(1)).await;
        if let Some(left) = before.torn {
            tear(folder.path(), left);
        }
    }
    let there_before = std::fs::read(&path).ok();

    let download = asked.request(world.client.download(&location));
    let got = match asked.how {
        How::Bytes => download.into_bytes().await.ok(),
        How::Writer => {
            let mut bytes = Vec::new();
            let written = download.to_writer(&mut bytes).await;
            written.ok().map(|written| {
                assert_eq!(written.bytes, bytes.len() as u64);
                bytes
            })
        }
        How::File => match asked.to_file(download, &path).await {
            Ok(saved) => {
                let bytes = std::fs::read(&path).expect("a saved file exists");
                assert_eq!(saved.bytes, bytes.len() as u64);
                let is_left = std::fs::read_dir(folder.path()).unwrap().any(|entry| {
                    entry
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .contains(".part")
                });
                // A part file can remain beside an existing file that was accepted as the content.
                let skipped = there_before.as_deref() == Some(&bytes[..]);
                assert!(skipped || !is_left, "a temporary file was left behind");
                (!skipped).then_some(bytes)
            }
            Err(_) => {
                // An existing file is unchanged, and no other file has the name.
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
        assert!(is_one, "{} bytes that match no version", bytes.len());
    }
}

impl Asked {
    fn request(&self, mut download: Download) -> Download {
        if let Some((start, end)) = self.range {
            let start = u64::from(start);
            download = match end {
                Some(end) => download.range(start..u64::from(end)),
                None => download.range(start..),
            };
        }
        if let Some(seconds) = self.ready_timeout {
            download = download.ready_timeout(Duration::from_secs(u64::from(seconds)));
        }
        download
    }

    fn to_file(&self, download: Download, path: &Path) -> DownloadToFile {
        let mut download = download.to_file(path);
        if self.connections > 0 {
            download = download.connections(usize::from(self.connections % 5));
        }
        if self.sha256 {
            download = download.sha256();
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

/// Truncates an unfinished file and its journal, like a power failure.
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

/// A folder in memory if possible, because every file is synced.
fn shared_memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
