//! Downloading recordings as their events come.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::worker::SpoolWorker;
use crate::client::RecordingClient;
use crate::content::SavedRecording;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventPayload};
use crate::webhook::{EventHandler, HandlerError};

type Listener = Arc<dyn Fn(&SavedRecording) + Send + Sync>;

/// Downloads the recording of an event; made by [`Spool::download_to`](super::Spool::download_to).
#[derive(Clone)]
pub struct DownloadHandler {
    client: RecordingClient,
    folder: PathBuf,
    deletes: bool,
    listener: Option<Listener>,
}

impl DownloadHandler {
    pub(super) fn new(client: RecordingClient, folder: PathBuf) -> Self {
        Self {
            client,
            folder,
            deletes: false,
            listener: None,
        }
    }
}

impl SpoolWorker<DownloadHandler> {
    /// Deletes a recording from the service once all of it is on disk and verified.
    pub fn delete_after(self) -> Self {
        self.map_handler(|handler| handler.deletes = true)
    }

    /// Tells of every recording that was saved. After a crash the same recording may be told again.
    pub fn on_saved(self, listener: impl Fn(&SavedRecording) + Send + Sync + 'static) -> Self {
        self.map_handler(|handler| handler.listener = Some(Arc::new(listener)))
    }
}

impl EventHandler for DownloadHandler {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            return Ok(());
        };
        let download = self.client.download_recording(file).event(&event);
        let mut download = download.to_dir(&self.folder);
        if self.deletes {
            download = download.delete_after();
        }
        let saved = download.await?;
        if saved.may_be_completed() {
            let text = "a metadata document of the recording is not there yet";
            return Err(Error::new(ErrorKind::ContentNotReady, text).into());
        }
        tracing::info!(%event, bytes = saved.bytes(), "a recording was saved");
        if let Some(listener) = &self.listener {
            listener(&saved);
        }
        Ok(())
    }
}

impl fmt::Debug for DownloadHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadHandler")
            .field("folder", &self.folder)
            .field("deletes", &self.deletes)
            .finish_non_exhaustive()
    }
}
