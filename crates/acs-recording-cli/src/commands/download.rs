//! `download`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use acs_recording::{ContentUrl, Overwrite, RecordingClient, RecordingFileStatusUpdated};
use clap::Args;
use futures_util::{StreamExt as _, stream};

use crate::client::client;
use crate::download_settings::{Settings, apply, usual_patience};
use crate::event_files::{Announced, ready_files};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::progress::{Bar, Count, patiently};
use crate::saving::{
    AT_ONCE, Deletes, file_json, incomplete, is_nothing, line, note, save, skipped, tell,
};

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

A recording leaves ID.manifest.json beside its files, which says what was saved and verified. It is
deleted from the service only if every file was verified by this run, or has the SHA-256 that an
earlier run wrote into the manifest. A recording of which something is missing is saved as far as it
can be, told with exit code 8, and not deleted. Recordings in storage of your own, and events that
announce nothing, are noted and are no failure.

JSON: {\"path\", \"bytes\", \"sha256\", \"transferred\"} for each file; for an event one line for each
recording: {\"recording_id\", \"chunks\": [{\"index\", \"media\": FILE, \"metadata\": FILE}], \"missing\":
[{\"index\", \"document_id\", \"end_reason\"}], \"warnings\", \"complete\", \"manifest\", \"deleted\"} with
FILE as above, or {\"recording_id\", \"skipped\": \"own-storage\" or \"nothing-to-download\"}. Lines come
in the order in which downloads are done.")]
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

    /// Deletes the recording from the service, once all of it is here and verified; only an event
    /// says what is to be deleted
    #[arg(long, requires = "event", conflicts_with = "urls")]
    delete_after: bool,

    /// With --delete-after: deletes what is saved of a recording even if something is missing
    #[arg(long, requires = "delete_after")]
    delete_incomplete: bool,
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
    let (mut announced, unreadable) = ready_files(source).await?;
    // An event may have been delivered twice.
    let mut seen: HashMap<String, Vec<RecordingFileStatusUpdated>> = HashMap::new();
    announced.retain(|Announced { file, .. }| {
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
        let Announced { event, file } = announced;
        let download = client.download_recording(file).event(event);
        let name = download.file_stem();
        let deletes = Deletes {
            complete: options.delete_after,
            incomplete: options.delete_incomplete,
        };
        let saved = save(download, file, folder, &options.settings, deletes, out).await;
        all.next();
        let failed = |failure: Failure| {
            if several {
                failure.about(&name)
            } else {
                failure
            }
        };
        match saved {
            Ok(saved) => {
                tell(file, &saved, &options.settings, out)?;
                incomplete(&saved).map_or(Ok(()), |failure| Err(failed(failure)))
            }
            Err(error) if is_nothing(&error) => skipped(file, &error, out),
            Err(error) => Err(failed(error.into())),
        }
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
            let failure = Failure::from(error);
            if several {
                failure.about_file(path)
            } else {
                failure.of_file(path)
            }
        })?;
        note(&saved, out);
        let text = line(&saved, options.settings.sha256);
        out.result(&text, &file_json(&saved))
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
            let failure = Failure::usage(text).of_file(file);
            return Err(failure.advise("give --dir to download into it"));
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
            let failure = Failure::usage(text).of_file(&path);
            return Err(failure.advise("download one of them with -o"));
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
