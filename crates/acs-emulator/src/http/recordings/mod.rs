//! `/calling/recordings`.

pub(crate) mod start_request;

use std::sync::Arc;

use acs_call_automation::types::{
    RecordingKind, RecordingState, RecordingStateResponse, StartCallRecordingRequest,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;

use crate::http::recordings::start_request::{CallRef, understand};
use crate::http::response::{Refused, about, json, parse};
use crate::http::{repeatability, split_action};
use crate::service::error::Refusal;
use crate::service::recordings::Recording;
use crate::service::state::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/calling/recordings", post(start))
        .route(
            "/calling/recordings/{id}",
            get(state).delete(stop).post(act),
        )
}

async fn start(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Refusal> {
    let request: StartCallRecordingRequest = parse(&body)?;
    let start = understand(&request, shared.admin)?;
    let status = match start.call {
        CallRef::Connection(_) => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let properties = shared.start_recording(start, |recording| {
        // The recorder has not joined yet, however short the start delay is.
        describe(recording).recording_state(RecordingState::Inactive)
    })?;
    let mut response = json(status, &properties);
    response
        .headers_mut()
        .insert(repeatability::RESULT, repeatability::ACCEPTED);
    Ok(response)
}

async fn state(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let world = shared.world();
    let now = world.now;
    let recording = world.recordings.get(&id).map_err(refused(&id))?;
    let properties = describe(recording).recording_state(recording.state(now));
    let call = world.calls.get(recording.call).correlation_id;
    Ok(about(call, json(StatusCode::OK, &properties)))
}

async fn stop(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let call = shared.stop_recording(&id).map_err(refused(&id))?;
    Ok(about(call, StatusCode::NO_CONTENT.into_response()))
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Path(segment): Path<String>,
) -> Result<Response, Refused> {
    let (id, action) = split_action(&segment);
    let on = match action {
        "pause" => false,
        "resume" => true,
        _ => return Err(refused(&segment)(Refusal::OperationNotFound)),
    };
    let mut world = shared.world();
    let now = world.now;
    let call = shared
        .switch_recording(&mut world, id, on, now)
        .map_err(refused(id))?;
    Ok(about(call, StatusCode::ACCEPTED.into_response()))
}

fn describe(recording: &Recording) -> RecordingStateResponse {
    RecordingStateResponse::default()
        .recording_id(&recording.id)
        .recording_kind(RecordingKind::AzureCommunicationServices)
}

fn refused(id: &str) -> impl FnOnce(Refusal) -> Refused {
    let target = format!("/calling/recordings/{id}");
    move |refusal| Refused { refusal, target }
}
