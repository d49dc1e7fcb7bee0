//! A fleet of workers archives recordings, and one of them dies in the middle of a transfer.
//!
//! ```text
//! cargo run --example archive
//! ```
//!
//! The emulator records 20 calls, and their events go into a queue. Three processes, each a worker,
//! archive the recordings and delete them from the service. One of them is killed with SIGKILL while
//! it transfers; the others take over what it had begun. In the end every byte in the archive is
//! verified. If anything is missing, the exit code is 1.
//!
//! Queue and store are those of Azurite, which is installed from npm below `target/`. Without Node.js,
//! or with `--local`, they are local folders.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to people"
)]

mod file_queue;
mod fleet;
mod place;
mod report;
mod service;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use place::Place;

/// Archives 20 recordings with three workers, and kills one of them.
#[derive(Debug, Parser)]
struct Options {
    /// Uses local folders in place of Azurite
    #[arg(long)]
    local: bool,
    /// Runs as the worker of this number; the program starts itself so
    #[arg(long, hide = true)]
    worker: Option<usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<()> {
    if options.worker.is_some() {
        return worker::run().await;
    }
    let started = std::time::Instant::now();
    let place = Place::new(options.local).await?;
    let service = service::Service::start(&place).await?;
    let recordings = service.record().await?;
    let fleet = fleet::Fleet::start(&place, &service)?;
    let history = fleet.run(recordings.len()).await?;
    let rows = report::verify(&place, &service, &recordings, &history).await?;
    report::print(&rows, &history, started.elapsed())
}
