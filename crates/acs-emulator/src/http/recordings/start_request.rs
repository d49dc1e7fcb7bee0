//! Parses and validates a request to start a recording: the call, the media and the channels.

use std::net::SocketAddr;

use acs_call_automation::types::{
    CallLocator, CallLocatorKind, ExternalStorage, RecordingChannelType as Channel,
    RecordingContentType as Content, RecordingFormatType as Format, RecordingStorageKind,
    StartCallRecordingRequest,
};

use url::Url;

use crate::media::{Format as FileFormat, MAX_CHANNELS};
use crate::service::error::Refusal;
use crate::service::url_policy::check_url;
use crate::wire::identifier::raw_id;

/// How a request identifies a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallRef {
    Connection(String),
    ServerCall(String),
    Group(String),
    Room(String),
}

/// Which channels are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Mixed,
    Unmixed {
        /// The participants with a channel of their own.
        pinned: Vec<(String, usize)>,
        /// The participants in the order of the remaining channels.
        ordering: Vec<String>,
    },
}

/// What is recorded, in which format, and where it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tape {
    pub(crate) media: Media,
    pub(crate) format: FileFormat,
    /// A container or a folder in it; `None` for the service's own store.
    pub(crate) storage: Option<Url>,
}

/// A valid start request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) call: CallRef,
    pub(crate) tape: Tape,
    pub(crate) paused: bool,
    /// The URL for callbacks about the state of the recording.
    pub(crate) callback: Option<String>,
}

/// Validates a request, except for what depends on the call. URLs of the admin interface are
/// refused.
pub(crate) fn understand(
    request: &StartCallRecordingRequest,
    admin: Option<SocketAddr>,
) -> Result<Start, Refusal> {
    let call = match (&request.call_locator, &request.call_connection_id) {
        (Some(locator), None) => locate(locator)?,
        (None, Some(id)) if !id.is_empty() => CallRef::Connection(id.clone()),
        _ => {
            return Err(Refusal::argument(
                "Specify either callLocator or callConnectionId.",
            ));
        }
    };
    if let Some(uri) = &request.recording_state_callback_uri {
        check_url(uri, admin).map_err(|reason| {
            Refusal::CallbackUri(format!("recordingStateCallbackUri is invalid: {reason}."))
        })?;
    }
    let (media, format) = media(request)?;
    if !format.is_built() {
        let name = format.name();
        return Err(Refusal::NotEmulated(format!(
            "Recording as {name}, without the feature '{name}' of the emulator,"
        )));
    }
    Ok(Start {
        call,
        tape: Tape {
            media,
            format,
            storage: storage(request.external_storage.as_ref(), admin)?,
        },
        paused: request.pause_on_start.unwrap_or(false),
        callback: request.recording_state_callback_uri.clone(),
    })
}

/// The container for the files that a request names.
fn storage(
    storage: Option<&ExternalStorage>,
    admin: Option<SocketAddr>,
) -> Result<Option<Url>, Refusal> {
    let Some(storage) = storage else {
        return Ok(None);
    };
    match &storage.recording_storage_kind {
        RecordingStorageKind::AzureCommunicationServices => return Ok(None),
        RecordingStorageKind::AzureBlobStorage => {}
        kind => {
            return Err(Refusal::argument(format!(
                "'{kind}' is not a valid value of recordingStorageKind."
            )));
        }
    }
    if !cfg!(feature = "own-storage") {
        return Err(Refusal::NotEmulated(
            "Own storage, without the feature 'own-storage' of the emulator,".to_owned(),
        ));
    }
    let refused = |reason: &str| {
        Refusal::argument(format!(
            "recordingDestinationContainerUrl is invalid: {reason}."
        ))
    };
    let text = storage.recording_destination_container_url.as_deref();
    let url = check_url(text.unwrap_or_default(), admin).map_err(|reason| refused(&reason))?;
    let container = url.path_segments().and_then(|mut segments| segments.next());
    if container.is_none_or(str::is_empty) {
        return Err(refused("it does not name a container"));
    }
    Ok(Some(url))
}

/// The call that a locator identifies. The kind is optional if there is only one id.
pub(crate) fn locate(locator: &CallLocator) -> Result<CallRef, Refusal> {
    let ids = [
        (
            CallLocatorKind::ServerCallLocator,
            locator.server_call_id.clone().map(CallRef::ServerCall),
        ),
        (
            CallLocatorKind::GroupCallLocator,
            locator.group_call_id.clone().map(CallRef::Group),
        ),
        (
            CallLocatorKind::RoomCallLocator,
            locator.room_id.clone().map(CallRef::Room),
        ),
    ];
    let mut given = ids.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
    match (given.next(), given.next()) {
        (Some((kind, call)), None) if locator.kind.as_ref().is_none_or(|asked| *asked == kind) => {
            Ok(call)
        }
        _ => Err(Refusal::argument(
            "callLocator must have exactly one id, the one that matches its kind.",
        )),
    }
}

fn media(request: &StartCallRecordingRequest) -> Result<(Media, FileFormat), Refusal> {
    let (channel, format) = settle(
        request.recording_content_type.as_ref(),
        request.recording_channel_type.as_ref(),
        request.recording_format_type.as_ref(),
    )?;
    if channel == Channel::Mixed {
        return if request.channel_affinity.is_empty()
            && request.audio_channel_participant_ordering.is_empty()
        {
            Ok((Media::Mixed, format))
        } else {
            Err(Refusal::argument(
                "channelAffinity and audioChannelParticipantOrdering require recordingChannelType 'unmixed'.",
            ))
        };
    }
    let ordering = request
        .audio_channel_participant_ordering
        .iter()
        .map(raw_id)
        .collect::<Result<Vec<_>, _>>()?;
    if ordering.len() > MAX_CHANNELS {
        return Err(Refusal::argument(
            "audioChannelParticipantOrdering can have at most 5 participants.",
        ));
    }
    unique(&ordering, "audioChannelParticipantOrdering")?;

    let mut named = Vec::new();
    let mut pinned = Vec::new();
    for affinity in &request.channel_affinity {
        let participant = raw_id(&affinity.participant)?;
        named.push(participant.clone());
        let Some(channel) = affinity.channel else {
            continue;
        };
        match usize::try_from(channel) {
            Ok(channel) if channel < MAX_CHANNELS => pinned.push((participant, channel)),
            _ => {
                return Err(Refusal::argument(format!(
                    "Channel {channel} of channelAffinity is not between 0 and 4."
                )));
            }
        }
    }
    unique(&named, "channelAffinity")?;
    let channels: Vec<_> = pinned.iter().map(|(_, channel)| channel).collect();
    unique(&channels, "channelAffinity")?;
    Ok((Media::Unmixed { pinned, ordering }, format))
}

fn unique<T: Ord>(values: &[T], member: &str) -> Result<(), Refusal> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::argument(format!(
            "{member} contains a participant or a channel twice."
        )));
    }
    Ok(())
}

/// Applies defaults and refuses what does not exist. A request without media options becomes a
/// video, as on the service. Audio without a format becomes WAV, which is the emulator's choice.
fn settle(
    content: Option<&Content>,
    channel: Option<&Channel>,
    format: Option<&Format>,
) -> Result<(Channel, FileFormat), Refusal> {
    let unknown = |member: &str, value: &str| {
        Err(Refusal::argument(format!(
            "'{value}' is not a valid value of {member}."
        )))
    };
    if let Some(Content::UnknownValue(value)) = content {
        return unknown("recordingContentType", value);
    }
    if let Some(Channel::UnknownValue(value)) = channel {
        return unknown("recordingChannelType", value);
    }
    if let Some(Format::UnknownValue(value)) = format {
        return unknown("recordingFormatType", value);
    }
    let video = content == Some(&Content::AudioVideo);
    let unmixed = channel == Some(&Channel::Unmixed);
    match format {
        _ if video && unmixed => Err(Refusal::Mode(
            "Video cannot be recorded with unmixed channels.".to_owned(),
        )),
        Some(Format::Mp3 | Format::Wav) if video => Err(Refusal::Format(
            "Video can only be recorded as mp4.".to_owned(),
        )),
        Some(Format::Mp4) if content == Some(&Content::Audio) => Err(Refusal::Format(
            "Audio without video can only be recorded as wav or mp3.".to_owned(),
        )),
        Some(Format::Mp3 | Format::Mp4) if unmixed => Err(Refusal::Format(
            "Unmixed channels can only be recorded as wav.".to_owned(),
        )),
        _ if unmixed => Ok((Channel::Unmixed, FileFormat::Wav)),
        Some(Format::Mp3) => Ok((Channel::Mixed, FileFormat::Mp3)),
        Some(Format::Wav) => Ok((Channel::Mixed, FileFormat::Wav)),
        None if content == Some(&Content::Audio) => Ok((Channel::Mixed, FileFormat::Wav)),
        _ => Ok((Channel::Mixed, FileFormat::Mp4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acs_call_automation::types::ChannelAffinity;

    use crate::wire::identifier::model;

    fn understand(request: &StartCallRecordingRequest) -> Result<Start, Refusal> {
        super::understand(request, None)
    }

    fn request() -> StartCallRecordingRequest {
        StartCallRecordingRequest::default()
            .call_connection_id("connection")
            // The encoders for the other formats may be disabled.
            .recording_format_type(Format::Wav)
    }

    fn unmixed() -> StartCallRecordingRequest {
        request().recording_channel_type(Channel::Unmixed)
    }

    fn affinity(raw_id: &str, channel: Option<i32>) -> ChannelAffinity {
        let mut affinity = ChannelAffinity::new(model(raw_id));
        affinity.channel = channel;
        affinity
    }

    fn is_argument<T: std::fmt::Debug>(result: &Result<T, Refusal>) -> bool {
        matches!(result, Err(Refusal::InvalidArgument(_)))
    }

    #[test]
    fn media_options_get_defaults_or_are_refused() {
        let cases = [
            // content, channel, format, outcome
            ("", "", "", "mixed mp4"),
            ("", "mixed", "", "mixed mp4"),
            ("audioVideo", "", "", "mixed mp4"),
            ("audioVideo", "mixed", "mp4", "mixed mp4"),
            ("", "", "mp4", "mixed mp4"),
            ("audio", "", "", "mixed wav"),
            ("", "", "wav", "mixed wav"),
            ("Audio", "Mixed", "Wav", "mixed wav"),
            ("audio", "mixed", "mp3", "mixed mp3"),
            ("", "", "mp3", "mixed mp3"),
            ("", "unmixed", "", "unmixed wav"),
            ("audio", "unmixed", "wav", "unmixed wav"),
            ("audioVideo", "unmixed", "", "mode"),
            ("audioVideo", "unmixed", "mp4", "mode"),
            ("audio", "unmixed", "mp3", "format"),
            ("", "unmixed", "mp4", "format"),
            ("audio", "", "mp4", "format"),
            ("audioVideo", "", "wav", "format"),
            ("audioVideo", "mixed", "mp3", "format"),
            ("", "", "flac", "argument"),
            ("speech", "", "", "argument"),
            ("", "stereo", "", "argument"),
        ];
        for (content, channel, format, expected) in cases {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let got = match settle(
                given(content).map(Content::from).as_ref(),
                given(channel).map(Channel::from).as_ref(),
                given(format).map(Format::from).as_ref(),
            ) {
                Ok((channel, format)) => format!("{channel} {}", format.name()),
                Err(Refusal::Mode(_)) => "mode".to_owned(),
                Err(Refusal::Format(_)) => "format".to_owned(),
                Err(Refusal::InvalidArgument(_)) => "argument".to_owned(),
                Err(other) => format!("{other:?}"),
            };
            assert_eq!(got, expected, "{content} {channel} {format}");
        }
    }

    #[test]
    fn formats_without_an_encoder_are_refused() {
        for (format, built) in [
            ("wav", true),
            ("mp3", cfg!(feature = "mp3")),
            ("mp4", cfg!(feature = "mp4")),
        ] {
            let asked = request().recording_format_type(format);
            match understand(&asked) {
                Ok(start) => assert!(built && start.tape.format.name() == format),
                Err(Refusal::NotEmulated(what)) => {
                    assert!(!built && what.contains(&format!("'{format}'")), "{what}");
                }
                Err(other) => panic!("{format}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_call_must_be_identified_exactly_once() {
        let locator = CallLocator::default()
            .kind(CallLocatorKind::ServerCallLocator)
            .server_call_id("id");
        let mut by_locator = request().call_locator(locator.clone());
        by_locator.call_connection_id = None;
        assert_eq!(
            understand(&by_locator).unwrap().call,
            CallRef::ServerCall("id".to_owned())
        );
        assert_eq!(
            understand(&request()).unwrap().call,
            CallRef::Connection("connection".to_owned())
        );
        let both = request().call_locator(locator);
        assert!(is_argument(&understand(&both)));
        assert!(is_argument(&understand(
            &StartCallRecordingRequest::default()
        )));
    }

    #[test]
    fn a_locator_must_have_the_id_of_its_kind() {
        let group = CallLocator::default().group_call_id("g");
        assert_eq!(locate(&group), Ok(CallRef::Group("g".to_owned())));
        let wrong_kind = group.clone().kind(CallLocatorKind::RoomCallLocator);
        assert!(is_argument(&locate(&wrong_kind)));
        let two = group.room_id("r");
        assert!(is_argument(&locate(&two)));
        assert!(is_argument(&locate(&CallLocator::default())));
    }

    #[test]
    fn channels_are_validated() {
        let good = unmixed()
            .channel_affinity([affinity("8:acs:a", Some(4)), affinity("8:acs:b", None)])
            .audio_channel_participant_ordering([model("8:acs:c"), model("8:acs:a")]);
        assert_eq!(
            understand(&good).unwrap().tape.media,
            Media::Unmixed {
                pinned: vec![("8:acs:a".to_owned(), 4)],
                ordering: vec!["8:acs:c".to_owned(), "8:acs:a".to_owned()],
            }
        );
        for affinities in [
            vec![affinity("8:acs:a", Some(5))],
            vec![affinity("8:acs:a", Some(-1))],
            vec![affinity("8:acs:a", Some(0)), affinity("8:acs:b", Some(0))],
            vec![affinity("8:acs:a", Some(0)), affinity("8:acs:a", Some(1))],
            vec![affinity("nobody", Some(0))],
        ] {
            let bad = unmixed().channel_affinity(affinities);
            assert!(is_argument(&understand(&bad)), "{bad:?}");
        }
        let six: Vec<_> = (0..6).map(|n| model(&format!("8:acs:{n}"))).collect();
        for ordering in [six, vec![model("8:acs:a"), model("8:acs:a")]] {
            let bad = unmixed().audio_channel_participant_ordering(ordering);
            assert!(is_argument(&understand(&bad)), "{bad:?}");
        }
    }

    #[test]
    fn channels_require_unmixed_media() {
        let ordered = request().audio_channel_participant_ordering([model("8:acs:a")]);
        assert!(is_argument(&understand(&ordered)));
        let pinned = request()
            .channel_affinity([affinity("8:acs:a", Some(0))])
            .recording_channel_type(Channel::Mixed);
        assert!(is_argument(&understand(&pinned)));
    }

    #[cfg(feature = "own-storage")]
    #[test]
    fn own_storage_requires_a_container() {
        let with = |kind: &str, url: Option<&str>| {
            let mut storage = ExternalStorage::new(kind);
            storage.recording_destination_container_url = url.map(str::to_owned);
            super::storage(Some(&storage), None)
        };
        let blob = "azureBlobStorage";
        let url = "https://a.blob.core.windows.net/tapes/2026";
        assert_eq!(with("azureCommunicationServices", None), Ok(None));
        assert_eq!(with(blob, Some(url)), Ok(Some(Url::parse(url).unwrap())));
        assert!(with(blob, Some("http://127.0.0.1:10000/devstoreaccount1/c")).is_ok());
        for (kind, url) in [
            (blob, None),
            (blob, Some("tapes")),
            (blob, Some("https://a.blob.core.windows.net/")),
            (blob, Some("http://a.blob.core.windows.net/tapes")),
            ("tape", Some(url)),
        ] {
            assert!(is_argument(&with(kind, url)), "{kind} {url:?}");
        }
    }

    #[test]
    fn state_callbacks_must_be_https_or_loopback() {
        let with = |uri: &str| understand(&request().recording_state_callback_uri(uri));
        assert!(with("https://app.example/state").is_ok());
        assert!(with("http://127.0.0.1:1/state").is_ok());
        for uri in ["/state", "http://app.example/state"] {
            assert!(matches!(with(uri), Err(Refusal::CallbackUri(_))), "{uri}");
        }
    }
}
