//! The programs to compare.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use acs_recording::RecordingClient;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;

use crate::KEY;

pub(crate) async fn run(role: &[&str]) {
    let (url, count) = (role[1], role[2].parse().unwrap());
    match role[0] {
        "bare" => bare(url, false).await,
        "bare-synced" => bare(url, true).await,
        "many" => many(url, count).await,
        _ => ours(url, count).await,
    }
}

fn client(url: &str) -> RecordingClient {
    let (endpoint, _) = url.split_once("/v1/").unwrap();
    let text = format!("endpoint={endpoint};accesskey={KEY}");
    RecordingClient::from_connection_string(&text).unwrap()
}

async fn ours(url: &str, connections: usize) {
    let mut download = client(url).download(&url.parse().unwrap()).to_file("out");
    if connections > 0 {
        download = download.connections(connections);
    }
    download.await.unwrap();
}

/// A minimal download: no retry, no resume, no verification.
async fn bare(url: &str, synced: bool) {
    let mut body = reqwest::get(url).await.unwrap().bytes_stream();
    let mut file = tokio::fs::File::create(Path::new("out")).await.unwrap();
    while let Some(bytes) = body.next().await {
        file.write_all(&bytes.unwrap()).await.unwrap();
    }
    file.flush().await.unwrap();
    if synced {
        file.sync_all().await.unwrap();
    }
}

async fn many(url: &str, count: usize) {
    let client = client(url);
    let location = url.parse().unwrap();
    let (done, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let watch = {
        let (done, most) = (Arc::clone(&done), Arc::clone(&most));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(open_files(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    };
    let before = open_files();
    let downloads = (0..count).map(|number| {
        let download = client.download(&location);
        tokio::spawn(async move { download.to_file(number.to_string()).await })
    });
    for saved in join_all(downloads).await {
        saved.unwrap().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    let most = most.load(Ordering::Relaxed);
    println!("files={}", most.saturating_sub(before));
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
