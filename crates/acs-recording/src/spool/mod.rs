//! Events that are safe on disk before they are acknowledged, and are handled after that.

mod download;
mod schedule;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

pub use download::DownloadHandler;
pub use worker::{Outcome, SpoolWorker};

use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, InvalidEvent};
use crate::webhook::{EventHandler, EventKey, HandlerError};
use schedule::Schedule;
use store::Store;

/// A folder that keeps events until they have been handled.
///
/// As the handler of a [`Webhook`](crate::webhook::Webhook) it acknowledges an event as soon as the
/// event is on disk. A [worker](SpoolWorker) handles the events in the background and tries again
/// what fails, across crashes and restarts:
///
/// ```no_run
/// use acs_recording::RecordingClient;
/// use acs_recording::spool::Spool;
/// use acs_recording::webhook::{Authenticator, Webhook};
///
/// # async fn run(client: RecordingClient, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let spool = Spool::open("spool").await?;
/// let webhook = Webhook::builder(Authenticator::secret("code", secret)?)
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
/// The folder belongs to one process at a time, and clones are the same spool. Its files and
/// folders are readable by their owner only:
///
/// | folder | what is in it |
/// |---|---|
/// | `pending` | events that are still to be handled, one file each, as JSON that [`Events::parse`](crate::Events::parse) reads |
/// | `done` | events that were handled in the last 25 hours, so that repeated deliveries are recognized |
/// | `noted` | events that no attempt can handle, each with a file `….reason.json`; they stay until you remove them. Moved back to `pending`, they are tried again at the next start |
/// | `unreadable` | what was delivered and is no event, as it came: up to 1,000 files and 64 MiB |
///
/// One event is one file, however often it is delivered. It is written and synced before
/// [`put`](Self::put) returns.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    store: Store,
    schedule: Arc<Schedule>,
}

impl Spool {
    /// Opens the spool in this folder, which is made if need be. Events that are still to be
    /// handled, such as after a crash, are due at once.
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
        opened.await.unwrap_or_else(|error| Err(broken(&error)))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Keeps an event; it is on disk when this returns. Tells whether the event is new: one that is
    /// here already, or was handled before, is not kept again.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it could not be written, such as on a full disk. Nothing must be
    /// acknowledged then.
    pub async fn put(&self, event: &Event) -> Result<bool> {
        let name = EventKey::of(event).to_string();
        let text = serde_json::to_vec(event).map_err(|error| {
            let text = format!("event {} cannot be written down", event.id);
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

    /// Whether an event is in the spool, or was handled in the last 25 hours.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the folder cannot be read.
    pub async fn contains(&self, event: &Event) -> Result<bool> {
        let name = EventKey::of(event).to_string();
        self.on_disk(move |inner| inner.store.contains(&name)).await
    }

    /// Keeps what was delivered and is no event, as it came, and tells where. The same content is
    /// kept once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it could not be written, or the folder `unreadable` is full.
    pub async fn put_unreadable(&self, event: &InvalidEvent) -> Result<PathBuf> {
        let raw = event.raw().to_vec();
        self.on_disk(move |inner| inner.store.put_unreadable(&raw))
            .await
    }

    /// How many events are still to be handled, those that are being handled right now included.
    pub fn pending(&self) -> usize {
        self.inner.schedule.len()
    }

    /// Waits until no event is left to be handled.
    pub async fn drained(&self) {
        let mut changes = self.inner.schedule.changes();
        while self.pending() > 0 {
            // The sender is part of this spool.
            let _ = changes.changed().await;
        }
    }

    /// A worker that downloads every recording into this folder, as
    /// [`RecordingClient::download_recording`] does, and for other events does nothing.
    pub fn download_to(
        &self,
        client: &RecordingClient,
        folder: impl Into<PathBuf>,
    ) -> SpoolWorker<DownloadHandler> {
        self.process(DownloadHandler::new(client.clone(), folder.into()))
    }

    /// A worker that gives every event to a handler, until the handler succeeds or the error is one
    /// to [note](crate::Disposition::Note). The handler may take as long as it needs.
    ///
    /// A crash may come after the handler has succeeded and before that is known, so it may get an
    /// event twice.
    ///
    /// ```
    /// # use acs_recording::{Event, spool::Spool};
    /// # fn run(spool: &Spool) {
    /// let worker = spool.process(async |event: Event| {
    ///     println!("{event}");
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn process<H: EventHandler>(&self, handler: H) -> SpoolWorker<H> {
        SpoolWorker::new(self.clone(), handler)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(broken(&error)))
    }
}

/// The runtime is shutting down.
fn broken(error: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Io, format!("the spool was not used: {error}"))
}

/// Acknowledges an event when it is on disk. What cannot be read is kept as it came before it is
/// refused.
impl EventHandler for Spool {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        self.put(&event).await?;
        Ok(())
    }

    async fn invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        let kept = self.put_unreadable(error).await?;
        tracing::warn!(%error, kept = %kept.display(), "an event was refused");
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
