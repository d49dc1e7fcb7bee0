//! The data of call events from Event Grid.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::data::{CommonFields, EventData};
use super::party::{self, CallParty};
use super::redacted::Redacted;
use super::subject::Subject;
use crate::identifier::CommunicationIdentifier;
use crate::ids::{GroupCallId, RoomId, ServerCallId};
use crate::lenient;
use crate::models::CustomCallingContext;

/// The call that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallDetails {
    /// The call's id, from the data or else from the subject.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub server_call_id: Option<ServerCallId>,
    /// The participant who started the call.
    #[serde(default, deserialize_with = "party::party")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub started_by: Option<CallParty>,
    /// The id of the group call, if it is one.
    #[serde(default, rename = "group", deserialize_with = "nested")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<Nested>"))]
    pub group_call_id: Option<GroupCallId>,
    /// The id of the call's room, if it is in one.
    #[serde(default, rename = "room", deserialize_with = "nested")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<Nested>"))]
    pub room_id: Option<RoomId>,
    /// Whether it is a call between two participants.
    pub is_two_party: Option<bool>,
    /// Whether the call is in a room.
    pub is_rooms_call: Option<bool>,
    /// The id of the call in logs and metadata.
    pub correlation_id: Option<String>,
}

/// A call started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallStarted {
    /// The call.
    #[serde(flatten)]
    pub call: CallDetails,
}

/// A call ended. `RecordingFileStatusUpdated` may arrive before or after this event.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallEnded {
    /// The call.
    #[serde(flatten)]
    pub call: CallDetails,
    /// The participant who ended the call.
    #[serde(default, deserialize_with = "party::party")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub ended_by: Option<CallParty>,
    /// The reason.
    pub reason: Option<CallEndReason>,
    /// The length of the call.
    #[serde(
        default,
        rename = "callDurationInSeconds",
        alias = "durationOfCall",
        deserialize_with = "lenient::seconds"
    )]
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Number>")
    )]
    pub duration: Option<Duration>,
}

/// The reason why a call ended, or a participant left it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallEndReason {
    /// The code, in the style of an HTTP status.
    pub code: Option<i64>,
    /// The detailed code of the service.
    pub sub_code: Option<i64>,
    /// The reason in words.
    pub phrase: Option<String>,
}

/// A participant joined a call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallParticipantAdded {
    /// The call.
    #[serde(flatten)]
    pub call: CallDetails,
    /// The participant.
    #[serde(default, deserialize_with = "party::party")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub user: Option<CallParty>,
    /// The display name.
    pub display_name: Option<String>,
    /// The id of this participation. Joining again leads to a new one.
    pub participant_id: Option<String>,
    /// The client that the participant uses.
    pub user_agent: Option<String>,
}

/// A participant left a call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallParticipantRemoved {
    /// The participant and the call.
    #[serde(flatten)]
    pub participant: CallParticipantAdded,
    /// The reason.
    pub reason: Option<CallEndReason>,
}

/// An incoming call for a user or a phone number of the resource.
///
/// `Debug` does not show the context, with which every user of the resource can answer the
/// call.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncomingCall {
    /// The callee.
    #[serde(default, deserialize_with = "party::identifier")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub to: Option<CommunicationIdentifier>,
    /// The caller.
    #[serde(default, deserialize_with = "party::identifier")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub from: Option<CommunicationIdentifier>,
    /// The original callee, if the call was forwarded.
    #[serde(default, deserialize_with = "party::identifier")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<party::Wire>"))]
    pub on_behalf_of_callee: Option<CommunicationIdentifier>,
    /// The call.
    #[serde(default, deserialize_with = "lenient::id")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub server_call_id: Option<ServerCallId>,
    /// The display name of the caller.
    pub caller_display_name: Option<String>,
    /// The context that answering, redirecting or rejecting the call requires: a signed text of a few
    /// kilobytes.
    pub incoming_call_context: Option<String>,
    /// The custom headers of the caller.
    #[cfg_attr(feature = "schemars", schemars(with = "Option<serde_json::Value>"))]
    pub custom_context: Option<CustomCallingContext>,
    /// The id of the call in logs, a GUID.
    pub correlation_id: Option<String>,
}

impl fmt::Debug for IncomingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = self.incoming_call_context.as_deref().map(Redacted::text);
        f.debug_struct("IncomingCall")
            .field("to", &self.to)
            .field("from", &self.from)
            .field("on_behalf_of_callee", &self.on_behalf_of_callee)
            .field("server_call_id", &self.server_call_id)
            .field("caller_display_name", &self.caller_display_name)
            .field("incoming_call_context", &context)
            .field("custom_context", &self.custom_context)
            .field("correlation_id", &self.correlation_id)
            .finish()
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
pub(super) struct Nested {
    id: Option<String>,
}

/// Reads an id that is the only member of an object.
fn nested<'de, D: Deserializer<'de>, T: lenient::Received>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let nested = Option::<Nested>::deserialize(deserializer)?;
    Ok(nested.and_then(|nested| lenient::parse(nested.id.as_deref())))
}

macro_rules! of_call {
    ($($type:ty: $($path:ident).+;)*) => {
        $(impl EventData for $type {
            fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
                let mut data: Self = serde_json::from_str(data)?;
                let call = &mut data.$($path).+;
                if call.server_call_id.is_none() {
                    call.server_call_id = lenient::parse(subject.server_call_id);
                }
                Ok(data)
            }

            fn common(&self) -> CommonFields<'_> {
                let call = &self.$($path).+;
                common(call.server_call_id.as_ref(), call.correlation_id.as_deref())
            }
        })*
    };
}

of_call! {
    CallStarted: call;
    CallEnded: call;
    CallParticipantAdded: call;
    CallParticipantRemoved: participant.call;
}

impl EventData for IncomingCall {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }

    fn common(&self) -> CommonFields<'_> {
        common(self.server_call_id.as_ref(), self.correlation_id.as_deref())
    }
}

fn common<'a>(call: Option<&'a ServerCallId>, correlation_id: Option<&'a str>) -> CommonFields<'a> {
    CommonFields {
        server_call_id: call.map(ServerCallId::as_str),
        correlation_id,
        ..CommonFields::default()
    }
}
