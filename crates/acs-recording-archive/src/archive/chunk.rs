//! Storing one chunk: media, then metadata, then the receipt.

use std::time::{Duration, Instant};

use acs_recording::{
    ContentUrl, Download, Event, ManifestFile, RecordingChunk, RecordingFileStatusUpdated,
    RecordingMetadata,
};
use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;

use super::objects::{Created, Fingerprint, content_type};
use super::settings::{OwnStorage, Settings};
use super::transfer::Stored;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::ChunkNames;
use crate::metrics;
use crate::receipt::Receipt;
use crate::steps::Step;

/// How long after the end of a recording its content may not be ready.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// How long content that is not ready is waited for. It keeps a worker busy, so a later attempt
/// has to do for the rest.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Metadata documents are some kilobytes.
const MAX_METADATA: u64 = 16 * 1024 * 1024;

pub(super) type ChunkListener = Box<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// Whether no other attempt may follow. Media is archived without its metadata document then, if the
/// document cannot be had.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastAttempt {
    /// The content expires before another attempt is sure.
    pub(crate) expires_soon: bool,
    /// A failure that is about the recording would end the attempts.
    pub(crate) is_exhausted: bool,
}

/// A chunk that is being stored.
pub(super) struct Chunk<'a> {
    pub(super) settings: &'a Settings,
    pub(super) file: &'a RecordingFileStatusUpdated,
    pub(super) event: Option<&'a Event>,
    pub(super) last_attempt: LastAttempt,
    pub(super) index: u64,
    pub(super) announced: &'a RecordingChunk,
    pub(super) names: ChunkNames,
    /// Told how many bytes have arrived, and of how many.
    pub(super) listener: Option<ChunkListener>,
}

impl Chunk<'_> {
    /// The receipt, if the chunk is archived.
    pub(super) async fn find_receipt(&self) -> Result<Option<Receipt>> {
        let Some(receipt) = self.read_receipt().await? else {
            return Ok(None);
        };
        if !receipt.is_about(self.announced) {
            return Err(self.conflict());
        }
        // Nothing is deleted on the word of a receipt whose objects somebody removed.
        if self.settings.deletes {
            let objects = &self.settings.transfer.objects;
            let media = receipt.media.as_ref().map(|file| (&self.names.media, file));
            let metadata = receipt.metadata.as_ref();
            let metadata = metadata.map(|file| (&self.names.metadata, file));
            for (name, file) in media.into_iter().chain(metadata) {
                if objects.size(name).await? != Some(file.bytes) {
                    tracing::warn!(object = %name, "an object of a receipt is missing");
                    return Ok(None);
                }
            }
        }
        Ok(Some(receipt))
    }

    /// Archives the chunk; tells its receipt, and whether this wrote it.
    pub(super) async fn archive(&self) -> Result<(Receipt, bool)> {
        let outcome = self.carry().await;
        let Err(error) = outcome else { return outcome };
        if error.kind().is_environmental() {
            return Err(error);
        }
        // Another worker may have archived and deleted it meanwhile.
        match self.find_receipt().await? {
            Some(receipt) => Ok((receipt, false)),
            None => Err(error),
        }
    }

    async fn carry(&self) -> Result<(Receipt, bool)> {
        let mut receipt = Receipt::new(self.file, self.event, self.index, self.announced);
        let Some(location) = &self.announced.content_location else {
            let text = "the event has no valid content location, so there is no media to archive";
            return Err(Error::new(ErrorKind::InvalidEvent, text));
        };
        let began = Instant::now();
        match self.media(location).await {
            Ok(stored) => {
                receipt.media = Some(file(&self.names.media, stored.fingerprint));
                receipt.content_etag = stored.etag;
            }
            Err(error) if self.is_in_own_storage(&error) => {
                if self.settings.own_storage == OwnStorage::Reject {
                    let text = "the recording is in storage of your own, and is not archived";
                    return Err(Error::new(ErrorKind::OwnStorage, text));
                }
                let storage = self.file.storage_type.as_deref();
                receipt.storage_type = Some(storage.unwrap_or("unknown").to_owned());
            }
            Err(error) => return Err(error),
        }
        self.settings.crash.reached(Step::MediaStored).await;
        if receipt.media.is_some() {
            self.metadata(&mut receipt).await?;
        }
        self.settings.crash.reached(Step::MetadataStored).await;
        let (receipt, is_new) = self.commit(receipt).await?;
        self.settings.crash.reached(Step::ReceiptStored).await;
        if let (Some(media), true) = (&receipt.media, is_new) {
            metrics::chunk_archived(media.bytes, began.elapsed());
        }
        Ok((receipt, is_new))
    }

    async fn media(&self, location: &ContentUrl) -> Result<Stored> {
        let stream = self.download(location).stream().sha256().await?;
        let total = stream.length();
        let extension = self.file.file_extension(self.announced);
        let stored = self.settings.transfer.run(
            &self.names.media,
            content_type(extension),
            stream,
            |first| Ok(self.file.check_format(self.announced, first)?),
            |bytes| {
                if let Some(listener) = &self.listener {
                    listener(bytes, total);
                }
            },
        );
        stored.await
    }

    /// Stores the metadata document, as it is. The media is worth more: a document that cannot be
    /// had is a warning, and keeps the service's copies from being deleted.
    async fn metadata(&self, receipt: &mut Receipt) -> Result<()> {
        let Some(location) = &self.announced.metadata_location else {
            let text = "the event names no metadata document";
            receipt.warnings.push(text.to_owned());
            return Ok(());
        };
        let download = self.download(location).into_bytes().max_bytes(MAX_METADATA);
        let document = match download.await.map_err(Error::from) {
            Ok(document) => Bytes::from(document),
            Err(error) if self.may_pass(&error) => return Err(error),
            Err(error) => {
                let text = format!("the metadata document could not be archived: {error}");
                receipt.warnings.push(text);
                return Ok(());
            }
        };
        let name = &self.names.metadata;
        let objects = &self.settings.transfer.objects;
        let mut fingerprint = Fingerprint::of(&document);
        if objects
            .create(name, &document, content_type("json"))
            .await?
            == Created::Before
        {
            let existing = objects.read(name).await?.unwrap_or_default();
            if RecordingMetadata::parse(&existing).is_ok() {
                // It came with an earlier attempt, whose receipt may be on its way.
                fingerprint = Fingerprint::of(&existing);
            } else if existing != document {
                objects
                    .overwrite(name, &document, content_type("json"))
                    .await?;
            }
        }
        receipt.metadata = Some(file(name, fingerprint));
        match RecordingMetadata::parse(&document) {
            Ok(metadata) => {
                let ids = metadata.participants.iter();
                receipt.participants = ids.map(|one| one.id.to_string()).collect();
            }
            Err(error) => {
                let text = format!("the metadata document cannot be read: {error}");
                receipt.warnings.push(text);
            }
        }
        Ok(())
    }

    /// Writes the receipt, unless there is one.
    async fn commit(&self, mut receipt: Receipt) -> Result<(Receipt, bool)> {
        receipt.saved_at = Timestamp::now();
        let failed = |error: serde_json::Error| {
            let text = format!("the receipt cannot be written down: {error}");
            Error::new(ErrorKind::InvalidEvent, text)
        };
        let document = serde_json::to_vec_pretty(&receipt).map_err(failed)?;
        let objects = &self.settings.transfer.objects;
        let name = &self.names.receipt;
        let created = objects
            .create(name, &Bytes::from(document), content_type("json"))
            .await?;
        if created == Created::Now {
            return Ok((receipt, true));
        }
        match self.read_receipt().await? {
            Some(existing) if existing == receipt => Ok((existing, true)),
            Some(existing) if existing.agrees_with(&receipt) => Ok((existing, false)),
            _ => Err(self.conflict()),
        }
    }

    /// Deletes the service's copy. One that is gone counts as deleted.
    pub(super) async fn delete_at_service(&self) -> Result<()> {
        Ok(self.settings.client.delete(self.announced).await?)
    }

    async fn read_receipt(&self) -> Result<Option<Receipt>> {
        let name = &self.names.receipt;
        let Some(bytes) = self.settings.transfer.objects.read(name).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let text = format!(
                "the receipt {name} cannot be read: {error}; remove it to archive the chunk again"
            );
            Error::new(ErrorKind::Conflict, text)
        })
    }

    fn download(&self, location: &ContentUrl) -> Download {
        let mut download = self.settings.client.download(location);
        if let Some(end) = self.file.end() {
            download = download.recorded_until(end);
        }
        let ended = self.file.end();
        let ended = ended.or_else(|| self.event.and_then(|event| event.time));
        let is_recent = ended.is_some_and(|ended| {
            let age = Timestamp::now().duration_since(ended);
            Duration::try_from(age).unwrap_or_default() < RECENT
        });
        if is_recent {
            download = download.ready_timeout(READY_WITHIN);
        }
        download
    }

    /// Whether another attempt may succeed, and there will be one.
    fn may_pass(&self, error: &Error) -> bool {
        if error.kind().is_environmental() {
            !self.last_attempt.expires_soon
        } else {
            error.is_retryable() && !self.last_attempt.is_exhausted
        }
    }

    fn is_in_own_storage(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::OwnStorage => true,
            ErrorKind::ForbiddenHost => self.file.is_for_own_storage(),
            _ => false,
        }
    }

    fn conflict(&self) -> Error {
        let text = format!(
            "the receipt {} vouches for other content; nothing was changed",
            self.names.receipt
        );
        Error::new(ErrorKind::Conflict, text)
    }
}

fn file(name: &Path, fingerprint: Fingerprint) -> ManifestFile {
    let name = name.filename().unwrap_or_default();
    ManifestFile::new(name, fingerprint.bytes, fingerprint.sha256)
}
