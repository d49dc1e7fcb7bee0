//! `/calling/recordings`.

pub(super) mod start_request;

use std::sync::Arc;

use acs_call_automation::types::{
    RecordingKind, RecordingState as RecordingStateModel, RecordingStateResponse,
    StartCallRecordingRequest,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, StatusCode};

use super::repeatability::{ACCEPTED, RESULT};
use super::response::{ErrorWithTarget, json, json_body, with_chain_id};
use super::segment::split_action;
use super::state::AppState;
use crate::auth::Auth;
use crate::service::Service;
use crate::service::error::ServiceError;
use crate::service::recording_request::CallTarget;
use crate::service::recordings::RecordingState;
use crate::storage::store::Store;

use start_request::parse_start_request;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/calling/recordings", post(start))
        .route(
            "/calling/recordings/{id}",
            get(state).delete(stop).post(act),
        )
}

async fn start(
    State(service): State<Arc<Service>>,
    State(store): State<Arc<Store>>,
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let request: StartCallRecordingRequest = json_body(&body)?;
    let mut start = parse_start_request(&request, service.urls)?;
    if store.settings.follows_host {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        start.spec.content_origin = host.and_then(|host| auth.authorities.origin(host));
    }
    let status = match start.call {
        CallTarget::Connection(_) => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let id = service.start_recording(start)?;
    // The recorder has not joined yet, however short the start delay is.
    let properties = describe(&id, RecordingState::Inactive);
    let mut response = json(status, &properties);
    response.headers_mut().insert(RESULT, ACCEPTED);
    Ok(response)
}

async fn state(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let state = service.state();
    let recording = state.recordings.get(&id).map_err(about(&id))?;
    let properties = describe(&id, recording.state(state.now));
    let call = state.calls.get(recording.call).correlation_id;
    Ok(with_chain_id(call, json(StatusCode::OK, &properties)))
}

async fn stop(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let call = service.stop_recording(&id).map_err(about(&id))?;
    Ok(with_chain_id(call, StatusCode::NO_CONTENT.into_response()))
}

async fn act(
    State(service): State<Arc<Service>>,
    Path(segment): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let (id, action) = split_action(&segment);
    let on = match action {
        "pause" => false,
        "resume" => true,
        _ => return Err(about(&segment)(ServiceError::OperationNotFound)),
    };
    let mut state = service.state();
    let now = state.now;
    let call = service
        .switch_recording(&mut state, id, on, now)
        .map_err(about(id))?;
    Ok(with_chain_id(call, StatusCode::ACCEPTED.into_response()))
}

fn describe(id: &str, state: RecordingState) -> RecordingStateResponse {
    RecordingStateResponse::default()
        .recording_id(id)
        .recording_state(RecordingStateModel::from(state))
        .recording_kind(RecordingKind::AzureCommunicationServices)
}

fn about(id: &str) -> impl FnOnce(ServiceError) -> ErrorWithTarget {
    let target = format!("/calling/recordings/{id}");
    move |error| ErrorWithTarget { error, target }
}
