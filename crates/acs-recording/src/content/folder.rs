//! A whole recording, into a folder.

use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;

use super::ContentUrl;
use super::download::{Download, Extras};
use super::file::{Check, Saved, file_error};
use super::media::{Lengths, MediaCheck};
use super::names;
use super::options::{Options, Overwrite, settings};
use super::progress::{Listener, Meter, Progress};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::metadata::{InvalidMetadata, RecordingMetadata};
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
    /// and all together as long as the event say. What does not pass gets no name.
    pub fn check_media(mut self) -> Self {
        self.checks_media = true;
        self
    }

    /// Deletes the recording from the service, once all of it is on the disk and checked.
    ///
    /// What is gone already counts as deleted, and its files, if they are there, as downloaded. If
    /// deleting fails, the files are there nonetheless, and the same download tries only that
    /// again. A chunk for which the event names no delete location is such a failure, which is
    /// told after the others are deleted.
    pub fn delete_after(mut self) -> Self {
        self.deletes = true;
        self
    }

    async fn run(self) -> Result<SavedRecording> {
        self.options.check()?;
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
            let lengths = Lengths {
                before: length,
                all: self.what.duration.filter(|_| number + 1 == count),
            };
            let (saved, sound) = self.save(chunk, &base, ending, listener, lengths).await?;
            length = length.zip(sound).map(|(sum, sound)| sum + sound);
            chunks.push(saved);
        }
        if self.deletes {
            self.delete().await?;
        }
        Ok(SavedRecording { chunks })
    }

    /// Deletes all that can be; the first failure is told after that.
    async fn delete(&self) -> Result<()> {
        let mut outcome = Ok(());
        for chunk in &self.what.chunks {
            let deleted = self.what.client.delete(chunk).await;
            outcome = outcome.and(deleted);
        }
        outcome.map_err(|error| error.advise("the recording is saved, and not all of it deleted"))
    }

    /// Saves one chunk; tells how long its sound is, if that was checked and it is WAV.
    async fn save(
        &self,
        chunk: &RecordingChunk,
        base: &Path,
        ending: &'static str,
        listener: Option<Listener>,
        lengths: Lengths,
    ) -> Result<(SavedChunk, Option<Duration>)> {
        // A check needs it; otherwise the media are worth more.
        let mut metadata = None;
        if self.checks_media {
            metadata = Some(self.save_metadata(chunk, base).await?);
        }
        let path = base.with_added_extension(ending);
        let sound = Arc::new(Mutex::new(None));
        let check = metadata.as_ref().map(|(_, document)| MediaCheck {
            path: path.clone(),
            ending,
            told: document.as_ref().and_then(|document| document.duration),
            lengths,
            sound: Arc::clone(&sound),
        });
        let extras = Extras {
            meter: Some(Meter::new(listener, self.options.bandwidth)),
            check: check.map(|check| Arc::new(move |file: &Path| check.run(file)) as Check),
            gone_is_done: self.deletes,
        };
        let media = self.download(&chunk.content_location, self.options.clone());
        let media = Box::pin(media.save(path, extras)).await?;
        let (metadata, document) = match metadata {
            Some(metadata) => metadata,
            None => self.save_metadata(chunk, base).await?,
        };
        let saved = SavedChunk {
            media,
            metadata,
            document,
        };
        let sound = *sound.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((saved, sound))
    }

    async fn save_metadata(
        &self,
        chunk: &RecordingChunk,
        base: &Path,
    ) -> Result<(Saved, Option<RecordingMetadata>)> {
        let path = base.with_added_extension("json");
        let quiet = Options {
            listener: None,
            ..self.options.clone()
        };
        let check: Check = Arc::new(|file| match read_document(file)? {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::CorruptContent, error.to_string())),
        });
        let extras = Extras {
            meter: None,
            check: Some(check).filter(|_| self.checks_media),
            gone_is_done: self.deletes,
        };
        let metadata = self.download(&chunk.metadata_location, quiet);
        let saved = Box::pin(metadata.save(path.clone(), extras)).await?;
        let read = spawn_blocking(move || read_document(&path)).await;
        let document = read.unwrap_or_else(|error| Err(file_error(error.into(), &saved.path)))?;
        Ok((saved, document.ok()))
    }

    fn download(&self, location: &ContentUrl, options: Options) -> Download {
        let mut download = self.what.client.download(location);
        if let Some(ended) = self.what.ended {
            download = download.recorded_until(ended);
        }
        download.with(options)
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

fn read_document(path: &Path) -> Result<Result<RecordingMetadata, InvalidMetadata>> {
    let bytes = std::fs::read(path).map_err(|error| file_error(error, path))?;
    Ok(RecordingMetadata::parse(&bytes))
}

impl IntoFuture for SaveRecording {
    type Output = Result<SavedRecording>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.run().await.map_err(|error| error.during(OPERATION)) })
    }
}
