//! `download`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_recording::{
    ContentUrl, Overwrite, Progress, RecordingClient, RecordingFileStatusUpdated, Saved,
    SavedRecording,
};
use clap::{Args, ValueEnum};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::connect::client;
use crate::content::ready_files;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{Bar, Count, patiently};

/// How many files or recordings come in at the same time.
pub(crate) const AT_ONCE: usize = 4;

/// Downloads files, or all files of recordings
///
/// Large files come in over several connections, and up to four files at the same time. Interrupt it
/// at any time: the same command goes on where it was. A download that fails stops no other.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording download https://…/content/video -o call.mp4 --sha256
  acs-recording download https://…/ID1/content/audiowav https://…/ID2/content/audiowav --dir calls
  acs-recording download --event event.json --dir recordings --delete-after
  curl … | acs-recording download --event - --dir recordings

JSON: {\"path\", \"bytes\", \"sha256\", \"transferred\"} for each file; for an event one line for each
recording: {\"recording_id\", \"chunks\": [{\"media\": FILE, \"metadata\": FILE}], \"deleted\"} with
FILE as above. Lines come in the order in which downloads are done.")]
#[command(group = clap::ArgGroup::new("place").required(true).args(["file", "dir"]))]
pub(crate) struct Download {
    /// The `contentLocation` or `metadataLocation` of an event
    #[arg(value_name = "URL", required_unless_present = "event")]
    urls: Vec<ContentUrl>,

    /// The file to write, for one URL
    #[arg(
        short = 'o',
        long = "to",
        value_name = "FILE",
        conflicts_with = "event"
    )]
    file: Option<PathBuf>,

    /// A file with events `RecordingFileStatusUpdated`, or `-` for standard input: downloads all
    /// chunks and their metadata
    #[arg(long, value_name = "FILE", conflicts_with = "urls")]
    event: Option<PathBuf>,

    /// The folder for the files, which is made if need be; they are called after their documents,
    /// such as `ID.wav`, and with --event `ID.000.wav` and `ID.000.json`
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    /// Deletes the recording from the service, once all of it is here and checked; only an event
    /// says what is to be deleted
    #[arg(long, requires = "event", conflicts_with = "urls")]
    delete_after: bool,
}

/// What can be said about every download.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// How many connections fetch a file at the same time, 1 to 32 [default: by its size, 1 to 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: Option<u8>,

    /// What happens to a file that is there already [default: skip, or fail for a file that
    /// `download -o` names]
    #[arg(long, value_enum, value_name = "HOW")]
    overwrite: Option<Policy>,

    /// Computes the SHA-256 of what comes in
    #[arg(long)]
    sha256: bool,

    /// That of all operations.
    #[arg(skip)]
    time_limit: Option<Duration>,
}

impl Settings {
    pub(crate) fn time_limit(&mut self, limit: Option<Duration>) {
        self.time_limit = limit;
    }

    /// How long to wait for content that is not ready, if that is to be shorter than usual.
    fn patience(&self, usual: Duration) -> Option<Duration> {
        self.time_limit.filter(|limit| *limit < usual)
    }
}

/// How long the library waits for content of a recording that ended so long ago.
fn usual_patience(ended: Option<Timestamp>) -> Duration {
    let age = ended.map(|end| Timestamp::now().duration_since(end));
    match age {
        Some(age) if age < SignedDuration::from_mins(15) => Duration::from_mins(2),
        _ => Duration::from_secs(30),
    }
}

fn ended(file: &RecordingFileStatusUpdated) -> Option<Timestamp> {
    file.start?.checked_add(file.duration?).ok()
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
    ($settings:expr, $download:expr, $patience:expr) => {{
        let (settings, mut download) = ($settings, $download);
        if let Some(count) = settings.parallel {
            download = download.connections(count.into());
        }
        if let Some(policy) = settings.overwrite {
            download = download.overwrite(policy.into());
        }
        if let Some(limit) = settings.patience($patience) {
            download = download.ready_within(limit);
        }
        if settings.sha256 {
            download = download.sha256();
        }
        download
    }};
}

pub(crate) async fn download(
    mut options: Download,
    global: &Global,
    out: &Output,
) -> Result<(), Failure> {
    options.settings.time_limit(global.timeout);
    let client = client(global)?;
    match (&options.event, &options.dir) {
        (Some(source), Some(folder)) => recordings(&client, source, folder, &options, out).await,
        _ => files(&client, &options, out).await,
    }
}

async fn recordings(
    client: &RecordingClient,
    source: &Path,
    folder: &Path,
    options: &Download,
    out: &Output,
) -> Result<(), Failure> {
    let (settings, delete_after) = (&options.settings, options.delete_after);
    let (mut files, unreadable) = ready_files(source).await?;
    // An event may have been delivered twice, and two downloads into one file are one too many.
    let mut seen = HashSet::new();
    files.retain(|file| match file.chunks.first() {
        Some(first) => seen.insert(first.document_id.clone()),
        None => true,
    });
    let (all, several) = (&Count::files(out, files.len()), files.len() > 1);
    let downloads = files.iter().map(|file| async move {
        let saved = save(client, file, folder, settings, delete_after, out).await;
        all.next();
        let about = file.chunks.first().filter(|_| several);
        let saved = saved.map_err(|error| match about {
            Some(chunk) => Failure::from(error).about(&chunk.document_id),
            None => error.into(),
        })?;
        tell(file, &saved, delete_after, out)
    });
    some_at_a_time(downloads.collect(), out).await?;
    unreadable.map_or(Ok(()), Err)
}

async fn files(client: &RecordingClient, options: &Download, out: &Output) -> Result<(), Failure> {
    let targets = targets(options)?;
    if let Some(folder) = &options.dir {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    let (all, several) = (&Count::files(out, targets.len()), targets.len() > 1);
    let downloads = targets.iter().map(|(path, url)| async move {
        let bar = Bar::new(out, &name(path));
        let mut download = client.download(url);
        if options.dir.is_some() {
            download = download.overwrite(Overwrite::Skip);
        }
        let download = apply!(&options.settings, download, usual_patience(None));
        let download = download.on_progress(bar.listener());
        let saved = patiently(download.to_file(path), &bar, &name(path), out).await;
        drop(bar);
        all.next();
        let saved = saved.map_err(|error| {
            if several {
                Failure::from(error).about(&path.display())
            } else {
                error.into()
            }
        })?;
        note(&saved, out);
        out.result(&line(&saved), &file_json(&saved))
    });
    some_at_a_time(downloads.collect(), out).await
}

/// Which file each URL goes into.
fn targets(options: &Download) -> Result<BTreeMap<PathBuf, &ContentUrl>, Failure> {
    if let Some(file) = &options.file {
        if file.as_os_str() == "-" {
            return Err(Failure::usage(
                "-o writes no standard output: what came in is checked first",
            )
            .advise("give the name of a file"));
        }
        if file.is_dir() {
            let text = format!("-o {} is a folder", file.display());
            return Err(Failure::usage(text).advise("give --dir to download into it"));
        }
        return match options.urls.as_slice() {
            [url] => Ok(BTreeMap::from([(file.clone(), url)])),
            _ => Err(
                Failure::usage("-o names one file, and there are several URLs")
                    .advise("give --dir DIR instead"),
            ),
        };
    }
    let folder = options.dir.clone().unwrap_or_default();
    let mut targets = BTreeMap::new();
    for url in &options.urls {
        let path = folder.join(file_name(url));
        if let Some(other) = targets.insert(path.clone(), url)
            && other != url
        {
            let text = format!("{} would be the file of two URLs", path.display());
            return Err(Failure::usage(text).advise("download one of them with -o"));
        }
    }
    Ok(targets)
}

/// What a file is called: after its document, or else after the last part of the URL.
fn file_name(url: &ContentUrl) -> String {
    let mut parts = url.as_url().path().rsplit('/');
    let last = parts.next().unwrap_or_default();
    let ending = match last.to_ascii_lowercase() {
        name if name == "acsmetadata" => "json",
        name if name.contains("mp3") => "mp3",
        name if name.contains("wav") => "wav",
        name if name.contains("mp4") || name.contains("video") => "mp4",
        _ => "bin",
    };
    let name = match (parts.next(), parts.next()) {
        (Some("content"), Some(document)) => format!("{document}.{ending}"),
        _ => last.to_owned(),
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name = name.replace(|letter| !is_plain(letter), "_");
    match name.trim_start_matches('.') {
        "" => "content".to_owned(),
        name => name.to_owned(),
    }
}

/// Runs some of them at the same time. A failure stops no other; the first is the outcome.
async fn some_at_a_time<F>(downloads: Vec<F>, out: &Output) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let mut downloads = stream::iter(downloads).buffer_unordered(AT_ONCE);
    let mut first = None;
    while let Some(outcome) = downloads.next().await {
        match outcome {
            Ok(()) => {}
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => out.failure(&failure),
        }
    }
    first.map_or(Ok(()), Err)
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
    let name = first.map_or("", |chunk| chunk.document_id.as_str());
    let chunks = Count::chunks(out, name, file.chunks.len());
    let bar = Bar::new(out, name);
    let progress = bar.listener();
    let listener = move |now: Progress| {
        chunks.set(now.chunk);
        progress(now);
    };
    let download = client.download_recording(file).to_dir(folder);
    let mut download = apply!(settings, download, usual_patience(ended(file)))
        .check_media()
        .on_progress(listener);
    if delete_after {
        download = download.delete_after();
    }
    patiently(download.into_future(), &bar, name, out).await
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

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn files_are_called_after_documents() {
        for (url, name) in [
            ("v1/objects/0-weu-d1-5a/content/video", "0-weu-d1-5a.mp4"),
            (
                "v1/objects/0-weu-d1-5a/content/audiowavmultichannel?x=1",
                "0-weu-d1-5a.wav",
            ),
            ("v1/objects/0-weu-d1-5a/content/audiomp3", "0-weu-d1-5a.mp3"),
            (
                "v1/objects/0-weu-d1-5a/content/acsmetadata",
                "0-weu-d1-5a.json",
            ),
            ("v1/objects/0-weu-d1-5a/content/x", "0-weu-d1-5a.bin"),
            ("files/call.wav", "call.wav"),
            ("v1/%2e%2e%2fa%20b/content/video", "_2e_2e_2fa_20b.mp4"),
            ("", "content"),
        ] {
            let url = format!("https://media.example/{url}").parse().unwrap();
            assert_eq!(file_name(&url), name);
        }
    }
}
