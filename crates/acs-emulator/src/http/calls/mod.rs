//! `/calling/callConnections`: the connections. [`participants`] handles their participants.

mod options;
mod participants;
mod target;

use std::sync::Arc;

use acs_call_automation::types::{
    AnswerCallRequest, CallConnectionProperties, CallConnectionStateModel,
    CommunicationIdentifierModel, CommunicationUserIdentifierModel, ConnectRequest,
    CreateCallRequest, MediaStreamingContentType, MediaStreamingSubscription,
    MediaStreamingSubscriptionState, PhoneNumberIdentifierModel, TranscriptionSubscription,
    TranscriptionSubscriptionState,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;

use super::call_target::call_target;
use super::response::{ErrorWithTarget, json, json_body, with_chain_id};
use super::segment::split_action;
use super::state::AppState;
use crate::service::Service;
use crate::service::call::{CallIds, CallState};
use crate::service::connection::{Connection, ConnectionProperties, PhoneNumber};
use crate::service::error::ServiceError;
use crate::service::ids;
use crate::service::script::CallPlan;
use crate::wire::identifier::{checked_raw_id, model, raw_id};

use options::CallOptions;
use target::{about, check_callback};

/// Published actions on a connection that are not emulated.
const NOT_EMULATED: [&str; 15] = [
    "transferToParticipant",
    "play",
    "startTranscription",
    "stopTranscription",
    "updateTranscription",
    "summarizeCall",
    "cancelAllMediaOperations",
    "recognize",
    "startContinuousDtmfRecognition",
    "stopContinuousDtmfRecognition",
    "sendDtmfTones",
    "hold",
    "unhold",
    "startMediaStreaming",
    "stopMediaStreaming",
];

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/calling/callConnections", post(create))
        .route("/calling/callConnections:answer", post(answer))
        .route("/calling/callConnections:connect", post(connect))
        .route(
            "/calling/callConnections:redirect",
            post(|| async { ServiceError::NotEmulated("Redirecting a call".to_owned()) }),
        )
        .route(
            "/calling/callConnections:reject",
            post(|| async { ServiceError::NotEmulated("Rejecting a call".to_owned()) }),
        )
        .route(
            "/calling/callConnections/{id}",
            get(state).delete(hang_up).post(act),
        )
        .merge(participants::routes())
}

async fn create(
    State(service): State<Arc<Service>>,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let request: CreateCallRequest = json_body(&body)?;
    check_callback(&service, &request.callback_uri)?;
    CallOptions::from(&request).check()?;
    let targets = request
        .targets
        .iter()
        .map(raw_id)
        .collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(ServiceError::argument("A call needs at least one target."));
    }
    let source = match (request.teams_app_source, request.source) {
        // It overrides the source that a client sends with every call.
        (Some(app), _) => {
            raw_id(&CommunicationIdentifierModel::default().microsoft_teams_app(app))?
        }
        (None, Some(user)) => checked_raw_id(user.id)?,
        (None, None) => service.application.clone(),
    };
    let properties = ConnectionProperties {
        source: Some(source),
        source_display_name: Some(request.source_display_name.unwrap_or_default()),
        source_caller_id_number: request.source_caller_id_number.map(PhoneNumber::from),
        targets: targets.clone(),
        callback_uri: Some(request.callback_uri),
        answered_by: None,
        operation_context: request.operation_context,
    };
    let id = place_call(&service, properties, &targets);
    let mut properties = describe(&service, &id)?;
    properties.server_call_id = None;
    Ok(new_connection(StatusCode::CREATED, properties))
}

async fn answer(
    State(service): State<Arc<Service>>,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let request: AnswerCallRequest = json_body(&body)?;
    check_callback(&service, &request.callback_uri)?;
    CallOptions::from(&request).check()?;
    if request.incoming_call_context.is_empty() {
        return Err(ServiceError::argument("incomingCallContext is empty."));
    }
    let answered_by = request.answered_by.map(|user| checked_raw_id(user.id));
    let answered_by = answered_by.transpose()?;
    let answerer = answered_by.as_ref().unwrap_or(&service.application);
    let properties = ConnectionProperties {
        targets: vec![answerer.clone()],
        callback_uri: Some(request.callback_uri),
        answered_by,
        operation_context: request.operation_context,
        ..ConnectionProperties::default()
    };
    let context = &request.incoming_call_context;
    let id = if let Some(id) = service.answer_incoming_call(context, &properties)? {
        id
    } else {
        let caller = ids::user(service.resource);
        let properties = ConnectionProperties {
            source: Some(caller.clone()),
            ..properties
        };
        place_call(&service, properties, &[caller])
    };
    Ok(new_connection(StatusCode::OK, describe(&service, &id)?))
}

async fn connect(
    State(service): State<Arc<Service>>,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let request: ConnectRequest = json_body(&body)?;
    check_callback(&service, &request.callback_uri)?;
    CallOptions::from(&request).check()?;
    let call = call_target(&request.call_locator)?;
    let id = {
        let mut state = service.state();
        let now = state.now;
        let key = state.calls.find(&call, now)?;
        let present = state.calls.get(key).present(now);
        let properties = ConnectionProperties {
            source: Some(service.application.clone()),
            targets: present.map(|one| one.raw_id.clone()).collect(),
            callback_uri: Some(request.callback_uri),
            operation_context: request.operation_context,
            ..ConnectionProperties::default()
        };
        state.connect(key, properties, service.connects_at(now))
    };
    Ok(new_connection(StatusCode::OK, describe(&service, &id)?))
}

/// Creates a call that connects after the delay, with these participants.
fn place_call(service: &Service, properties: ConnectionProperties, raw_ids: &[String]) -> String {
    let mut state = service.state();
    let now = state.now;
    let connected_at = service.connects_at(now);
    let key = service.create_call(&mut state, CallIds::default(), CallPlan::default(), now);
    let id = state.connect(key, properties, connected_at);
    for raw_id in raw_ids {
        state.join(key, raw_id, (None, None), connected_at);
    }
    id
}

async fn state(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let mut properties = describe(&service, &id).map_err(about(&id))?;
    properties.answered_by = None;
    if properties.call_connection_state == Some(CallConnectionStateModel::Connecting) {
        properties.server_call_id = None;
    }
    properties.transcription_subscription =
        Some(TranscriptionSubscription::default().state(TranscriptionSubscriptionState::Disabled));
    Ok(respond(StatusCode::OK, &properties))
}

async fn hang_up(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let mut state = service.state();
    let now = state.now;
    let call = service.hang_up(&mut state, &id, now).map_err(about(&id))?;
    Ok(with_chain_id(call, StatusCode::NO_CONTENT.into_response()))
}

async fn act(
    State(service): State<Arc<Service>>,
    Path(segment): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let (id, action) = split_action(&segment);
    if NOT_EMULATED.contains(&action) {
        let error = ServiceError::NotEmulated(format!("The operation '{action}'"));
        return Err(about(id)(error));
    }
    if action != "terminate" {
        return Err(about(&segment)(ServiceError::OperationNotFound));
    }
    let mut state = service.state();
    let now = state.now;
    let call = service.terminate(&mut state, id, now).map_err(about(id))?;
    Ok(with_chain_id(call, StatusCode::NO_CONTENT.into_response()))
}

fn describe(service: &Service, id: &str) -> Result<CallConnectionProperties, ServiceError> {
    let state = service.state();
    let (key, connection) = state.calls.connection(id)?;
    Ok(properties(state.calls.get(key), connection, state.now))
}

fn properties(
    call: &CallState,
    connection: &Connection,
    now: Timestamp,
) -> CallConnectionProperties {
    let given = &connection.properties;
    let state = if connection.is_established(now) {
        CallConnectionStateModel::Connected
    } else {
        CallConnectionStateModel::Connecting
    };
    let streaming =
        MediaStreamingSubscription::default().state(MediaStreamingSubscriptionState::Disabled);
    let mut properties = CallConnectionProperties::default()
        .call_connection_id(&connection.id)
        .call_connection_state(state)
        .correlation_id(call.correlation_id.to_string())
        .media_streaming_subscription(streaming)
        .server_call_id(&call.server_call_id)
        .targets(given.targets.iter().map(|raw_id| model(raw_id)));
    let answered_by = given.answered_by.as_ref();
    properties.answered_by = answered_by.map(CommunicationUserIdentifierModel::new);
    properties.callback_uri.clone_from(&given.callback_uri);
    properties.source = given.source.as_deref().map(model);
    let number = given.source_caller_id_number.as_ref();
    properties.source_caller_id_number = number.map(PhoneNumberIdentifierModel::from);
    properties
        .source_display_name
        .clone_from(&given.source_display_name);
    properties
}

/// The response to the creation of a connection, which contains more about media streaming.
fn new_connection(status: StatusCode, mut properties: CallConnectionProperties) -> Response {
    properties.call_connection_state = Some(CallConnectionStateModel::Connecting);
    let streaming = MediaStreamingSubscription::default()
        .id(ids::new_id().to_string())
        .state(MediaStreamingSubscriptionState::Disabled)
        .subscribed_content_types([MediaStreamingContentType::Audio]);
    properties.media_streaming_subscription = Some(streaming);
    respond(status, &properties)
}

fn respond(status: StatusCode, properties: &CallConnectionProperties) -> Response {
    let response = json(status, properties);
    match properties.correlation_id.as_deref().map(str::parse) {
        Some(Ok(call)) => with_chain_id(call, response),
        _ => response,
    }
}
