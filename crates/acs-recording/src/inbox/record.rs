//! From a start to files on the disk.

use std::fmt;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use super::Inbox;
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{RecordingChunk, RecordingFileStatusUpdated};
use crate::ids::RecordingId;
use crate::metadata::RecordingMetadata;
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
    /// The files, in order.
    pub chunks: Vec<RecordedChunk>,
}

/// One chunk of a recording on the disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedChunk {
    /// The media file.
    pub media: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The metadata document beside it.
    pub metadata_file: PathBuf,
    /// What the document says.
    pub metadata: RecordingMetadata,
}

impl Inbox {
    /// Records a call into files: starts, waits, stops, waits for the event, downloads every chunk
    /// with its metadata into `folder`, and deletes them from the service when all are here.
    ///
    /// The files are named after their documents. Dropping the future stops nothing on the service.
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
    /// for chunk in recorded.chunks {
    ///     println!("{}: {} bytes", chunk.media.display(), chunk.bytes);
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
    /// Stops the recording when something is over; without this it goes on until the call ends.
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
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            let folder = self.folder.display();
            Error::new(ErrorKind::File, format!("cannot make folder {folder}")).with_source(error)
        })?;
        let recording = self.start.await?;
        let file = self.inbox.file_ready(recording.id()).within(self.limit);
        if let Some(until) = self.until {
            until.await;
            match recording.stop().await {
                // The call was over first, and the file comes all the same.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => outcome?,
            }
        }
        let file = file.await?;
        let mut chunks = Vec::with_capacity(file.chunks.len());
        let extension = file
            .format
            .as_ref()
            .map_or("media", |format| format.as_str());
        for chunk in &file.chunks {
            chunks.push(fetch(&self.client, chunk, &self.folder, extension).await?);
        }
        if !self.keep {
            for chunk in &file.chunks {
                self.client.delete(chunk).await?;
            }
        }
        Ok(Recorded {
            recording_id: recording.id().clone(),
            file,
            chunks,
        })
    }
}

async fn fetch(
    client: &RecordingClient,
    chunk: &RecordingChunk,
    folder: &Path,
    extension: &str,
) -> Result<RecordedChunk> {
    let name = file_name(chunk.document_id.as_str());
    let metadata = client
        .download(&chunk.metadata_location)
        .into_bytes()
        .await?;
    let document = RecordingMetadata::parse(&metadata)?;
    let media = client
        .download(&chunk.content_location)
        .to_file(folder.join(format!("{name}.{}", file_name(extension))))
        .await?;
    if media.bytes == 0 {
        // It happens right after the event; what is deleted now is gone.
        return Err(Error::new(
            ErrorKind::CorruptContent,
            format!("{} is empty", media.path.display()),
        ));
    }
    let metadata_file = folder.join(format!("{name}.json"));
    std::fs::write(&metadata_file, &metadata).map_err(|error| {
        let file = metadata_file.display();
        Error::new(ErrorKind::File, format!("cannot write {file}")).with_source(error)
    })?;
    Ok(RecordedChunk {
        media: media.path,
        bytes: media.bytes,
        metadata_file,
        metadata: document,
    })
}

/// Text of an event as part of a file name, which must not lead anywhere else.
fn file_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
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
