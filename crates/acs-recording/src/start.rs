//! Starting a recording: whom, what, and where to.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::SystemTime;

use url::Url;
use uuid::Uuid;

use crate::client::RecordingClient;
use crate::credential::{is_secure, is_service_host};
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::CommunicationIdentifier;
use crate::ids::{CallConnectionId, GroupCallId, RecordingId, RoomId, ServerCallId};
use crate::lenient;
use crate::mistaken::{Mistaken, recognize};
use crate::models::{
    CallLocator, CallLocatorKind, ChannelAffinity, ExternalStorage, RecordingChannelType,
    RecordingContentType, RecordingFormatType, RecordingStorageKind, StartCallRecordingRequest,
};
use crate::operation::Repeatability;
use crate::recording::{Recording, StartResponse, Started};

const OPERATION: &str = "start recording";

/// An unmixed recording has channels 0 to 4.
const CHANNELS: u8 = 5;

/// The call to record, by one of the ids that the service accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallTarget {
    /// The id of the call as a whole.
    Server(ServerCallId),
    /// The id that the application gave to a group call.
    Group(GroupCallId),
    /// A room.
    Room(RoomId),
    /// The application's own leg of the call. The service answers 202: whether the recording
    /// started comes as an event to the state callback.
    Connection(CallConnectionId),
}

impl CallTarget {
    /// The call as requests locate it; a call connection is no locator.
    pub(crate) fn locator(self) -> Result<CallLocator> {
        let mut locator = CallLocator::default();
        let kind = match self {
            Self::Server(id) => {
                locator.server_call_id = Some(id.into());
                CallLocatorKind::ServerCallLocator
            }
            Self::Group(id) => {
                locator.group_call_id = Some(id.into());
                CallLocatorKind::GroupCallLocator
            }
            Self::Room(id) => {
                locator.room_id = Some(id.into());
                CallLocatorKind::RoomCallLocator
            }
            Self::Connection(id) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("call connection {id} is a leg of its call already"),
                ));
            }
        };
        locator.kind = Some(kind);
        Ok(locator)
    }
}

impl From<ServerCallId> for CallTarget {
    fn from(id: ServerCallId) -> Self {
        Self::Server(id)
    }
}

impl From<GroupCallId> for CallTarget {
    fn from(id: GroupCallId) -> Self {
        Self::Group(id)
    }
}

impl From<RoomId> for CallTarget {
    fn from(id: RoomId) -> Self {
        Self::Room(id)
    }
}

impl From<CallConnectionId> for CallTarget {
    fn from(id: CallConnectionId) -> Self {
        Self::Connection(id)
    }
}

/// What is recorded, and into what: the four combinations that the service has.
///
/// ```
/// use acs_recording::Media;
///
/// let video = Media::mixed_mp4();
/// let speech = Media::unmixed_wav()
///     .channel(0, "8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007-0464-274b-b274-5a3a0d000101")
///     .channel(1, "4:+14255550123");
/// ```
///
/// Channels belong to participants only when they are not mixed:
///
/// ```compile_fail
/// # use acs_recording::Media;
/// let wrong = Media::mixed_mp3().channel(0, "4:+14255550123");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    content: RecordingContentType,
    channel: RecordingChannelType,
    format: RecordingFormatType,
    channels: Vec<(u8, CommunicationIdentifier)>,
    order: Vec<CommunicationIdentifier>,
}

impl Media {
    /// Audio and video of the call in one file, 1920×1080; what the service makes by default.
    pub fn mixed_mp4() -> Self {
        Self::mixed(RecordingContentType::AudioVideo, RecordingFormatType::Mp4)
    }

    /// The audio of all participants in one channel, compressed: at most 0.36 MB per minute.
    pub fn mixed_mp3() -> Self {
        Self::mixed(RecordingContentType::Audio, RecordingFormatType::Mp3)
    }

    /// The audio of all participants in one channel, 16 kHz 16-bit PCM: 1.92 MB per minute.
    pub fn mixed_wav() -> Self {
        Self::mixed(RecordingContentType::Audio, RecordingFormatType::Wav)
    }

    /// The audio of each of up to five participants in a channel of its own, 16 kHz 16-bit PCM:
    /// 1.92 MB per minute and channel.
    pub fn unmixed_wav() -> UnmixedWav {
        UnmixedWav::default()
    }

    fn mixed(content: RecordingContentType, format: RecordingFormatType) -> Self {
        Self {
            content,
            channel: RecordingChannelType::Mixed,
            format,
            channels: Vec::new(),
            order: Vec::new(),
        }
    }

    fn apply(&self, request: &mut StartCallRecordingRequest) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        let (mut numbers, mut participants) = (BTreeSet::new(), BTreeSet::new());
        for (channel, participant) in &self.channels {
            if *channel >= CHANNELS {
                return refuse(format!(
                    "channel {channel} does not exist; there are 0 to 4"
                ));
            }
            if !numbers.insert(channel) {
                return refuse(format!("channel {channel} is given to two participants"));
            }
            if !participants.insert(participant) {
                return refuse(format!("{participant} is given two channels"));
            }
        }
        if self.order.len() > usize::from(CHANNELS) {
            return refuse(format!(
                "{} participants are put in order; there are 5 channels",
                self.order.len()
            ));
        }
        let mut ordered = BTreeSet::new();
        for participant in &self.order {
            if !ordered.insert(participant) {
                return refuse(format!("{participant} stands twice in the channel order"));
            }
        }
        for (channel, participant) in &self.channels {
            let there = self.order.get(usize::from(*channel));
            if let Some(other) = there.filter(|other| *other != participant) {
                return refuse(format!(
                    "channel {channel} is given to {participant}, and the channel order has {other} \
                     there"
                ));
            }
            let ordered = self.order.iter().position(|one| one == participant);
            if let Some(place) = ordered.filter(|place| *place != usize::from(*channel)) {
                return refuse(format!(
                    "channel {channel} is given to {participant}, who has channel {place} by the \
                     channel order"
                ));
            }
        }
        request.recording_content_type = Some(self.content.clone());
        request.recording_channel_type = Some(self.channel.clone());
        request.recording_format_type = Some(self.format.clone());
        request.channel_affinity = self
            .channels
            .iter()
            .map(|(channel, participant)| ChannelAffinity {
                channel: Some(i32::from(*channel)),
                participant: participant.to_model(),
            })
            .collect();
        request.audio_channel_participant_ordering = self
            .order
            .iter()
            .map(CommunicationIdentifier::to_model)
            .collect();
        Ok(())
    }
}

/// An unmixed recording, and who is on which of its channels.
///
/// Participants without a place get the next free channel when they first speak; the metadata
/// document of the recording tells which.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnmixedWav {
    channels: Vec<(u8, CommunicationIdentifier)>,
    order: Vec<CommunicationIdentifier>,
}

impl UnmixedWav {
    /// Gives a participant a channel, 0 to 4 (channel affinity).
    pub fn channel(mut self, number: u8, participant: impl Into<CommunicationIdentifier>) -> Self {
        self.channels.push((number, participant.into()));
        self
    }

    /// Gives participants the channels 0, 1, 2… in this order, at most five.
    pub fn order<P: Into<CommunicationIdentifier>>(
        mut self,
        participants: impl IntoIterator<Item = P>,
    ) -> Self {
        self.order.extend(participants.into_iter().map(Into::into));
        self
    }
}

impl From<UnmixedWav> for Media {
    fn from(unmixed: UnmixedWav) -> Self {
        Self {
            channel: RecordingChannelType::Unmixed,
            channels: unmixed.channels,
            order: unmixed.order,
            ..Self::mixed_wav()
        }
    }
}

/// A recording about to be started: set options, then `await`.
///
/// What is not set is not sent, and the service's defaults apply: mixed audio and video as MP4,
/// recording at once, no state callback, kept by the service for 24 hours.
///
/// It is one start, however often it is sent: a clone that is awaited after an error whose cause is
/// unknown gives the recording that the first one may have started. To record a call once more, begin
/// with [`RecordingClient::start`] again.
#[derive(Clone)]
#[must_use = "nothing is recorded before it is awaited"]
pub struct StartRecording {
    client: RecordingClient,
    request: StartCallRecordingRequest,
    media: Option<Media>,
    repeatability: Repeatability,
}

impl StartRecording {
    pub(crate) fn new(client: RecordingClient, call: CallTarget) -> Self {
        let mut request = StartCallRecordingRequest::default();
        match call {
            CallTarget::Connection(id) => request.call_connection_id = Some(id.into()),
            call => request.call_locator = call.locator().ok(),
        }
        Self {
            client,
            request,
            media: None,
            repeatability: Repeatability::new(),
        }
    }

    /// What is recorded, and into what.
    pub fn media(mut self, media: impl Into<Media>) -> Self {
        self.media = Some(media.into());
        self
    }

    /// Starts in pause: nothing is recorded before [`Recording::resume`], and without it there
    /// will be no file.
    pub fn paused(mut self) -> Self {
        self.request.pause_on_start = Some(true);
        self
    }

    /// Where the service posts `RecordingStateChanged` and `StartRecordingFailed`.
    ///
    /// # Errors
    /// The address is no absolute `https` URL (`http` is for loopback only), which the service
    /// would refuse.
    pub fn state_callback(mut self, url: &str) -> Result<Self> {
        let url = web_address(url, "state callback").map_err(|error| error.during(OPERATION))?;
        self.request.recording_state_callback_uri = Some(url.into());
        Ok(self)
    }

    /// Has the recording written into a container of your own Azure storage account, or a folder
    /// in one: `https://<account>.blob.core.windows.net/<container>`.
    ///
    /// The resource's managed identity needs the role Storage Blob Data Contributor there.
    ///
    /// # Errors
    /// The address is no `https` URL of a container, or contains a query: the service uses its
    /// identity, and a shared access signature would be sent for nothing.
    pub fn storage(mut self, container: &str) -> Result<Self> {
        let url =
            web_address(container, "storage container").map_err(|error| error.during(OPERATION))?;
        let refuse = |why| Err(Error::new(ErrorKind::InvalidInput, why).during(OPERATION));
        if url.query().is_some() || url.fragment().is_some() {
            return refuse(
                "the storage container's URL has a query; leave it away, the service uses its \
                 managed identity",
            );
        }
        if is_service_host(&url) {
            return refuse(
                "the storage container is where the service keeps recordings itself; give a \
                 container of your own, or leave it away",
            );
        }
        let host = url.host_str().unwrap_or_default();
        if [".file.core.", ".queue.core.", ".table.core."]
            .iter()
            .any(|other| host.contains(other))
        {
            return refuse(
                "the storage container's URL is not of Blob Storage, such as \
                 https://<account>.blob.core.windows.net/<container>",
            );
        }
        if url.path().trim_matches('/').is_empty() {
            return refuse("the storage container's URL names no container");
        }
        self.request.external_storage = Some(ExternalStorage {
            recording_storage_kind: RecordingStorageKind::AzureBlobStorage,
            recording_destination_container_url: Some(
                url.as_str().trim_end_matches('/').to_owned(),
            ),
        });
        Ok(self)
    }

    /// The id that makes sending twice start once (default: a new one for each start that is made,
    /// which its clones share).
    ///
    /// For programs that may die between starting and noting the result: choose the id, store it
    /// with the time, and start again with both, which is what [`first_sent`](Self::first_sent) is
    /// for. The service remembers them for a short time only.
    pub fn repeatability_id(mut self, id: Uuid) -> Self {
        self.repeatability.id = id;
        self
    }

    /// When a start with this [`repeatability_id`](Self::repeatability_id) was sent first (default:
    /// when this one was made). An id that comes again with another time is another start to the
    /// service, or a wrong one.
    pub fn first_sent(mut self, time: SystemTime) -> Self {
        self.repeatability.first_sent = time;
        self
    }

    /// Changes the request, as far as it is set by now: for values that this crate does not know.
    /// What is set afterwards replaces what this changed.
    pub fn with_request(mut self, change: impl FnOnce(&mut StartCallRecordingRequest)) -> Self {
        if let Some(media) = self.media.take()
            && media.apply(&mut self.request).is_err()
        {
            // An invalid choice is reported where all others are: when it is sent.
            self.media = Some(media);
        }
        change(&mut self.request);
        self
    }

    /// Everything that is done before anything is sent.
    fn prepare(&mut self) -> Result<()> {
        match self.media.take() {
            Some(media) => media.apply(&mut self.request),
            None => Ok(()),
        }
    }
}

async fn send(
    client: &RecordingClient,
    request: &StartCallRecordingRequest,
    repeatability: &Repeatability,
) -> Result<(RecordingId, StartResponse)> {
    let first_sent = repeatability.first_sent();
    let answer = client
        .call_automation()
        .call_recording_start_recording(Some(&first_sent), Some(&repeatability.id), request)
        .await;
    let answer = answer?;
    let accepted = answer.status().as_u16() == 202;
    let answer = answer.into_inner();
    let id = lenient::parse(answer.recording_id.as_deref());
    let Some(id) = id else {
        return Err(Error::new(
            ErrorKind::InvalidResponse,
            "the service started a recording without telling its id",
        ));
    };
    let answer = StartResponse {
        outcome_follows: accepted,
        state: answer.recording_state,
        kind: answer.recording_kind,
    };
    Ok((id, answer))
}

/// Shows what is recorded, but no address: callbacks may hold a secret.
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

impl IntoFuture for StartRecording {
    type Output = Result<Recording>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        let prepared = self.prepare();
        // What is not needed any more is not kept for as long as the answer takes.
        let Self {
            client,
            request,
            repeatability,
            ..
        } = self;
        Box::pin(async move {
            let sent = match prepared {
                Ok(()) => send(&client, &request, &repeatability).await,
                Err(error) => Err(error),
            };
            let (id, answer) = sent.map_err(|error| error.during(OPERATION))?;
            let call = request.call_locator.and_then(|call| call.server_call_id);
            let started = Started {
                answer,
                server_call_id: lenient::parse(call.as_deref()),
                call_connection_id: lenient::parse(request.call_connection_id.as_deref()),
            };
            Ok(Recording::started(client, id, started))
        })
    }
}

/// An address that the service can post to.
pub(crate) fn web_address(text: &str, what: &str) -> Result<Url> {
    let refuse = |is: &str| {
        let message = format!("the {what} {is}");
        Err(Error::new(ErrorKind::InvalidInput, message))
    };
    match recognize(text) {
        Some(Mistaken::HostName) => return refuse("is a host name: put https:// before it"),
        Some(is) if !is.is_any_url() => return refuse(is.is()),
        _ => {}
    }
    match Url::parse(text) {
        Ok(url) if !is_secure(&url) => refuse("is not https, which only loopback may do without"),
        Ok(url) => Ok(url),
        Err(_) => refuse("is no absolute URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_refused_by_what_they_are() {
        for (text, said) in [
            ("app.contoso.example", "put https:// before it"),
            ("\"https://app.example/x\"", "quotes"),
            ("https%3A%2F%2Fapp.example%2Fx", "no absolute URL"),
            (
                "/subscriptions/1/resourceGroups/r",
                "Azure Resource Manager",
            ),
            ("https://portal.azure.com/#home", "Azure portal"),
            (
                "https://teams.microsoft.com/l/meetup-join/x",
                "Teams meeting",
            ),
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                "connection string",
            ),
            ("http://app.example/x", "not https"),
            ("/relative", "no absolute URL"),
            ("", "no absolute URL"),
        ] {
            let error = web_address(text, "state callback").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(said), "{text}: {error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
        for text in [
            "https://app.example/x?to=https%3A%2F%2Fteams.microsoft.com%2F&code=a%2Bb",
            "https://app.example/v1/objects/x",
            "http://127.0.0.1:8080/x",
        ] {
            web_address(text, "state callback").unwrap();
        }
    }

    #[test]
    fn storage_is_a_container_of_ones_own() {
        let text = "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0";
        let client = RecordingClient::from_connection_string(text).unwrap();
        let storage = |text: &str| {
            let id = ServerCallId::new("aHR0cHM6Ly9h").unwrap();
            client.start(id).storage(text).map(|_| ())
        };
        for (text, said) in [
            (
                "https://acme.file.core.windows.net/share",
                "not of Blob Storage",
            ),
            (
                "https://acme.queue.core.usgovcloudapi.net/q",
                "not of Blob Storage",
            ),
            (
                "https://eu-storage.asm.skype.com/v1/objects/o",
                "keeps recordings itself",
            ),
            ("https://acme.blob.core.windows.net/", "names no container"),
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
