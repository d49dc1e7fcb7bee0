//! The spool: a queue of events on disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::schedule::Schedule;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, InvalidEvent};
use crate::webhook::{EventHandler, EventKey, HandlerError};

/// A queue of events in a folder.
///
/// As the handler of a [`Webhook`](crate::webhook::Webhook) it acknowledges an event as soon as the
/// event is on disk. A [worker](super::SpoolWorker) handles the events in the background, and retries
/// after failures, crashes and restarts:
///
/// ```no_run
/// use acs_recording::RecordingClient;
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(client: RecordingClient, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let spool = Spool::open("spool").await?;
/// let webhook = Webhook::builder(Authenticator::header_secret("x-webhook-key", secret)?)
///     .allow_origin("eventgrid.azure.net")
///     .build(spool.clone());
/// let worker = spool.download_to(&client, "recordings").delete_after();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// tokio::select! {
///     served = axum::serve(listener, webhook.router::<()>("/events")) => served?,
///     () = worker.run() => {}
/// }
/// # Ok(())
/// # }
/// ```
///
/// One process at a time can use the folder. Clones are the same spool. Only the owner can read its
/// files and folders:
///
/// | folder | contents |
/// |---|---|
/// | `pending` | events to be handled, one file each, as JSON that [`Events::parse`](crate::Events::parse) reads |
/// | `done` | events that were handled in the last 25 hours, by which repeated deliveries are recognized |
/// | `noted` | events that no attempt can handle, each with a file `….reason.json`. They stay until you remove them. Moved back to `pending`, they are retried at the next start |
/// | `unreadable` | deliveries that are not events, unchanged: up to 1,000 files and 64 MiB |
///
/// An event is one file, however often it is delivered. The file is written and synced before
/// [`put`](Self::put) returns.
#[derive(Clone)]
pub struct Spool {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    folder: PathBuf,
    pub(super) store: Store,
    pub(super) schedule: Arc<Schedule>,
}

impl Spool {
    /// Opens the spool in this folder, which is created if it does not exist. Pending events, for
    /// example after a crash, are due immediately.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the folder cannot be used, or another process uses it.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let opened = spawn_blocking(move || {
            let store = Store::open(folder.clone())?;
            let schedule = Arc::new(Schedule::new(store.pending()?));
            Ok(Self {
                inner: Arc::new(Inner {
                    folder,
                    store,
                    schedule,
                }),
            })
        });
        opened.await.unwrap_or_else(|error| Err(not_run(&error)))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Stores an event, which is on disk when this returns. Returns whether the event is new: one that
    /// is pending, or was handled before, is not stored again.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it could not be written, for example on a full disk. The event must not be
    /// acknowledged then.
    pub async fn put(&self, event: &Event) -> Result<bool> {
        let name = EventKey::of(event).to_string();
        let text = serde_json::to_vec(event).map_err(|error| {
            let text = format!("event {} cannot be serialized", event.id);
            Error::new(ErrorKind::Io, text).with_source(error)
        })?;
        self.on_disk(move |inner| {
            let put = inner.store.put(&name, &text)?;
            if put.pending {
                inner.schedule.add(name);
            }
            put.synced.map(|()| put.new)
        })
        .await
    }

    /// Whether an event is pending, or was handled in the last 25 hours.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the folder cannot be read.
    pub async fn contains(&self, event: &Event) -> Result<bool> {
        let name = EventKey::of(event).to_string();
        self.on_disk(move |inner| inner.store.contains(&name)).await
    }

    /// Stores a delivery that is not an event, unchanged, and returns its path. The same content is
    /// stored once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it could not be written, or the folder `unreadable` is full.
    pub async fn put_unreadable(&self, event: &InvalidEvent) -> Result<PathBuf> {
        let raw = event.raw().to_vec();
        self.on_disk(move |inner| inner.store.put_unreadable(&raw))
            .await
    }

    /// The number of events to be handled, including those that are being handled at the moment.
    pub fn pending(&self) -> usize {
        self.inner.schedule.len()
    }

    /// Waits until no event is pending.
    pub async fn drained(&self) {
        let mut changes = self.inner.schedule.changes();
        while self.pending() > 0 {
            // The sender lives as long as this spool.
            let _ = changes.changed().await;
        }
    }

    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(not_run(&error)))
    }
}

/// The error of a blocking task that the runtime has not run, because it is shutting down.
fn not_run(error: &tokio::task::JoinError) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("the spool could not be used: {error}"),
    )
}

/// Acknowledges an event when it is on disk. An event that cannot be read is stored before it is
/// rejected.
impl EventHandler for Spool {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        self.put(&event).await?;
        Ok(())
    }

    async fn handle_invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        let kept = self.put_unreadable(error).await?;
        tracing::warn!(%error, kept = %kept.display(), "an event was rejected");
        Ok(())
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("folder", &self.inner.folder)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
