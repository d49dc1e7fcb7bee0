//! Many concurrent downloads of one client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use acs_emulator::{Clock, Emulator, SyntheticRecording};
use acs_recording::RecordingClient;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use storage::{Behavior, Storage, content};
use tokio::time::timeout;

/// The documented limit of connections of one client for downloads to files.
const CONNECTIONS: usize = 32;

/// Much longer than any step here takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The number of open files below `folder`; zero if the system does not list them.
fn open_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let files = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.starts_with(folder)).count()
}

/// The emulator has 200 recordings. All are downloaded concurrently, each over several connections if
/// possible.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_downloads_use_bounded_resources() {
    const COUNT: u64 = 200;
    let clock = Clock::manual();
    let acs = Emulator::builder().clock(clock).start().await.unwrap();
    let client = RecordingClient::from_connection_string(acs.connection_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let most = Arc::new(AtomicUsize::new(0));
    let watch = std::thread::spawn({
        let (done, most, root) = (Arc::clone(&done), Arc::clone(&most), root.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(open_files(&root), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let downloads = (0..COUNT).map(|seed| {
        // From 1 to 5 MB.
        let recording = SyntheticRecording::new(1_000_000 + seed * 20_000).seed(seed);
        let stored = acs.add_recording(recording);
        let location = stored.chunks()[0].content_location().parse().unwrap();
        let path = root.join(format!("{seed}.wav"));
        let download = client.download(&location);
        async move {
            let download = download.to_file(&path).connections(4);
            let saved = download.await.unwrap();
            let chunk = &stored.chunks()[0];
            assert_eq!(saved.bytes, chunk.len());
            let bytes = std::fs::read(&path).unwrap();
            let mut at = 0;
            while at < bytes.len() {
                let piece = chunk.read(at as u64, 1 << 20);
                assert!(bytes[at..].starts_with(&piece), "{seed} at {at}");
                at += piece.len();
            }
        }
    });
    join_all(downloads).await;
    done.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    let most = most.load(Ordering::Relaxed);
    // For each connection a part file, its journal, and briefly the folder.
    assert!(most <= 3 * CONNECTIONS, "{most} files at the same time");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_stay_within_the_limit() {
    let bytes = content(5 << 20, 16);
    let storage = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let downloads = (0..100).map(|number| {
        let path = folder.path().join(format!("{number}.wav"));
        let download = client.download(&storage.location());
        async move { download.to_file(path).connections(4).await.unwrap().bytes }
    });
    let saved = join_all(downloads).await;
    assert!(saved.into_iter().all(|saved| saved == 5 << 20));
    let most = storage.most_at_once.load(Ordering::SeqCst);
    // The server notices later that a connection was closed. Without a limit, each download would have
    // at least one.
    assert!(most <= 3 * CONNECTIONS, "{most} at the same time");
}

/// Large downloads that use all connections, and do not end by themselves, yield some to small ones
/// that begin later, and keep one each.
#[tokio::test(flavor = "multi_thread")]
async fn large_downloads_do_not_hold_back_small_ones() {
    const LARGE: usize = 4;
    let large = content(16 << 20, 17);
    let small = content(100_000, 18);
    let slow = Arc::new(AtomicBool::new(true));
    let behavior = {
        let slow = Arc::clone(&slow);
        move |_: usize, _: Option<&str>| Behavior {
            // An hour for each range.
            rate: slow.load(Ordering::SeqCst).then_some(600.0),
            ..Behavior::default()
        }
    };
    let slow_storage = Storage::start(large.clone(), behavior).await;
    let quick_storage = Storage::start(small.clone(), |_, _| Behavior::default()).await;
    let client = quick_storage
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (open, taken) = tokio::sync::watch::channel([0; LARGE]);
    let running: FuturesUnordered<_> = (0..LARGE)
        .map(|number| {
            let (path, open) = (folder.path().join(format!("{number}.large")), open.clone());
            let download = client
                .download(&slow_storage.location())
                .read_timeout(Duration::from_secs(2))
                .on_progress(move |progress| {
                    open.send_modify(|open| open[number] = progress.connections);
                })
                .to_file(path)
                .connections(8);
            tokio::spawn(async move { download.await.unwrap() })
        })
        .collect();
    let mut watched = taken.clone();
    let all = |open: &[usize; LARGE]| open.iter().sum::<usize>() == CONNECTIONS;
    let taken_all = timeout(TIMEOUT, watched.wait_for(all)).await;
    drop(taken_all.unwrap().unwrap());

    let downloads = (0..20).map(|number| {
        let path = folder.path().join(format!("{number}.small"));
        let download = client.download(&quick_storage.location());
        async move { download.to_file(path).await.unwrap().bytes }
    });
    let saved = timeout(TIMEOUT, join_all(downloads)).await.unwrap();
    assert!(saved.into_iter().all(|saved| saved == 100_000));
    assert!(
        taken.borrow().iter().all(|open| *open >= 1),
        "each download keeps one"
    );
    assert!(running.iter().all(|large| !large.is_finished()));

    // They end when the server is fast again.
    slow.store(false, Ordering::SeqCst);
    let saved: Vec<_> = timeout(TIMEOUT, running.collect()).await.unwrap();
    assert_eq!(saved.len(), LARGE);
    for saved in saved {
        assert!(std::fs::read(saved.unwrap().path).unwrap() == large);
    }
}

/// However many downloads begin later, each earlier one keeps a connection.
#[tokio::test(flavor = "multi_thread")]
async fn every_download_keeps_one_connection() {
    const LARGE: usize = 4;
    let behavior = |rate| Behavior {
        rate: Some(rate),
        ..Behavior::default()
    };
    // There are always bytes to write.
    let storage = Storage::start(content(48 << 20, 20), move |_, _| behavior(100_000.0)).await;
    let small = Storage::start(content(100_000, 21), move |_, _| behavior(600.0)).await;
    let client = storage
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (open, mut taken) = tokio::sync::watch::channel([0; LARGE]);
    let download = |from: &Storage, name: String| {
        let download = client.download(&from.location());
        (download, folder.path().join(name))
    };
    let mut running: Vec<_> = (0..LARGE)
        .map(|number| {
            let (download, path) = download(&storage, format!("{number}.large"));
            let open = open.clone();
            let download = download.on_progress(move |progress| {
                open.send_modify(|open| open[number] = progress.connections);
            });
            let download = download.to_file(path).connections(8);
            tokio::spawn(async move { download.await.unwrap() })
        })
        .collect();
    let all = |open: &[usize; LARGE]| open.iter().sum::<usize>() == CONNECTIONS;
    drop(timeout(TIMEOUT, taken.wait_for(all)).await.unwrap());
    // So many that a download without a connection would wait for longer than this test takes.
    running.extend((LARGE..2 * CONNECTIONS).map(|number| {
        let (download, path) = download(&small, format!("{number}.small"));
        let download = download.to_file(path).connections(8);
        tokio::spawn(async move { download.await.unwrap() })
    }));
    let one_each = |open: &[usize; LARGE]| *open == [1; LARGE];
    let kept = timeout(TIMEOUT, taken.wait_for(one_each)).await.is_ok();
    assert!(kept, "{:?}", open.borrow());
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Downloads of content that is not ready hold neither a connection nor a file between their
/// requests.
#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_ready_holds_no_connection() {
    const WAITING: usize = 4 * CONNECTIONS;
    let bytes = content(100_000, 19);
    let ready = Arc::new(AtomicBool::new(false));
    let behavior = {
        let ready = Arc::clone(&ready);
        move |_: usize, _: Option<&str>| Behavior {
            status: (!ready.load(Ordering::SeqCst)).then_some(404),
            ..Behavior::default()
        }
    };
    let late = Storage::start(bytes.clone(), behavior).await;
    let there = Storage::start(bytes.clone(), |_, _| Behavior::default()).await;
    let client = there
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running: FuturesUnordered<_> = (0..WAITING)
        .map(|number| {
            let path = folder.path().join(format!("{number}.late"));
            let download = client.download(&late.location()).ready_timeout(TIMEOUT);
            tokio::spawn(async move { download.to_file(path).await.unwrap() })
        })
        .collect();
    let asked = async {
        while late.ranges().len() < WAITING {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT / 2, asked).await.unwrap();

    let path = folder.path().join("there");
    let saved = client.download(&there.location()).to_file(path);
    let saved = timeout(TIMEOUT / 2, saved).await.unwrap().unwrap();
    assert_eq!(saved.bytes, 100_000);
    assert!(running.iter().all(|late| !late.is_finished()));
    let open = open_files(&folder.path().canonicalize().unwrap());
    assert!(
        open <= 2 * CONNECTIONS,
        "{open} files while there is nothing to write"
    );

    ready.store(true, Ordering::SeqCst);
    let saved: Vec<_> = timeout(TIMEOUT, running.collect()).await.unwrap();
    assert_eq!(saved.len(), WAITING);
    for saved in saved {
        assert!(std::fs::read(saved.unwrap().path).unwrap() == bytes);
    }
    assert_eq!(storage::names(folder.path()).len(), WAITING + 1);
}
