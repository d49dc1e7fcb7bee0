//! The speed and resources of downloads, compared with bare reqwest programs and aria2.
//!
//! ```text
//! cargo bench -p acs-recording --bench download
//! cargo bench -p acs-recording --bench download -- stream limited memory many
//! ```
//!
//! A server in another process sends content of any size, with and without TLS. Every download is a
//! separate process, whose CPU time and peak memory the kernel reports. Contenders run in turns.
//! The results are medians of all rounds. Ratios to the first contender are computed within each
//! round, so that other load on the machine affects all contenders equally.
//!
//! A download of this crate ends with a sync to disk. The bare program also syncs where this is
//! stated.
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
mod measure;
mod server;

use std::process::Command;

use measure::{Contender, compare};
use server::Server;

const ROLE: &str = "ACS_BENCH_ROLE";
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const MIB: u64 = 1024 * 1024;

fn main() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("server") => runtime.block_on(server::serve()),
        Ok(role) => {
            let role: Vec<_> = role.split(' ').collect();
            runtime.block_on(client::run(&role));
            println!("{}", measure::peak());
        }
        Err(_) => all(),
    }
}

fn all() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let named: Vec<_> = named.iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|one| *one == name);
    let server = Server::start();
    if wanted("stream") {
        for url in [&server.https, &server.http] {
            stream(&server, url);
        }
    }
    if wanted("limited") {
        limited(&server);
    }
    if wanted("memory") {
        memory(&server);
    }
    if wanted("many") {
        many(&server);
    }
}

fn stream(server: &Server, url: &str) {
    let scheme = url.split(':').next().unwrap_or_default();
    println!("one stream of 1 GiB to a file, {scheme}:");
    let url = format!("{url}/free/{}", 1024 * MIB);
    compare(vec![
        Contender::new("bare reqwest, synced", || {
            server.client("bare-synced", &url, 1)
        }),
        Contender::new("bare reqwest, not synced", || {
            server.client("bare", &url, 1)
        }),
        Contender::new("acs-recording", || server.client("ours", &url, 1)),
    ]);
}

fn limited(server: &Server) {
    println!("256 MiB, 25 MB/s per connection, 40 ms to the first byte:");
    let url = format!("{}/limited/{}", server.http, 256 * MIB);
    let mut contenders = vec![
        Contender::new("acs-recording", || server.client("ours", &url, 0)),
        Contender::new("acs-recording, 16", || server.client("ours", &url, 16)),
    ];
    if Command::new("aria2c").arg("--version").output().is_ok() {
        let aria2 = Contender::new("aria2c -x8 -s8 -k1M", || aria2(&url));
        contenders.insert(0, aria2);
    } else {
        println!("  aria2c is not installed");
    }
    compare(contenders);
}

fn aria2(url: &str) -> Command {
    let mut command = Command::new("aria2c");
    command.args(["-q", "-x8", "-s8", "-k1M", "--file-allocation=none"]);
    command.args(["-o", "out", url]);
    command
}

fn memory(server: &Server) {
    println!("memory, with default settings:");
    let large = std::env::var("ACS_BENCH_LARGE").map(|mib| mib.parse::<u64>().unwrap());
    for base in [&server.http, &server.https] {
        for mib in [64, 1024].into_iter().chain(large.clone()) {
            let url = format!("{base}/free/{}", mib * MIB);
            let name = format!("{mib} MiB, {}", base.split(':').next().unwrap_or_default());
            compare(vec![Contender::new(&name, || {
                server.client("ours", &url, 0)
            })]);
        }
    }
}

fn many(server: &Server) {
    println!("200 concurrent downloads of 8 MiB, over one client:");
    let url = format!("{}/free/{}", server.http, 8 * MIB);
    compare(vec![Contender::new("acs-recording", || {
        server.client("many", &url, 200)
    })]);
}
