//! `RecordingStateChanged`: a recording became active or inactive.

use jiff::Timestamp;
use serde::Deserialize;

use super::Subject;
use super::payload::{Common, Data};
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::{RecordingKind, RecordingState, ResultInformation};

/// A recording became active or inactive.
///
/// It is sent to [`state_callback`](crate::StartRecording::state_callback) of the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordingStateChanged {
    /// The recording, from the data or else from the subject.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub recording_id: Option<RecordingId>,
    /// The state now. Inactive is a recording that has not begun, that is paused, or that is over.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub state: Option<RecordingState>,
    /// When recording began; none if it has not.
    #[serde(
        default,
        rename = "startDateTime",
        deserialize_with = "lenient::timestamp"
    )]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub start: Option<Timestamp>,
    /// Which product records.
    #[serde(rename = "recordingKind")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub kind: Option<RecordingKind>,
    /// The connection of the recorder, which is as a rule none of the application.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub call_connection_id: Option<CallConnectionId>,
    /// The call.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs, a GUID.
    pub correlation_id: Option<String>,
    /// Text of the application's choice; so far the service writes none.
    pub operation_context: Option<String>,
    /// Why it happened.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::ResultInformation>")
    )]
    pub result_information: Option<ResultInformation>,
}

impl Data for RecordingStateChanged {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
        let mut data: Self = serde_json::from_str(data)?;
        data.recording_id = data
            .recording_id
            .or_else(|| lenient::parse(subject.recording_id));
        data.server_call_id = data
            .server_call_id
            .or_else(|| lenient::parse(subject.server_call_id));
        Ok(data)
    }

    fn common(&self) -> Common<'_> {
        Common {
            call_connection_id: self
                .call_connection_id
                .as_ref()
                .map(CallConnectionId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            recording_id: self.recording_id.as_ref().map(RecordingId::as_str),
            correlation_id: self.correlation_id.as_deref(),
            operation_context: self.operation_context.as_deref(),
            result: self.result_information.as_ref(),
        }
    }
}
