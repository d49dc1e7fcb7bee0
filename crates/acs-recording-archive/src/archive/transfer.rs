//! Media on its way from the service into the store.

use std::sync::{Arc, Mutex, PoisonError};

use acs_recording::{ContentHash, ContentStream};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartUpload, PutPayload};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use super::objects::{Created, Fingerprint, Objects};
use crate::error::{Error, ErrorKind, Result, from_store};
use crate::steps::{CrashPoint, Step};

/// How media is carried.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) objects: Objects,
    /// Content up to this size is one object put; longer content is uploaded in parts of it.
    pub(crate) part_size: usize,
    /// How many parts are uploaded at the same time.
    pub(crate) concurrent_parts: usize,
    pub(crate) aborts: Aborts,
    pub(crate) crash: CrashPoint,
}

/// Media that is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) etag: Option<String>,
}

impl Transfer {
    /// Copies content into an object, and makes sure that the object is that content.
    ///
    /// `check` sees the first bytes before anything is written. The object appears under its name
    /// only when all of the content has arrived and has been verified.
    pub(crate) async fn run(
        &self,
        name: &Path,
        content_type: &'static str,
        stream: ContentStream,
        check: impl FnOnce(&[u8]) -> Result<()> + Send,
        on_bytes: impl FnMut(u64) + Send,
    ) -> Result<Stored> {
        let mut parts = Parts {
            stream,
            rest: Bytes::new(),
            part_size: self.part_size,
            taken: 0,
            on_bytes,
        };
        let first = parts.next().await?.unwrap_or_default();
        check(&first)?;
        let second = if first.len() < self.part_size {
            None
        } else {
            parts.next().await?
        };
        let Some(second) = second else {
            let stored = parts.finish()?;
            self.put(name, content_type, first, stored.fingerprint)
                .await?;
            return Ok(stored);
        };

        let mut upload = self.begin(name, content_type).await?;
        upload.put(first, self.concurrent_parts).await?;
        let mut next = Some(second);
        while let Some(part) = next {
            upload.put(part, self.concurrent_parts).await?;
            next = parts.next().await?;
        }
        upload.wait(0).await?;
        let stored = parts.finish()?;
        self.crash.reached(Step::PartsUploaded).await;
        self.complete(upload, stored.fingerprint).await?;
        Ok(stored)
    }

    async fn put(
        &self,
        name: &Path,
        content_type: &'static str,
        bytes: Bytes,
        expected: Fingerprint,
    ) -> Result<()> {
        if self.objects.create(name, &bytes, content_type).await? == Created::Before {
            if self.objects.fingerprint(name).await? == Some(expected) {
                return Ok(());
            }
            // No receipt vouches for what is there.
            tracing::warn!(object = %name, "replacing an object of other content without a receipt");
            self.objects.overwrite(name, &bytes, content_type).await?;
        }
        self.objects.expect_size(name, expected.bytes).await
    }

    async fn begin(&self, name: &Path, content_type: &'static str) -> Result<Upload> {
        let upload = self.objects.begin(name, content_type).await?;
        Ok(Upload {
            name: name.clone(),
            request: Some(upload),
            parts: JoinSet::new(),
            aborts: self.aborts.clone(),
            crash: self.crash.clone(),
        })
    }

    async fn complete(&self, mut upload: Upload, expected: Fingerprint) -> Result<()> {
        let name = upload.name.clone();
        let Err(error) = upload.complete().await else {
            return self.objects.expect_size(&name, expected.bytes).await;
        };
        // Another worker may have completed the same object, which voids the parts of this upload,
        // or a write-once policy protects what an earlier attempt wrote, or only the response is
        // lost. The object decides.
        if self.objects.size(&name).await? == Some(expected.bytes)
            && self.objects.fingerprint(&name).await? == Some(expected)
        {
            tracing::debug!(object = %name, %error, "the object is complete nevertheless");
            return Ok(());
        }
        Err(from_store(&error, format_args!("complete {name}")))
    }
}

/// Content in parts of equal size but the last.
struct Parts<F> {
    stream: ContentStream,
    rest: Bytes,
    part_size: usize,
    taken: u64,
    on_bytes: F,
}

impl<F: FnMut(u64)> Parts<F> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let missing = self.stream.length().map(|length| length - self.taken);
        let missing = missing.and_then(|missing| usize::try_from(missing).ok());
        let capacity = missing.map_or(self.part_size, |missing| missing.min(self.part_size));
        let mut part = BytesMut::with_capacity(capacity);
        while part.len() < self.part_size {
            if self.rest.is_empty() {
                match self.stream.try_next().await? {
                    Some(bytes) => self.rest = bytes,
                    None => break,
                }
            }
            let count = self.rest.len().min(self.part_size - part.len());
            part.extend_from_slice(&self.rest.split_to(count));
            self.taken += count as u64;
            (self.on_bytes)(self.taken);
        }
        Ok(Some(part.freeze()).filter(|part| !part.is_empty()))
    }

    fn finish(self) -> Result<Stored> {
        let missing = || {
            let text = "the content ended without a checksum";
            Error::new(ErrorKind::InvalidResponse, text)
        };
        let sha256: ContentHash = self.stream.sha256().ok_or_else(missing)?;
        Ok(Stored {
            fingerprint: Fingerprint {
                bytes: self.taken,
                sha256,
            },
            etag: self.stream.etag().map(str::to_owned),
        })
    }
}

/// An upload in parts. Dropping it aborts it.
struct Upload {
    name: Path,
    /// None once it is complete.
    request: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<Result<(), StoreError>>,
    aborts: Aborts,
    crash: CrashPoint,
}

impl Upload {
    /// Begins to upload a part, once fewer than `limit` are under way.
    async fn put(&mut self, part: Bytes, limit: usize) -> Result<()> {
        self.wait(limit.saturating_sub(1)).await?;
        if let Some(upload) = &mut self.request {
            let part = upload.put_part(PutPayload::from(part));
            self.parts.spawn(part);
        }
        Ok(())
    }

    /// Waits until at most so many parts are under way.
    async fn wait(&mut self, limit: usize) -> Result<()> {
        while self.parts.len() > limit {
            let Some(joined) = self.parts.join_next().await else {
                break;
            };
            let part = joined.unwrap_or_else(|error: JoinError| {
                Err(StoreError::Generic {
                    store: "upload",
                    source: error.into(),
                })
            });
            part.map_err(|error| {
                from_store(&error, format_args!("write a part of {}", self.name))
            })?;
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        if let Some(upload) = &mut self.request {
            upload.complete().await?;
        }
        self.request = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.crash.is_dead() {
            return;
        }
        if let Some(upload) = self.request.take() {
            let parts = std::mem::take(&mut self.parts);
            self.aborts.spawn(upload, parts);
        }
    }
}

/// Uploads that are being aborted: `Drop` cannot wait for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aborts(Arc<Mutex<JoinSet<()>>>);

impl Aborts {
    fn spawn(
        &self,
        mut upload: Box<dyn MultipartUpload>,
        mut parts: JoinSet<Result<(), StoreError>>,
    ) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let abort = async move {
            parts.shutdown().await;
            if let Err(error) = upload.abort().await {
                let error = from_store(&error, "abort an upload");
                tracing::debug!(%error, "uploaded parts stay until the store drops them");
            }
        };
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that ended are of no use.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(abort, &runtime);
    }

    /// Waits for all of them.
    pub(crate) async fn wait(&self) {
        let mut tasks = {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}
