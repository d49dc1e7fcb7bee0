//! The archive: recordings in an object store, each chunk with a receipt.

mod catalogue;
mod chunk;
mod objects;
mod recording;
mod transfer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use acs_recording::{RecordingClient, RecordingFileStatusUpdated};
use object_store::ObjectStore;

pub use catalogue::{Catalogue, Depth, Entries, Entry, Finding, ListReceipts, Verification};
pub(crate) use recording::is_of_all;
pub use recording::{Archived, ArchivedChunk, Progress, StoreRecording};

use self::objects::Objects;
use self::transfer::{Aborts, Transfer};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::steps::CrashPoint;

const PART_SIZE: usize = 8 * 1024 * 1024;
/// What S3 demands of all parts but the last.
const MIN_PART_SIZE: usize = 5 * 1024 * 1024;
const MAX_PART_SIZE: usize = 1024 * 1024 * 1024;
const CONCURRENT_PARTS: usize = 2;
/// How long a look at the store may take before a worker begins.
const CHECK_WITHIN: Duration = Duration::from_secs(60);

/// Copies recordings from the service into an object store.
///
/// The unit is the chunk. Each chunk becomes three objects: the media, the service's metadata
/// document, and a [`Receipt`](crate::Receipt), which is written last and only if there is none.
/// The receipt is the commit: a chunk without one is not archived, and is archived again. Names
/// depend on the event alone, so storing a recording twice, or from two machines at once, leaves
/// the same objects. Beside them is the event, as `event.ID.json`.
///
/// Content is streamed from the service into the store, and never touches a local disk. At most
/// [`concurrent_parts`](ArchiveBuilder::concurrent_parts) + 1 parts of
/// [`part_size`](ArchiveBuilder::part_size) are in memory for each recording that is being stored.
///
/// It is cheap to clone.
///
/// ```no_run
/// use acs_recording::RecordingClient;
/// use acs_recording_archive::{Archive, StoreBuilder};
///
/// # async fn run(
/// #     client: RecordingClient,
/// #     file: acs_recording::RecordingFileStatusUpdated,
/// # ) -> acs_recording_archive::Result<()> {
/// let store = StoreBuilder::new("https://contoso.blob.core.windows.net/recordings")?
///     .environment()
///     .build()?;
/// let archive = Archive::builder(client, store).delete_at_service().build()?;
/// let archived = archive.store(&file).await?;
/// println!("{} bytes", archived.bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Archive(Arc<Settings>);

pub(crate) struct Settings {
    pub(crate) client: RecordingClient,
    pub(crate) transfer: Transfer,
    pub(crate) layout: Layout,
    pub(crate) deletes: bool,
    pub(crate) own_storage: OwnStorage,
    pub(crate) crash: CrashPoint,
}

/// What becomes of a recording that the service wrote into a storage account of your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnStorage {
    /// Nothing is copied. A receipt without media says where the recording is.
    #[default]
    Record,
    /// It is an error of kind [`OwnStorage`](ErrorKind::OwnStorage). A worker moves the message to
    /// the poison queue.
    Reject,
}

impl Archive {
    /// Settings for an archive in `store` of the recordings that `client` can read.
    pub fn builder(client: RecordingClient, store: Arc<dyn ObjectStore>) -> ArchiveBuilder {
        ArchiveBuilder {
            client,
            store,
            layout: Layout::default(),
            deletes: false,
            own_storage: OwnStorage::default(),
            part_size: PART_SIZE,
            concurrent_parts: CONCURRENT_PARTS,
            crash: CrashPoint::default(),
        }
    }

    /// Stores one recording; `await` the result, after setting options on it.
    ///
    /// It is idempotent: chunks that have a receipt are not copied again. Dropping the future is
    /// safe at any time, and the same event can be stored again.
    ///
    /// # Errors
    /// [`ErrorKind::NothingToArchive`] if the event announces no chunk.
    /// [`ErrorKind::InvalidEvent`] if a chunk has no location; the other chunks are stored, and
    /// nothing is deleted. [`ErrorKind::ExpiredContent`] or [`ErrorKind::ContentNotFound`] if the
    /// service no longer has the content. [`ErrorKind::ForbiddenHost`] if a location is on a host
    /// that gets no credentials. [`ErrorKind::Conflict`] if a receipt vouches for other content.
    /// Others as the service and the store fail; [`Error::is_retryable`] tells those that pass.
    pub fn store(&self, file: &RecordingFileStatusUpdated) -> StoreRecording {
        StoreRecording::new(self.clone(), file.clone())
    }

    /// What is in the archive.
    pub fn catalogue(&self) -> Catalogue {
        let objects = self.0.transfer.objects.clone();
        Catalogue::with(objects, self.0.layout.clone())
    }

    /// Checks that the store can be reached, that its container exists, and that objects in it may be
    /// read. Receipts have to be.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the container does not exist, [`ErrorKind::Authentication`] or
    /// [`ErrorKind::PermissionDenied`] if the credential is rejected, [`ErrorKind::Unavailable`] if
    /// there is no response within a minute.
    pub async fn check(&self) -> Result<()> {
        let check = self.0.transfer.objects.check();
        let Ok(checked) = tokio::time::timeout(CHECK_WITHIN, check).await else {
            let text = "the store does not respond; check its address and the network";
            return Err(Error::new(ErrorKind::Unavailable, text));
        };
        checked
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    /// Waits until dropped uploads are aborted.
    pub(crate) async fn settle(&self) {
        self.0.transfer.aborts.wait().await;
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("store", &self.0.transfer.objects.store().to_string())
            .field("layout", &self.0.layout)
            .field("delete_at_service", &self.0.deletes)
            .field("own_storage", &self.0.own_storage)
            .field("part_size", &self.0.transfer.part_size)
            .field("concurrent_parts", &self.0.transfer.concurrent_parts)
            .finish_non_exhaustive()
    }
}

/// Settings of an [`Archive`].
#[must_use = "it is the archive that does something: `build` it"]
pub struct ArchiveBuilder {
    client: RecordingClient,
    store: Arc<dyn ObjectStore>,
    layout: Layout,
    deletes: bool,
    own_storage: OwnStorage,
    part_size: usize,
    concurrent_parts: usize,
    crash: CrashPoint,
}

impl ArchiveBuilder {
    /// How objects are named (default: see [`Layout`]).
    ///
    /// Recordings that were archived with another layout are archived again under the new names if
    /// their events come again.
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Deletes a recording at the service once every chunk that the event announces has a receipt
    /// that is [complete](crate::Receipt::is_complete). By default the service's copies expire after
    /// 24 hours.
    pub fn delete_at_service(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// What becomes of recordings in a storage account of your own (default:
    /// [`OwnStorage::Record`]).
    pub fn own_storage(mut self, policy: OwnStorage) -> Self {
        self.own_storage = policy;
        self
    }

    /// The size of uploaded parts in bytes: 5 MiB to 1 GiB (default: 8 MiB). Shorter content is
    /// written in one request.
    ///
    /// Use the same size in all workers of an archive.
    pub fn part_size(mut self, bytes: usize) -> Self {
        self.part_size = bytes;
        self
    }

    /// How many parts of a recording are uploaded at the same time: 1 to 64 (default: 2).
    pub fn concurrent_parts(mut self, count: usize) -> Self {
        self.concurrent_parts = count;
        self
    }

    #[cfg(test)]
    pub(crate) fn crash(mut self, crash: CrashPoint) -> Self {
        self.crash = crash;
        self
    }

    /// Makes the archive. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if a setting is out of its range.
    pub fn build(self) -> Result<Archive> {
        let invalid = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
        if !(MIN_PART_SIZE..=MAX_PART_SIZE).contains(&self.part_size) {
            return invalid(format!(
                "a part size of {} bytes is out of range; give 5 MiB to 1 GiB",
                self.part_size
            ));
        }
        if !(1..=64).contains(&self.concurrent_parts) {
            return invalid(format!(
                "{} concurrent parts are out of range; give 1 to 64",
                self.concurrent_parts
            ));
        }
        Ok(Archive(Arc::new(Settings {
            client: self.client,
            transfer: Transfer {
                objects: Objects::new(self.store),
                part_size: self.part_size,
                concurrent_parts: self.concurrent_parts,
                aborts: Aborts::default(),
                crash: self.crash.clone(),
            },
            layout: self.layout,
            deletes: self.deletes,
            own_storage: self.own_storage,
            crash: self.crash,
        })))
    }
}

impl fmt::Debug for ArchiveBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveBuilder")
            .field("store", &self.store.to_string())
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
