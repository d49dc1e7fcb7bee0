//! The one table of event types: what each is called, and what its data is.

use super::call::{
    CallEnded, CallParticipantAdded, CallParticipantRemoved, CallStarted, IncomingCall,
};
use super::dialog::DialogUpdate;
use super::recording::RecordingStateChanged;
use super::validation::{SubscriptionDeleted, SubscriptionValidation};
use super::{RecordingFileStatusUpdated, Subject};
use crate::models;

/// What callbacks have in common, as text.
#[derive(Clone, Copy, Default)]
pub(super) struct Common<'a> {
    pub call_connection_id: Option<&'a str>,
    pub server_call_id: Option<&'a str>,
    pub recording_id: Option<&'a str>,
    pub correlation_id: Option<&'a str>,
    pub operation_context: Option<&'a str>,
    pub result: Option<&'a models::ResultInformation>,
}

/// Data that says what it is about.
pub(super) trait Data: Sized {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error>;

    fn common(&self) -> Common<'_> {
        Common::default()
    }
}

/// Makes [`EventPayload`] and everything that goes through all types.
macro_rules! kinds {
    (
        own { $( $(#[$own_doc:meta])* $own:ident($own_type:ty) = $own_name:literal, )* }
        callbacks { $( $(#[$doc:meta])* $name:ident = $type_name:literal, )* }
    ) => {
        /// What happened.
        ///
        /// Data that is large is boxed, so that moving an event is cheap.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventPayload {
            $( $(#[$own_doc])* $own($own_type), )*
            $( $(#[$doc])* $name(Box<models::$name>), )*
            /// An event of a type that this version does not know; see
            /// [`Event::event_type`](super::Event::event_type) and
            /// [`Event::raw_data`](super::Event::raw_data).
            Unknown,
        }

        impl EventPayload {
            /// Every event type that this version reads into a type of its own.
            pub const KNOWN_TYPES: &'static [&'static str] = &[$($own_name,)* $($type_name,)*];

            pub(super) fn read(
                event_type: &str,
                data: &str,
                subject: &Subject<'_>,
            ) -> Result<Self, serde_json::Error> {
                match event_type {
                    $( $own_name => <$own_type>::read(data, subject).map(Self::$own), )*
                    $( $type_name => Data::read(data, subject).map(Self::$name), )*
                    _ => Ok(Self::Unknown),
                }
            }

            pub(super) fn common(&self) -> Common<'_> {
                match self {
                    $( Self::$own(data) => data.common(), )*
                    $( Self::$name(data) => data.common(), )*
                    Self::Unknown => Common::default(),
                }
            }
        }

        // The generated types have the same members under the same names, but nothing in common.
        $(impl Data for models::$name {
            fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
                serde_json::from_str(data)
            }

            fn common(&self) -> Common<'_> {
                Common {
                    call_connection_id: self.call_connection_id.as_deref(),
                    server_call_id: self.server_call_id.as_deref(),
                    recording_id: None,
                    correlation_id: self.correlation_id.as_deref(),
                    operation_context: self.operation_context.as_deref(),
                    result: self.result_information.as_ref(),
                }
            }
        })*
    };
}

kinds! {
    own {
        /// The files of a recording can be downloaded.
        RecordingFileStatusUpdated(RecordingFileStatusUpdated)
            = "Microsoft.Communication.RecordingFileStatusUpdated",
        /// A recording became active or inactive.
        RecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.RecordingStateChanged",
        /// As [`RecordingStateChanged`](Self::RecordingStateChanged), for a recording by Teams.
        TeamsRecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.TeamsRecordingStateChanged",
        /// As [`RecordingStateChanged`](Self::RecordingStateChanged), for a recording that Teams makes
        /// because a policy demands it.
        TeamsComplianceRecordingStateChanged(RecordingStateChanged)
            = "Microsoft.Communication.TeamsComplianceRecordingStateChanged",
        /// Transcription goes on; its data is that of a start.
        TranscriptionResumed(Box<models::TranscriptionStarted>)
            = "Microsoft.Communication.TranscriptionResumed",
        /// Who is in the call changed; it may come before `CallConnected`.
        ParticipantsUpdated(Box<models::ParticipantsUpdated>)
            = "Microsoft.Communication.ParticipantsUpdated",
        /// An accepted start led to no recording.
        StartRecordingFailed(Box<models::StartRecordingFailed>)
            = "Microsoft.Communication.StartRecordingFailed",
        /// Somebody calls; answer, redirect or reject.
        IncomingCall(Box<IncomingCall>) = "Microsoft.Communication.IncomingCall",
        /// A call began.
        CallStarted(Box<CallStarted>) = "Microsoft.Communication.CallStarted",
        /// A call is over.
        CallEnded(Box<CallEnded>) = "Microsoft.Communication.CallEnded",
        /// Somebody joined a call.
        CallParticipantAdded(Box<CallParticipantAdded>) = "Microsoft.Communication.CallParticipantAdded",
        /// Somebody left a call.
        CallParticipantRemoved(Box<CallParticipantRemoved>)
            = "Microsoft.Communication.CallParticipantRemoved",
        /// Event Grid asks whether the webhook wants its events; answer with
        /// [`SubscriptionValidation::response_body`].
        SubscriptionValidation(SubscriptionValidation)
            = "Microsoft.EventGrid.SubscriptionValidationEvent",
        /// The Event Grid subscription is gone; no further events come.
        SubscriptionDeleted(SubscriptionDeleted) = "Microsoft.EventGrid.SubscriptionDeletedEvent",
        /// A dialog with a bot began (preview versions of the service).
        DialogStarted(DialogUpdate) = "Microsoft.Communication.DialogStarted",
        /// A dialog with a bot came to its end (preview versions of the service).
        DialogCompleted(DialogUpdate) = "Microsoft.Communication.DialogCompleted",
        /// A dialog with a bot did not work (preview versions of the service).
        DialogFailed(DialogUpdate) = "Microsoft.Communication.DialogFailed",
        /// A bot asked for consent to be recorded (preview versions of the service).
        DialogConsent(DialogUpdate) = "Microsoft.Communication.DialogConsent",
        /// A bot wants to hang up (preview versions of the service).
        DialogHangup(DialogUpdate) = "Microsoft.Communication.DialogHangup",
        /// A dialog goes on in another language (preview versions of the service).
        DialogLanguageChange(DialogUpdate) = "Microsoft.Communication.DialogLanguageChange",
        /// A bot wants the call transferred (preview versions of the service).
        DialogTransfer(DialogUpdate) = "Microsoft.Communication.DialogTransfer",
        /// A dialog's sensitivity changed (preview versions of the service).
        DialogSensitivityUpdate(DialogUpdate) = "Microsoft.Communication.DialogSensitivityUpdate",
    }

    callbacks {
        /// Somebody was added to the call.
        AddParticipantSucceeded
            = "Microsoft.Communication.AddParticipantSucceeded",
        /// Somebody could not be added to the call.
        AddParticipantFailed
            = "Microsoft.Communication.AddParticipantFailed",
        /// Somebody was removed from the call.
        RemoveParticipantSucceeded
            = "Microsoft.Communication.RemoveParticipantSucceeded",
        /// Somebody could not be removed from the call.
        RemoveParticipantFailed
            = "Microsoft.Communication.RemoveParticipantFailed",
        /// Somebody was moved here from another call.
        MoveParticipantSucceeded
            = "Microsoft.Communication.MoveParticipantSucceeded",
        /// Somebody could not be moved here from another call.
        MoveParticipantFailed
            = "Microsoft.Communication.MoveParticipantFailed",
        /// The invitation of a participant was taken back.
        CancelAddParticipantSucceeded
            = "Microsoft.Communication.CancelAddParticipantSucceeded",
        /// The invitation of a participant could not be taken back.
        CancelAddParticipantFailed
            = "Microsoft.Communication.CancelAddParticipantFailed",
        /// The application is in the call.
        CallConnected = "Microsoft.Communication.CallConnected",
        /// The application is out of the call; no further callbacks come.
        CallDisconnected = "Microsoft.Communication.CallDisconnected",
        /// The call was transferred.
        CallTransferAccepted
            = "Microsoft.Communication.CallTransferAccepted",
        /// The call could not be transferred.
        CallTransferFailed = "Microsoft.Communication.CallTransferFailed",
        /// A call that the application made did not come about.
        CreateCallFailed = "Microsoft.Communication.CreateCallFailed",
        /// A call could not be answered.
        AnswerFailed = "Microsoft.Communication.AnswerFailed",
        /// The application could not join a call.
        ConnectFailed = "Microsoft.Communication.ConnectFailed",
        /// Somebody could not be put on hold.
        HoldFailed = "Microsoft.Communication.HoldFailed",
        /// Playing began.
        PlayStarted = "Microsoft.Communication.PlayStarted",
        /// Everything was played.
        PlayCompleted = "Microsoft.Communication.PlayCompleted",
        /// Playing did not work.
        PlayFailed = "Microsoft.Communication.PlayFailed",
        /// Playing was stopped.
        PlayCanceled = "Microsoft.Communication.PlayCanceled",
        /// Input was understood.
        RecognizeCompleted = "Microsoft.Communication.RecognizeCompleted",
        /// No usable input came.
        RecognizeFailed = "Microsoft.Communication.RecognizeFailed",
        /// Listening for input was stopped.
        RecognizeCanceled = "Microsoft.Communication.RecognizeCanceled",
        /// A key was pressed.
        ContinuousDtmfRecognitionToneReceived
            = "Microsoft.Communication.ContinuousDtmfRecognitionToneReceived",
        /// Listening for keys did not work.
        ContinuousDtmfRecognitionToneFailed
            = "Microsoft.Communication.ContinuousDtmfRecognitionToneFailed",
        /// Listening for keys ended.
        ContinuousDtmfRecognitionStopped
            = "Microsoft.Communication.ContinuousDtmfRecognitionStopped",
        /// Tones were sent.
        SendDtmfTonesCompleted
            = "Microsoft.Communication.SendDtmfTonesCompleted",
        /// Tones could not be sent.
        SendDtmfTonesFailed = "Microsoft.Communication.SendDtmfTonesFailed",
        /// Transcription began.
        TranscriptionStarted
            = "Microsoft.Communication.TranscriptionStarted",
        /// Transcription ended.
        TranscriptionStopped
            = "Microsoft.Communication.TranscriptionStopped",
        /// Transcription changed, such as its language.
        TranscriptionUpdated
            = "Microsoft.Communication.TranscriptionUpdated",
        /// Transcription did not work.
        TranscriptionFailed = "Microsoft.Communication.TranscriptionFailed",
        /// A summary of the call is there.
        TranscriptionCallSummaryUpdated
            = "Microsoft.Communication.TranscriptionCallSummaryUpdated",
        /// Audio is streamed to the application.
        MediaStreamingStarted
            = "Microsoft.Communication.MediaStreamingStarted",
        /// Audio is no longer streamed.
        MediaStreamingStopped
            = "Microsoft.Communication.MediaStreamingStopped",
        /// Streaming audio did not work.
        MediaStreamingFailed
            = "Microsoft.Communication.MediaStreamingFailed",
    }
}

impl<T: Data> Data for Box<T> {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
        T::read(data, subject).map(Self::new)
    }

    fn common(&self) -> Common<'_> {
        self.as_ref().common()
    }
}

impl Data for models::ParticipantsUpdated {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> Common<'_> {
        Common {
            call_connection_id: self.call_connection_id.as_deref(),
            server_call_id: self.server_call_id.as_deref(),
            correlation_id: self.correlation_id.as_deref(),
            result: self.result_information.as_ref(),
            ..Common::default()
        }
    }
}

impl Data for models::StartRecordingFailed {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> Common<'_> {
        Common {
            call_connection_id: self.call_connection_id.as_deref(),
            server_call_id: self.server_call_id.as_deref(),
            recording_id: self.recording_id.as_deref(),
            correlation_id: self.correlation_id.as_deref(),
            operation_context: self.operation_context.as_deref(),
            result: self.result_information.as_ref(),
        }
    }
}
