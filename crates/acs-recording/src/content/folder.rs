//! A whole recording, into a folder.

use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;

use super::file::{Saved, file_error};
use super::options::{Options, Overwrite, settings};
use super::progress::{Listener, Meter, Progress};
use super::{media, names};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::metadata::RecordingMetadata;
use crate::models::RecordingFormatType;

const OPERATION: &str = "download recording";

/// All files of a recording; say [where to](Self::to_dir).
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is told where to"]
pub struct DownloadRecording {
    client: RecordingClient,
    chunks: Vec<RecordingChunk>,
    format: Option<RecordingFormatType>,
    duration: Option<Duration>,
    ended: Option<Timestamp>,
}

impl DownloadRecording {
    pub(crate) fn new(client: RecordingClient, file: &RecordingFileStatusUpdated) -> Self {
        let lasted = file
            .duration
            .and_then(|lasted| SignedDuration::try_from(lasted).ok());
        let ended = file.start.zip(lasted);
        Self {
            client,
            chunks: file.chunks.clone(),
            format: file.format.clone(),
            duration: file.duration,
            ended: ended.and_then(|(start, lasted)| start.checked_add(lasted).ok()),
        }
    }

    /// Into this folder, which is made if need be; `await` the result, after setting options on it.
    ///
    /// The files are called after the first chunk's document: `ID.000.wav` and `ID.000.json` with
    /// the metadata, then `ID.001.wav` and so on. No name leads out of the folder, whatever an
    /// event says.
    pub fn to_dir(self, folder: impl Into<PathBuf>) -> SaveRecording {
        SaveRecording {
            what: self,
            folder: folder.into(),
            options: Options {
                overwrite: Overwrite::Skip,
                ..Options::default()
            },
            checks_media: false,
            deletes: false,
        }
    }
}

/// A recording about to be downloaded into a folder; `await` it.
///
/// Chunks come one after the other. What is there already is left as it is, unless
/// [`overwrite`](Self::overwrite) says otherwise, so that the same download goes on where an
/// earlier one failed or was killed.
///
/// # Errors
/// As [`Download::to_file`](super::Download::to_file); [`ErrorKind::CorruptContent`] if
/// [`check_media`](Self::check_media) finds something wrong.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is awaited"]
pub struct SaveRecording {
    what: DownloadRecording,
    folder: PathBuf,
    options: Options,
    checks_media: bool,
    deletes: bool,
}

/// A recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedRecording {
    /// Its chunks, in order.
    pub chunks: Vec<SavedChunk>,
}

/// A chunk of a recording that was downloaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedChunk {
    /// The media file.
    pub media: Saved,
    /// The file with the metadata document.
    pub metadata: Saved,
    /// The metadata document; none if it cannot be understood.
    pub document: Option<RecordingMetadata>,
}

impl SavedRecording {
    /// The size of all media files together.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.media.bytes).sum()
    }
}

impl SaveRecording {
    settings!();

    /// Checks that every media file is of its format and, if it is WAV, as long as its metadata
    /// and all together as long as the event say.
    pub fn check_media(mut self) -> Self {
        self.checks_media = true;
        self
    }

    /// Deletes the recording from the service, once all of it is on the disk and checked.
    ///
    /// What is gone already counts as deleted. If deleting fails, the files are there nonetheless,
    /// and the same download tries only that again.
    pub fn delete_after(mut self) -> Self {
        self.deletes = true;
        self
    }

    async fn run(self) -> Result<SavedRecording> {
        let Some(first) = self.what.chunks.first() else {
            let text = "the event names no chunks: there is nothing to download";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        let stem = names::stem(first.document_id.as_str());
        let folder = self.folder.clone();
        let made = spawn_blocking(move || std::fs::create_dir_all(folder)).await;
        made.unwrap_or_else(|error| Err(error.into()))
            .map_err(|error| file_error(error, &self.folder))?;

        let count = self.what.chunks.len();
        let mut chunks: Vec<SavedChunk> = Vec::with_capacity(count);
        let mut length = Some(Duration::ZERO);
        for (number, chunk) in self.what.chunks.iter().enumerate() {
            let before = chunks.iter().map(|chunk| chunk.media.bytes).sum();
            let path = chunk.content_location.as_url().path();
            let ending = names::ending(self.what.format.as_ref(), path);
            let base = self.folder.join(format!("{stem}.{number:03}"));
            let listener = self.listener(before, number, number + 1 == count);
            let saved = self.save(chunk, &base, ending, listener).await?;
            if self.checks_media {
                let checked = self.check(&saved, ending).await?;
                length = length.zip(checked).map(|(sum, checked)| sum + checked);
            }
            chunks.push(saved);
        }
        if let (true, Some(told), Some(length)) = (self.checks_media, self.what.duration, length)
            && !media::agree(told, length)
        {
            let text = format!("the files are {length:?} long, and the event says {told:?}");
            return Err(Error::new(ErrorKind::CorruptContent, text));
        }
        if self.deletes {
            for chunk in self
                .what
                .chunks
                .iter()
                .filter(|one| one.delete_location.is_some())
            {
                let deleted = self.what.client.delete(chunk).await;
                deleted.map_err(|error| error.advise("the recording is saved, and not deleted"))?;
            }
        }
        Ok(SavedRecording { chunks })
    }

    async fn save(
        &self,
        chunk: &RecordingChunk,
        base: &Path,
        ending: &str,
        listener: Option<Listener>,
    ) -> Result<SavedChunk> {
        let meter = Meter::new(listener, self.options.bandwidth);
        let mut media = self.what.client.download(&chunk.content_location);
        let mut metadata = self.what.client.download(&chunk.metadata_location);
        if let Some(ended) = self.what.ended {
            media = media.recorded_until(ended);
            metadata = metadata.recorded_until(ended);
        }
        let media = media.with(self.options.clone());
        let path = base.with_added_extension(ending);
        let media = Box::pin(media.save(path, Some(meter))).await?;

        let path = base.with_added_extension("json");
        let quiet = Options {
            listener: None,
            ..self.options.clone()
        };
        let metadata = metadata.with(quiet).save(path.clone(), None);
        let metadata = Box::pin(metadata).await?;
        let read = spawn_blocking(move || std::fs::read(path)).await;
        let document = read
            .unwrap_or_else(|error| Err(error.into()))
            .map_err(|error| file_error(error, &metadata.path))?;
        let document = RecordingMetadata::parse(&document);
        if self.checks_media && document.is_err() {
            document
                .as_ref()
                .map_err(|error| Error::new(ErrorKind::CorruptContent, error.to_string()))?;
        }
        Ok(SavedChunk {
            media,
            metadata,
            document: document.ok(),
        })
    }

    /// Checks one chunk; tells how long its sound is, if it is WAV.
    async fn check(&self, saved: &SavedChunk, ending: &'static str) -> Result<Option<Duration>> {
        let path = saved.media.path.clone();
        let checked = spawn_blocking(move || media::check(&path, ending)).await;
        let length = checked.unwrap_or_else(|error| Err(file_error(error.into(), &self.folder)))?;
        let told = saved
            .document
            .as_ref()
            .and_then(|document| document.duration);
        if let Some((told, length)) = told.zip(length)
            && !media::agree(told, length)
        {
            let text = format!(
                "{} is {length:?} long, and its metadata says {told:?}",
                saved.media.path.display()
            );
            return Err(Error::new(ErrorKind::CorruptContent, text));
        }
        Ok(length)
    }

    /// Tells progress of one chunk as that of the whole recording.
    fn listener(&self, before: u64, chunk: usize, is_last: bool) -> Option<Listener> {
        let listener = Arc::clone(self.options.listener.as_ref()?);
        Some(Arc::new(move |progress: Progress| {
            listener(Progress {
                bytes: before + progress.bytes,
                // How large the next chunks are shows when they begin.
                total: progress
                    .total
                    .filter(|_| is_last)
                    .map(|total| before + total),
                chunk,
                ..progress
            });
        }))
    }
}

impl IntoFuture for SaveRecording {
    type Output = Result<SavedRecording>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.run().await.map_err(|error| error.during(OPERATION)) })
    }
}
