//! One call: its state, its participants, its end.

use std::future::IntoFuture;
use std::time::Duration;

use acs_call_automation::Failure;
use http::Method;
use tokio::time::Instant;

use super::BoxFuture;
use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::CommunicationIdentifier;
use crate::ids::{CallConnectionId, ServerCallId};
use crate::lenient;
use crate::models::{
    CallConnectionProperties, CallConnectionStateModel as CallConnectionState, CallParticipant,
    GetParticipantsResponse,
};
use crate::operation::{Repeatability, Wait, finish, gone_is_done};
use crate::transport::RetryPolicy;

/// More pages of participants than a call of 350 people can have.
const MAX_PAGES: usize = 350;
/// More participants than any call has, on however few pages.
const MAX_PARTICIPANTS: usize = 10_000;

/// The application's own leg of a call. Cheap to clone; dropping it hangs nothing up.
#[derive(Clone, Debug)]
pub struct CallConnection {
    client: RecordingClient,
    id: CallConnectionId,
    answer: Option<CallProperties>,
}

/// What the service says about a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallProperties {
    /// The id of the call as a whole, which a recording starts from. There is none while a call
    /// that was made connects.
    pub server_call_id: Option<ServerCallId>,
    /// How far the call is.
    pub state: Option<CallConnectionState>,
    /// What all legs of the call have in common in logs, a GUID.
    pub correlation_id: Option<String>,
    /// Who is called.
    pub targets: Vec<CommunicationIdentifier>,
    /// Who calls.
    pub source: Option<CommunicationIdentifier>,
}

/// Someone in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// Who it is.
    pub id: CommunicationIdentifier,
    /// Whether the others cannot hear them.
    pub is_muted: bool,
    /// Whether they are on hold.
    pub is_on_hold: bool,
}

impl CallConnection {
    pub(super) fn new(client: RecordingClient, id: CallConnectionId) -> Self {
        Self {
            client,
            id,
            answer: None,
        }
    }

    pub(super) fn from_answer(
        client: RecordingClient,
        answer: CallConnectionProperties,
    ) -> Result<Self> {
        let id = lenient::parse(answer.call_connection_id.as_deref());
        let Some(id) = id else {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the service told no call connection id",
            ));
        };
        Ok(Self {
            client,
            id,
            answer: Some(answer.into()),
        })
    }

    /// The id of this leg.
    pub fn id(&self) -> &CallConnectionId {
        &self.id
    }

    /// What the service answered when the call was made, answered or joined; none if this handle
    /// was made from an id.
    pub fn answer(&self) -> Option<&CallProperties> {
        self.answer.as_ref()
    }

    /// What the service says about the call now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over.
    pub async fn properties(&self) -> Result<CallProperties> {
        let answer = self
            .client
            .call_automation()
            .call_connection_get_call(self.id.as_str());
        Ok(finish(answer.await, "get call")?.into())
    }

    /// Waits until the call is connected and has a server call id; `await` the result.
    ///
    /// It asks the service again and again, also after an error that may pass.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] at the limit; its source is the error of the last question, if that
    /// had no answer. [`ErrorKind::NotFound`] when the call is over.
    pub fn wait_until_connected(&self) -> WaitUntilConnected {
        WaitUntilConnected {
            call: self.clone(),
            wait: Wait {
                limit: Duration::from_secs(2 * 60),
                interval: Duration::from_secs(1),
            },
        }
    }

    /// Leaves the call. The others may go on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over, unless a first attempt ended it.
    pub async fn hang_up(&self) -> Result<()> {
        let answer = self
            .client
            .call_automation()
            .call_connection_hangup_call(self.id.as_str());
        gone_is_done(finish(answer.await, "hang up"))
    }

    /// Ends the call for everybody.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over, unless a first attempt ended it.
    pub async fn terminate(&self) -> Result<()> {
        let repeatability = Repeatability::new();
        let first_sent = repeatability.first_sent();
        let low_level = self.client.call_automation();
        let answer = low_level.call_connection_terminate_call(
            self.id.as_str(),
            Some(&first_sent),
            Some(&repeatability.id),
        );
        gone_is_done(finish(answer.await, "terminate call"))
    }

    /// Who is in the call, from all pages.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        const OPERATION: &str = "list participants";
        let deadline = self.client.pipeline().deadline();
        let low_level = self.client.call_automation();
        let answer = low_level.call_connection_get_participants(self.id.as_str());
        let mut page = finish(answer.await, OPERATION)?;
        let mut participants = Vec::new();
        for _ in 0..MAX_PAGES {
            participants.extend(page.value.iter().filter_map(participant));
            if participants.len() > MAX_PARTICIPANTS {
                break;
            }
            let Some(next) = page.next_link.filter(|link| !link.is_empty()) else {
                return Ok(participants);
            };
            page = self
                .page(&next, deadline)
                .await
                .map_err(|error| error.during(OPERATION))?;
        }
        Err(Error::new(
            ErrorKind::InvalidResponse,
            format!(
                "the list of participants of call connection {} has no end: {} came, on up to \
                 {MAX_PAGES} pages",
                self.id,
                participants.len()
            ),
        )
        .during(OPERATION))
    }

    async fn page(&self, link: &str, deadline: Instant) -> Result<GetParticipantsResponse> {
        let pipeline = self.client.pipeline();
        let operation = "call_connection_get_participants";
        let answer = pipeline.resource(Method::GET, link, operation, deadline);
        let answer = answer.await?;
        if !answer.status().is_success() {
            return Err(Failure::Status(Box::new(answer)).into());
        }
        serde_json::from_slice(answer.body()).map_err(|source| {
            let answer = Box::new(answer);
            Failure::Body { answer, source }.into()
        })
    }
}

impl From<CallConnectionProperties> for CallProperties {
    fn from(answer: CallConnectionProperties) -> Self {
        Self {
            server_call_id: lenient::parse(answer.server_call_id.as_deref()),
            state: answer.call_connection_state,
            correlation_id: answer.correlation_id,
            targets: answer
                .targets
                .iter()
                .filter_map(CommunicationIdentifier::from_model)
                .collect(),
            source: answer
                .source
                .as_ref()
                .and_then(CommunicationIdentifier::from_model),
        }
    }
}

fn participant(model: &CallParticipant) -> Option<Participant> {
    Some(Participant {
        id: CommunicationIdentifier::from_model(model.identifier.as_ref()?)?,
        is_muted: model.is_muted.unwrap_or(false),
        is_on_hold: model.is_on_hold.unwrap_or(false),
    })
}

/// A wait for a call; made by [`CallConnection::wait_until_connected`].
#[derive(Clone, Debug)]
#[must_use = "it waits when it is awaited"]
pub struct WaitUntilConnected {
    call: CallConnection,
    wait: Wait,
}

impl WaitUntilConnected {
    /// How long to wait at the most (default: 2 minutes); it is asked once more when that is over.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.wait.limit = limit;
        self
    }

    /// The pause between two questions (default: 1 second).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.wait.interval = interval;
        self
    }

    async fn wait(self) -> Result<CallProperties> {
        // The wait itself asks again.
        let client = self.call.client.with_retry(RetryPolicy::none());
        let connection = &CallConnection::new(client, self.call.id);
        let ask = || async move {
            let call = connection.properties().await?;
            let connected = call.state == Some(CallConnectionState::Connected);
            if connected && call.server_call_id.is_some() {
                return Ok(Ok(call));
            }
            let state = call.state.as_ref();
            Ok(Err(
                state.map_or_else(|| "unknown".to_owned(), ToString::to_string)
            ))
        };
        let what = format!("call connection {}", connection.id);
        self.wait.until(&what, ask).await
    }
}

impl IntoFuture for WaitUntilConnected {
    type Output = Result<CallProperties>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = self.wait().await;
            outcome.map_err(|error| error.during("wait until the call is connected"))
        })
    }
}
