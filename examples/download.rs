//! Downloads the recording of an event, or one file by its location.
//! Without arguments, it starts the emulator with a recording to download:
//!
//! ```text
//! cargo run --example download
//! ```
//!
//! To download from a resource, pass the events that Event Grid posted, or a content location:
//!
//! ```text
//! export ACS_CONNECTION_STRING="endpoint=…;accesskey=…"
//! cargo run --example download -- event.json --out recordings
//! cargo run --example download -- https://…/content/video --out recordings
//! ```
//!
//! The download can be stopped at any time. The same command resumes it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "command-line programs print to the terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use acs_emulator::{Emulator, SyntheticRecording};
use acs_recording::{
    ContentUrl, Event, EventPayload, Events, Overwrite, Progress, RecordingClient,
};
use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// The size of the recording in the emulator.
const DEMO_BYTES: u64 = 32 * 1024 * 1024;
/// Slow enough for the progress bar to be visible.
const DEMO_RATE: u64 = 16 * 1024 * 1024;

/// Downloads the recording of an event, or one file by its location.
#[derive(Debug, Parser)]
struct Options {
    /// File with one or more events as posted by Event Grid, or a content location; without it, the
    /// emulator is started with a recording
    what: Option<String>,
    /// Folder for the files
    #[arg(long, default_value = "recordings", value_name = "DIR")]
    out: PathBuf,
    /// Connection string of the resource
    #[arg(long, env = "ACS_CONNECTION_STRING", hide_env_values = true)]
    connection_string: Option<String>,
    /// Connections per file; by default, this depends on its size
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Deletes the recordings of events from the service after they are downloaded and verified
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
        bail!("--delete requires a file with events, which contain the delete locations");
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
        // A failed recording must not stop the others.
        match outcome {
            Ok(is_recording) => found |= is_recording,
            Err(error) => {
                eprintln!("error: {error:#}");
                failed = true;
            }
        }
    }
    if failed {
        bail!("{what}: some recordings could not be downloaded");
    }
    if !found {
        bail!("{what}: no event about an available recording");
    }
    Ok(())
}

/// Downloads the recording of an event. Returns whether the event is about a recording.
async fn recording(client: &RecordingClient, event: &Event, options: &Options) -> Result<bool> {
    let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
        return Ok(false);
    };
    let bar = bar()?;
    let mut save = client
        .download_recording(file)
        .event(event)
        .on_progress(shown_on(&bar))
        .to_dir(&options.out);
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
            "the recording is incomplete; {} lists the downloaded files",
            saved.manifest.display()
        );
    }
    Ok(true)
}

fn is_location(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Downloads a recording from an emulator.
async fn demo(options: &Options) -> Result<()> {
    let acs = Emulator::start().await?;
    let stored = acs.add_recording(SyntheticRecording::new(DEMO_BYTES));
    let chunk = stored
        .chunks()
        .first()
        .context("the recording has no file")?;
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
    // The path ends in `DOCUMENT/content/NAME`.
    let mut segments = location.as_url().path_segments().context("no path")?.rev();
    let (last, document) = (
        segments.next().unwrap_or("content"),
        segments.nth(1).unwrap_or(""),
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
    let mut download = client.download(&location).on_progress(shown_on(&bar));
    if let Some(limit) = limit {
        download = download.bandwidth_limit(limit);
    }
    let mut download = download
        .to_file(options.out.join(name))
        .overwrite(Overwrite::Skip)
        .sha256();
    if let Some(connections) = options.connections {
        download = download.connections(connections);
    }
    let saved = download.await?;
    bar.finish();
    let hash = saved.sha256.map(|hash| hash.to_string());
    println!("{}  {}", hash.unwrap_or_default(), saved.path.display());
    Ok(())
}

/// A progress bar on standard error, if that is a terminal.
fn bar() -> Result<ProgressBar> {
    let template = "[{bar:30}] {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left{msg}";
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template(template)?.progress_chars("#>-"));
    Ok(bar)
}

/// A callback that shows the progress of a download.
fn shown_on(bar: &ProgressBar) -> impl Fn(Progress) + Send + Sync + 'static {
    let bar = bar.clone();
    move |progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes);
        let (connections, retries) = (progress.connections, progress.retries);
        bar.set_message(format!(", {connections} connections, {retries} retries"));
    }
}
