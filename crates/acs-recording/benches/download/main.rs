//! The speed and resources of downloads, compared with bare reqwest programs and aria2.
//!
//! ```text
//! cargo bench -p acs-recording --bench download
//! cargo bench -p acs-recording --bench download -- stream limited memory many
//! ```
//!
//! A server in another process sends content of any size, over TLS. Every download is a separate process,
//! whose CPU time and peak memory the kernel reports. Contenders run in turns. The results are medians of
//! all rounds. Ratios are computed within each round: how much of the time and the CPU time of the
//! contender before it this crate needs. A ratio below 1 means that this crate is faster. No ratio is
//! printed, and the program fails, if something disturbed the run.
//!
//! A download of this crate ends with a sync to disk. The bare programs also sync where this is stated.
//!
//! `aria2c` is included if it is installed (Debian: `apt-get install aria2`).
//! `ACS_BENCH_LARGE=8192` adds a download of that many MiB to the memory benchmark.
//! `ACS_BENCH_ROUNDS` sets the number of rounds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod measure;
mod server;

use std::process::{Command, ExitCode};

use common::tls::{self, ROLE, SERVER, Server};
use common::{peak_memory, print_machine};
use measure::{Contender, compare};
use server::path;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const MIB: u64 = 1024 * 1024;

fn main() -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok(SERVER) => runtime.block_on(tls::serve(server::router())),
        Ok(role) => {
            let role: Vec<_> = role.split(' ').collect();
            runtime.block_on(client::run(&role));
            println!("peak={:.1}", peak_memory());
        }
        Err(_) => return all(),
    }
    ExitCode::SUCCESS
}

fn all() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let named: Vec<_> = named.iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|one| *one == name);
    print_machine(&["reqwest", "hyper", "rustls", "tokio"]);
    let server = Server::start();
    let mut is_undisturbed = true;
    if wanted("stream") {
        for url in [&server.https, &server.http] {
            is_undisturbed &= stream(&server, url);
        }
    }
    if wanted("limited") {
        is_undisturbed &= limited(&server);
    }
    if wanted("memory") {
        memory(&server);
    }
    if wanted("many") {
        many(&server);
    }
    if is_undisturbed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A program that downloads.
fn program(server: &Server, kind: &str, url: &str, count: usize) -> Command {
    server.client(&format!("{kind} {url} {count}"))
}

fn stream(server: &Server, url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    println!("1 GiB to a file, {scheme}:");
    let url = format!("{url}{}", path("free", 1024 * MIB));
    let program = |kind, count| program(server, kind, &url, count);
    compare(vec![
        Contender::new("acs-recording", || program("ours", 0)),
        Contender::new("acs-recording, 1", || program("ours", 1)),
        Contender::new("bare reqwest, synced", || program("bare-synced", 1)),
        Contender::new("bare reqwest, not synced", || program("bare", 1)),
    ])
}

fn limited(server: &Server) -> bool {
    println!("256 MiB, 25 MB/s per connection, 40 ms to the first byte, https:");
    let url = format!("{}{}", server.https, path("limited", 256 * MIB));
    let program = |kind, count| program(server, kind, &url, count);
    let mut contenders = vec![
        Contender::new("acs-recording", || program("ours", 0)),
        Contender::new("acs-recording, 16", || program("ours", 16)),
    ];
    if Command::new("aria2c").arg("--version").output().is_ok() {
        for connections in [8, 16] {
            let name = format!("aria2c -x{connections} -s{connections} -k1M");
            let url = &url;
            contenders.push(Contender::new(&name, move || aria2(url, connections)));
        }
    } else {
        println!("  aria2c is not installed");
    }
    compare(contenders)
}

fn aria2(url: &str, connections: usize) -> Command {
    let mut command = Command::new("aria2c");
    command.args(["-q", "-k1M", "--file-allocation=none"]);
    command.arg(format!("-x{connections}"));
    command.arg(format!("-s{connections}"));
    command.args(["--check-certificate=false", "-o", "out", url]);
    command
}

fn memory(server: &Server) {
    println!("memory, with default settings:");
    let large = std::env::var("ACS_BENCH_LARGE").map(|mib| mib.parse::<u64>().unwrap());
    for base in [&server.http, &server.https] {
        for mib in [64, 1024].into_iter().chain(large.clone()) {
            let url = format!("{base}{}", path("free", mib * MIB));
            let name = format!("{mib} MiB, {}", base.split(':').next().unwrap_or_default());
            compare(vec![Contender::new(&name, || {
                program(server, "ours", &url, 0)
            })]);
        }
    }
}

fn many(server: &Server) {
    println!("200 concurrent downloads of 8 MiB, over one client, https:");
    let url = format!("{}{}", server.https, path("free", 8 * MIB));
    compare(vec![Contender::new("acs-recording", || {
        program(server, "many", &url, 200)
    })]);
}
