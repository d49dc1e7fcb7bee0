//! What an archive does with single objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acs_recording::ContentHash;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result, from_store, is_missing_object};

/// The name of an object that no archive has.
const PROBE: &str = "acs-recording-archive-check";

/// Objects of an archive, by their names.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Whether the store keeps attributes. A local folder does not.
    keeps_attributes: Arc<AtomicBool>,
}

/// What became of a put that must not replace anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is new.
    Now,
    /// There was one. It may be that of an earlier attempt of this put, whose response was lost.
    Before,
}

/// How many bytes an object has, and their checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) bytes: u64,
    pub(crate) sha256: ContentHash,
}

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: ContentHash::from(<[u8; 32]>::from(Sha256::digest(bytes))),
        }
    }
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            keeps_attributes: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Fails unless objects can be read.
    pub(crate) async fn check(&self) -> Result<()> {
        match self.store.get(&Path::from(PROBE)).await {
            Err(error) if is_missing_object(&error) => Ok(()),
            Err(error) => Err(from_store(&error, "check the store")),
            Ok(_) => Ok(()),
        }
    }

    /// A small object; none if it does not exist.
    pub(crate) async fn read(&self, name: &Path) -> Result<Option<Bytes>> {
        let read = async { self.store.get(name).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_store(&error, format_args!("read {name}"))),
        }
    }

    /// How many bytes an object has; none if it does not exist.
    pub(crate) async fn size(&self, name: &Path) -> Result<Option<u64>> {
        match self.store.head(name).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_store(&error, format_args!("look up {name}"))),
        }
    }

    /// Reads all of an object; none if it does not exist.
    pub(crate) async fn fingerprint(&self, name: &Path) -> Result<Option<Fingerprint>> {
        let read = async {
            let mut stream = self.store.get(name).await?.into_stream();
            let mut hasher = Sha256::new();
            let mut bytes = 0;
            while let Some(part) = stream.try_next().await? {
                hasher.update(&part);
                bytes += part.len() as u64;
            }
            let sha256 = ContentHash::from(<[u8; 32]>::from(hasher.finalize()));
            Ok(Fingerprint { bytes, sha256 })
        };
        match read.await {
            Ok(fingerprint) => Ok(Some(fingerprint)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_store(&error, format_args!("read {name}"))),
        }
    }

    /// Writes an object, unless there is one of that name.
    pub(crate) async fn create(
        &self,
        name: &Path,
        bytes: &Bytes,
        content_type: &'static str,
    ) -> Result<Created> {
        match self.put(name, bytes, PutMode::Create, content_type).await {
            Ok(()) => Ok(Created::Now),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Ok(Created::Before)
            }
            Err(error) => Err(from_store(&error, format_args!("write {name}"))),
        }
    }

    /// Writes an object, in place of whatever has that name.
    pub(crate) async fn overwrite(
        &self,
        name: &Path,
        bytes: &Bytes,
        content_type: &'static str,
    ) -> Result<()> {
        let put = self.put(name, bytes, PutMode::Overwrite, content_type);
        let put = put.await;
        put.map_err(|error| from_store(&error, format_args!("write {name}")))
    }

    /// Begins an object that is written in parts.
    pub(crate) async fn begin(
        &self,
        name: &Path,
        content_type: &'static str,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = loop {
            let (attributes, has_some) = self.attributes(content_type);
            let options = PutMultipartOptions::from(attributes);
            match self.store.put_multipart_opts(name, options).await {
                Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. })
                    if has_some =>
                {
                    self.keeps_attributes.store(false, Ordering::Relaxed);
                }
                begun => break begun,
            }
        };
        begun.map_err(|error| from_store(&error, format_args!("write {name}")))
    }

    /// Fails unless an object has this many bytes.
    pub(crate) async fn expect_size(&self, name: &Path, expected: u64) -> Result<()> {
        let found = self.size(name).await?;
        if found == Some(expected) {
            return Ok(());
        }
        let found = found.map_or_else(
            || "does not have it".to_owned(),
            |found| format!("has {found}"),
        );
        let text = format!("{name} was written with {expected} bytes, and the store {found}");
        Err(Error::new(ErrorKind::CorruptContent, text))
    }

    async fn put(
        &self,
        name: &Path,
        bytes: &Bytes,
        mode: PutMode,
        content_type: &'static str,
    ) -> Result<(), StoreError> {
        loop {
            let (attributes, has_some) = self.attributes(content_type);
            let options = PutOptions {
                mode: mode.clone(),
                attributes,
                ..PutOptions::default()
            };
            let payload = PutPayload::from(bytes.clone());
            match self.store.put_opts(name, payload, options).await {
                Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. })
                    if has_some =>
                {
                    self.keeps_attributes.store(false, Ordering::Relaxed);
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn attributes(&self, content_type: &'static str) -> (Attributes, bool) {
        let has_some = self.keeps_attributes.load(Ordering::Relaxed);
        let mut attributes = Attributes::new();
        if has_some {
            attributes.insert(Attribute::ContentType, content_type.into());
        }
        (attributes, has_some)
    }
}

/// What an object of this extension is, for whoever opens it in a browser.
pub(crate) fn content_type(extension: &str) -> &'static str {
    match extension {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
