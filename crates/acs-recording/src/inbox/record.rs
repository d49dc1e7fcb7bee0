//! From a start to files on the disk.

use std::fmt;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Inbox;
use crate::client::RecordingClient;
use crate::content::SavedRecording;
use crate::error::{Error, ErrorKind, Result};
use crate::event::RecordingFileStatusUpdated;
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::start::StartRecording;

type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A recording from its start to its files; made by [`Inbox::record`], `await` it.
#[must_use = "nothing is recorded before it is awaited"]
pub struct Record {
    inbox: Inbox,
    client: RecordingClient,
    start: StartRecording,
    folder: PathBuf,
    until: Option<Until>,
    limit: Duration,
    keep: bool,
}

/// A recording whose files are here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The recording.
    pub recording_id: RecordingId,
    /// What the event said.
    pub file: RecordingFileStatusUpdated,
    /// The files.
    pub saved: SavedRecording,
}

impl Inbox {
    /// Records a call into files: starts, waits, stops, waits for the event, downloads every chunk
    /// with its metadata into `folder`, and deletes them from the service when all are here.
    ///
    /// The files are named as by [`DownloadRecording::to_dir`](crate::DownloadRecording::to_dir).
    /// Dropping the future stops nothing on the service.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use acs_recording::{Inbox, RecordingClient, ServerCallId};
    ///
    /// # async fn run(client: RecordingClient, inbox: Inbox, call: ServerCallId) -> acs_recording::Result<()> {
    /// let recorded = inbox
    ///     .record(&client, client.start(call), "recordings")
    ///     .until(tokio::time::sleep(Duration::from_mins(30)))
    ///     .await?;
    /// for chunk in recorded.saved.chunks {
    ///     println!("{}: {} bytes", chunk.media.path.display(), chunk.media.bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of every step. What was not downloaded as a whole is not deleted.
    pub fn record(
        &self,
        client: &RecordingClient,
        start: StartRecording,
        folder: impl AsRef<Path>,
    ) -> Record {
        Record {
            inbox: self.clone(),
            client: client.clone(),
            start,
            folder: folder.as_ref().to_owned(),
            until: None,
            limit: Duration::from_mins(15),
            keep: false,
        }
    }
}

impl Record {
    /// Stops the recording when something is over, unless the call ends first; without this it goes
    /// on until then.
    pub fn until(mut self, over: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(over));
        self
    }

    /// How long the file may take (default: 15 minutes): after the stop or, without
    /// [`until`](Self::until), after the start, so that it covers the call then.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Leaves the files on the service, which deletes them after a day.
    pub fn keep_on_service(mut self) -> Self {
        self.keep = true;
        self
    }

    async fn run(self) -> Result<Recorded> {
        // Better now than when the recording is there.
        tokio::fs::create_dir_all(&self.folder)
            .await
            .map_err(|error| {
                let folder = self.folder.display();
                let message = format!("cannot make folder {folder}");
                Error::new(ErrorKind::File, message).with_source(error)
            })?;
        let recording = self.start.await?;
        let file = self.inbox.file_ready(recording.id()).within(self.limit);
        let file = match self.until {
            None => file.await?,
            Some(until) => {
                // The call may end first, however long the application would go on.
                let early = self.inbox.file_ready(recording.id()).within(Duration::MAX);
                match select(early.into_future(), until).await {
                    Either::Left((early, _)) => early?,
                    Either::Right(_) => {
                        stop(&recording).await?;
                        file.await?
                    }
                }
            }
        };
        let save = self.client.download_recording(&file).to_dir(self.folder);
        let save = if self.keep { save } else { save.delete_after() };
        Ok(Recorded {
            recording_id: recording.id().clone(),
            saved: save.await?,
            file,
        })
    }
}

async fn stop(recording: &Recording) -> Result<()> {
    match recording.stop().await {
        // The call was over first, and the file comes all the same.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

impl IntoFuture for Record {
    type Output = Result<Recorded>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.run()
                .await
                .map_err(|error| error.during("record to files"))
        })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("start", &self.start)
            .field("folder", &self.folder)
            .field("until", &self.until.is_some())
            .field("limit", &self.limit)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
