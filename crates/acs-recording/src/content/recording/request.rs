//! What the download of a recording requests, and where it writes.

use std::path::PathBuf;

use http::Method;
use jiff::Timestamp;

use super::super::options::TransferOptions;
use super::chunk_numbers::NumberedChunks;
use super::file_names;
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Hint, Result};
use crate::event::RecordingFileStatusUpdated;
use crate::transport::RequestOptions;

/// The files of a recording, and how to transfer them.
#[derive(Clone, Debug)]
pub(super) struct RecordingRequest {
    pub(super) client: ClientCore,
    pub(super) file: RecordingFileStatusUpdated,
    pub(super) event_id: Option<String>,
    pub(super) event_time: Option<Timestamp>,
    pub(super) transfer: TransferOptions,
    pub(super) options: RequestOptions,
}

/// What becomes of the recording.
#[derive(Clone, Debug)]
pub(super) struct DirOptions {
    pub(super) folder: PathBuf,
    pub(super) deletes: bool,
    pub(super) deletes_incomplete: bool,
}

impl RecordingRequest {
    pub(super) fn new(client: ClientCore, file: &RecordingFileStatusUpdated) -> Self {
        Self {
            client,
            file: file.clone(),
            event_id: None,
            event_time: None,
            transfer: TransferOptions::default(),
            options: RequestOptions::new(),
        }
    }

    /// The beginning of the names of all files.
    pub(super) fn stem(&self, numbered: &NumberedChunks) -> String {
        let chunks = || numbered.chunks.iter().map(|(_, chunk)| chunk);
        let document = chunks().find_map(|chunk| chunk.document_id.as_ref());
        let location = chunks().find_map(|chunk| chunk.content_location.as_ref());
        let recording = self.file.recording_id.as_ref().map(AsRef::as_ref);
        let id = document
            .map(AsRef::as_ref)
            .or(recording)
            .or(self.event_id.as_deref());
        match id {
            Some(id) => file_names::stem(id),
            None => file_names::stem(&location.map(ToString::to_string).unwrap_or_default()),
        }
    }

    /// When the recording ended, if that is known.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.file.end()
    }

    /// Fails unless the service has content of the recording.
    pub(super) fn check(&self) -> Result<()> {
        if self.file.chunks.is_empty() {
            let reason = match &self.file.session_end_reason {
                Some(reason) => format!(" (the recording ended with {reason})"),
                None => String::new(),
            };
            let text =
                format!("the event announces no content{reason}; there is nothing to download");
            return Err(Error::new(ErrorKind::NothingToDownload, text));
        }
        let mut locations = self
            .file
            .chunks
            .iter()
            .filter_map(|chunk| chunk.content_location.as_ref());
        let is_foreign = self.file.is_for_own_storage();
        let hosts = &self.client.pipeline().hosts;
        let mut is_named = false;
        let is_own = locations.all(|location| {
            is_named = true;
            let checked = hosts.check(&Method::GET, location.as_url());
            checked.is_err_and(|error| is_foreign || error.kind() == ErrorKind::OwnStorage)
        });
        if is_own && (is_foreign || is_named) {
            let text = format!(
                "the recording is in storage of your own ({})",
                self.file
                    .storage_type
                    .as_deref()
                    .unwrap_or("a storage account")
            );
            let error = Error::new(ErrorKind::OwnStorage, text);
            return Err(error.with_hint(Hint::UseStorageCredentials));
        }
        Ok(())
    }
}
