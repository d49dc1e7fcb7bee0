//! Starting a recording.

mod media;
mod target;

use std::fmt;

use acs_call_automation::options::CallRecordingStartRecordingOptions;
use acs_call_automation::types::{
    ExternalStorage, RecordingStorageKind, StartCallRecordingRequest,
};

use crate::client_core::ClientCore;
use crate::credential::is_service_host;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::lenient;
use crate::operation::{Repeatability, into_future, repeatability, response};
use crate::recording::{Recording, StartResponse, Started};
use crate::transport::{RequestOptions, request_options};
use crate::web_url::parse_web_url;

pub use media::{Media, UnmixedWav};
pub use target::RecordingTarget;

const OPERATION: &str = "start recording";

/// Starts a recording; made by [`RecordingClient::start`](crate::RecordingClient::start).
///
/// By default, audio and video are mixed into an MP4 file, the recording begins immediately, there is
/// no state callback, and the service keeps the files for 24 hours.
///
/// The service starts one recording, however often the request is sent. If it is unknown whether a
/// start succeeded, await a clone: it returns the recording that the first request may have started. To
/// record a call again, call
/// [`RecordingClient::start`](crate::RecordingClient::start) again.
#[derive(Clone)]
#[must_use = "nothing is recorded before it is awaited"]
pub struct StartRecording {
    client: ClientCore,
    request: StartCallRecordingRequest,
    media: Option<Media>,
    repeatability: Repeatability,
    options: RequestOptions,
}

impl StartRecording {
    pub(crate) fn new(client: ClientCore, target: RecordingTarget) -> Self {
        let mut request = StartCallRecordingRequest::default();
        match target {
            RecordingTarget::Locator(locator) => {
                request.call_locator = Some(locator.into_model());
            }
            RecordingTarget::Connection(id) => request.call_connection_id = Some(id.into()),
        }
        Self {
            client,
            request,
            media: None,
            repeatability: Repeatability::new(),
            options: RequestOptions::new(),
        }
    }

    /// Sets what is recorded, and in which format.
    pub fn media(mut self, media: impl Into<Media>) -> Self {
        self.media = Some(media.into());
        self
    }

    /// Starts paused: nothing is recorded before [`Recording::resume`]. A recording that is never
    /// resumed has no file.
    pub fn paused(mut self) -> Self {
        self.request.pause_on_start = Some(true);
        self
    }

    /// Sets the URL that the service posts `RecordingStateChanged` and `StartRecordingFailed` to.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not an absolute `https` URL (`http` is for loopback
    /// only).
    pub fn state_callback(mut self, url: &str) -> Result<Self> {
        let url = parse_web_url(url, "state callback")
            .map_err(|error| error.with_operation(OPERATION))?;
        self.request.recording_state_callback_uri = Some(url.into());
        Ok(self)
    }

    /// Stores the recording in a container of your own Azure storage account, or in a folder of one:
    /// `https://<account>.blob.core.windows.net/<container>`.
    ///
    /// The resource's managed identity needs the role Storage Blob Data Contributor there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not the `https` URL of a container, or has a query. The
    /// service uses its managed identity, and no shared access signature.
    pub fn storage_container(mut self, container: &str) -> Result<Self> {
        let url = parse_web_url(container, "storage container")
            .map_err(|error| error.with_operation(OPERATION))?;
        let reject =
            |reason| Err(Error::new(ErrorKind::InvalidInput, reason).with_operation(OPERATION));
        if url.query().is_some() || url.fragment().is_some() {
            return reject(
                "the storage container's URL has a query; remove it, because the service uses its \
                 managed identity",
            );
        }
        if is_service_host(&url) {
            return reject(
                "the storage container is on a host where the service itself keeps recordings; use a \
                 container of your own, or set none",
            );
        }
        let host = url.host_str().unwrap_or_default();
        if [".file.core.", ".queue.core.", ".table.core."]
            .iter()
            .any(|other| host.contains(other))
        {
            return reject(
                "the storage container's URL is not a Blob Storage URL such as \
                 https://<account>.blob.core.windows.net/<container>",
            );
        }
        if url.path().trim_matches('/').is_empty() {
            return reject("the storage container's URL does not name a container");
        }
        let storage = ExternalStorage::new(RecordingStorageKind::AzureBlobStorage)
            .recording_destination_container_url(url.as_str().trim_end_matches('/'));
        self.request.external_storage = Some(storage);
        Ok(self)
    }

    /// Changes the request, for values without a setter here. Setters that are called later replace
    /// these values. Needs the feature `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut StartCallRecordingRequest)) -> Self {
        if let Some(media) = self.media.take()
            && media.apply(&mut self.request).is_err()
        {
            // It is reported when the request is sent.
            self.media = Some(media);
        }
        change(&mut self.request);
        self
    }

    async fn send(self) -> Result<Recording> {
        // Only what is still needed is kept while the response is awaited.
        let Self {
            client,
            mut request,
            media,
            repeatability,
            options,
        } = self;
        if let Some(media) = media {
            media.apply(&mut request)?;
        }
        let (id, response) = {
            let client = client.with_options(&options)?;
            start(&client, &request, &repeatability).await?
        };
        let call = request.call_locator.and_then(|call| call.server_call_id);
        let started = Started {
            response,
            server_call_id: lenient::parse(call.as_deref()),
            call_connection_id: lenient::parse(request.call_connection_id.as_deref()),
        };
        Ok(Recording::started(client, id, started))
    }
}

async fn start(
    client: &ClientCore,
    request: &StartCallRecordingRequest,
    repeatability: &Repeatability,
) -> Result<(RecordingId, StartResponse)> {
    let first_sent = repeatability.first_sent();
    let low_level = client.low_level();
    let options = CallRecordingStartRecordingOptions::default()
        .repeatability_first_sent(first_sent)
        .repeatability_request_id(repeatability.id);
    let sent = low_level.call_recording_start_recording(request, Some(options));
    let response = response(sent.await)?;
    let outcome_pending = response.status().as_u16() == 202;
    let body = response.into_inner();
    let Some(id) = lenient::parse(body.recording_id.as_deref()) else {
        return Err(Error::new(
            ErrorKind::InvalidResponse,
            "the service started a recording, and its response does not contain the id",
        ));
    };
    let response = StartResponse {
        outcome_pending,
        state: body.recording_state,
        kind: body.recording_kind,
    };
    Ok((id, response))
}

request_options!(StartRecording);
repeatability!(StartRecording);
into_future!(StartRecording -> Recording, OPERATION);

/// Shows what is recorded, but no URLs: callbacks may contain a secret.
impl fmt::Debug for StartRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRecording")
            .field("call_locator", &self.request.call_locator)
            .field("call_connection_id", &self.request.call_connection_id)
            .field("media", &self.media)
            .field("pause_on_start", &self.request.pause_on_start)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::client::RecordingClient;
    use crate::ids::ServerCallId;

    #[test]
    fn storage_is_a_container_of_ones_own() {
        let text = "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0";
        let client = RecordingClient::from_connection_string(text).unwrap();
        let storage = |text: &str| {
            let id = ServerCallId::new("aHR0cHM6Ly9h").unwrap();
            client.start(id).storage_container(text).map(|_| ())
        };
        for (text, said) in [
            (
                "https://acme.file.core.windows.net/share",
                "not a Blob Storage URL",
            ),
            (
                "https://acme.queue.core.usgovcloudapi.net/q",
                "not a Blob Storage URL",
            ),
            (
                "https://eu-storage.asm.skype.com/v1/objects/o",
                "itself keeps recordings",
            ),
            (
                "https://acme.blob.core.windows.net/",
                "not name a container",
            ),
            (
                "/subscriptions/1/resourceGroups/r",
                "Azure Resource Manager",
            ),
        ] {
            let error = storage(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        storage("https://acme.blob.core.usgovcloudapi.net/recordings").unwrap();
        storage("http://127.0.0.1:10000/devstoreaccount1/recordings").unwrap();
    }
}
