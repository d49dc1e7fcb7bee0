//! The service's own types, as far as they appear in this crate's interface: states, kinds and
//! formats, the data of callback events, and what that is made of.
//!
//! They are generated from the published description of the service. Structs are
//! `#[non_exhaustive]`, because the service adds members. A struct with required members has `new`,
//! which takes them, and one without has `Default`; each optional member has a setter of its name.
//! Enums keep a value that they do not know in `UnknownValue`.
//!
//! ```
//! use acs_recording::models::{CallConnected, CommunicationUserIdentifierModel};
//!
//! let event = CallConnected::default()
//!     .call_connection_id("421f3500-f5de-4c12-bf61-9e2641433687")
//!     .server_call_id("aHR0cHM6Ly9hcGkuZmxpZ2h0cHJveHkuc2t5cGUuY29t");
//! assert_eq!(event.operation_context, None);
//!
//! let user = CommunicationUserIdentifierModel::new("8:acs:resource_user");
//! assert_eq!(user.id, "8:acs:resource_user");
//! ```

// `cargo xtask public-api` says what is missing here, and what nothing uses.
pub use acs_call_automation::types::{
    AddParticipantFailed, AddParticipantSucceeded, AnswerFailed, CallConnected,
    CallConnectionStateModel, CallDisconnected, CallParticipant, CallTransferAccepted,
    CallTransferFailed, CancelAddParticipantFailed, CancelAddParticipantSucceeded, ChoiceResult,
    CommunicationCloudEnvironmentModel, CommunicationIdentifierModel,
    CommunicationIdentifierModelKind, CommunicationUserIdentifierModel, ConnectFailed,
    ContinuousDtmfRecognitionStopped, ContinuousDtmfRecognitionToneFailed,
    ContinuousDtmfRecognitionToneReceived, CreateCallFailed, CustomCallingContext, DtmfResult,
    HoldFailed, MediaStreamingFailed, MediaStreamingStarted, MediaStreamingStatus,
    MediaStreamingStatusDetails, MediaStreamingStopped, MediaStreamingUpdate,
    MicrosoftTeamsAppIdentifierModel, MicrosoftTeamsUserIdentifierModel, MoveParticipantFailed,
    MoveParticipantSucceeded, ParticipantsUpdated, PhoneNumberIdentifierModel, PlayCanceled,
    PlayCompleted, PlayFailed, PlayStarted, RecognitionType, RecognizeCanceled, RecognizeCompleted,
    RecognizeFailed, RecordingChannelType, RecordingContentType, RecordingFormatType,
    RecordingKind, RecordingState, RemoveParticipantFailed, RemoveParticipantSucceeded,
    ResultInformation, SendDtmfTonesCompleted, SendDtmfTonesFailed, SentimentAnalysisResult,
    SipDiagnosticInfo, SpeechResult, StartRecordingFailed, TeamsExtensionUserIdentifierModel,
    TeamsPhoneCallDetails, TeamsPhoneCallerDetails, TeamsPhoneSourceDetails, Tone,
    TranscriptionCallSummaryUpdated, TranscriptionFailed, TranscriptionStarted,
    TranscriptionStatus, TranscriptionStatusDetails, TranscriptionStopped, TranscriptionUpdate,
    TranscriptionUpdated,
};
