//! Downloads the recording of an event, or one file by its address.
//!
//! To see it at once, it starts the emulator with a recording to download:
//!
//! ```text
//! cargo run --example download
//! ```
//!
//! With a resource, give it what Event Grid posted, or the location of content:
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
use std::process::ExitCode;

use acs_emulator::{Emulator, LargeRecording};
use acs_recording::{
    ContentUrl, Event, EventPayload, Events, Overwrite, Progress, RecordingClient,
};
use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Of the recording that the emulator has.
const DEMO_BYTES: u64 = 32 * 1024 * 1024;
/// So slow that there is something to see.
const DEMO_RATE: u64 = 16 * 1024 * 1024;

/// Downloads the recording of an event, or one file by its address.
#[derive(Debug, Parser)]
struct Options {
    /// A file with the event or events as they were posted, or a content location; without it the
    /// emulator starts and has a recording
    what: Option<String>,
    /// Folder for the files
    #[arg(long, default_value = "recordings", value_name = "DIR")]
    out: PathBuf,
    /// The resource
    #[arg(long, env = "ACS_CONNECTION_STRING", hide_env_values = true)]
    connection_string: Option<String>,
    /// Connections per file, instead of as many as its size is worth
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Deletes a recording of an event from the service once it is here and verified
    #[arg(long)]
    delete: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let event = options.what.as_ref().filter(|what| !is_location(what));
    if options.delete && event.is_none() {
        bail!("--delete needs a file with an event, which says what is to be deleted");
    }
    let Some(what) = &options.what else {
        return demo(options).await;
    };
    let resource = options.connection_string.as_deref();
    let resource = resource.context("set ACS_CONNECTION_STRING or --connection-string")?;
    let client = RecordingClient::from_connection_string(resource)?;
    if is_location(what) {
        return one(&client, what, options, None).await;
    }
    let body = std::fs::read(what).with_context(|| what.clone())?;
    let mut found = false;
    let mut failed = false;
    for event in Events::parse(&body) {
        let outcome = match event {
            Ok(event) => recording(&client, &event, options).await,
            Err(error) => Err(error.into()),
        };
        // One that fails stops no other.
        match outcome {
            Ok(is_recording) => found |= is_recording,
            Err(error) => {
                eprintln!("error: {error:#}");
                failed = true;
            }
        }
    }
    if failed {
        bail!("{what}: not everything could be downloaded");
    }
    if !found {
        bail!("{what}: no event of a recording that is ready");
    }
    Ok(())
}

/// Downloads what an event announces; whether it announces a recording.
async fn recording(client: &RecordingClient, event: &Event, options: &Options) -> Result<bool> {
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        return Ok(false);
    };
    let bar = bar()?;
    let mut save = client
        .download_recording(file)
        .event(event)
        .to_dir(&options.out)
        .on_progress(shown_on(&bar));
    if let Some(connections) = options.connections {
        save = save.connections(connections);
    }
    if options.delete {
        save = save.delete_after();
    }
    let saved = save.await?;
    bar.finish();
    for warning in &saved.warnings {
        eprintln!("warning: {warning}");
    }
    for chunk in &saved.chunks {
        let hash = chunk.media.sha256.map(|hash| hash.to_string());
        println!(
            "{}  {}",
            hash.unwrap_or_default(),
            chunk.media.path.display()
        );
    }
    if !saved.is_complete() {
        bail!(
            "something is missing; {} says what is here",
            saved.manifest.display()
        );
    }
    Ok(true)
}

fn is_location(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Downloads from an emulator that has a recording already.
async fn demo(options: &Options) -> Result<()> {
    let acs = Emulator::start().await?;
    let stored = acs.add_recording(LargeRecording::new(DEMO_BYTES));
    let chunk = stored.chunks().first().context("no recording")?;
    let client = RecordingClient::from_connection_string(acs.connection_string())?;
    one(&client, chunk.content_location(), options, Some(DEMO_RATE)).await?;
    acs.shutdown().await;
    Ok(())
}

async fn one(
    client: &RecordingClient,
    location: &str,
    options: &Options,
    limit: Option<u64>,
) -> Result<()> {
    let location: ContentUrl = location.parse()?;
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
    let bar = bar()?;
    let mut download = client
        .download(&location)
        .overwrite(Overwrite::Skip)
        .sha256()
        .on_progress(shown_on(&bar));
    if let Some(connections) = options.connections {
        download = download.connections(connections);
    }
    if let Some(limit) = limit {
        download = download.bandwidth_limit(limit);
    }
    let saved = download.to_file(options.out.join(name)).await?;
    bar.finish();
    let hash = saved.sha256.map(|hash| hash.to_string());
    println!("{}  {}", hash.unwrap_or_default(), saved.path.display());
    Ok(())
}

/// A bar on standard error, if that is a terminal.
fn bar() -> Result<ProgressBar> {
    let template = "[{bar:30}] {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left{msg}";
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template(template)?.progress_chars("#>-"));
    Ok(bar)
}

/// What a download calls to show its progress.
fn shown_on(bar: &ProgressBar) -> impl Fn(Progress) + Send + Sync + 'static {
    let bar = bar.clone();
    move |progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes);
        let (parts, retries) = (progress.parts, progress.retries);
        bar.set_message(format!(", {parts} connections, {retries} retries"));
    }
}
