//! `download` and `delete`.

use std::path::{Path, PathBuf};

use acs_recording::{
    ContentUrl, Event, EventKind, Events, Overwrite, RecordingChunk, RecordingClient,
    RecordingFileStatusUpdated, Saved, SavedRecording,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::connect::client;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Bar;

/// Downloads a file, or all files of a recording
///
/// Large files come in over several connections. Interrupt it at any time: the same command goes on
/// where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording download https://…/content/video -o call.mp4 --sha256
  acs-recording download --event event.json --dir recordings --delete-after
  curl … | acs-recording download --event - --dir recordings

JSON: {\"path\", \"bytes\", \"sha256\", \"transferred\"} for one file; for an event one line for each
recording: {\"recording_id\", \"chunks\": [{\"media\": FILE, \"metadata\": FILE}], \"deleted\"} with
FILE as above.")]
pub(crate) struct Download {
    /// The `contentLocation` or `metadataLocation` of an event
    #[arg(required_unless_present = "event", requires = "file")]
    url: Option<ContentUrl>,

    /// The file to write
    #[arg(
        short = 'o',
        long = "to",
        value_name = "FILE",
        conflicts_with = "event"
    )]
    file: Option<PathBuf>,

    /// A file with events `RecordingFileStatusUpdated`, or `-` for standard input: downloads all
    /// chunks and their metadata
    #[arg(long, value_name = "FILE", conflicts_with = "url", requires = "dir")]
    event: Option<PathBuf>,

    /// The folder for the files of an event
    #[arg(long, value_name = "DIR", requires = "event")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    /// Deletes the recording from the service, once all of it is here and checked
    #[arg(long, requires = "event")]
    delete_after: bool,
}

/// What can be said about every download.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// How many connections fetch a file at the same time [default: by its size, 1 to 10]
    #[arg(long, value_name = "N")]
    parallel: Option<usize>,

    /// What happens to a file that is there already [default: fail, and skip for an event]
    #[arg(long, value_enum, value_name = "HOW")]
    overwrite: Option<Policy>,

    /// Computes the SHA-256 of what comes in
    #[arg(long)]
    sha256: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// It stays, and the download fails
    Fail,
    /// It is replaced once the new one is complete
    Replace,
    /// It is taken for the content if it has its size
    Skip,
}

/// Deletes a recording's media and metadata from the service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording delete https://…/v1/objects/ID
  acs-recording delete --event event.json

What is gone already counts as deleted. JSON: {\"deleted\": URL} for each location.")]
pub(crate) struct Delete {
    /// The `deleteLocation` of an event
    #[arg(required_unless_present = "event")]
    url: Option<ContentUrl>,
    /// A file with events, or `-` for standard input: deletes all chunks
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    event: Option<PathBuf>,
}

impl From<Policy> for Overwrite {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Fail => Self::Fail,
            Policy::Replace => Self::Replace,
            Policy::Skip => Self::Skip,
        }
    }
}

/// Sets the same on both kinds of downloads.
macro_rules! apply {
    ($settings:expr, $download:expr) => {{
        let (settings, mut download) = ($settings, $download);
        if let Some(count) = settings.parallel {
            download = download.connections(count);
        }
        if let Some(policy) = settings.overwrite {
            download = download.overwrite(policy.into());
        }
        if settings.sha256 {
            download = download.sha256();
        }
        download
    }};
}

pub(crate) async fn download(
    options: Download,
    global: &Global,
    out: &Output,
) -> Result<(), Failure> {
    let client = client(global)?;
    if let (Some(url), Some(path)) = (&options.url, &options.file) {
        let bar = Bar::new(out, &name(path));
        let download = apply!(&options.settings, client.download(url));
        let saved = download.on_progress(bar.listener()).to_file(path).await?;
        drop(bar);
        note(&saved, out);
        return out.result(&line(&saved), &file_json(&saved));
    }
    let (Some(source), Some(folder)) = (&options.event, &options.dir) else {
        return Err(Failure::usage("give a URL and -o, or --event and --dir"));
    };
    for file in ready_files(source).await? {
        let saved = save(
            &client,
            &file,
            folder,
            &options.settings,
            options.delete_after,
            out,
        )
        .await?;
        tell(&file, &saved, options.delete_after, out)?;
    }
    Ok(())
}

/// Downloads all that an event tells of.
pub(crate) async fn save(
    client: &RecordingClient,
    file: &RecordingFileStatusUpdated,
    folder: &Path,
    settings: &Settings,
    delete_after: bool,
    out: &Output,
) -> Result<SavedRecording, acs_recording::Error> {
    let first = file.chunks.first();
    let bar = Bar::new(out, first.map_or("", |chunk| chunk.document_id.as_str()));
    let mut download = apply!(settings, client.download_recording(file).to_dir(folder))
        .check_media()
        .on_progress(bar.listener());
    if delete_after {
        download = download.delete_after();
    }
    download.await
}

/// Prints what was downloaded.
pub(crate) fn tell(
    file: &RecordingFileStatusUpdated,
    saved: &SavedRecording,
    deleted: bool,
    out: &Output,
) -> Result<(), Failure> {
    let chunks = saved.chunks.iter();
    let files = chunks
        .clone()
        .flat_map(|chunk| [&chunk.media, &chunk.metadata]);
    let text: Vec<_> = files.map(line).collect();
    for chunk in chunks.clone() {
        note(&chunk.media, out);
    }
    if deleted {
        out.note("deleted from the service");
    }
    let chunks: Vec<_> = chunks
        .map(|chunk| {
            json!({"media": file_json(&chunk.media), "metadata": file_json(&chunk.metadata)})
        })
        .collect();
    let json = json!({"recording_id": file.recording_id, "chunks": chunks, "deleted": deleted});
    out.result(&text.join("\n"), &json)
}

pub(crate) async fn delete(options: Delete, global: &Global, out: &Output) -> Result<(), Failure> {
    let client = client(global)?;
    let mut chunks = Vec::new();
    if let Some(url) = &options.url {
        chunks.push(chunk_at(url)?);
    }
    if let Some(source) = &options.event {
        for file in ready_files(source).await? {
            chunks.extend(file.chunks);
        }
    }
    for chunk in &chunks {
        client.delete(chunk).await?;
        let place = chunk.delete_location.as_ref().map(ToString::to_string);
        let text = format!("deleted {}", place.as_deref().unwrap_or_default());
        out.result(&text, &json!({"deleted": place}))?;
    }
    Ok(())
}

/// A chunk of which nothing is known but where to delete it.
fn chunk_at(url: &ContentUrl) -> Result<RecordingChunk, Failure> {
    let url = url.as_url().as_str();
    let chunk = json!({
        "documentId": "unknown",
        "contentLocation": url,
        "metadataLocation": url,
        "deleteLocation": url,
    });
    serde_json::from_value(chunk).map_err(|error| Failure::other(&error))
}

/// The files that the events in a file tell of.
async fn ready_files(source: &Path) -> Result<Vec<RecordingFileStatusUpdated>, Failure> {
    let body = read(source).await?;
    let mut files = Vec::new();
    for event in Events::parse(&body) {
        let event = event.map_err(|error| Failure::usage(error.to_string()))?;
        if let EventKind::RecordingFileStatusUpdated(file) = Event::into_kind(event) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(
            Failure::usage(format!("{}: no files are announced", source.display()))
                .advise("give an event RecordingFileStatusUpdated as Event Grid posts it"),
        );
    }
    Ok(files)
}

/// A file, or standard input for `-`.
pub(crate) async fn read(source: &Path) -> Result<Vec<u8>, Failure> {
    let path = source.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(path)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| Failure::file(source, &error))
}

fn note(saved: &Saved, out: &Output) {
    let path = saved.path.display();
    match saved.bytes - saved.transferred.min(saved.bytes) {
        0 => {}
        _ if saved.transferred == 0 => out.note(&format!("{path} was there already")),
        before => out.note(&format!("{path}: went on after {before} bytes")),
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// As `sha256sum` writes it, if there is a checksum.
fn line(saved: &Saved) -> String {
    match &saved.sha256 {
        Some(hash) => format!("{hash}  {}", saved.path.display()),
        None => saved.path.display().to_string(),
    }
}

fn file_json(saved: &Saved) -> Value {
    json!({
        "path": saved.path.to_string_lossy(),
        "bytes": saved.bytes,
        "sha256": saved.sha256.as_ref().map(ToString::to_string),
        "transferred": saved.transferred,
    })
}
