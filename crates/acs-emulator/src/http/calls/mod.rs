//! `/calling/callConnections`: the connections. [`participants`] handles their participants.

mod participants;

use std::sync::Arc;

use acs_call_automation::types::{
    AnswerCallRequest, CallConnectionProperties, CallConnectionStateModel, ConnectRequest,
    CreateCallRequest, MediaStreamingContentType, MediaStreamingSubscription,
    MediaStreamingSubscriptionState, TranscriptionSubscription, TranscriptionSubscriptionState,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;

use crate::http::recordings::start_request::locate;
use crate::http::response::{Refused, about, json, parse};
use crate::http::split_action;
use crate::service::calls::{Addresses, CallState, Connection, Terms};
use crate::service::clock::after;
use crate::service::error::Refusal;
use crate::service::ids;
use crate::service::state::Shared;
use crate::service::url_policy::check_url;
use crate::wire::identifier::{model, raw_id};

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

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/calling/callConnections", post(create))
        .route("/calling/callConnections:answer", post(answer))
        .route("/calling/callConnections:connect", post(connect))
        .route(
            "/calling/callConnections:redirect",
            post(|| async { Refusal::NotEmulated("Redirecting a call".to_owned()) }),
        )
        .route(
            "/calling/callConnections:reject",
            post(|| async { Refusal::NotEmulated("Rejecting a call".to_owned()) }),
        )
        .route(
            "/calling/callConnections/{id}",
            get(state).delete(hang_up).post(act),
        )
        .merge(participants::routes())
}

async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Refusal> {
    let request: CreateCallRequest = parse(&body)?;
    check_callback(&shared, &request.callback_uri)?;
    let targets = request
        .targets
        .iter()
        .map(raw_id)
        .collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(Refusal::argument("A call needs at least one target."));
    }
    let source = request
        .source
        .map_or_else(|| shared.application.clone(), |user| user.id);
    let terms = Terms {
        source: Some(model(&source)),
        source_display_name: Some(request.source_display_name.unwrap_or_default()),
        source_caller_id_number: request.source_caller_id_number,
        targets: targets.iter().map(|target| model(target)).collect(),
        callback_uri: Some(request.callback_uri),
        answered_by: None,
        context: request.operation_context,
    };
    let id = place(&shared, terms, &targets);
    let mut properties = describe(&shared, &id)?;
    properties.server_call_id = None;
    Ok(set_up(StatusCode::CREATED, properties))
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Refusal> {
    let request: AnswerCallRequest = parse(&body)?;
    check_callback(&shared, &request.callback_uri)?;
    if request.incoming_call_context.is_empty() {
        return Err(Refusal::argument("incomingCallContext is empty."));
    }
    let context = request.operation_context;
    let answerer = request
        .answered_by
        .as_ref()
        .map_or_else(|| shared.application.clone(), |user| user.id.clone());
    let terms = Terms {
        targets: vec![model(&answerer)],
        callback_uri: Some(request.callback_uri),
        answered_by: request.answered_by,
        context,
        ..Terms::default()
    };
    let id = if let Some(id) = shared.pick_up(&request.incoming_call_context, &terms)? {
        id
    } else {
        let caller = ids::user(shared.resource);
        let source = Some(model(&caller));
        place(&shared, Terms { source, ..terms }, &[caller])
    };
    Ok(set_up(StatusCode::OK, describe(&shared, &id)?))
}

async fn connect(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Refusal> {
    let request: ConnectRequest = parse(&body)?;
    check_callback(&shared, &request.callback_uri)?;
    let call = locate(&request.call_locator)?;
    let id = {
        let mut world = shared.world();
        let now = world.now;
        let key = world.calls.find(&call, now)?;
        let terms = Terms {
            source: Some(model(&shared.application)),
            targets: world
                .calls
                .get(key)
                .present(now)
                .map(|member| model(&member.raw_id))
                .collect(),
            callback_uri: Some(request.callback_uri),
            context: request.operation_context,
            ..Terms::default()
        };
        let connected_at = after(now, shared.settings.connect_delay);
        world.connect(key, terms, connected_at)
    };
    Ok(set_up(StatusCode::OK, describe(&shared, &id)?))
}

/// Creates a call that connects after the delay, with `people` as its participants.
fn place(shared: &Shared, terms: Terms, people: &[String]) -> String {
    let mut world = shared.world();
    let now = world.now;
    let connected_at = after(now, shared.settings.connect_delay);
    let key = shared.create_call(&mut world, Addresses::default(), None, now);
    let id = world.connect(key, terms, connected_at);
    for raw_id in people {
        world.join(key, raw_id, (None, None), connected_at);
    }
    id
}

async fn state(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let mut properties = describe(&shared, &id).map_err(refused(&id))?;
    properties.answered_by = None;
    if properties.call_connection_state == Some(CallConnectionStateModel::Connecting) {
        properties.server_call_id = None;
    }
    properties.transcription_subscription =
        Some(TranscriptionSubscription::default().state(TranscriptionSubscriptionState::Disabled));
    Ok(answer_with(StatusCode::OK, &properties))
}

async fn hang_up(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let mut world = shared.world();
    let now = world.now;
    let call = shared.hang_up(&mut world, &id, now).map_err(refused(&id))?;
    Ok(about(call, StatusCode::NO_CONTENT.into_response()))
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Path(segment): Path<String>,
) -> Result<Response, Refused> {
    let (id, action) = split_action(&segment);
    if NOT_EMULATED.contains(&action) {
        let refusal = Refusal::NotEmulated(format!("The operation '{action}'"));
        return Err(refused(id)(refusal));
    }
    if action != "terminate" {
        return Err(refused(&segment)(Refusal::OperationNotFound));
    }
    let mut world = shared.world();
    let now = world.now;
    let call = shared.terminate(&mut world, id, now).map_err(refused(id))?;
    Ok(about(call, StatusCode::NO_CONTENT.into_response()))
}

fn check_callback(shared: &Shared, uri: &str) -> Result<(), Refusal> {
    check_url(uri, shared.admin)
        .map(drop)
        .map_err(|reason| Refusal::CallbackUri(format!("callbackUri is invalid: {reason}.")))
}

fn describe(shared: &Shared, id: &str) -> Result<CallConnectionProperties, Refusal> {
    let world = shared.world();
    let (key, connection) = world.calls.connection(id)?;
    Ok(properties(world.calls.get(key), connection, world.now))
}

fn properties(
    call: &CallState,
    connection: &Connection,
    now: Timestamp,
) -> CallConnectionProperties {
    let terms = connection.terms.clone();
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
        .targets(terms.targets);
    properties.answered_by = terms.answered_by;
    properties.callback_uri = terms.callback_uri;
    properties.source = terms.source;
    properties.source_caller_id_number = terms.source_caller_id_number;
    properties.source_display_name = terms.source_display_name;
    properties
}

/// The response to the creation of a connection, which contains more about media streaming.
fn set_up(status: StatusCode, mut properties: CallConnectionProperties) -> Response {
    properties.call_connection_state = Some(CallConnectionStateModel::Connecting);
    let streaming = MediaStreamingSubscription::default()
        .id(ids::guid())
        .state(MediaStreamingSubscriptionState::Disabled)
        .subscribed_content_types([MediaStreamingContentType::Audio]);
    properties.media_streaming_subscription = Some(streaming);
    answer_with(status, &properties)
}

fn answer_with(status: StatusCode, properties: &CallConnectionProperties) -> Response {
    let response = json(status, properties);
    match properties.correlation_id.as_deref().map(str::parse) {
        Some(Ok(call)) => about(call, response),
        _ => response,
    }
}

fn refused(id: &str) -> impl FnOnce(Refusal) -> Refused {
    let target = format!("/calling/callConnections/{id}");
    move |refusal| Refused { refusal, target }
}
