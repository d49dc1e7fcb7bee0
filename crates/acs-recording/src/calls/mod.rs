//! Calls, as far as recordings need them: creating, answering or joining one returns the ids that a
//! recording starts from.

mod connection;
mod operations;
mod wait;

use std::fmt;

use acs_call_automation::options;
use acs_call_automation::types::{AnswerCallRequest, ConnectRequest, CreateCallRequest};

use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::CommunicationIdentifier;
use crate::ids::CallConnectionId;
use crate::locator::CallLocator;
use crate::models::{CommunicationUserIdentifierModel, PhoneNumberIdentifierModel};
use crate::operation::{Repeatability, into_future, repeatability, value};
use crate::transport::{RequestOptions, request_options};
use crate::web_url::parse_web_url;

pub use connection::CallConnection;
pub use operations::{
    CallProperties, GetCallProperties, HangUpCall, ListParticipants, Participant, TerminateCall,
};
pub use wait::WaitUntilConnected;

/// The calls of a resource; made by [`RecordingClient::calls`](crate::RecordingClient::calls). Cheap
/// to clone.
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
#[derive(Clone, Debug)]
pub struct Calls {
    client: ClientCore,
}

impl Calls {
    pub(crate) fn new(client: ClientCore) -> Self {
        Self { client }
    }

    /// Creates a call to these participants. The service posts events about the call to `callback`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the callback is not an absolute `https` URL (`http` is for
    /// loopback only).
    pub fn create<P: Into<CommunicationIdentifier>>(
        &self,
        targets: impl IntoIterator<Item = P>,
        callback: &str,
    ) -> Result<CreateCall> {
        let callback = parse_web_url(callback, "callback").map_err(|e| e.with_operation(CREATE))?;
        let targets = targets.into_iter().map(|target| target.into().to_model());
        Ok(CreateCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            options: RequestOptions::new(),
            request: CreateCallRequest::new(callback, targets),
        })
    }

    /// Answers a call. The event `IncomingCall` contains the context.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the callback is not an absolute `https` URL (`http` is for
    /// loopback only).
    pub fn answer(&self, incoming_call_context: &str, callback: &str) -> Result<AnswerCall> {
        let callback = parse_web_url(callback, "callback").map_err(|e| e.with_operation(ANSWER))?;
        Ok(AnswerCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            options: RequestOptions::new(),
            request: AnswerCallRequest::new(callback, incoming_call_context),
        })
    }

    /// Joins an ongoing call.
    ///
    /// A call connection cannot be joined, because it is the application's own part of the call:
    ///
    /// ```compile_fail
    /// # fn run(client: acs_recording::RecordingClient, id: acs_recording::CallConnectionId) {
    /// let joined = client.calls().connect(id, "https://app.example/callbacks");
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the callback is not an absolute `https` URL (`http` is for
    /// loopback only).
    pub fn connect(&self, call: impl Into<CallLocator>, callback: &str) -> Result<ConnectCall> {
        let callback =
            parse_web_url(callback, "callback").map_err(|e| e.with_operation(CONNECT))?;
        Ok(ConnectCall {
            client: self.client.clone(),
            repeatability: Repeatability::new(),
            options: RequestOptions::new(),
            request: ConnectRequest::new(call.into().into_model(), callback),
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

/// Creates a call; made by [`Calls::create`]. Awaiting a clone as well creates the call once.
#[derive(Clone)]
#[must_use = "nothing is sent before it is awaited"]
pub struct CreateCall {
    client: ClientCore,
    repeatability: Repeatability,
    options: RequestOptions,
    request: CreateCallRequest,
}

impl CreateCall {
    /// Sets the caller: one of the resource's phone numbers, to call a phone, a user of the resource,
    /// or a Teams app.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for any other participant, which cannot create calls.
    pub fn caller(mut self, caller: impl Into<CommunicationIdentifier>) -> Result<Self> {
        let caller = caller.into();
        let model = caller.to_model();
        if let Some(PhoneNumberIdentifierModel { value, .. }) = model.phone_number {
            self.request.source_caller_id_number = Some(PhoneNumberIdentifierModel::new(value));
        } else if let Some(user) = model.communication_user {
            self.request.source = Some(user);
        } else if let Some(app) = model.microsoft_teams_app {
            self.request.teams_app_source = Some(app);
        } else {
            let text = format!(
                "{caller} cannot create calls; use a user of the resource, a phone number or a \
                 Teams app"
            );
            return Err(Error::new(ErrorKind::InvalidInput, text).with_operation(CREATE));
        }
        Ok(self)
    }

    /// Sets the caller's name, which is displayed to the callees.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.request.source_display_name = Some(name.into());
        self
    }

    /// Sets a text that the events about this call contain.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request, for values without a setter here. Needs the feature
    /// `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut CreateCallRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

/// Answers a call; made by [`Calls::answer`]. Awaiting a clone as well answers the call once.
#[derive(Clone)]
#[must_use = "nothing is sent before it is awaited"]
pub struct AnswerCall {
    client: ClientCore,
    repeatability: Repeatability,
    options: RequestOptions,
    request: AnswerCallRequest,
}

impl AnswerCall {
    /// Sets the resource's user who answers the call.
    pub fn answered_by(mut self, user: impl Into<CommunicationIdentifier>) -> Self {
        let user = CommunicationUserIdentifierModel::new(user.into().raw_id());
        self.request.answered_by = Some(user);
        self
    }

    /// Sets a text that the events about this call contain.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request, for values without a setter here. Needs the feature
    /// `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut AnswerCallRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

/// Joins a call; made by [`Calls::connect`]. Awaiting a clone as well joins once.
#[derive(Clone)]
#[must_use = "nothing is sent before it is awaited"]
pub struct ConnectCall {
    client: ClientCore,
    repeatability: Repeatability,
    options: RequestOptions,
    request: ConnectRequest,
}

impl ConnectCall {
    /// Sets a text that the events about this call contain.
    pub fn operation_context(mut self, context: impl Into<String>) -> Self {
        self.request.operation_context = Some(context.into());
        self
    }

    /// Changes the request, for values without a setter here. Needs the feature
    /// `unstable-low-level`.
    #[cfg(feature = "unstable-low-level")]
    pub fn with_request(mut self, change: impl FnOnce(&mut ConnectRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

macro_rules! call_operation {
    ($builder:ident, $operation:ident, $method:ident, $options:ident) => {
        impl $builder {
            async fn send(self) -> Result<CallConnection> {
                let first_sent = self.repeatability.first_sent();
                let id = self.repeatability.id;
                let properties = {
                    let client = self.client.with_options(&self.options)?;
                    let low_level = client.low_level();
                    let options = options::$options::default()
                        .repeatability_first_sent(first_sent)
                        .repeatability_request_id(id);
                    let sent = low_level.$method(&self.request, Some(options));
                    value(sent.await)?
                };
                CallConnection::from_properties(self.client, properties)
            }
        }

        request_options!($builder);
        repeatability!($builder);
        into_future!($builder -> CallConnection, $operation);

        /// Shows the operation context only: callbacks and incoming call contexts may contain secrets.
        impl fmt::Debug for $builder {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($builder))
                    .field("operation_context", &self.request.operation_context)
                    .finish_non_exhaustive()
            }
        }
    };
}

call_operation!(CreateCall, CREATE, create_call, CreateCallOptions);
call_operation!(AnswerCall, ANSWER, answer_call, AnswerCallOptions);
call_operation!(ConnectCall, CONNECT, connect, ConnectOptions);
