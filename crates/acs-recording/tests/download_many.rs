//! Many downloads at once over one client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use acs_emulator::{Clock, Emulator, LargeRecording};
use acs_recording::RecordingClient;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use storage::{Habit, Storage, content};
use tokio::time::timeout;

/// Connections that one client opens for downloads into files, as documented.
const CONNECTIONS: usize = 32;

/// What takes longer than this waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files below `folder` that this process has open; none where the system does not tell.
fn open_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let files = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.starts_with(folder)).count()
}

/// The emulator has 200 recordings; all come at once, each by several connections if there are
/// any.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_recordings_come_within_bounds() {
    const COUNT: u64 = 200;
    let clock = Clock::manual();
    let acs = Emulator::builder().clock(clock).start().await.unwrap();
    let client = RecordingClient::from_connection_string(acs.connection_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let most = Arc::new(AtomicUsize::new(0));
    let watch = std::thread::spawn({
        let (done, most, place) = (Arc::clone(&done), Arc::clone(&most), place.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(open_files(&place), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let downloads = (0..COUNT).map(|seed| {
        // From 1 to 5 MB.
        let recording = LargeRecording::new(1_000_000 + seed * 20_000).seed(seed);
        let stored = acs.add_recording(recording);
        let location = stored.chunks()[0].content_location().parse().unwrap();
        let path = place.join(format!("{seed}.wav"));
        let download = client.download(&location).connections(4);
        async move {
            let saved = download.to_file(&path).await.unwrap();
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
    // For each connection a file and its journal, and for a moment the folder.
    assert!(most <= 3 * CONNECTIONS, "{most} files at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_than_promised() {
    let bytes = content(5 << 20, 16);
    let storage = Storage::start(bytes.clone(), |_, _| Habit::default()).await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let downloads = (0..100).map(|number| {
        let path = folder.path().join(format!("{number}.wav"));
        let download = client.download(&storage.location()).connections(4);
        async move { download.to_file(path).await.unwrap().bytes }
    });
    let saved = join_all(downloads).await;
    assert!(saved.into_iter().all(|saved| saved == 5 << 20));
    let most = storage.most_at_once.load(Ordering::SeqCst);
    // The server notices some time later that a connection was closed; each download would have
    // had one at least.
    assert!(most <= 3 * CONNECTIONS, "{most} at once");
}

/// Large downloads that take all connections, and never end unless they are let, give some up to
/// small ones that come later, and keep one each.
#[tokio::test(flavor = "multi_thread")]
async fn large_downloads_do_not_hold_back_small_ones() {
    const LARGE: usize = 4;
    let large = content(16 << 20, 17);
    let small = content(100_000, 18);
    let slow = Arc::new(AtomicBool::new(true));
    let habit = {
        let slow = Arc::clone(&slow);
        move |_: usize, _: Option<&str>| Habit {
            // An hour for each part of it.
            rate: slow.load(Ordering::SeqCst).then_some(600.0),
            ..Habit::default()
        }
    };
    let slow_storage = Storage::start(large.clone(), habit).await;
    let quick_storage = Storage::start(small.clone(), |_, _| Habit::default()).await;
    let client = quick_storage
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (parts, taken) = tokio::sync::watch::channel([0; LARGE]);
    let running: FuturesUnordered<_> = (0..LARGE)
        .map(|number| {
            let (path, parts) = (folder.path().join(format!("{number}.large")), parts.clone());
            let download = client
                .download(&slow_storage.location())
                .connections(8)
                .read_timeout(Duration::from_secs(2))
                .on_progress(move |progress| {
                    parts.send_modify(|parts| parts[number] = progress.parts);
                });
            tokio::spawn(async move { download.to_file(path).await.unwrap() })
        })
        .collect();
    let mut watched = taken.clone();
    let all = |parts: &[usize; LARGE]| parts.iter().sum::<usize>() == CONNECTIONS;
    let taken_all = timeout(PATIENCE, watched.wait_for(all)).await;
    drop(taken_all.unwrap().unwrap());

    let downloads = (0..20).map(|number| {
        let path = folder.path().join(format!("{number}.small"));
        let download = client.download(&quick_storage.location());
        async move { download.to_file(path).await.unwrap().bytes }
    });
    let saved = timeout(PATIENCE, join_all(downloads)).await.unwrap();
    assert!(saved.into_iter().all(|saved| saved == 100_000));
    assert!(
        taken.borrow().iter().all(|parts| *parts >= 1),
        "each keeps one"
    );
    assert!(running.iter().all(|large| !large.is_finished()));

    // They end when the server is quick again.
    slow.store(false, Ordering::SeqCst);
    let saved: Vec<_> = timeout(PATIENCE, running.collect()).await.unwrap();
    assert_eq!(saved.len(), LARGE);
    for saved in saved {
        assert!(std::fs::read(saved.unwrap().path).unwrap() == large);
    }
}

/// However many connections downloads that come later need, each that had some keeps one.
#[tokio::test(flavor = "multi_thread")]
async fn no_download_gives_all_its_connections_up() {
    const LARGE: usize = 4;
    let habit = |rate| Habit {
        rate: Some(rate),
        ..Habit::default()
    };
    // Something is always on its way to the disk.
    let storage = Storage::start(content(48 << 20, 20), move |_, _| habit(100_000.0)).await;
    let small = Storage::start(content(100_000, 21), move |_, _| habit(600.0)).await;
    let client = storage
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (parts, mut taken) = tokio::sync::watch::channel([0; LARGE]);
    let download = |from: &Storage, name: String| {
        let download = client.download(&from.location()).connections(8);
        (download, folder.path().join(name))
    };
    let mut running: Vec<_> = (0..LARGE)
        .map(|number| {
            let (download, path) = download(&storage, format!("{number}.large"));
            let parts = parts.clone();
            let download = download.on_progress(move |progress| {
                parts.send_modify(|parts| parts[number] = progress.parts);
            });
            tokio::spawn(async move { download.to_file(path).await.unwrap() })
        })
        .collect();
    let all = |parts: &[usize; LARGE]| parts.iter().sum::<usize>() == CONNECTIONS;
    drop(timeout(PATIENCE, taken.wait_for(all)).await.unwrap());
    // So many that whoever has none any more waits for longer than this takes.
    running.extend((LARGE..2 * CONNECTIONS).map(|number| {
        let (download, path) = download(&small, format!("{number}.small"));
        tokio::spawn(async move { download.to_file(path).await.unwrap() })
    }));
    let one_each = |parts: &[usize; LARGE]| *parts == [1; LARGE];
    let kept = timeout(PATIENCE, taken.wait_for(one_each)).await.is_ok();
    assert!(kept, "{:?}", parts.borrow());
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Parts that take no second hold no slot for longer than others.
#[tokio::test(flavor = "multi_thread")]
async fn short_parts_do_not_hold_back_others_either() {
    let large = content(48 << 20, 22);
    let habit = |_: usize, _: Option<&str>| Habit {
        // A part takes a fifth of a second, and a download half a minute.
        rate: Some(320_000.0),
        ..Habit::default()
    };
    let storage = Storage::start(large, habit).await;
    let small = Storage::start(content(1000, 23), |_, _| Habit::default()).await;
    let client = storage
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (parts, mut taken) = tokio::sync::watch::channel([0; 4]);
    let running: Vec<_> = (0..4)
        .map(|number| {
            let path = folder.path().join(format!("{number}.large"));
            let parts = parts.clone();
            let download = client
                .download(&storage.location())
                .connections(8)
                .part_size(64 << 10)
                .on_progress(move |progress| {
                    parts.send_modify(|parts| parts[number] = progress.parts);
                });
            tokio::spawn(async move { download.to_file(path).await })
        })
        .collect();
    let all = |parts: &[usize; 4]| parts.iter().sum::<usize>() == CONNECTIONS;
    drop(timeout(PATIENCE, taken.wait_for(all)).await.unwrap());
    let path = folder.path().join("small");
    let saved = client.download(&small.location()).to_file(path);
    let saved = timeout(PATIENCE / 3, saved).await.unwrap().unwrap();
    assert_eq!(saved.bytes, 1000);
    assert!(running.iter().all(|large| !large.is_finished()));
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Content that is announced and not there yet is asked for again and again, and in between takes
/// neither a connection nor a file.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_holds_nothing_back() {
    const WAITING: usize = 4 * CONNECTIONS;
    let bytes = content(100_000, 19);
    let ready = Arc::new(AtomicBool::new(false));
    let habit = {
        let ready = Arc::clone(&ready);
        move |_: usize, _: Option<&str>| Habit {
            status: (!ready.load(Ordering::SeqCst)).then_some(404),
            ..Habit::default()
        }
    };
    let late = Storage::start(bytes.clone(), habit).await;
    let there = Storage::start(bytes.clone(), |_, _| Habit::default()).await;
    let client = there
        .client()
        .allow_content_host("127.0.0.1")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running: FuturesUnordered<_> = (0..WAITING)
        .map(|number| {
            let path = folder.path().join(format!("{number}.late"));
            let download = client.download(&late.location()).ready_timeout(PATIENCE);
            tokio::spawn(async move { download.to_file(path).await.unwrap() })
        })
        .collect();
    let asked = async {
        while late.ranges().len() < WAITING {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE / 2, asked).await.unwrap();

    let path = folder.path().join("there");
    let saved = client.download(&there.location()).to_file(path);
    let saved = timeout(PATIENCE / 2, saved).await.unwrap().unwrap();
    assert_eq!(saved.bytes, 100_000);
    assert!(running.iter().all(|late| !late.is_finished()));
    let open = open_files(&folder.path().canonicalize().unwrap());
    assert!(
        open <= 2 * CONNECTIONS,
        "{open} files while there is nothing to write"
    );

    ready.store(true, Ordering::SeqCst);
    let saved: Vec<_> = timeout(PATIENCE, running.collect()).await.unwrap();
    assert_eq!(saved.len(), WAITING);
    for saved in saved {
        assert!(std::fs::read(saved.unwrap().path).unwrap() == bytes);
    }
    assert_eq!(storage::names(folder.path()).len(), WAITING + 1);
}
