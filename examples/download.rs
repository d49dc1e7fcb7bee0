//! Downloads the recording of an event, or one file by its address.
//!
//! ```text
//! export ACS_CONNECTION_STRING="endpoint=…;accesskey=…"
//! cargo run --example download -- event.json --out recordings
//! cargo run --example download -- https://…/content/video --out recordings
//! ```
//!
//! Stop it at any time: the same command goes on where it was.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to people"
)]

use std::path::PathBuf;

use acs_recording::{ContentUrl, EventKind, Events, Overwrite, Progress, RecordingClient};
use anyhow::{Context, Result, bail};
use clap::Parser;

/// Downloads the recording of an event, or one file by its address.
#[derive(Debug, Parser)]
struct Options {
    /// A file with the event or events as they were posted, or a content location
    what: String,
    /// Folder for the files
    #[arg(long, default_value = "recordings", value_name = "DIR")]
    out: PathBuf,
    /// The resource
    #[arg(long, env = "ACS_CONNECTION_STRING", hide_env_values = true)]
    connection_string: String,
    /// Connections per file, instead of as many as its size is worth
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Deletes a recording from the service once it is here and checked
    #[arg(long)]
    delete: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let client = RecordingClient::from_connection_string(&options.connection_string)?;
    if options.what.starts_with("http") {
        return one(&client, &options).await;
    }
    let body = std::fs::read(&options.what).with_context(|| options.what.clone())?;
    let mut found = false;
    for event in Events::parse(&body) {
        let EventKind::RecordingFileStatusUpdated(file) = event?.into_kind() else {
            continue;
        };
        found = true;
        let mut save = client
            .download_recording(&file)
            .to_dir(&options.out)
            .check_media()
            .sha256()
            .on_progress(show);
        if let Some(connections) = options.connections {
            save = save.connections(connections);
        }
        if options.delete {
            save = save.delete_after();
        }
        for chunk in save.await?.chunks {
            let hash = chunk.media.sha256.map(|hash| hash.to_string());
            eprintln!();
            println!(
                "{}  {}",
                hash.unwrap_or_default(),
                chunk.media.path.display()
            );
        }
    }
    if !found {
        bail!("{}: no event of a recording that is ready", options.what);
    }
    Ok(())
}

async fn one(client: &RecordingClient, options: &Options) -> Result<()> {
    let location: ContentUrl = options.what.parse()?;
    std::fs::create_dir_all(&options.out)?;
    // A path of an address has no separators between its own.
    let mut words = location.as_url().path_segments().context("no path")?.rev();
    let (last, document) = (
        words.next().unwrap_or("content"),
        words.nth(1).unwrap_or(""),
    );
    let name: String = format!("{document}-{last}")
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let mut download = client
        .download(&location)
        .overwrite(Overwrite::Skip)
        .sha256()
        .on_progress(show);
    if let Some(connections) = options.connections {
        download = download.connections(connections);
    }
    let saved = download.to_file(options.out.join(name)).await?;
    let hash = saved.sha256.map(|hash| hash.to_string());
    eprintln!();
    println!("{}  {}", hash.unwrap_or_default(), saved.path.display());
    Ok(())
}

/// One line that is written over and over.
fn show(progress: Progress) {
    const MIB: f64 = 1024.0 * 1024.0;
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
    let [bytes, total] = [progress.bytes, progress.total.unwrap_or(0)].map(|n| n as f64 / MIB);
    eprint!(
        "\r{bytes:8.1} of {total:.1} MiB, {:6.1} MiB/s, {} connections, {} retries ",
        progress.rate / MIB,
        progress.parts,
        progress.retries
    );
}
