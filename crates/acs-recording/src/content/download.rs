//! Downloading content: into a file that is there as a whole or not at all, or as it comes.

use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncWrite;

use super::ContentUrl;
use super::answer::{Patience, Source};
use super::budget::RetryBudget;
use super::file::{Check, Job, SavedFile};
use super::options::{Options, Overwrite, settings};
use super::progress::{Meter, Progress};
use super::range::Wanted;
use super::sniff::refuse_page;
use super::stream::{ContentStream, Flow, copy};
use super::verify::ContentHash;
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result};

/// How long the service keeps content, as a rule.
pub(super) const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long after the end of a recording its content may not be ready.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// How long a recent recording's content is waited for.
const RECENT_PATIENCE: Duration = Duration::from_secs(2 * 60);
/// How long content that is there, and empty, is waited for.
const EMPTY_PATIENCE: Duration = Duration::from_secs(30);
/// How much is read into memory, unless somebody asks for more.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How much memory is set aside on the word of a server.
const MAX_RESERVE: u64 = 1024 * 1024;

/// A download about to begin: set what it needs, then say where to.
///
/// ```no_run
/// # use acs_recording::{ContentUrl, RecordingClient, Result};
/// # async fn run(client: &RecordingClient, location: &ContentUrl) -> Result<()> {
/// let saved = client
///     .download(location)
///     .sha256()
///     .on_progress(|progress| println!("{} bytes", progress.bytes))
///     .to_file("call.wav")
///     .await?;
/// println!("{:?}", saved.sha256);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before it is told where to"]
pub struct Download {
    client: ClientCore,
    location: ContentUrl,
    operation: &'static str,
    /// None if it was no range.
    wanted: Option<Wanted>,
    recorded_until: Option<Timestamp>,
    max_bytes: u64,
    pub(super) options: Options,
}

/// What the download of a recording asks for beside the options of its files.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) meter: Option<Arc<Meter>>,
    pub(super) check: Option<Check>,
    /// Whether a file that is there already is only taken for the content on proof.
    pub(super) wants_proof: bool,
}

/// What a writer was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedContent {
    /// How many bytes.
    pub bytes: u64,
    /// Their checksum, if that was asked for.
    pub sha256: Option<ContentHash>,
}

impl Download {
    pub(crate) fn new(client: ClientCore, location: ContentUrl) -> Self {
        Self {
            client,
            location,
            operation: "download recording",
            wanted: Some(Wanted::default()),
            recorded_until: None,
            max_bytes: MAX_BYTES,
            options: Options::default(),
        }
    }

    pub(crate) fn named(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }

    pub(super) fn with(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Downloads only these bytes: `0..1024`, `1024..`, `..=99`.
    ///
    /// What lies beyond the end of the content is left out. A range that begins beyond it, or ends
    /// before it begins, is [`ErrorKind::InvalidInput`]; an empty one asks the service nothing.
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.wanted = Wanted::new(&bytes);
        self
    }

    /// When the recording ended, which tells content that is not ready yet from content that is
    /// not there any more.
    ///
    /// With less than 15 minutes since then, 404 and 503 are waited out; with more than 24 hours,
    /// 404 is [`ErrorKind::ExpiredContent`].
    pub fn recorded_until(mut self, end: Timestamp) -> Self {
        self.recorded_until = Some(end);
        self
    }

    /// How many bytes [`into_bytes`](Self::into_bytes) reads at the most (default: 64 MiB).
    pub fn max_bytes(mut self, limit: u64) -> Self {
        self.max_bytes = limit;
        self
    }

    settings!();

    /// Writes the content to a file.
    ///
    /// The file gets its name when all of it is there and on the disk. Until then it is called
    /// `NAME.part` and has a journal beside it. When the download fails or is dropped, or the
    /// process is killed, these stay behind, and the next download of the same content to the same
    /// file goes on from them. They are removed when they are of no use.
    ///
    /// Large files come in over several connections, if the server does ranges. Connections that
    /// break are taken up again at the same byte, as often as the client's
    /// [`RetryPolicy`](crate::RetryPolicy) allows without anything coming in. Requests, interruptions
    /// and starting over count together.
    ///
    /// A file is one version of its content. Whether the content changed meanwhile shows in its
    /// entity tag or modification time. Where the server tells neither, the last bytes on the disk
    /// are asked for again and compared. Content that changed is downloaded from the beginning. A
    /// response that contradicts itself or the request is refused.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it exists or cannot be written, [`ErrorKind::NotFound`] or
    /// [`ErrorKind::ExpiredContent`] if the content was deleted or is over 24 hours old,
    /// [`ErrorKind::ContentNotReady`] if it was not there within the limit,
    /// [`ErrorKind::ForbiddenHost`] if the location is on a host that gets no credentials,
    /// [`ErrorKind::ContentChanged`] if it changed again and again,
    /// [`ErrorKind::CorruptContent`] if it was not what the server announced, or an HTML page or an
    /// error document in its place,
    /// [`ErrorKind::InvalidResponse`] if a response contradicts itself,
    /// [`ErrorKind::InvalidInput`] if an option is out of its range.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile> {
        let operation = self.operation;
        let from_start = self.wanted.is_some_and(|wanted| wanted.start == 0);
        let check: Check = Arc::new(refuse_page);
        let extras = Extras {
            check: Some(check).filter(|_| from_start),
            ..Extras::default()
        };
        let outcome = self.save(path.as_ref().to_owned(), extras).await;
        outcome.map_err(|error| error.with_operation(operation))
    }

    pub(super) async fn save(self, path: PathBuf, extras: Extras) -> Result<SavedFile> {
        let wanted = self.wanted()?;
        let job = Job {
            meter: extras.meter.unwrap_or_else(|| self.meter()),
            check: extras.check,
            wants_proof: extras.wants_proof,
            source: self.source(),
            wanted,
            options: self.options,
            path,
        };
        Box::pin(job.run()).await
    }

    /// Hands the content on to a writer, in order.
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), but what the writer was given before an error cannot be
    /// taken back. [`ErrorKind::Io`] if the writer fails.
    pub async fn to_writer<W>(self, writer: &mut W) -> Result<CopiedContent>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let operation = self.operation;
        let copied = async {
            let mut flow = self.flow().await?;
            let bytes = copy(&mut flow, writer).await?;
            let sha256 = flow.hash.filter(|_| self.options.sha256);
            Ok(CopiedContent { bytes, sha256 })
        };
        Box::pin(copied)
            .await
            .map_err(|error: Error| error.with_operation(operation))
    }

    /// Asks for the content, to be read as a stream of bytes or as an
    /// [`AsyncRead`](tokio::io::AsyncRead).
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), files aside.
    pub async fn stream(self) -> Result<ContentStream> {
        let operation = self.operation;
        match Box::pin(self.flow()).await {
            Ok(flow) => Ok(ContentStream::new(flow, self.options.sha256, operation)),
            Err(error) => Err(error.with_operation(operation)),
        }
    }

    /// Reads the content into memory: for metadata, and for media that is known to be small.
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), files aside. [`ErrorKind::InvalidInput`] if there are more
    /// bytes than [`max_bytes`](Self::max_bytes).
    pub async fn into_bytes(self) -> Result<Vec<u8>> {
        let operation = self.operation;
        let collected = async {
            let too_large = || {
                let text = format!(
                    "the content has more bytes than the limit of {}; raise `max_bytes`, or download \
                     it to a file",
                    self.max_bytes
                );
                Error::new(ErrorKind::InvalidInput, text)
            };
            let mut flow = self.flow().await?;
            if flow.length.is_some_and(|length| length > self.max_bytes) {
                return Err(too_large());
            }
            let reserve = flow.length.unwrap_or_default().min(MAX_RESERVE);
            let mut bytes = Vec::with_capacity(usize::try_from(reserve).unwrap_or_default());
            while let Some(part) = flow.next().await? {
                if (bytes.len() + part.len()) as u64 > self.max_bytes {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&part);
            }
            Ok(bytes)
        };
        Box::pin(collected)
            .await
            .map_err(|error: Error| error.with_operation(operation))
    }

    async fn flow(&self) -> Result<Flow> {
        let wanted = self.wanted()?;
        Flow::begin(&self.source(), &self.meter(), wanted, self.options.sha256).await
    }

    fn wanted(&self) -> Result<Wanted> {
        self.options.check()?;
        self.client.pipeline().limits.check()?;
        self.wanted
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the range ends before it begins"))
    }

    fn meter(&self) -> Arc<Meter> {
        Meter::new(self.options.listener.clone(), self.options.bandwidth)
    }

    fn source(&self) -> Arc<Source> {
        let age = self.recorded_until.map(age);
        let patience = match (self.options.ready_timeout, age) {
            (Some(limit), _) => Patience {
                missing: limit,
                empty: limit,
            },
            (None, Some(age)) if age < RECENT => Patience {
                missing: RECENT_PATIENCE,
                empty: RECENT_PATIENCE,
            },
            (None, _) => Patience {
                missing: Duration::ZERO,
                empty: EMPTY_PATIENCE,
            },
        };
        Arc::new(Source {
            client: self.client.clone(),
            location: self.location.clone(),
            operation: self.operation,
            stall: self.options.stall,
            minimum_rate: self.options.minimum_rate,
            budget: RetryBudget::new(self.client.pipeline()),
            patience,
            expired: age.is_some_and(|age| age > RETENTION),
            ranges: AtomicBool::new(true),
        })
    }
}

/// How long ago that was; nothing for what is yet to come.
fn age(then: Timestamp) -> Duration {
    let age = Timestamp::now().duration_since(then);
    Duration::try_from(age).unwrap_or_default()
}
