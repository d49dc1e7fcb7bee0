//! One download into a file, from the first request to the final name.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::debug;

use super::answer::{NotReady, Readiness, Source, changed};
use super::batch::{Batch, size_for};
use super::budget::Restarts;
use super::disk::{file_error, on_disk};
use super::identity::Identity;
use super::journal::key;
use super::options::{Options, Overwrite};
use super::overlap::MAX_OVERLAP;
use super::plan::{Plan, connections_for};
use super::progress::Meter;
use super::range::Wanted;
use super::reader::Reader;
use super::sink::Sink;
use super::transfer::{Slot, Transfer, slot};
use super::verify::{Announced, ContentHash, Hasher};
use crate::error::{Error, ErrorKind, Result};

/// A file that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its checksum, if that was asked for.
    pub sha256: Option<ContentHash>,
    /// How many bytes of it came over the network this time: fewer than its size if an earlier run
    /// had begun it, none if it was there already, more if it had to be started over.
    ///
    /// What a server that cannot begin in the middle sends again does not count: it is there.
    pub transferred: u64,
}

/// A download into a file.
pub(super) struct Job {
    pub(super) source: Arc<Source>,
    pub(super) meter: Arc<Meter>,
    pub(super) wanted: Wanted,
    pub(super) options: Options,
    pub(super) path: PathBuf,
    pub(super) check: Option<Check>,
    /// Whether a file that is there already is only taken for the content on proof.
    pub(super) wants_proof: bool,
}

/// What has to hold of a file before it gets its name.
pub(super) type Check = Arc<dyn Fn(&Path) -> Result<()> + Send + Sync>;

/// Why a download did not come to its end.
pub(super) enum Stop {
    /// With the number of bytes that are kept meanwhile.
    NotReady(NotReady, u64),
    /// Before there was a response: the transport tried that as often as it may.
    NotBegun(Error),
    /// All of it came, and it is not what was announced.
    Refused(Error),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Job {
    pub(super) async fn run(self) -> Result<SavedFile> {
        let before = self.meter.transferred();
        let mut readiness = Readiness::default();
        let mut most_kept = 0;
        loop {
            let (why, kept) = match self.once().await {
                Ok(saved) => {
                    let transferred = self.meter.transferred() - before;
                    return Ok(SavedFile {
                        transferred,
                        ..saved
                    });
                }
                Err(Stop::Failed(error) | Stop::NotBegun(error) | Stop::Refused(error)) => {
                    return Err(error);
                }
                Err(Stop::NotReady(why, kept)) => (why, kept),
            };
            if kept > most_kept {
                // It was there in the meantime.
                readiness = Readiness::default();
                most_kept = kept;
            }
            let pause = readiness.pause(why);
            // Others have the connection in the meantime, and no file is open.
            sleep(pause.map_err(|error| with_kept(error, kept))?).await;
        }
    }

    async fn once(&self) -> Result<SavedFile, Stop> {
        // Before any file is opened, of which there would be too many otherwise.
        let mut slot = slot(&self.source).await;
        self.source.budget.renew(self.source.client.pipeline());
        if let Some(found) = self.look().await? {
            match self.options.overwrite {
                Overwrite::Replace => {}
                Overwrite::Fail => {
                    return Err(file_error(io::ErrorKind::AlreadyExists.into(), &self.path).into());
                }
                Overwrite::Skip => {
                    if let Some(saved) = self.compare(found).await? {
                        return Ok(saved);
                    }
                }
            }
        }
        let key = key(self.source.location.as_url(), self.wanted);
        let path = self.path.clone();
        let (base, mode) = (self.wanted.start, self.options.mode);
        let sink = self
            .on_disk(move || Sink::open(&path, key, base, mode))
            .await?;
        let sink = Arc::new(sink);
        let (bytes, sha256) = self.fill(&sink, &mut slot).await?;
        Ok(SavedFile {
            path: self.path.clone(),
            bytes,
            sha256,
            transferred: 0,
        })
    }

    /// Gets the whole content into the file, and gives that its name.
    async fn fill(
        &self,
        sink: &Arc<Sink>,
        slot: &mut Slot,
    ) -> Result<(u64, Option<ContentHash>), Stop> {
        let mut restarts = Restarts::new(sink.identity().is_some(), self.meter.transferred());
        loop {
            let outcome = match self.transfer(sink, slot).await {
                Ok(extent) => self.finish(sink, extent).await,
                Err(stop) => Err(stop),
            };
            let stop = match outcome {
                Ok(done) => return Ok(done),
                Err(Stop::NotBegun(error)) => {
                    self.leave(sink, false).await;
                    return Err(error.into());
                }
                Err(Stop::Refused(error)) => {
                    // Another attempt right away would bring the same.
                    self.leave(sink, true).await;
                    return Err(Stop::Refused(error));
                }
                Err(Stop::Failed(error)) => self.source.not_ready(error),
                Err(Stop::NotReady(why, _)) => Ok(why),
            };
            let error = match stop {
                Ok(why) => return Err(Stop::NotReady(why, self.leave(sink, false).await)),
                Err(error) => error,
            };
            let is_unknown = sink.identity().is_none();
            let useless = matches!(
                error.kind(),
                ErrorKind::ContentChanged | ErrorKind::CorruptContent
            );
            let from_start =
                error.is_retryable() && (useless || (is_unknown && error.status().is_none()));
            let came = self.meter.transferred();
            let pipeline = self.source.client.pipeline();
            let pause = restarts.next(&self.source.budget, pipeline, &error, came);
            let Some(pause) = pause.filter(|_| from_start) else {
                let useless = useless
                    || from_start
                    || restarts.changed.is_some()
                    || matches!(
                        error.kind(),
                        ErrorKind::ExpiredContent | ErrorKind::InvalidInput
                    );
                let kept = self.leave(sink, useless).await;
                let error = restarts.changed.unwrap_or(error);
                return Err(with_kept(error, kept).into());
            };
            debug!(%error, "starting over");
            restarts.because(error);
            self.meter.retried();
            let again = Arc::clone(sink);
            self.on_disk(move || again.start_over()).await?;
            sleep(pause).await;
        }
    }

    /// Leaves what can be gone on with, and nothing else; tells how many bytes that is.
    async fn leave(&self, sink: &Arc<Sink>, useless: bool) -> u64 {
        let sink = Arc::clone(sink);
        let kept = spawn_blocking(move || {
            let synced = sink.sync();
            let kept = sink.kept();
            if kept == 0 || useless {
                // The error that ended the download says more than one from tidying up.
                let _ = sink.discard();
                return 0;
            }
            if synced.is_ok() { kept } else { 0 }
        });
        kept.await.unwrap_or_default()
    }

    /// Gets all bytes into the file; tells which part of the content that is.
    async fn transfer(&self, sink: &Arc<Sink>, slot: &mut Slot) -> Result<Range<u64>, Stop> {
        if self.wanted.is_empty() {
            return Ok(self.wanted.start..self.wanted.start);
        }
        if slot.is_none() {
            *slot = super::transfer::slot(&self.source).await;
        }
        let (identity, extent, first) = if let Some(identity) = sink.identity() {
            let extent = self.wanted.timeout(identity.total.unwrap_or_default());
            let first = self.resume(sink, &identity, extent.clone()).await?;
            (identity, extent, first)
        } else {
            let reader = self.begin().await?;
            let identity = reader.identity().clone();
            let Some(total) = identity.total else {
                return Ok(self.single(sink, reader).await?);
            };
            let extent = self.wanted.timeout(total);
            let (room, content, range) = (Arc::clone(sink), identity.clone(), extent.clone());
            let announced = self.announced(&reader);
            self.on_disk(move || room.begin(&content, announced, &range))
                .await?;
            (identity, extent, Some(reader))
        };
        let now = first.as_ref().map(|reader| self.announced(reader));
        let announced = sink.announced().or(now.unwrap_or_default());
        sink.hash_with(Hasher::new(announced, self.options.sha256));
        let missing = sink.missing(extent.clone());
        let open: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let length = extent.end - extent.start;
        self.meter.set_base(length - open, Some(length));
        let Some(first) = first else {
            return Ok(extent);
        };
        let connections = self.options.connections.unwrap_or(connections_for(open));
        let transfer = Transfer {
            source: Arc::clone(&self.source),
            meter: Arc::clone(&self.meter),
            sink: Arc::clone(sink),
            identity,
            plan: Plan::new(missing, connections, self.options.part_size).into(),
            batch: size_for(connections),
            generation: sink.generation(),
            length,
            path: self.path.clone(),
        };
        Box::pin(transfer.run(connections, first, slot)).await?;
        Ok(extent)
    }

    /// Asks for content of which nothing is known.
    async fn begin(&self) -> Result<Reader, Stop> {
        let asked = self.source.ask(self.wanted).await;
        let answer = asked.map_err(Stop::NotBegun)?;
        let answer = answer.map_err(|why| Stop::NotReady(why, 0))?;
        Ok(Reader::of(answer, &self.source, &self.meter, self.wanted)?)
    }

    /// The checksums that the server announced for what is wanted.
    pub(super) fn announced(&self, reader: &Reader) -> Announced {
        if self.wanted.is_whole() {
            reader.announced()
        } else {
            Announced::default()
        }
    }

    /// Asks for the first of what an earlier run left to do; none if that is nothing.
    async fn resume(
        &self,
        sink: &Arc<Sink>,
        identity: &Identity,
        extent: Range<u64>,
    ) -> Result<Option<Reader>> {
        let Some(part) = sink.missing(extent).into_iter().next() else {
            return Ok(None);
        };
        debug!(from = part.start, "going on where an earlier run ended");
        let (source, meter) = (&self.source, &self.meter);
        let (position, kept) = (part.start, Arc::clone(sink));
        let reader = Reader::part(source, meter, identity.clone(), part, true);
        let mut reader = reader.leading();
        if reader.needs_overlap() {
            let before = self.on_disk(move || kept.before(position, MAX_OVERLAP));
            let before = before.await?;
            if before.is_empty() {
                self.compare_kept(sink, identity).await?;
            }
            reader.follow(before);
        }
        reader.reopen().await?;
        Ok(Some(reader))
    }

    /// Compares some of what an earlier run left with what the server has now.
    async fn compare_kept(&self, sink: &Arc<Sink>, identity: &Identity) -> Result<()> {
        let Some(end) = sink.first_end() else {
            return Ok(());
        };
        let kept = Arc::clone(sink);
        let kept = self.on_disk(move || kept.before(end, MAX_OVERLAP)).await?;
        let part = end - kept.len() as u64..end;
        let (source, meter) = (&self.source, &self.meter);
        let mut reader = Reader::part(source, meter, identity.clone(), part, true).leading();
        let mut rest = kept.as_slice();
        while let Some(bytes) = reader.next().await? {
            meter.discarded(bytes.len() as u64);
            rest = rest.strip_prefix(&*bytes).ok_or_else(changed)?;
        }
        Ok(())
    }

    /// Reads content whose size nobody knows, on one connection and from its beginning.
    async fn single(&self, sink: &Arc<Sink>, mut reader: Reader) -> Result<Range<u64>> {
        let start = self.wanted.start;
        self.meter.set_base(0, None);
        self.meter.set_parts(1);
        let is_delimited = reader.is_delimited();
        let announced = self.announced(&reader);
        let mut twice = (Hasher::for_comparison(), Hasher::for_comparison());
        let mut batch = Batch::new(sink, sink.generation(), start, size_for(1));
        let file_error = |error| file_error(error, &self.path);
        while let Some(bytes) = reader.next().await? {
            self.meter.pace(bytes.len()).await;
            self.meter.tell(false);
            if !is_delimited {
                twice.0.update(&bytes);
            }
            batch.push(&bytes).await.map_err(file_error)?;
        }
        batch.flush().await.map_err(file_error)?;
        let end = reader.position();
        if !is_delimited {
            // The end of the connection may be the end of the content or not. Hardly ever does it
            // break off at the same byte twice.
            let mut reader = Reader::begin(&self.source, &self.meter, self.wanted).await?;
            while let Some(bytes) = reader.next().await? {
                self.meter.discarded(bytes.len() as u64);
                self.meter.pace(bytes.len()).await;
                twice.1.update(&bytes);
            }
            if twice.0.finish()? != twice.1.finish()? {
                return Err(Error::new(
                    ErrorKind::CorruptContent,
                    "the server does not say where the content ends, and it ended at two places",
                ));
            }
        }
        sink.hash_with(Hasher::new(announced, self.options.sha256));
        let room = Arc::clone(sink);
        self.on_disk(move || room.set_length(end - start)).await?;
        Ok(start..end)
    }

    /// Checks the complete file and gives it its name.
    async fn finish(
        &self,
        sink: &Arc<Sink>,
        extent: Range<u64>,
    ) -> Result<(u64, Option<ContentHash>), Stop> {
        let length = extent.end - extent.start;
        let last = Arc::clone(sink);
        let missing = self
            .on_disk(move || {
                last.sync()?;
                last.hash(u64::MAX)?;
                Ok(last.missing(extent))
            })
            .await?;
        if !missing.is_empty() {
            let text = format!("parts of the content are missing: {missing:?}");
            return Err(Error::new(ErrorKind::CorruptContent, text).into());
        }
        let sha256 = sink.take_hasher().finish()?.filter(|_| self.options.sha256);
        self.check(sink.part()).await?;
        let skips = self.options.overwrite == Overwrite::Skip && self.wants_proof;
        let named = Arc::clone(sink);
        if skips && self.is_the_same(sha256).await? {
            self.on_disk(move || named.discard()).await?;
        } else {
            let replace = self.options.overwrite == Overwrite::Replace;
            self.on_disk(move || named.finish(length, replace)).await?;
        }
        self.meter.set_parts(0);
        self.meter.set_base(length, Some(length));
        Ok((length, sha256))
    }

    /// Checks a file that is about to get its name.
    async fn check(&self, path: &Path) -> Result<(), Stop> {
        let Some(check) = self.check.clone() else {
            return Ok(());
        };
        let path = path.to_owned();
        let checked = spawn_blocking(move || check(&path)).await;
        let checked = checked.unwrap_or_else(|error| Err(file_error(error.into(), &self.path)));
        checked.map_err(|error| match error.kind() {
            ErrorKind::Io => Stop::Failed(error),
            _ => Stop::Refused(error),
        })
    }

    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        on_disk(&self.path, work).await
    }
}

/// Says that the next attempt will not begin with nothing.
fn with_kept(error: Error, kept: u64) -> Error {
    if kept == 0 {
        return error;
    }
    error.with_note(&format!("{kept} bytes are kept for the next attempt"))
}
