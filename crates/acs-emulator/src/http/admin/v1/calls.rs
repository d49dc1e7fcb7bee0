//! Calls and their participants.

use std::collections::HashMap;
use std::sync::Arc;

use acs_call_automation::types::CommunicationIdentifierModelKind as Kind;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Parameters;
use super::interval::Interval;
use super::list::{ListParameters, Page};
use super::problem::Problem;
use super::recordings::{self, Recording};
use crate::http::state::AppState;
use crate::media::Voice;
use crate::redact::without_secrets;
use crate::runtime::Runtime;
use crate::service::call::CallState;
use crate::service::calls::CallKey;
use crate::service::connection::Connection as ServiceConnection;
use crate::service::disconnect_reason::DisconnectReason;
use crate::service::participant::{ParticipantState, SpeechInterval};
use crate::service::state::State as ServiceState;
use crate::wire::identifier::model;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/calls", get(list))
        .route("/calls/{call}", get(read))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CallPhase {
    Ringing,
    Connecting,
    Connected,
    Ended,
}

/// A call, as the API describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    id: Uuid,
    server_call_id: String,
    state: CallPhase,
    group_id: Option<String>,
    room_id: Option<String>,
    incoming_call_context: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    end_reason: Option<&'static str>,
    connections: Vec<Connection>,
    participants: Vec<Participant>,
    recording_ids: Vec<String>,
}

/// A call with its recordings.
#[derive(Debug, Serialize)]
pub(super) struct CallDetail {
    #[serde(flatten)]
    call: Call,
    recordings: Vec<Recording>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    id: String,
    state: &'static str,
    connected_at: Timestamp,
    disconnected_at: Option<Timestamp>,
    callback_uri: Option<String>,
}

/// A stay of a participant, as the API describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Participant {
    id: String,
    name: Option<String>,
    kind: &'static str,
    state: &'static str,
    muted: bool,
    voice: &'static str,
    speaks_always: bool,
    joined_at: Timestamp,
    left_at: Option<Timestamp>,
    speech: Vec<Speech>,
    mutes: Vec<Interval>,
}

#[derive(Debug, Serialize)]
struct Speech {
    #[serde(flatten)]
    interval: Interval,
    text: Option<String>,
}

impl From<&SpeechInterval> for Speech {
    fn from(speech: &SpeechInterval) -> Self {
        Self {
            interval: Interval {
                from: speech.from,
                until: speech.until,
            },
            text: speech.text.as_deref().map(str::to_owned),
        }
    }
}

impl Connection {
    fn new(connection: &ServiceConnection, now: Timestamp) -> Self {
        let callback_uri = connection.properties.callback_uri.as_deref();
        Self {
            id: connection.id.clone(),
            state: if connection.is_closed() {
                "disconnected"
            } else if connection.is_established(now) {
                "connected"
            } else {
                "connecting"
            },
            connected_at: connection.connected_at,
            disconnected_at: connection.disconnected_at,
            callback_uri: callback_uri.map(|uri| without_secrets(uri).into_owned()),
        }
    }
}

/// The names that were chosen for participants, by raw id.
pub(super) struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    pub(super) fn new(state: &'a ServiceState) -> Self {
        Self(state.names().map(|(name, raw_id)| (raw_id, name)).collect())
    }
}

impl Participant {
    pub(super) fn new(
        participant: &ParticipantState,
        names: &Names<'_>,
        ended_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let left_at = participant.left_at.or(ended_at);
        Self {
            state: if left_at.is_some() {
                "left"
            } else if participant.joined_at <= now {
                "joined"
            } else {
                "joining"
            },
            muted: participant.is_muted() && left_at.is_none(),
            joined_at: participant.joined_at,
            left_at,
            speaks_always: participant.speech.is_none(),
            speech: participant
                .speech
                .iter()
                .flatten()
                .map(Speech::from)
                .collect(),
            mutes: participant.mutes.iter().map(Interval::from).collect(),
            ..Self::caller(&participant.raw_id, Some(&participant.voice), names, now)
        }
    }

    /// A participant of a ringing call.
    fn caller(
        raw_id: &str,
        voice: Option<&Arc<Voice>>,
        names: &Names<'_>,
        joined_at: Timestamp,
    ) -> Self {
        Self {
            id: raw_id.to_owned(),
            name: names.0.get(raw_id).map(|name| (*name).to_owned()),
            kind: match model(raw_id).kind {
                Some(Kind::CommunicationUser) => "communicationUser",
                Some(Kind::PhoneNumber) => "phoneNumber",
                Some(Kind::MicrosoftTeamsUser) => "microsoftTeamsUser",
                Some(Kind::MicrosoftTeamsApp) => "microsoftTeamsApp",
                _ => "unknown",
            },
            state: "joining",
            muted: false,
            voice: match voice.map(|voice| &**voice) {
                Some(Voice::Clip(_)) => "wav",
                Some(Voice::Tone(_)) | None => "tone",
            },
            speaks_always: true,
            joined_at,
            left_at: None,
            speech: Vec::new(),
            mutes: Vec::new(),
        }
    }
}

impl Call {
    /// `recording_ids` are those of the call, in the order of their start.
    fn new(
        key: CallKey,
        call: &CallState,
        state: &ServiceState,
        names: &Names<'_>,
        recording_ids: Vec<String>,
    ) -> Self {
        let now = state.now;
        let ended_at = call.ended.map(|(at, _)| at);
        let ringing = state.ringing_call(key);
        let waiting = ringing.filter(|(_, ringing)| !ringing.answered && ended_at.is_none());
        let established = call.connections.iter().any(|one| one.is_established(now));
        let participants = if let Some((_, ringing)) = waiting {
            let callers = ringing.callers.iter();
            let caller = |(raw_id, voice): &(String, Option<Arc<Voice>>)| {
                Participant::caller(raw_id, voice.as_ref(), names, now)
            };
            callers.map(caller).collect()
        } else {
            let participants = call.participants.iter();
            participants
                .map(|one| Participant::new(one, names, ended_at, now))
                .collect()
        };
        Self {
            id: call.correlation_id,
            server_call_id: call.server_call_id.clone(),
            state: if ended_at.is_some() {
                CallPhase::Ended
            } else if waiting.is_some() {
                CallPhase::Ringing
            } else if call.started_at.is_some() || established {
                CallPhase::Connected
            } else {
                CallPhase::Connecting
            },
            group_id: call.ids.group.clone(),
            room_id: call.ids.room.clone(),
            incoming_call_context: ringing.map(|(context, _)| context.to_owned()),
            created_at: call.created_at,
            started_at: call.started_at,
            ended_at,
            end_reason: call.ended.map(|(_, reason)| match reason {
                DisconnectReason::Application => "The application ended the call.",
                DisconnectReason::CallEnded => "The call ended.",
            }),
            connections: call
                .connections
                .iter()
                .map(|one| Connection::new(one, now))
                .collect(),
            participants,
            recording_ids,
        }
    }
}

impl CallDetail {
    /// The call without its recordings.
    pub(super) fn into_call(self) -> Call {
        self.call
    }
}

/// A call with this id and its recordings, in the current state.
pub(super) fn detail(runtime: &Runtime, state: &ServiceState, key: CallKey) -> CallDetail {
    let call = state.calls.get(key);
    let recordings = recordings::of_call(runtime, state, call.correlation_id);
    let ids = recordings.iter().map(|one| one.id().to_owned()).collect();
    CallDetail {
        call: Call::new(key, call, state, &Names::new(state), ids),
        recordings,
    }
}

/// Finds the call with this id.
pub(super) fn find(state: &ServiceState, id: &str) -> Result<CallKey, Problem> {
    let id = Uuid::parse_str(id).ok();
    id.and_then(|id| state.calls.by_correlation_id(id))
        .ok_or_else(|| Problem::not_found("The call", "Ended calls are removed after a while."))
}

#[derive(Deserialize)]
struct CallParameters {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<CallPhase>,
}

async fn list(
    State(runtime): State<Arc<Runtime>>,
    Parameters(parameters): Parameters<CallParameters>,
) -> Result<Json<Page<Call>>, Problem> {
    let mut by_call = recordings::ids_by_call(&runtime);
    let state = runtime.service.state();
    for recording in state.recordings.iter() {
        let call = state.calls.get(recording.call).correlation_id;
        by_call.entry(call).or_default().push(recording.id.clone());
    }
    let names = Names::new(&state);
    let mut calls: Vec<_> = state.calls.entries().collect();
    calls.reverse();
    let total = calls.len();
    let view = |(key, call): &(CallKey, &CallState)| {
        let ids = by_call
            .get(&call.correlation_id)
            .cloned()
            .unwrap_or_default();
        Call::new(*key, call, &state, &names, ids)
    };
    if let Some(phase) = parameters.state {
        calls.retain(|one| view(one).state == phase);
    }
    let list = ListParameters::new(parameters.limit, parameters.cursor);
    let key = |(_, call): &(CallKey, &CallState)| call.correlation_id.to_string();
    list.page(&calls, total, key, view).map(Json)
}

async fn read(
    State(runtime): State<Arc<Runtime>>,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, Problem> {
    let state = runtime.service.state();
    let key = find(&state, &id)?;
    Ok(Json(detail(&runtime, &state, key)))
}
