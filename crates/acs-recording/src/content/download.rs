//! Downloading content: to a file that is there as a whole or not at all, or into memory.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use reqwest::Response;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::{ContentUrl, refused};
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};

/// A download about to begin: say where to.
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is told where to"]
pub struct Download {
    client: RecordingClient,
    location: ContentUrl,
    operation: &'static str,
}

/// A file that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Download {
    pub(crate) fn new(client: RecordingClient, location: ContentUrl) -> Self {
        Self {
            client,
            location,
            operation: "download recording",
        }
    }

    pub(crate) fn named(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }

    /// Writes the content to a file, which must not exist yet.
    ///
    /// The file gets its name when all of it is there and on the disk; until then it has a name of
    /// its own in the same folder, and it vanishes when the download fails or is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if it exists or cannot be written, [`ErrorKind::NotFound`] if the
    /// content was deleted or is over 24 hours old, [`ErrorKind::ForbiddenHost`] if the location
    /// is on a host that gets no credentials, [`ErrorKind::CorruptContent`] if content was missing
    /// at the end.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<Saved> {
        let path = path.as_ref();
        let operation = self.operation;
        self.save(path)
            .await
            .map_err(|error| error.during(operation))
    }

    /// Reads the content into memory: for metadata, and for media that is known to be small.
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), files aside.
    pub async fn into_bytes(self) -> Result<Vec<u8>> {
        let operation = self.operation;
        self.collect()
            .await
            .map_err(|error| error.during(operation))
    }

    async fn collect(self) -> Result<Vec<u8>> {
        let mut content = self.open().await?;
        let mut bytes = Vec::new();
        while let Some(part) = content.next().await? {
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    async fn save(self, path: &Path) -> Result<Saved> {
        let file_error = |error| file_error(error, path);
        if tokio::fs::try_exists(path).await.map_err(file_error)? {
            return Err(file_error(io::ErrorKind::AlreadyExists.into()));
        }
        let mut content = self.open().await?;
        let temporary = temporary_beside(path).map_err(file_error)?;
        let file = temporary.reopen().map_err(file_error)?;
        let mut file = tokio::fs::File::from_std(file);
        while let Some(part) = content.next().await? {
            file.write_all(&part).await.map_err(file_error)?;
        }
        file.flush().await.map_err(file_error)?;
        file.sync_all().await.map_err(file_error)?;
        temporary
            .persist_noclobber(path)
            .map_err(|error| file_error(error.error))?;
        Ok(Saved {
            path: path.to_owned(),
            bytes: content.received,
        })
    }

    async fn open(&self) -> Result<Content<impl Stream<Item = reqwest::Result<Bytes>> + use<>>> {
        let response = self
            .client
            .pipeline()
            .content(
                Method::GET,
                self.location.as_url(),
                HeaderMap::new(),
                self.operation,
            )
            .await?;
        if !matches!(response.status().as_u16(), 200 | 206) {
            return Err(refused(response).await);
        }
        Ok(Content {
            expected: length(&response),
            received: 0,
            stream: Box::pin(response.bytes_stream()),
        })
    }
}

/// A body as it comes in, which ends only when all of it came.
struct Content<S> {
    expected: Option<u64>,
    received: u64,
    stream: std::pin::Pin<Box<S>>,
}

impl<S: Stream<Item = reqwest::Result<Bytes>>> Content<S> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.stream.next().await {
            Some(Ok(part)) => {
                self.received += part.len() as u64;
                Ok(Some(part))
            }
            Some(Err(error)) => {
                let kind = if error.is_timeout() {
                    ErrorKind::Timeout
                } else {
                    ErrorKind::Connection
                };
                let message = format!("the content broke off after {} bytes", self.received);
                Err(Error::new(kind, message).with_source(error.without_url()))
            }
            None if self
                .expected
                .is_some_and(|expected| expected != self.received) =>
            {
                Err(Error::new(
                    ErrorKind::CorruptContent,
                    format!(
                        "{} of {} bytes came",
                        self.received,
                        self.expected.unwrap_or_default()
                    ),
                ))
            }
            None => Ok(None),
        }
    }
}

/// The length that the answer announces.
fn length(response: &Response) -> Option<u64> {
    response
        .headers()
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any file that a program makes: the process's umask decides.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn file_error(error: io::Error, path: &Path) -> Error {
    let what = match error.kind() {
        io::ErrorKind::AlreadyExists => "exists already; it was left as it is".to_owned(),
        io::ErrorKind::NotFound => "cannot be made: its folder does not exist".to_owned(),
        _ => format!("cannot be written: {error}"),
    };
    Error::new(ErrorKind::File, format!("{} {what}", path.display())).with_source(error)
}
