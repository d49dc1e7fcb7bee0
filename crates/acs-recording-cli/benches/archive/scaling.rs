//! How the time falls with the number of workers.

use std::process::Stdio;
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};
use acs_recording_archive::{EventQueue as _, StorageQueue};
use acs_test_support::Azurite;

use crate::{event, process};

const RECORDINGS: usize = 48;
const BYTES: u64 = 8_000_000;
const BYTES_PER_SECOND: u64 = 4_000_000;

pub(crate) async fn run() {
    let Some(azurite) = Azurite::start() else {
        return;
    };
    println!("workers      time    speedup");
    let mut first = None;
    for workers in [1, 2, 4] {
        let time = archive(&azurite, workers).await.as_secs_f64();
        let first = *first.get_or_insert(time);
        println!("{workers:>7}  {time:>6.1} s  {:>7.2} x", first / time);
    }
}

/// How long this many workers take.
async fn archive(azurite: &Azurite, workers: usize) -> Duration {
    let name = format!("scaling-{workers}");
    azurite.create_queue(&name).await;
    let text = azurite.connection_string();
    let queue = StorageQueue::from_connection_string(&text, &name).unwrap();
    let acs = Emulator::start().await.unwrap();
    let slow = Fault::on(Operation::Content).bytes_per_second(BYTES_PER_SECOND);
    acs.faults().add(slow);
    for _ in 0..RECORDINGS {
        let stored = acs.add_recording(SyntheticRecording::new(BYTES));
        queue.send(event(&stored).to_string()).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let children: Vec<_> = (0..workers)
        .map(|_| {
            let mut command = process::program(&acs);
            command.args(["archive", "run", "--queue", &name, "--concurrency", "2"]);
            command.args(["--max-poll-interval", "250ms", "--to"]);
            command.arg(folder.path());
            command.env("ACS_QUEUE_CONNECTION_STRING", &text);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    while queue.approximate_depth().await.unwrap() != Some(0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elapsed = started.elapsed();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    elapsed
}
