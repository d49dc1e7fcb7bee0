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

use crate::http::calls::{check_callback, refused};
use crate::http::response::{Refused, about, json, parse};
use crate::service::clock::after;
use crate::service::error::Refusal;
use crate::service::ids;
use crate::service::schedule::Invitation;
use crate::service::state::Shared;
use crate::wire::identifier::{model, raw_id};

pub(super) fn routes() -> Router<Arc<Shared>> {
    const BASE: &str = "/calling/callConnections/{id}/participants";
    let not_emulated =
        |what: &'static str| post(move || async move { Refusal::NotEmulated(what.to_owned()) });
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
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let world = shared.world();
    let now = world.now;
    let (key, _) = world.calls.connection(&id).map_err(refused(&id))?;
    let call = world.calls.get(key);
    let answer = GetParticipantsResponse::new(call.present(now));
    Ok(about(call.correlation_id, json(StatusCode::OK, &answer)))
}

async fn one(
    State(shared): State<Arc<Shared>>,
    Path((id, participant)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let world = shared.world();
    let now = world.now;
    let (key, _) = world.calls.connection(&id).map_err(refused(&id))?;
    let call = world.calls.get(key);
    let member = call
        .present(now)
        .find(|member| member.raw_id == participant)
        .ok_or(Refusal::ParticipantNotFound)
        .map_err(refused(&format!("{id}/participants/{participant}")))?;
    let answer = json(StatusCode::OK, &CallParticipant::from(member));
    Ok(about(call.correlation_id, answer))
}

async fn add(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let request: AddParticipantRequest = parse(&body).map_err(refused(&id))?;
    if let Some(uri) = &request.operation_callback_uri {
        check_callback(&shared, uri).map_err(refused(&id))?;
    }
    if let Some(seconds) = request.invitation_timeout_in_seconds
        && !(0..=180).contains(&seconds)
    {
        let refusal = Refusal::argument("invitationTimeoutInSeconds is not between 0 and 180.");
        return Err(refused(&id)(refusal));
    }
    let invited = raw_id(&request.participant_to_add).map_err(refused(&id))?;
    let mut world = shared.world();
    let now = world.now;
    let joins_at = after(now, shared.settings.connect_delay);
    let key = world.calls.established(&id, now).map_err(refused(&id))?;
    let invitation = Invitation {
        connection: id,
        context: request.operation_context.clone(),
        callback: request.operation_callback_uri,
    };
    world.join(key, &invited, (None, Some(invitation)), joins_at);
    let call = world.calls.get(key);
    let participant = CallParticipant::default()
        .identifier(model(&invited))
        .is_muted(false)
        .is_on_hold(false);
    let mut answer = AddParticipantResponse::default()
        .invitation_id(ids::guid())
        .participant(participant);
    answer.operation_context = request.operation_context;
    Ok(about(
        call.correlation_id,
        json(StatusCode::ACCEPTED, &answer),
    ))
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let request: RemoveParticipantRequest = parse(&body).map_err(refused(&id))?;
    if let Some(uri) = &request.operation_callback_uri {
        check_callback(&shared, uri).map_err(refused(&id))?;
    }
    let participant = raw_id(&request.participant_to_remove).map_err(refused(&id))?;
    let mut world = shared.world();
    let now = world.now;
    let key = world.calls.established(&id, now).map_err(refused(&id))?;
    let call = world.calls.get(key).correlation_id;
    let invitation = Invitation {
        connection: id.clone(),
        context: request.operation_context.clone(),
        callback: request.operation_callback_uri,
    };
    shared
        .leave(&mut world, key, &participant, Some(&invitation), now)
        .map_err(refused(&id))?;
    let mut answer = RemoveParticipantResponse::default();
    answer.operation_context = request.operation_context;
    Ok(about(call, json(StatusCode::ACCEPTED, &answer)))
}

async fn mute(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let request: MuteParticipantsRequest = parse(&body).map_err(refused(&id))?;
    let participants = request
        .target_participants
        .iter()
        .map(raw_id)
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused(&id))?;
    if participants.is_empty()
        || !participants
            .iter()
            .all(|raw_id| raw_id.starts_with("8:acs:"))
    {
        let refusal = Refusal::argument("Name Communication Services users to mute.");
        return Err(refused(&id)(refusal));
    }
    let mut world = shared.world();
    let now = world.now;
    let key = world.calls.established(&id, now).map_err(refused(&id))?;
    shared
        .mute(&mut world, key, &participants, now)
        .map_err(refused(&id))?;
    let call = world.calls.get(key);
    let mut answer = MuteParticipantsResult::default();
    answer.operation_context = request.operation_context;
    Ok(about(call.correlation_id, json(StatusCode::OK, &answer)))
}
