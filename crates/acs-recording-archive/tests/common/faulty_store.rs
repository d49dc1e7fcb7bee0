//! A store in memory that fails on demand.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// What a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Put,
    PutPart,
    Complete,
    Get,
}

/// A failure that is due.
struct Due {
    on: On,
    /// What the name of the object ends with.
    end: &'static str,
    /// Whether the request has its effect, and only the response is lost.
    performed: bool,
    error: fn() -> Error,
}

type Script = Arc<Mutex<Vec<Due>>>;

#[derive(Clone, Default)]
pub struct FaultyStore {
    inner: Arc<InMemory>,
    script: Script,
    /// Every request as a word and a name.
    log: Arc<Mutex<Vec<String>>>,
}

impl FaultyStore {
    /// The next request of this kind about an object of that name fails, and does nothing.
    pub fn fail(&self, on: On, end: &'static str, error: fn() -> Error) {
        self.add(on, end, false, error);
    }

    /// The next request of this kind about an object of that name does its work and then fails.
    pub fn lose_response(&self, on: On, end: &'static str) {
        self.add(on, end, true, unavailable);
    }

    fn add(&self, on: On, end: &'static str, performed: bool, error: fn() -> Error) {
        self.script.lock().unwrap().push(Due {
            on,
            end,
            performed,
            error,
        });
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    /// The failure that is due, and whether the request has its effect nevertheless.
    fn strike(&self, on: On, name: &Path) -> Option<(bool, Error)> {
        self.note(format!("{on:?} {name}"));
        let mut script = self.script.lock().unwrap();
        let is_it = |due: &Due| due.on == on && name.as_ref().ends_with(due.end);
        let position = script.iter().position(is_it)?;
        let due = script.remove(position);
        Some((due.performed, (due.error)()))
    }
}

pub fn unavailable() -> Error {
    generic("Server returned non-2xx status code: 500 Internal Server Error: ")
}

pub fn busy() -> Error {
    generic("Server returned non-2xx status code: 503 Service Unavailable: ")
}

/// What Azure says to the second of two uploads of one name.
pub fn invalid_block_list() -> Error {
    generic(
        "Server returned non-2xx status code: 400 Bad Request: <Error><Code>InvalidBlockList</Code></Error>",
    )
}

pub fn denied() -> Error {
    Error::PermissionDenied {
        path: "x".to_owned(),
        source: "status code: 403 Forbidden".into(),
    }
}

fn generic(text: &'static str) -> Error {
    Error::Generic {
        store: "Test",
        source: text.into(),
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let struck = self.strike(On::Put, location);
        if let Some((false, error)) = struck {
            return Err(error);
        }
        let put = self.inner.put_opts(location, payload, opts).await;
        match struck {
            Some((_, error)) => Err(error),
            None => put,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FaultyUpload {
            store: self.clone(),
            name: location.clone(),
            upload,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.strike(On::Get, location) {
            Some((_, error)) => Err(error),
            None => self.inner.get_opts(location, options).await,
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    store: FaultyStore,
    name: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.strike(On::PutPart, &self.name) {
            Some((_, error)) => Box::pin(async move { Err(error) }),
            None => self.upload.put_part(data),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let struck = self.store.strike(On::Complete, &self.name);
        if let Some((false, error)) = struck {
            return Err(error);
        }
        let completed = self.upload.complete().await;
        match struck {
            Some((_, error)) => Err(error),
            None => completed,
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.note(format!("Abort {}", self.name));
        self.upload.abort().await
    }
}
