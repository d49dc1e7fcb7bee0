//! Calls, as far as recording needs them: making, answering and joining one gives the ids that a
//! recording starts from.

mod connection;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::SystemTime;

use acs_call_automation::types::{AnswerCallRequest, ConnectRequest, CreateCallRequest};
use uuid::Uuid;

use crate::client::RecordingClient;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::CommunicationIdentifier;
use crate::ids::CallConnectionId;
use crate::models::{CommunicationUserIdentifierModel, PhoneNumberIdentifierModel};
use crate::operation::{Repeatability, finish};
use crate::start::{CallTarget, web_address};

pub use connection::{CallConnection, CallProperties, Participant, WaitUntilConnected};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The calls of a resource; made by [`RecordingClient::calls`].
///
/// ```no_run
/// # async fn run(client: acs_recording::RecordingClient) -> acs_recording::Result<()> {
/// let call = client
///     .calls()
///     .create(["4:+14255550123"], "https://app.example/callbacks")?
///     .caller("4:+14255550100")?
///     .await?;
/// let connected = call.wait_until_connected().await?;
/// if let Some(id) = connected.server_call_id {
///     client.start(id).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    client: &'a RecordingClient,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(client: &'a RecordingClient) -> Self {
        Self { client }
    }

    /// Calls people; `await` the result. Events about the call go to `callback`.
    ///
    /// # Errors
    /// The callback is no absolute `https` URL (`http` is for loopback only).
    pub fn create<P: Into<CommunicationIdentifier>>(
        &self,
        targets: impl IntoIterator<Item = P>,
        callback: &str,
    ) -> Result<CreateCall> {
        let callback = web_address(callback, "callback").map_err(|e| e.during(CREATE))?;
        let targets = targets.into_iter().map(|target| target.into().to_model());
        Ok(CreateCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            request: CreateCallRequest::new(callback, targets),
        })
    }

    /// Answers a call; `await` the result. The context comes with the event `IncomingCall`.
    ///
    /// # Errors
    /// The callback is no absolute `https` URL (`http` is for loopback only).
    pub fn answer(&self, incoming_call_context: &str, callback: &str) -> Result<AnswerCall> {
        let callback = web_address(callback, "callback").map_err(|e| e.during(ANSWER))?;
        Ok(AnswerCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            request: AnswerCallRequest::new(callback, incoming_call_context),
        })
    }

    /// Joins a call that is under way; `await` the result.
    ///
    /// # Errors
    /// The callback is no absolute `https` URL (`http` is for loopback only); or the call is given
    /// by a call connection, which is joined already.
    pub fn connect(&self, call: impl Into<CallTarget>, callback: &str) -> Result<ConnectCall> {
        let callback = web_address(callback, "callback").map_err(|e| e.during(CONNECT))?;
        let call_locator = call.into().locator().map_err(|e| e.during(CONNECT))?;
        Ok(ConnectCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            request: ConnectRequest::new(call_locator, callback),
        })
    }

    /// The call connection with this id. Sends nothing.
    pub fn connection(&self, id: CallConnectionId) -> CallConnection {
        CallConnection::new(self.client.clone(), id)
    }
}

const CREATE: &str = "create call";
const ANSWER: &str = "answer call";
const CONNECT: &str = "connect to call";

/// A call about to be made: set options, then `await`. Awaiting a clone makes the same call.
#[derive(Clone)]
#[must_use = "nobody is called before it is awaited"]
pub struct CreateCall {
    client: RecordingClient,
    repeatability: Repeatability,
    request: CreateCallRequest,
}

impl CreateCall {
    /// Who calls: one of the resource's phone numbers, when a phone is called, a user of the
    /// resource, or a Teams app.
    ///
    /// # Errors
    /// It is anybody else: they cannot make calls here.
    pub fn caller(mut self, caller: impl Into<CommunicationIdentifier>) -> Result<Self> {
        let caller = caller.into();
        let model = caller.to_model();
        if let Some(phone) = model.phone_number {
            let number = PhoneNumberIdentifierModel::new(phone.value);
            self.request.source_caller_id_number = Some(number);
        } else if let Some(user) = model.communication_user {
            self.request.source = Some(user);
        } else if let Some(app) = model.microsoft_teams_app {
            self.request.teams_app_source = Some(app);
        } else {
            let text = format!(
                "{caller} cannot make calls; use a user of the resource, a phone number or a \
                 Teams app"
            );
            return Err(Error::new(ErrorKind::InvalidInput, text).during(CREATE));
        }
        Ok(self)
    }

    /// The name that the called see.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.request.source_display_name = Some(name.into());
        self
    }

    /// Text that comes back in the events about this call.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request as it is sent: for everything else that it can hold. Needs the
    /// feature `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut CreateCallRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

/// A call about to be answered: set options, then `await`. Awaiting a clone is the same answer.
#[derive(Clone)]
#[must_use = "the call rings on until it is awaited"]
pub struct AnswerCall {
    client: RecordingClient,
    repeatability: Repeatability,
    request: AnswerCallRequest,
}

impl AnswerCall {
    /// The resource's user in whose name the call is answered.
    pub fn answered_by(mut self, user: impl Into<CommunicationIdentifier>) -> Self {
        let user = CommunicationUserIdentifierModel::new(user.into().raw_id());
        self.request.answered_by = Some(user);
        self
    }

    /// Text that comes back in the events about this call.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request as it is sent: for everything else that it can hold. Needs the
    /// feature `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut AnswerCallRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

/// A call about to be joined: set options, then `await`. Awaiting a clone joins once.
#[derive(Clone)]
#[must_use = "the call is joined when it is awaited"]
pub struct ConnectCall {
    client: RecordingClient,
    repeatability: Repeatability,
    request: ConnectRequest,
}

impl ConnectCall {
    /// Text that comes back in the events about this call.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request as it is sent: for everything else that it can hold. Needs the
    /// feature `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut ConnectRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

macro_rules! call_future {
    ($builder:ident, $operation:ident, $method:ident) => {
        impl $builder {
            /// The id that makes sending twice act once (default: a new one for each that is made,
            /// which its clones share), as
            /// [`StartRecording::repeatability_id`](crate::StartRecording::repeatability_id).
            pub fn repeatability_id(mut self, id: Uuid) -> Self {
                self.repeatability.id = id;
                self
            }

            /// When the request with this [`repeatability_id`](Self::repeatability_id) was sent first
            /// (default: when this was made).
            pub fn first_sent(mut self, time: SystemTime) -> Self {
                self.repeatability.first_sent = time;
                self
            }
        }

        /// Shows no more than the context: callbacks and incoming calls come with secrets.
        impl fmt::Debug for $builder {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($builder))
                    .field("operation_context", &self.request.operation_context)
                    .finish_non_exhaustive()
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<CallConnection>;
            type IntoFuture = BoxFuture<Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(async move {
                    let first_sent = self.repeatability.first_sent();
                    let id = self.repeatability.id;
                    let low_level = self.client.low_level();
                    let answer = low_level.$method(Some(&first_sent), Some(&id), &self.request);
                    let answer = finish(answer.await, $operation)?;
                    CallConnection::from_answer(self.client, answer)
                        .map_err(|error| error.during($operation))
                })
            }
        }
    };
}

call_future!(CreateCall, CREATE, create_call);
call_future!(AnswerCall, ANSWER, answer_call);
call_future!(ConnectCall, CONNECT, connect);
