//! Storing one recording.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use acs_recording::{Event, RecordingChunk, RecordingFileStatusUpdated};
use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;

use super::chunk::{Chunk, ChunkListener, LastAttempt};
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{Layout, Subject};
use crate::metrics;
use crate::receipt::Receipt;
use crate::steps::Step;

/// A recording about to be stored; `await` it.
#[must_use = "nothing is stored before it is awaited"]
#[derive(Clone)]
pub struct StoreRecording {
    settings: Arc<Settings>,
    file: RecordingFileStatusUpdated,
    event: Option<Event>,
    last_attempt: LastAttempt,
    listener: Option<Listener>,
}

pub(super) type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Which chunk is being copied, from 1.
    pub chunk: usize,
    /// How many chunks the event announces.
    pub chunks: usize,
    /// How many bytes of this chunk have arrived.
    pub bytes: u64,
    /// How many there are, if the service tells.
    pub total: Option<u64>,
}

/// A recording that is in the archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Archived {
    /// Every chunk that the event announced.
    pub chunks: Vec<ArchivedChunk>,
    /// Whether the service's copies were deleted.
    pub is_deleted: bool,
    /// What is odd about the recording, such as missing metadata.
    pub warnings: Vec<String>,
}

/// A chunk that is in the archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchivedChunk {
    /// The name of the receipt.
    pub name: Path,
    /// The receipt.
    pub receipt: Receipt,
    /// Whether it was archived just now, and not by an earlier attempt or by another worker.
    pub is_new: bool,
}

impl Archived {
    /// How many bytes of media were archived just now.
    pub fn bytes(&self) -> u64 {
        let new = self.chunks.iter().filter(|chunk| chunk.is_new);
        new.filter_map(|chunk| chunk.receipt.media.as_ref())
            .map(|media| media.bytes)
            .sum()
    }

    /// Whether anything was archived just now.
    pub fn is_new(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.is_new)
    }
}

impl StoreRecording {
    pub(super) fn new(settings: Arc<Settings>, file: RecordingFileStatusUpdated) -> Self {
        Self {
            settings,
            file,
            event: None,
            last_attempt: LastAttempt::default(),
            listener: None,
        }
    }

    /// The event that announced the recording. It is stored beside the recording, and its id and
    /// time go into the receipts. Its time gives the date of a recording that has none.
    pub fn event(mut self, event: &Event) -> Self {
        self.event = Some(event.clone());
        self
    }

    pub(crate) fn last_attempt(mut self, last_attempt: LastAttempt) -> Self {
        self.last_attempt = last_attempt;
        self
    }

    /// Calls back while content arrives, for each part of it that does. The callback must not
    /// block.
    pub fn on_progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(callback));
        self
    }
}

impl IntoFuture for StoreRecording {
    type Output = Result<Archived>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { run(&self).await })
    }
}

impl fmt::Debug for StoreRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreRecording")
            .field("settings", &self.settings)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

async fn run(store: &StoreRecording) -> Result<Archived> {
    let settings = &*store.settings;
    let event = store.event.as_ref();
    if store.file.chunks.is_empty() {
        let text = "the event announces no content: there is nothing to archive";
        return Err(Error::new(ErrorKind::NothingToArchive, text));
    }
    let subject = Subject::new(&store.file, event);
    let numbered = number(&store.file.chunks);
    let count = numbered.len();
    let mut chunks = Vec::with_capacity(count);
    // A chunk that cannot be archived keeps no other from being archived.
    let mut failures = Vec::new();
    for (position, (index, chunk)) in (1..).zip(numbered) {
        let names = match settings.layout.names(&subject, index, chunk) {
            Ok(names) => names,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        let listener = store.listener.clone().map(|listener| {
            let listener: ChunkListener = Box::new(move |bytes, total| {
                listener(Progress {
                    chunk: position,
                    chunks: count,
                    bytes,
                    total,
                });
            });
            listener
        });
        let chunk = Chunk {
            settings,
            file: &store.file,
            event,
            last_attempt: store.last_attempt,
            index,
            announced: chunk,
            names,
            listener,
        };
        let found = chunk.find_receipt().await?;
        chunks.push((chunk, found));
    }
    settings.crash.reached(Step::Checked).await;
    if chunks.iter().any(|(_, found)| found.is_none()) {
        store_event(settings, event, chunks.first().map(|(chunk, _)| chunk)).await?;
    }

    let mut archived = Vec::with_capacity(chunks.len());
    for (chunk, found) in &chunks {
        let outcome = match found {
            Some(receipt) => Ok((receipt.clone(), false)),
            None => chunk.archive().await,
        };
        match outcome {
            Ok((receipt, is_new)) => archived.push(ArchivedChunk {
                name: chunk.names.receipt.clone(),
                receipt,
                is_new,
            }),
            Err(error) if error.kind().is_environmental() => return Err(error),
            Err(error) => failures.push(error.about(format_args!("chunk {}", chunk.index))),
        }
    }
    if let Some(error) = worst(failures) {
        return Err(error);
    }
    if archived.iter().any(|chunk| chunk.is_new) {
        metrics::archived(store.file.end(), Timestamp::now());
    }
    finish(settings, &chunks, archived).await
}

/// Deletes at the service what is safe, if that is wished.
async fn finish(
    settings: &Settings,
    chunks: &[(Chunk<'_>, Option<Receipt>)],
    archived: Vec<ArchivedChunk>,
) -> Result<Archived> {
    let mut warnings: Vec<_> = archived
        .iter()
        .flat_map(|chunk| {
            let index = chunk.receipt.index;
            let warnings = chunk.receipt.warnings.iter();
            warnings.map(move |warning| format!("chunk {index}: {warning}"))
        })
        .collect();
    let mut is_deleted = false;
    if settings.deletes {
        if archived.iter().all(|chunk| chunk.receipt.is_complete()) {
            is_deleted = true;
            for (chunk, _) in chunks {
                match chunk.delete_at_service().await {
                    Ok(()) => {}
                    Err(error) if error.is_retryable() || error.kind().is_environmental() => {
                        return Err(error);
                    }
                    // It is archived all the same, and the service drops its copy soon.
                    Err(error) => {
                        is_deleted = false;
                        warnings.push(format!(
                            "chunk {} is archived and not deleted at the service: {error}",
                            chunk.index
                        ));
                    }
                }
            }
        } else {
            warnings.push(
                "nothing is deleted at the service, because the archive lacks something".to_owned(),
            );
        }
        settings.crash.reached(Step::DeletedAtService).await;
    }
    Ok(Archived {
        chunks: archived,
        is_deleted,
        warnings,
    })
}

/// Stores the event beside the first chunk.
async fn store_event(
    settings: &Settings,
    event: Option<&Event>,
    beside: Option<&Chunk<'_>>,
) -> Result<()> {
    let (Some(event), Some(chunk)) = (event, beside) else {
        return Ok(());
    };
    let failed = |error: serde_json::Error| {
        let text = format!("event {} cannot be written down: {error}", event.id);
        Error::new(ErrorKind::InvalidEvent, text)
    };
    let document = serde_json::to_vec(event).map_err(failed)?;
    let name = Layout::event_name(&chunk.names, &event.id);
    let objects = &settings.transfer.objects;
    // One that exists is the same event.
    objects
        .create(&name, &Bytes::from(document), "application/json")
        .await?;
    Ok(())
}

/// The chunks with their numbers: those of the event, or their positions if these are not all
/// there and different. A chunk that is announced twice is one.
fn number(chunks: &[RecordingChunk]) -> Vec<(u64, &RecordingChunk)> {
    let mut distinct: Vec<&RecordingChunk> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if !distinct.contains(&chunk) {
            distinct.push(chunk);
        }
    }
    let indices: Option<BTreeSet<_>> = distinct.iter().map(|chunk| chunk.index).collect();
    let are_numbers = indices.is_some_and(|indices| indices.len() == distinct.len());
    let numbered = (0..).zip(distinct).map(|(position, chunk)| {
        let index = chunk.index.filter(|_| are_numbers);
        (index.unwrap_or(position), chunk)
    });
    numbered.collect()
}

/// The failure that decides what becomes of the recording: one that may pass, if there is any.
fn worst(mut failures: Vec<Error>) -> Option<Error> {
    let passing = failures.iter().position(Error::is_retryable);
    (!failures.is_empty()).then(|| failures.swap_remove(passing.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(document: &str, index: Option<u64>) -> RecordingChunk {
        let mut chunk = RecordingChunk::default();
        chunk.document_id = Some(acs_recording::DocumentId::new(document).unwrap());
        chunk.index = index;
        chunk
    }

    #[test]
    fn chunks_have_different_numbers() {
        for (indices, expected) in [
            (&[Some(0), Some(1)][..], &[0, 1][..]),
            (&[Some(3), Some(7)], &[3, 7]),
            (&[Some(1), Some(1)], &[0, 1]),
            (&[Some(5), None], &[0, 1]),
        ] {
            let chunks: Vec<_> = (0..)
                .zip(indices)
                .map(|(n, index)| chunk(&format!("0-weu-d1-{n}"), *index))
                .collect();
            let numbers: Vec<_> = number(&chunks).into_iter().map(|(n, _)| n).collect();
            assert_eq!(numbers, expected, "{indices:?}");
        }
        let twice = [chunk("0-weu-d1-a", Some(0)), chunk("0-weu-d1-a", Some(0))];
        assert_eq!(number(&twice).len(), 1);
    }

    #[test]
    fn a_failure_that_may_pass_decides() {
        let error = |kind| Error::new(kind, "x");
        let failures = vec![
            error(ErrorKind::InvalidEvent),
            error(ErrorKind::CorruptContent),
        ];
        assert_eq!(worst(failures).unwrap().kind(), ErrorKind::CorruptContent);
        let failures = vec![
            error(ErrorKind::InvalidEvent),
            error(ErrorKind::ForbiddenHost),
        ];
        assert_eq!(worst(failures).unwrap().kind(), ErrorKind::InvalidEvent);
        assert!(worst(Vec::new()).is_none());
    }
}
