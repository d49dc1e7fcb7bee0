//! Saves announced recordings, and reports the result.

use std::path::Path;

use acs_recording::webhook::HandlerError;
use acs_recording::{
    DownloadRecording, Error, ErrorKind, Event, Progress, RecordingClient,
    RecordingFileStatusUpdated, SavedFile, SavedRecording,
};
use serde_json::{Value, json};

use crate::download_settings::{Settings, apply, default_ready_timeout, ended};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{Bar, Count, with_waiting_note};
use crate::text::put_path;

/// How many files or recordings are downloaded at the same time.
pub(crate) const CONCURRENCY: usize = 4;

/// Which recordings are deleted from the service after they are saved.
#[derive(Clone, Copy)]
pub(crate) struct DeletePolicy {
    pub(crate) complete: bool,
    pub(crate) incomplete: bool,
}

/// Downloads all files that an event announces.
pub(crate) async fn save(
    download: DownloadRecording,
    file: &RecordingFileStatusUpdated,
    folder: &Path,
    settings: &Settings,
    deletes: DeletePolicy,
    out: &Output,
) -> Result<SavedRecording, Error> {
    let name = &download.file_stem();
    let chunks = Count::chunks(out, name, file.chunks.len());
    let bar = Bar::new(out, name);
    let progress = bar.listener();
    let listener = move |now: Progress| {
        chunks.set(now.chunk);
        progress(now);
    };
    let mut download = download.on_progress(listener);
    if let Some(timeout) = settings.ready_timeout(default_ready_timeout(ended(file))) {
        download = download.ready_timeout(timeout);
    }
    let mut download = apply!(settings, download.to_dir(folder));
    if deletes.complete {
        download = download.delete_after();
    }
    if deletes.incomplete {
        download = download.delete_incomplete();
    }
    with_waiting_note(download.into_future(), &bar, name, out).await
}

/// Downloads all files of the recording that an event of a spool announces.
pub(crate) async fn save_announced(
    client: &RecordingClient,
    event: &Event,
    file: &RecordingFileStatusUpdated,
    folder: &Path,
    settings: &Settings,
    deletes: DeletePolicy,
    out: &Output,
) -> Result<SavedRecording, HandlerError> {
    let download = client.download_recording(file).event(event);
    let saved = save(download, file, folder, settings, deletes, out).await?;
    if saved.may_be_completed() {
        let text = "a metadata document of the recording does not exist yet";
        return Err(Error::new(ErrorKind::ContentNotReady, text).into());
    }
    Ok(saved)
}

/// Why an event of a spool was not handled.
pub(crate) fn event_failure(event: &Event, error: HandlerError) -> Failure {
    let failure = match error.into_source().downcast::<Error>() {
        Ok(error) => Failure::from(*error),
        Err(error) => Failure::other(error.as_ref()),
    };
    failure.context(&format_args!("event {}", event.id))
}

/// Prints the saved files.
pub(crate) fn report_saved(
    file: &RecordingFileStatusUpdated,
    saved: &SavedRecording,
    settings: &Settings,
    out: &Output,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    for chunk in &saved.chunks {
        let files = std::iter::once(&chunk.media).chain(&chunk.metadata);
        text.extend(files.map(|saved| line(saved, settings.sha256)));
        note_resumed(&chunk.media, out);
    }
    for warning in &saved.warnings {
        out.note(&format!("warning: {warning}"));
    }
    if saved.deleted {
        out.note("deleted from the service");
    }
    let chunks: Vec<_> = saved
        .chunks
        .iter()
        .map(|chunk| {
            json!({
                "index": chunk.index,
                "media": file_json(&chunk.media),
                "metadata": chunk.metadata.as_ref().map(file_json),
            })
        })
        .collect();
    let missing: Vec<_> = saved
        .missing
        .iter()
        .map(|chunk| {
            json!({
                "index": chunk.index,
                "document_id": chunk.document_id,
                "end_reason": chunk.end_reason,
            })
        })
        .collect();
    let mut json = json!({
        "recording_id": file.recording_id,
        "chunks": chunks,
        "missing": missing,
        "warnings": saved.warnings,
        "complete": saved.is_complete(),
        "deleted": saved.deleted,
    });
    put_path(&mut json, "manifest", &saved.manifest);
    if text.is_empty() {
        return out.json_result(&json);
    }
    out.result(&text.join("\n"), &json)
}

/// Notes how much of a file was downloaded before.
pub(crate) fn note_resumed(saved: &SavedFile, out: &Output) {
    let path = saved.path.display();
    match saved.bytes - saved.transferred.min(saved.bytes) {
        0 => {}
        _ if saved.transferred == 0 => out.note(&format!("{path} already exists")),
        before => out.note(&format!("{path}: resumed after {before} bytes")),
    }
}

/// Whether there is nothing to download, now or later.
pub(crate) fn is_nothing_to_save(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::OwnStorage | ErrorKind::NothingToDownload
    )
}

/// Reports that a recording was skipped.
pub(crate) fn report_skipped(
    file: &RecordingFileStatusUpdated,
    error: &Error,
    out: &Output,
) -> Result<(), Failure> {
    out.note(&format!("skipped: {error}"));
    let json = json!({"recording_id": file.recording_id, "skipped": error.kind().name()});
    out.json_result(&json)
}

/// The failure for a recording with missing files.
pub(crate) fn incomplete(saved: &SavedRecording) -> Option<Failure> {
    if saved.is_complete() {
        return None;
    }
    let list: Vec<_> = saved
        .missing
        .iter()
        .map(|chunk| chunk.index.to_string())
        .collect();
    let what = match list.as_slice() {
        [] if saved.may_be_completed() => "the metadata of a chunk is missing".to_owned(),
        [] => "a file that was saved earlier no longer exists".to_owned(),
        [one] => format!("chunk {one} is missing"),
        several => format!("chunks {} are missing", several.join(", ")),
    };
    let kept = if saved.deleted {
        ""
    } else {
        ", and nothing was deleted"
    };
    Some(
        Failure::incomplete(format!("the recording is incomplete: {what}{kept}")).hint(format!(
            "see {} for what was saved",
            saved.manifest.display()
        )),
    )
}

/// The path, or a line in the format of `sha256sum`.
pub(crate) fn line(saved: &SavedFile, sums: bool) -> String {
    match &saved.sha256 {
        Some(hash) if sums => format!("{hash}  {}", saved.path.display()),
        _ => saved.path.display().to_string(),
    }
}

/// A saved file as a JSON object.
pub(crate) fn file_json(saved: &SavedFile) -> Value {
    let mut json = json!({
        "bytes": saved.bytes,
        "sha256": saved.sha256.as_ref().map(ToString::to_string),
        "transferred": saved.transferred,
    });
    put_path(&mut json, "path", &saved.path);
    json
}
