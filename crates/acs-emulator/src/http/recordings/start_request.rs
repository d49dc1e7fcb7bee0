//! Parses and validates a request to start a recording: the call, the media and the channels.

use acs_call_automation::types::{
    ExternalStorage, RecordingChannelType as Channel, RecordingContentType as Content,
    RecordingFormatType as Format, RecordingStorageKind, StartCallRecordingRequest,
};
use url::Url;

use crate::http::call_target::call_target;
use crate::media::{Format as FileFormat, MAX_CHANNELS};
use crate::service::error::ServiceError;
use crate::service::recording_request::{CallTarget, ChannelLayout, RecordingSpec, StartRecording};
use crate::service::url_policy::UrlPolicy;
use crate::wire::identifier::raw_id;

/// Validates a request, except for what depends on the call. URLs that `urls` does not
/// allow are refused.
pub(super) fn parse_start_request(
    request: &StartCallRecordingRequest,
    urls: UrlPolicy,
) -> Result<StartRecording, ServiceError> {
    let call = match (&request.call_locator, &request.call_connection_id) {
        (Some(locator), None) => call_target(locator)?,
        (None, Some(id)) if !id.is_empty() => CallTarget::Connection(id.clone()),
        _ => {
            return Err(ServiceError::argument(
                "Specify either callLocator or callConnectionId.",
            ));
        }
    };
    if let Some(uri) = &request.recording_state_callback_uri {
        urls.check(uri).map_err(|reason| {
            ServiceError::CallbackUri(format!("recordingStateCallbackUri is invalid: {reason}."))
        })?;
    }
    let (channels, format) = media(request)?;
    if !format.is_built() {
        let name = format.name();
        return Err(ServiceError::NotEmulated(format!(
            "Recording as {name}, without the feature '{name}' of the emulator,"
        )));
    }
    Ok(StartRecording {
        call,
        spec: RecordingSpec {
            channels,
            format,
            container: container(request.external_storage.as_ref(), urls)?,
            content_origin: None,
        },
        paused: request.pause_on_start.unwrap_or(false),
        state_callback_uri: request.recording_state_callback_uri.clone(),
    })
}

/// The container for the files that a request names.
fn container(
    storage: Option<&ExternalStorage>,
    urls: UrlPolicy,
) -> Result<Option<Url>, ServiceError> {
    let Some(storage) = storage else {
        return Ok(None);
    };
    match &storage.recording_storage_kind {
        RecordingStorageKind::AzureCommunicationServices => return Ok(None),
        RecordingStorageKind::AzureBlobStorage => {}
        kind => {
            return Err(ServiceError::argument(format!(
                "'{kind}' is not a valid value of recordingStorageKind."
            )));
        }
    }
    if !cfg!(feature = "own-storage") {
        return Err(ServiceError::NotEmulated(
            "Own storage, without the feature 'own-storage' of the emulator,".to_owned(),
        ));
    }
    let refused = |reason: &str| {
        ServiceError::argument(format!(
            "recordingDestinationContainerUrl is invalid: {reason}."
        ))
    };
    let text = storage.recording_destination_container_url.as_deref();
    let url = urls
        .check(text.unwrap_or_default())
        .map_err(|reason| refused(&reason))?;
    let container = url.path_segments().and_then(|mut segments| segments.next());
    if container.is_none_or(str::is_empty) {
        return Err(refused("it does not name a container"));
    }
    Ok(Some(url))
}

fn media(request: &StartCallRecordingRequest) -> Result<(ChannelLayout, FileFormat), ServiceError> {
    let (channel, format) = resolve_media(
        request.recording_content_type.as_ref(),
        request.recording_channel_type.as_ref(),
        request.recording_format_type.as_ref(),
    )?;
    if channel == Channel::Mixed {
        return if request.channel_affinity.is_empty()
            && request.audio_channel_participant_ordering.is_empty()
        {
            Ok((ChannelLayout::Mixed, format))
        } else {
            Err(ServiceError::argument(
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
        return Err(ServiceError::argument(
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
                return Err(ServiceError::argument(format!(
                    "Channel {channel} of channelAffinity is not between 0 and 4."
                )));
            }
        }
    }
    unique(&named, "channelAffinity")?;
    let channels: Vec<_> = pinned.iter().map(|(_, channel)| channel).collect();
    unique(&channels, "channelAffinity")?;
    Ok((ChannelLayout::Unmixed { pinned, ordering }, format))
}

fn unique<T: Ord>(values: &[T], member: &str) -> Result<(), ServiceError> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ServiceError::argument(format!(
            "{member} contains a participant or a channel twice."
        )));
    }
    Ok(())
}

/// Applies defaults and refuses what does not exist. A request without media options becomes a
/// video, as on the service. Audio without a format becomes WAV, which is the emulator's choice.
fn resolve_media(
    content: Option<&Content>,
    channel: Option<&Channel>,
    format: Option<&Format>,
) -> Result<(Channel, FileFormat), ServiceError> {
    let unknown = |member: &str, value: &str| {
        Err(ServiceError::argument(format!(
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
        _ if video && unmixed => Err(ServiceError::Mode(
            "Video cannot be recorded with unmixed channels.".to_owned(),
        )),
        Some(Format::Mp3 | Format::Wav) if video => Err(ServiceError::Format(
            "Video can only be recorded as mp4.".to_owned(),
        )),
        Some(Format::Mp4) if content == Some(&Content::Audio) => Err(ServiceError::Format(
            "Audio without video can only be recorded as wav or mp3.".to_owned(),
        )),
        Some(Format::Mp3 | Format::Mp4) if unmixed => Err(ServiceError::Format(
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
    use acs_call_automation::types::{CallLocator, CallLocatorKind, ChannelAffinity};

    use crate::wire::identifier::model;

    fn parse(request: &StartCallRecordingRequest) -> Result<StartRecording, ServiceError> {
        parse_start_request(request, UrlPolicy::default())
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

    fn is_argument<T: std::fmt::Debug>(result: &Result<T, ServiceError>) -> bool {
        matches!(result, Err(ServiceError::InvalidArgument(_)))
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
            let got = match resolve_media(
                given(content).map(Content::from).as_ref(),
                given(channel).map(Channel::from).as_ref(),
                given(format).map(Format::from).as_ref(),
            ) {
                Ok((channel, format)) => format!("{channel} {}", format.name()),
                Err(ServiceError::Mode(_)) => "mode".to_owned(),
                Err(ServiceError::Format(_)) => "format".to_owned(),
                Err(ServiceError::InvalidArgument(_)) => "argument".to_owned(),
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
            match parse(&asked) {
                Ok(start) => assert!(built && start.spec.format.name() == format),
                Err(ServiceError::NotEmulated(what)) => {
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
            parse(&by_locator).unwrap().call,
            CallTarget::ServerCall("id".to_owned())
        );
        assert_eq!(
            parse(&request()).unwrap().call,
            CallTarget::Connection("connection".to_owned())
        );
        let both = request().call_locator(locator);
        assert!(is_argument(&parse(&both)));
        assert!(is_argument(&parse(&StartCallRecordingRequest::default())));
    }

    #[test]
    fn channels_are_validated() {
        let good = unmixed()
            .channel_affinity([affinity("8:acs:a", Some(4)), affinity("8:acs:b", None)])
            .audio_channel_participant_ordering([model("8:acs:c"), model("8:acs:a")]);
        assert_eq!(
            parse(&good).unwrap().spec.channels,
            ChannelLayout::Unmixed {
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
            assert!(is_argument(&parse(&bad)), "{bad:?}");
        }
        let six: Vec<_> = (0..6).map(|n| model(&format!("8:acs:{n}"))).collect();
        for ordering in [six, vec![model("8:acs:a"), model("8:acs:a")]] {
            let bad = unmixed().audio_channel_participant_ordering(ordering);
            assert!(is_argument(&parse(&bad)), "{bad:?}");
        }
    }

    #[test]
    fn channels_require_unmixed_media() {
        let ordered = request().audio_channel_participant_ordering([model("8:acs:a")]);
        assert!(is_argument(&parse(&ordered)));
        let pinned = request()
            .channel_affinity([affinity("8:acs:a", Some(0))])
            .recording_channel_type(Channel::Mixed);
        assert!(is_argument(&parse(&pinned)));
    }

    #[cfg(feature = "own-storage")]
    #[test]
    fn own_storage_requires_a_container() {
        let with = |kind: &str, url: Option<&str>| {
            let mut storage = ExternalStorage::new(kind);
            storage.recording_destination_container_url = url.map(str::to_owned);
            container(Some(&storage), UrlPolicy::default())
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
        let with = |uri: &str| parse(&request().recording_state_callback_uri(uri));
        assert!(with("https://app.example/state").is_ok());
        assert!(with("http://127.0.0.1:1/state").is_ok());
        for uri in ["/state", "http://app.example/state"] {
            assert!(
                matches!(with(uri), Err(ServiceError::CallbackUri(_))),
                "{uri}"
            );
        }
    }
}
