//! The peak memory of `acs-recording download`.
//!
//! ```text
//! cargo bench -p acs-recording-cli --bench memory
//! ```
//!
//! The emulator serves recordings of 1 GiB from loopback: first one of them is downloaded, then four
//! at the same time. The figures are the peak resident size of the process, which Linux reports, and the
//! part of it that is private memory and not pages of the program's file.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails ends"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, SyntheticRecording};

const GIB: u64 = 1024 * 1024 * 1024;

fn main() {
    if !cfg!(target_os = "linux") {
        println!("this measurement needs Linux");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (acs, urls) = runtime.block_on(async {
        let acs = Emulator::start().await.unwrap();
        let recordings = [(); 4].map(|()| acs.add_recording(SyntheticRecording::new(GIB)));
        let urls = recordings.map(|one| one.chunks()[0].content_location().to_owned());
        (acs, urls)
    });
    for count in [1, 4] {
        measure(&acs, &urls[..count]);
    }
}

fn measure(acs: &Emulator, urls: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_acs-recording"))
        .env("ACS_CONNECTION_STRING", acs.connection_string())
        .env_remove("RUST_LOG")
        .args(["download", "--dir"])
        .arg(folder.path())
        .args(urls)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut peak, mut own) = (0, 0);
    let outcome = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        peak = peak.max(kibibytes(&status, "VmHWM:"));
        own = own.max(kibibytes(&status, "RssAnon:"));
        if let Some(outcome) = child.try_wait().unwrap() {
            break outcome;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(outcome.success());
    let took = started.elapsed().as_secs_f64();
    println!(
        "{} of 1 GiB: peak {:.1} MiB, of which {:.1} MiB are private; {took:.1} s",
        urls.len(),
        mebibytes(peak),
        mebibytes(own),
    );
}

fn kibibytes(status: &str, name: &str) -> u32 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}
