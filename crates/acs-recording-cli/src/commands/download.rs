//! `download`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use acs_recording::{ContentUrl, Overwrite, RecordingClient, RecordingFileStatusUpdated};
use clap::Args;
use futures_util::{StreamExt as _, stream};

use crate::client::client;
use crate::download_settings::{Settings, apply, default_ready_timeout};
use crate::event_files::{AnnouncedRecording, announced_recordings};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::progress::{Bar, Count, with_waiting_note};
use crate::saving::{
    CONCURRENCY, DeletePolicy, file_json, incomplete, is_nothing_to_save, line, note_resumed,
    report_saved, report_skipped, save,
};

/// Downloads single files, or all files of recordings
///
/// Large files use several connections, and up to four downloads run at the same time. You can
/// interrupt the command at any time: the same command resumes the downloads. A failure does not stop
/// the other downloads.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording download https://…/content/video -o call.mp4 --sha256
  acs-recording download https://…/ID1/content/audiowav https://…/ID2/content/audiowav --dir calls
  acs-recording download --event event.json --dir recordings --delete-after
  curl … | acs-recording download --event - --dir recordings

ID.manifest.json beside the files of a recording lists what was saved and verified. With
--delete-after, a recording is deleted from the service only if this run verified every file, or
if every file has the SHA-256 that an earlier run wrote to the manifest. If something is missing,
the rest is saved, the exit code is 8, and nothing is deleted. Recordings in your own storage, and
events that announce no files, are skipped with a note and are not failures.

JSON: {\"path\", \"bytes\", \"sha256\", \"transferred\"} for each file. With --event, one line for each
recording: {\"recording_id\", \"chunks\": [{\"index\", \"media\": FILE, \"metadata\": FILE}], \"missing\":
[{\"index\", \"document_id\", \"end_reason\"}], \"warnings\", \"complete\", \"manifest\", \"deleted\"}, where
FILE is as above, or {\"recording_id\", \"skipped\": \"own-storage\" or \"nothing-to-download\"}. Lines
appear in the order in which downloads complete.")]
#[command(group = clap::ArgGroup::new("place").required(true).args(["file", "dir"]))]
pub(crate) struct Download {
    /// `contentLocation` or `metadataLocation` of an event
    #[arg(value_name = "URL", required_unless_present = "event")]
    urls: Vec<ContentUrl>,

    /// File to write, for a single URL
    #[arg(
        short = 'o',
        long = "to",
        value_name = "FILE",
        conflicts_with = "event"
    )]
    file: Option<PathBuf>,

    /// File with RecordingFileStatusUpdated events, or `-` for standard input; downloads all chunks
    /// and their metadata
    #[arg(long, value_name = "FILE", conflicts_with = "urls")]
    event: Option<PathBuf>,

    /// Folder for the files, created if it does not exist; files are named after their documents,
    /// such as `ID.wav`, and with --event `ID.000.wav` and `ID.000.json`
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    /// Deletes each recording from the service after all its files are saved and verified; requires
    /// --event
    #[arg(long, requires = "event", conflicts_with = "urls")]
    delete_after: bool,

    /// With --delete-after, deletes the saved files from the service even if others are missing
    #[arg(long, requires = "delete_after")]
    delete_incomplete: bool,
}

pub(crate) async fn download(
    mut options: Download,
    global: &Global,
    out: &Output,
) -> Result<(), Failure> {
    options.settings.operation_timeout(global.operation_timeout);
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
    let (mut announced, unreadable) = announced_recordings(source).await?;
    // Event Grid may have delivered an event twice.
    let mut seen: HashMap<String, Vec<RecordingFileStatusUpdated>> = HashMap::new();
    announced.retain(|AnnouncedRecording { file, .. }| {
        let same = seen.entry(client.download_recording(file).file_stem());
        let same = same.or_default();
        let is_new = same
            .iter()
            .all(|other| other.chunks != file.chunks || other.storage_type != file.storage_type);
        if is_new {
            same.push(file.clone());
        }
        is_new
    });
    let (all, several) = (&Count::files(out, announced.len()), announced.len() > 1);
    let downloads = announced.iter().map(|announced| async move {
        let AnnouncedRecording { event, file } = announced;
        let download = client.download_recording(file).event(event);
        let name = download.file_stem();
        let deletes = DeletePolicy {
            complete: options.delete_after,
            incomplete: options.delete_incomplete,
        };
        let saved = save(download, file, folder, &options.settings, deletes, out).await;
        all.next();
        let failed = |failure: Failure| {
            if several {
                failure.context(&name)
            } else {
                failure
            }
        };
        match saved {
            Ok(saved) => {
                report_saved(file, &saved, &options.settings, out)?;
                incomplete(&saved).map_or(Ok(()), |failure| Err(failed(failure)))
            }
            Err(error) if is_nothing_to_save(&error) => report_skipped(file, &error, out),
            Err(error) => Err(failed(error.into())),
        }
    });
    run_concurrently(downloads.collect(), out).await?;
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
        let download = apply!(&options.settings, download, default_ready_timeout(None));
        let download = download.on_progress(bar.listener());
        let saved = with_waiting_note(download.to_file(path), &bar, &name(path), out).await;
        drop(bar);
        all.next();
        let saved = saved.map_err(|error| {
            let failure = Failure::from(error);
            if several {
                failure.context_file(path)
            } else {
                failure.with_path(path)
            }
        })?;
        note_resumed(&saved, out);
        let text = line(&saved, options.settings.sha256);
        out.result(&text, &file_json(&saved))
    });
    run_concurrently(downloads.collect(), out).await
}

/// The file for each URL.
fn targets(options: &Download) -> Result<BTreeMap<PathBuf, &ContentUrl>, Failure> {
    if let Some(file) = &options.file {
        if file.as_os_str() == "-" {
            return Err(Failure::usage(
                "-o cannot write to standard output, because content is verified first",
            )
            .hint("pass a file name"));
        }
        if file.is_dir() {
            let text = format!("-o {} is a folder", file.display());
            let failure = Failure::usage(text).with_path(file);
            return Err(failure.hint("use --dir to download into a folder"));
        }
        return match options.urls.as_slice() {
            [url] => Ok(BTreeMap::from([(file.clone(), url)])),
            _ => Err(
                Failure::usage("-o names one file, but there are several URLs")
                    .hint("use --dir DIR instead"),
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
            let text = format!("{} is the file name of two URLs", path.display());
            let failure = Failure::usage(text).with_path(&path);
            return Err(failure.hint("download one of them with -o"));
        }
    }
    Ok(targets)
}

/// The file name for a URL: the document id, or else the last segment.
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

/// Runs some downloads at a time. All of them run; the first failure is the result.
async fn run_concurrently<F>(downloads: Vec<F>, out: &Output) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let mut downloads = stream::iter(downloads).buffer_unordered(CONCURRENCY);
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

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn files_are_named_after_documents() {
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
