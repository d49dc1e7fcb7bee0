//! The data of `RecordingStateChanged`.

use jiff::Timestamp;
use serde::Deserialize;

use super::data::{CommonFields, EventData};
use super::subject::Subject;
use crate::ids::{CallConnectionId, RecordingId, ServerCallId};
use crate::lenient;
use crate::models::{RecordingKind, RecordingState, ResultInformation};

/// A recording became active or inactive.
///
/// It is sent to the [`state_callback`](crate::StartRecording::state_callback) of the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordingStateChanged {
    /// The recording's id, from the data or else from the subject.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub recording_id: Option<RecordingId>,
    /// The new state. A recording is inactive before it starts, while it is paused, and after it has
    /// ended.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub state: Option<RecordingState>,
    /// The start of the recording. `None` if it has not started.
    #[serde(
        default,
        rename = "startDateTime",
        deserialize_with = "lenient::timestamp"
    )]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub start: Option<Timestamp>,
    /// The product that records.
    #[serde(rename = "recordingKind")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub kind: Option<RecordingKind>,
    /// The id of the recorder's connection, which usually does not belong to the application.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub call_connection_id: Option<CallConnectionId>,
    /// The call's id.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs, a GUID.
    pub correlation_id: Option<String>,
    /// The operation context of the request. So far the service does not send it.
    pub operation_context: Option<String>,
    /// The reason for the change.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::ResultInformation>")
    )]
    pub result_information: Option<ResultInformation>,
}

impl EventData for RecordingStateChanged {
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

    fn common(&self) -> CommonFields<'_> {
        CommonFields {
            call_connection_id: self
                .call_connection_id
                .as_ref()
                .map(CallConnectionId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            recording_id: self.recording_id.as_ref().map(RecordingId::as_str),
            correlation_id: self.correlation_id.as_deref(),
            operation_context: self.operation_context.as_deref(),
            result_information: self.result_information.as_ref(),
        }
    }
}
