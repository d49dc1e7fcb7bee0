//! The table of event types: their names and their data.

use super::call::{
    CallEnded, CallParticipantAdded, CallParticipantRemoved, CallStarted, IncomingCall,
};
use super::data::{CommonFields, EventData};
use super::file::RecordingFileStatusUpdated;
use super::recording::RecordingStateChanged;
use super::subject::Subject;
use super::validation::{SubscriptionDeleted, SubscriptionValidation};
use crate::models;

/// Defines [`EventPayload`] and everything that covers all types.
macro_rules! payloads {
    (
        own { $( $(#[$own_doc:meta])* $own:ident($own_type:ty) = $own_name:literal, )* }
        callbacks { $( $(#[$doc:meta])* $name:ident = $type_name:literal, )* }
    ) => {
        /// The payload of an event, typed by the event type.
        ///
        /// Large data is boxed, so that moving an event is cheap.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventPayload {
            $( $(#[$own_doc])* $own($own_type), )*
            $( $(#[$doc])* $name(Box<models::$name>), )*
            /// An event of a type that this version does not know. See
            /// [`Event::event_type`](crate::Event::event_type) and
            /// [`Event::raw_data`](crate::Event::raw_data).
            Unknown,
        }

        impl EventPayload {
            /// Every event type that has a variant.
            pub const KNOWN_TYPES: &'static [&'static str] = &[$($own_name,)* $($type_name,)*];

            pub(super) fn read(
                event_type: &str,
                data: &str,
                subject: &Subject<'_>,
            ) -> Result<Self, serde_json::Error> {
                match event_type {
                    $( $own_name => <$own_type>::read(data, subject).map(Self::$own), )*
                    $( $type_name => EventData::read(data, subject).map(Self::$name), )*
                    _ => Ok(Self::Unknown),
                }
            }

            pub(super) fn common(&self) -> CommonFields<'_> {
                match self {
                    $( Self::$own(data) => data.common(), )*
                    $( Self::$name(data) => data.common(), )*
                    Self::Unknown => CommonFields::default(),
                }
            }
        }

        // The generated types have the same fields, but no trait in common.
        $(impl EventData for models::$name {
            fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
                serde_json::from_str(data)
            }

            fn common(&self) -> CommonFields<'_> {
                CommonFields {
                    call_connection_id: self.call_connection_id.as_deref(),
                    server_call_id: self.server_call_id.as_deref(),
                    recording_id: None,
                    correlation_id: self.correlation_id.as_deref(),
                    operation_context: self.operation_context.as_deref(),
                    result_information: self.result_information.as_ref(),
                }
            }
        })*
    };
}

payloads! {
    own {
        /// The files of a recording can be downloaded.
        RecordingFileStatusUpdated(RecordingFileStatusUpdated)
            = "Microsoft.Communication.RecordingFileStatusUpdated",
        /// A recording became active or inactive.
        RecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.RecordingStateChanged",
        /// Like [`RecordingStateChanged`](Self::RecordingStateChanged), for a recording by Teams.
        TeamsRecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.TeamsRecordingStateChanged",
        /// Like [`RecordingStateChanged`](Self::RecordingStateChanged), for a compliance recording by
        /// Teams.
        TeamsComplianceRecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.TeamsComplianceRecordingStateChanged",
        /// Transcription resumed. The data is that of a start.
        TranscriptionResumed(Box<models::TranscriptionStarted>)
            = "Microsoft.Communication.TranscriptionResumed",
        /// The participants of the call changed. This may arrive before `CallConnected`.
        ParticipantsUpdated(Box<models::ParticipantsUpdated>)
            = "Microsoft.Communication.ParticipantsUpdated",
        /// A start that was accepted did not lead to a recording.
        StartRecordingFailed(Box<models::StartRecordingFailed>)
            = "Microsoft.Communication.StartRecordingFailed",
        /// An incoming call can be answered, redirected or rejected.
        IncomingCall(Box<IncomingCall>) = "Microsoft.Communication.IncomingCall",
        /// A call started.
        CallStarted(Box<CallStarted>) = "Microsoft.Communication.CallStarted",
        /// A call ended.
        CallEnded(Box<CallEnded>) = "Microsoft.Communication.CallEnded",
        /// A participant joined a call.
        CallParticipantAdded(Box<CallParticipantAdded>) = "Microsoft.Communication.CallParticipantAdded",
        /// A participant left a call.
        CallParticipantRemoved(Box<CallParticipantRemoved>)
            = "Microsoft.Communication.CallParticipantRemoved",
        /// The handshake of Event Grid. Respond with
        /// [`SubscriptionValidation::response_body`].
        SubscriptionValidation(SubscriptionValidation)
            = "Microsoft.EventGrid.SubscriptionValidationEvent",
        /// The event subscription was deleted. No further events follow.
        SubscriptionDeleted(SubscriptionDeleted) = "Microsoft.EventGrid.SubscriptionDeletedEvent",
    }

    callbacks {
        /// A participant was added to the call.
        AddParticipantSucceeded
            = "Microsoft.Communication.AddParticipantSucceeded",
        /// A participant could not be added to the call.
        AddParticipantFailed
            = "Microsoft.Communication.AddParticipantFailed",
        /// A participant was removed from the call.
        RemoveParticipantSucceeded
            = "Microsoft.Communication.RemoveParticipantSucceeded",
        /// A participant could not be removed from the call.
        RemoveParticipantFailed
            = "Microsoft.Communication.RemoveParticipantFailed",
        /// A participant was moved here from another call.
        MoveParticipantSucceeded
            = "Microsoft.Communication.MoveParticipantSucceeded",
        /// A participant could not be moved here from another call.
        MoveParticipantFailed
            = "Microsoft.Communication.MoveParticipantFailed",
        /// The invitation of a participant was canceled.
        CancelAddParticipantSucceeded
            = "Microsoft.Communication.CancelAddParticipantSucceeded",
        /// The invitation of a participant could not be canceled.
        CancelAddParticipantFailed
            = "Microsoft.Communication.CancelAddParticipantFailed",
        /// The application is connected to the call.
        CallConnected = "Microsoft.Communication.CallConnected",
        /// The application is disconnected from the call. No further callbacks follow.
        CallDisconnected = "Microsoft.Communication.CallDisconnected",
        /// The call was transferred.
        CallTransferAccepted
            = "Microsoft.Communication.CallTransferAccepted",
        /// The call could not be transferred.
        CallTransferFailed = "Microsoft.Communication.CallTransferFailed",
        /// A call could not be created.
        CreateCallFailed = "Microsoft.Communication.CreateCallFailed",
        /// A call could not be answered.
        AnswerFailed = "Microsoft.Communication.AnswerFailed",
        /// The application could not join a call.
        ConnectFailed = "Microsoft.Communication.ConnectFailed",
        /// A participant could not be put on hold.
        HoldFailed = "Microsoft.Communication.HoldFailed",
        /// Playback started.
        PlayStarted = "Microsoft.Communication.PlayStarted",
        /// Playback completed.
        PlayCompleted = "Microsoft.Communication.PlayCompleted",
        /// Playback failed.
        PlayFailed = "Microsoft.Communication.PlayFailed",
        /// Playback was canceled.
        PlayCanceled = "Microsoft.Communication.PlayCanceled",
        /// Input was recognized.
        RecognizeCompleted = "Microsoft.Communication.RecognizeCompleted",
        /// No input was recognized.
        RecognizeFailed = "Microsoft.Communication.RecognizeFailed",
        /// Recognition was canceled.
        RecognizeCanceled = "Microsoft.Communication.RecognizeCanceled",
        /// A DTMF tone was received.
        ContinuousDtmfRecognitionToneReceived
            = "Microsoft.Communication.ContinuousDtmfRecognitionToneReceived",
        /// Continuous DTMF recognition failed.
        ContinuousDtmfRecognitionToneFailed
            = "Microsoft.Communication.ContinuousDtmfRecognitionToneFailed",
        /// Continuous DTMF recognition stopped.
        ContinuousDtmfRecognitionStopped
            = "Microsoft.Communication.ContinuousDtmfRecognitionStopped",
        /// DTMF tones were sent.
        SendDtmfTonesCompleted
            = "Microsoft.Communication.SendDtmfTonesCompleted",
        /// DTMF tones could not be sent.
        SendDtmfTonesFailed = "Microsoft.Communication.SendDtmfTonesFailed",
        /// Transcription started.
        TranscriptionStarted
            = "Microsoft.Communication.TranscriptionStarted",
        /// Transcription stopped.
        TranscriptionStopped
            = "Microsoft.Communication.TranscriptionStopped",
        /// Transcription changed, such as its language.
        TranscriptionUpdated
            = "Microsoft.Communication.TranscriptionUpdated",
        /// Transcription failed.
        TranscriptionFailed = "Microsoft.Communication.TranscriptionFailed",
        /// A summary of the call is available.
        TranscriptionCallSummaryUpdated
            = "Microsoft.Communication.TranscriptionCallSummaryUpdated",
        /// Media streaming started.
        MediaStreamingStarted
            = "Microsoft.Communication.MediaStreamingStarted",
        /// Media streaming stopped.
        MediaStreamingStopped
            = "Microsoft.Communication.MediaStreamingStopped",
        /// Media streaming failed.
        MediaStreamingFailed
            = "Microsoft.Communication.MediaStreamingFailed",
    }
}

impl EventData for models::ParticipantsUpdated {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> CommonFields<'_> {
        CommonFields {
            call_connection_id: self.call_connection_id.as_deref(),
            server_call_id: self.server_call_id.as_deref(),
            correlation_id: self.correlation_id.as_deref(),
            result_information: self.result_information.as_ref(),
            ..CommonFields::default()
        }
    }
}

impl EventData for models::StartRecordingFailed {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> CommonFields<'_> {
        CommonFields {
            call_connection_id: self.call_connection_id.as_deref(),
            server_call_id: self.server_call_id.as_deref(),
            recording_id: self.recording_id.as_deref(),
            correlation_id: self.correlation_id.as_deref(),
            operation_context: self.operation_context.as_deref(),
            result_information: self.result_information.as_ref(),
        }
    }
}
