//! Options of calls that the emulator does not have.

use acs_call_automation::types::{
    AnswerCallRequest, CallIntelligenceOptions, ConnectRequest, CreateCallRequest,
    CustomCallingContext,
};

use crate::service::error::ServiceError;

/// The options of a request for a call that would have an effect on the service only.
pub(super) struct CallOptions<'a> {
    media_streaming: bool,
    transcription: bool,
    loopback_audio: Option<bool>,
    intelligence: Option<&'a CallIntelligenceOptions>,
}

macro_rules! call_options {
    ($($request:ty),+) => {$(
        impl<'a> From<&'a $request> for CallOptions<'a> {
            fn from(request: &'a $request) -> Self {
                Self {
                    media_streaming: request.media_streaming_options.is_some(),
                    transcription: request.transcription_options.is_some(),
                    loopback_audio: request.enable_loopback_audio,
                    intelligence: request.call_intelligence_options.as_ref(),
                }
            }
        }
    )+};
}

call_options!(AnswerCallRequest, ConnectRequest, CreateCallRequest);

impl CallOptions<'_> {
    /// Refuses options that would have no effect. Official clients send some of them empty.
    pub(super) fn check(&self) -> Result<(), ServiceError> {
        let speech = self
            .intelligence
            .and_then(|options| options.cognitive_services_endpoint.as_deref());
        let given = [
            (
                self.media_streaming,
                "Media streaming (mediaStreamingOptions)",
            ),
            (self.transcription, "Transcription (transcriptionOptions)"),
            (
                self.loopback_audio == Some(true),
                "Loopback audio (enableLoopbackAudio)",
            ),
            (
                speech.is_some_and(|endpoint| !endpoint.is_empty()),
                "Speech (cognitiveServicesEndpoint)",
            ),
        ];
        refuse_first(given)
    }
}

/// Refuses information for whoever is invited, because nobody receives it.
pub(super) fn check_calling_context(
    context: Option<&CustomCallingContext>,
) -> Result<(), ServiceError> {
    let Some(context) = context else {
        return Ok(());
    };
    refuse_first([
        (
            !context.sip_headers.is_empty(),
            "A SIP header for a participant (sipHeaders)",
        ),
        (
            !context.voip_headers.is_empty(),
            "A header for a participant (voipHeaders)",
        ),
        (
            context.teams_phone_call_details.is_some(),
            "Details for a Teams user (teamsPhoneCallDetails)",
        ),
    ])
}

fn refuse_first<const N: usize>(given: [(bool, &str); N]) -> Result<(), ServiceError> {
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, what)) => Err(ServiceError::NotEmulated(what.to_owned())),
        None => Ok(()),
    }
}
