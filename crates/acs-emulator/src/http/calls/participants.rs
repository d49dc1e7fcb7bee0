//! `/calling/callConnections/{id}/participants`.

use std::sync::Arc;

use acs_call_automation::types::{
    AddParticipantRequest, AddParticipantResponse, CallParticipant, GetParticipantsResponse,
    MuteParticipantsRequest, MuteParticipantsResult, RemoveParticipantRequest,
    RemoveParticipantResponse,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;

use super::options::check_calling_context;
use super::target::{about, check_callback};
use crate::http::response::{ErrorWithTarget, json, json_body, with_chain_id};
use crate::http::state::AppState;
use crate::service::Service;
use crate::service::error::ServiceError;
use crate::service::ids;
use crate::service::schedule::Invitation;
use crate::wire::identifier::{is_communication_user, raw_id};
use crate::wire::participant::call_participant;

pub(super) fn routes() -> Router<AppState> {
    const BASE: &str = "/calling/callConnections/{id}/participants";
    let not_emulated = |what: &'static str| {
        post(move || async move { ServiceError::NotEmulated(what.to_owned()) })
    };
    Router::new()
        .route(BASE, get(list))
        .route(&format!("{BASE}/{{participant}}"), get(one))
        .route(&format!("{BASE}:add"), post(add))
        .route(&format!("{BASE}:remove"), post(remove))
        .route(&format!("{BASE}:mute"), post(mute))
        .route(
            &format!("{BASE}:cancelAddParticipant"),
            not_emulated("Cancelling an invitation"),
        )
        .route(
            &format!("{BASE}:moveHere"),
            not_emulated("Moving participants"),
        )
}

async fn list(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ErrorWithTarget> {
    let state = service.state();
    let now = state.now;
    let (key, _) = state.calls.connection(&id).map_err(about(&id))?;
    let call = state.calls.get(key);
    let response = GetParticipantsResponse::new(call.present(now));
    Ok(with_chain_id(
        call.correlation_id,
        json(StatusCode::OK, &response),
    ))
}

async fn one(
    State(service): State<Arc<Service>>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<Response, ErrorWithTarget> {
    let state = service.state();
    let now = state.now;
    let (key, _) = state.calls.connection(&id).map_err(about(&id))?;
    let call = state.calls.get(key);
    let found = call
        .present(now)
        .find(|one| one.raw_id == participant)
        .ok_or(ServiceError::ParticipantNotFound)
        .map_err(about(&format!("{id}/participants/{participant}")))?;
    let response = json(StatusCode::OK, &CallParticipant::from(found));
    Ok(with_chain_id(call.correlation_id, response))
}

async fn add(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, ErrorWithTarget> {
    let request: AddParticipantRequest = json_body(&body).map_err(about(&id))?;
    if let Some(uri) = &request.operation_callback_uri {
        check_callback(&service, uri).map_err(about(&id))?;
    }
    let context = request.custom_calling_context.as_ref();
    check_calling_context(context).map_err(about(&id))?;
    if let Some(seconds) = request.invitation_timeout_in_seconds
        && !(0..=180).contains(&seconds)
    {
        let error = ServiceError::argument("invitationTimeoutInSeconds is not between 0 and 180.");
        return Err(about(&id)(error));
    }
    let invited = raw_id(&request.participant_to_add).map_err(about(&id))?;
    let mut state = service.state();
    let now = state.now;
    let joins_at = service.connects_at(now);
    let key = state.calls.established(&id, now).map_err(about(&id))?;
    let invitation = Invitation {
        connection: id,
        operation_context: request.operation_context.clone(),
        callback: request.operation_callback_uri,
    };
    state.join(key, &invited, (None, Some(invitation)), joins_at);
    let call = state.calls.get(key);
    let mut response = AddParticipantResponse::default()
        .invitation_id(ids::new_id().to_string())
        .participant(call_participant(&invited, false));
    response.operation_context = request.operation_context;
    Ok(with_chain_id(
        call.correlation_id,
        json(StatusCode::ACCEPTED, &response),
    ))
}

async fn remove(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, ErrorWithTarget> {
    let request: RemoveParticipantRequest = json_body(&body).map_err(about(&id))?;
    if let Some(uri) = &request.operation_callback_uri {
        check_callback(&service, uri).map_err(about(&id))?;
    }
    let participant = raw_id(&request.participant_to_remove).map_err(about(&id))?;
    let mut state = service.state();
    let now = state.now;
    let key = state.calls.established(&id, now).map_err(about(&id))?;
    let call = state.calls.get(key).correlation_id;
    let invitation = Invitation {
        connection: id.clone(),
        operation_context: request.operation_context.clone(),
        callback: request.operation_callback_uri,
    };
    service
        .leave(&mut state, key, &participant, Some(&invitation), now)
        .map_err(about(&id))?;
    let mut response = RemoveParticipantResponse::default();
    response.operation_context = request.operation_context;
    Ok(with_chain_id(call, json(StatusCode::ACCEPTED, &response)))
}

async fn mute(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, ErrorWithTarget> {
    let request: MuteParticipantsRequest = json_body(&body).map_err(about(&id))?;
    let participants = request
        .target_participants
        .iter()
        .map(raw_id)
        .collect::<Result<Vec<_>, _>>()
        .map_err(about(&id))?;
    if participants.is_empty()
        || !participants
            .iter()
            .all(|raw_id| is_communication_user(raw_id))
    {
        let error = ServiceError::argument("Name Communication Services users to mute.");
        return Err(about(&id)(error));
    }
    let mut state = service.state();
    let now = state.now;
    let key = state.calls.established(&id, now).map_err(about(&id))?;
    service
        .mute(&mut state, key, &participants, now)
        .map_err(about(&id))?;
    let call = state.calls.get(key);
    let mut response = MuteParticipantsResult::default();
    response.operation_context = request.operation_context;
    Ok(with_chain_id(
        call.correlation_id,
        json(StatusCode::OK, &response),
    ))
}
