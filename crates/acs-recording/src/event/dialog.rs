//! Dialogs with bots, which only preview versions of the service have.

use serde::Deserialize;

use super::Subject;
use super::payload::{Common, Data};
use crate::ids::{CallConnectionId, ServerCallId};
use crate::lenient;
use crate::models::ResultInformation;

/// Something happened in a dialog with a bot; what else came is in [`Event::raw_data`](super::Event::raw_data).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DialogUpdate {
    /// The dialog.
    pub dialog_id: Option<String>,
    /// The kind of bot.
    pub dialog_input_type: Option<String>,
    /// The application's connection to the call.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub call_connection_id: Option<CallConnectionId>,
    /// The call.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub server_call_id: Option<ServerCallId>,
    /// The id of the call in logs, a GUID.
    pub correlation_id: Option<String>,
    /// Text of the application's choice, from the request.
    pub operation_context: Option<String>,
    /// Why it happened.
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::ResultInformation>")
    )]
    pub result_information: Option<ResultInformation>,
}

impl Data for DialogUpdate {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> Common<'_> {
        Common {
            call_connection_id: self
                .call_connection_id
                .as_ref()
                .map(CallConnectionId::as_str),
            server_call_id: self.server_call_id.as_ref().map(ServerCallId::as_str),
            recording_id: None,
            correlation_id: self.correlation_id.as_deref(),
            operation_context: self.operation_context.as_deref(),
            result: self.result_information.as_ref(),
        }
    }
}
