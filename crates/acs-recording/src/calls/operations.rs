//! Requests about one call.

use acs_call_automation::Failure;
use acs_call_automation::options::CallConnectionTerminateCallOptions;
use acs_call_automation::types::{CallConnectionProperties, GetParticipantsResponse};
use http::Method;
use tokio::time::Instant;

use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result, from_failure};
use crate::identifier::CommunicationIdentifier;
use crate::ids::{CallConnectionId, ServerCallId};
use crate::lenient;
use crate::models::{CallConnectionStateModel as CallConnectionState, CallParticipant};
use crate::operation::{
    Repeatability, allow_not_found_after_retry, into_future, operation, repeatability, value,
};
use crate::transport::{RequestOptions, request_options};

/// More pages of participants than a call of 350 people can have.
const MAX_PAGES: usize = 350;
/// More participants than any call has, on however few pages.
const MAX_PARTICIPANTS: usize = 10_000;

/// The properties of a call.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CallProperties {
    /// The id of the call as a whole, which a recording starts from. A created call has none until it
    /// connects.
    pub server_call_id: Option<ServerCallId>,
    /// The state of the connection.
    pub state: Option<CallConnectionState>,
    /// The id that all connections to the call have in common in logs, a GUID.
    pub correlation_id: Option<String>,
    /// The callees.
    pub targets: Vec<CommunicationIdentifier>,
    /// The caller.
    pub source: Option<CommunicationIdentifier>,
}

/// A participant of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// The participant's identifier.
    pub id: CommunicationIdentifier,
    /// Whether the participant is muted.
    pub is_muted: bool,
    /// Whether the participant is on hold.
    pub is_on_hold: bool,
}

impl Participant {
    /// A participant who is neither muted nor on hold, for tests of code that gets one.
    pub fn new(id: CommunicationIdentifier) -> Self {
        Self {
            id,
            is_muted: false,
            is_on_hold: false,
        }
    }
}

operation! {
    /// Gets the properties of a call; made by
    /// [`CallConnection::properties`](crate::CallConnection::properties).
    GetCallProperties(CallConnectionId) -> CallProperties, "get call"
}

impl GetCallProperties {
    async fn send(self) -> Result<CallProperties> {
        let client = self.client.with_options(&self.options)?;
        properties(&client, &self.id).await
    }
}

pub(super) async fn properties(
    client: &ClientCore,
    id: &CallConnectionId,
) -> Result<CallProperties> {
    let low_level = client.low_level();
    let sent = low_level.call_connection_get_call(id.as_str(), None);
    Ok(call_properties(value(sent.await)?))
}

operation! {
    /// Leaves a call; made by [`CallConnection::hang_up`](crate::CallConnection::hang_up).
    HangUpCall(CallConnectionId) -> (), "hang up"
}

impl HangUpCall {
    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let low_level = client.low_level();
        let sent = low_level.call_connection_hangup_call(self.id.as_str(), None);
        allow_not_found_after_retry(value(sent.await))
    }
}

/// Ends a call for everybody; made by
/// [`CallConnection::terminate`](crate::CallConnection::terminate).
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct TerminateCall {
    client: ClientCore,
    id: CallConnectionId,
    repeatability: Repeatability,
    options: RequestOptions,
}

impl TerminateCall {
    pub(super) fn new(client: ClientCore, id: CallConnectionId) -> Self {
        Self {
            client,
            id,
            repeatability: Repeatability::new(),
            options: RequestOptions::new(),
        }
    }

    async fn send(self) -> Result<()> {
        let client = self.client.with_options(&self.options)?;
        let first_sent = self.repeatability.first_sent();
        let low_level = client.low_level();
        let options = CallConnectionTerminateCallOptions::default()
            .repeatability_first_sent(first_sent)
            .repeatability_request_id(self.repeatability.id);
        let sent = low_level.call_connection_terminate_call(self.id.as_str(), Some(options));
        allow_not_found_after_retry(value(sent.await))
    }
}

request_options!(TerminateCall);
repeatability!(TerminateCall);
into_future!(TerminateCall -> (), "terminate call");

operation! {
    /// Lists the participants of a call; made by
    /// [`CallConnection::participants`](crate::CallConnection::participants).
    ListParticipants(CallConnectionId) -> Vec<Participant>, "list participants"
}

impl ListParticipants {
    async fn send(self) -> Result<Vec<Participant>> {
        let client = self.client.with_options(&self.options)?;
        let deadline = client.pipeline().deadline();
        let low_level = client.low_level();
        let sent = low_level.call_connection_get_participants(self.id.as_str(), None);
        let mut page = value(sent.await)?;
        let mut participants = Vec::new();
        for _ in 0..MAX_PAGES {
            participants.extend(page.value.iter().filter_map(participant));
            if participants.len() > MAX_PARTICIPANTS {
                break;
            }
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else {
                return Ok(participants);
            };
            page = next_page(&client, &link, deadline).await?;
        }
        Err(Error::new(
            ErrorKind::InvalidResponse,
            format!(
                "the list of participants of call connection {} does not end: it has {} on up to \
                 {MAX_PAGES} pages",
                self.id,
                participants.len()
            ),
        ))
    }
}

async fn next_page(
    client: &ClientCore,
    link: &str,
    deadline: Instant,
) -> Result<GetParticipantsResponse> {
    let pipeline = client.pipeline();
    let sent = pipeline.resource(Method::GET, link, deadline);
    let response = sent.await?;
    if !response.status().is_success() {
        return Err(from_failure(Failure::Status(Box::new(response))));
    }
    serde_json::from_slice(response.body()).map_err(|source| {
        let response = Box::new(response);
        from_failure(Failure::Body { response, source })
    })
}

/// The properties that a response contains. Not a conversion, which would be public.
pub(super) fn call_properties(model: CallConnectionProperties) -> CallProperties {
    let targets = model.targets.iter();
    CallProperties {
        server_call_id: lenient::parse(model.server_call_id.as_deref()),
        state: model.call_connection_state,
        correlation_id: model.correlation_id,
        targets: targets
            .filter_map(CommunicationIdentifier::from_model)
            .collect(),
        source: model
            .source
            .as_ref()
            .and_then(CommunicationIdentifier::from_model),
    }
}

fn participant(model: &CallParticipant) -> Option<Participant> {
    Some(Participant {
        id: CommunicationIdentifier::from_model(model.identifier.as_ref()?)?,
        is_muted: model.is_muted.unwrap_or(false),
        is_on_hold: model.is_on_hold.unwrap_or(false),
    })
}
