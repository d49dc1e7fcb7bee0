//! What participants do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::super::body::JsonBody;
use super::super::calls::{Names, Participant, find};
use super::super::problem::{Code, Problem};
use super::blocking::blocking;
use super::new_call::{NewParticipant, voice};
use crate::http::state::AppState;
use crate::media::Voice;
use crate::runtime::Runtime;
use crate::service::calls::CallKey;
use crate::service::clock::after;
use crate::service::error::ServiceError;
use crate::service::participant::SpeechInterval;
use crate::service::state::State as ServiceState;

/// How long it takes to say one character.
const PER_CHARACTER: Duration = Duration::from_millis(60);
/// The maximum number of characters of a text.
const MAX_TEXT: usize = 2_000;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/calls/{call}/participants", post(join))
        .route("/calls/{call}/participants/{participant}", delete(leave))
        .route(
            "/calls/{call}/participants/{participant}/speak",
            post(speak),
        )
        .route("/calls/{call}/participants/{participant}/mute", post(mute))
        .route(
            "/calls/{call}/participants/{participant}/unmute",
            post(unmute),
        )
}

async fn join(
    State(runtime): State<Arc<Runtime>>,
    Path(call): Path<String>,
    JsonBody(request): JsonBody<NewParticipant>,
) -> Result<(StatusCode, Json<Participant>), Problem> {
    let service = &runtime.service;
    let participant = blocking(move || request.check("")).await?;
    let (key, raw_id) = {
        let mut state = service.state();
        let now = state.now;
        let key = find(&state, &call)?;
        if state.calls.get(key).is_over() {
            return Err(ServiceError::Terminated.into());
        }
        let ringing = state.ringing_call(key);
        if ringing.is_some_and(|(_, ringing)| !ringing.answered) {
            let problem = Problem::new(Code::Conflict, "The call is ringing.");
            return Err(problem.hint("Participants can join when the application has answered it."));
        }
        let raw_id = state.user(&participant.name, service.resource);
        if state.calls.get(key).has(&raw_id) {
            let detail = format!("'{}' is already in the call.", participant.name);
            return Err(Problem::new(Code::Conflict, detail).pointer("/name"));
        }
        state.join(key, &raw_id, (participant.voice, None), now);
        (key, raw_id)
    };
    // The participant has joined when the state is locked again.
    let state = service.state();
    Ok((StatusCode::CREATED, Json(view(&state, key, &raw_id)?)))
}

/// The current or last stay of a participant in a call.
fn view(state: &ServiceState, key: CallKey, raw_id: &str) -> Result<Participant, Problem> {
    let call = state.calls.get(key);
    let mut stays = call.participants.iter().rev();
    let stay = stays.find(|one| one.raw_id == raw_id);
    let stay = stay.ok_or(ServiceError::ParticipantNotFound)?;
    let ended_at = call.ended.map(|(at, _)| at);
    Ok(Participant::new(
        stay,
        &Names::new(state),
        ended_at,
        state.now,
    ))
}

/// Finds a call that the participant is in, or is about to join.
fn find_call(state: &ServiceState, (call, raw_id): &(String, String)) -> Result<CallKey, Problem> {
    let key = find(state, call)?;
    let call = state.calls.get(key);
    if call.is_over() || !call.has(raw_id) {
        let detail = format!("The participant '{raw_id}' is not in the call.");
        let hint = "Use the raw id of a participant whose state is `joining` or `joined`.";
        return Err(Problem::new(Code::NotFound, detail).hint(hint));
    }
    Ok(key)
}

async fn leave(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let mut state = runtime.service.state();
    let now = state.now;
    let key = find_call(&state, &path)?;
    runtime.service.leave(&mut state, key, &path.1, None, now)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn mute(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<(String, String)>,
) -> Result<Json<Participant>, Problem> {
    let mut state = runtime.service.state();
    let now = state.now;
    let key = find_call(&state, &path)?;
    let raw_ids = std::slice::from_ref(&path.1);
    runtime.service.mute(&mut state, key, raw_ids, now)?;
    view(&state, key, &path.1).map(Json)
}

async fn unmute(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<(String, String)>,
) -> Result<Json<Participant>, Problem> {
    let mut state = runtime.service.state();
    let now = state.now;
    let key = find_call(&state, &path)?;
    runtime.service.unmute(&mut state, key, &path.1, now)?;
    view(&state, key, &path.1).map(Json)
}

/// A speech that begins now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Speak {
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    wav: Option<String>,
}

/// A speech that was checked.
struct Speech {
    /// `None` means until leaving.
    length: Option<Duration>,
    text: Option<Arc<str>>,
    voice: Option<Arc<Voice>>,
}

impl Speak {
    fn check(self) -> Result<Speech, Problem> {
        if self.duration_ms == Some(0) {
            let problem = Problem::invalid("A speech lasts at least 1 ms.");
            return Err(problem.pointer("/durationMs"));
        }
        let text = self.text.filter(|text| !text.is_empty());
        let characters = text.as_ref().map(|text| text.chars().count());
        if let Some(count) = characters.filter(|count| *count > MAX_TEXT) {
            let problem = Problem::invalid(format!("The text has {count} characters."));
            return Err(problem
                .hint(format!("Use at most {MAX_TEXT} characters."))
                .pointer("/text"));
        }
        let wav = self.wav.as_deref();
        let voice = wav.map(|wav| voice(wav, "/wav")).transpose()?;
        let of_text = characters.and_then(|count| u32::try_from(count).ok());
        Ok(Speech {
            length: self
                .duration_ms
                .map(Duration::from_millis)
                .or_else(|| voice.as_ref().and_then(|voice| voice.length()))
                .or_else(|| of_text.map(|count| PER_CHARACTER * count)),
            text: text.map(Into::into),
            voice,
        })
    }
}

async fn speak(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<(String, String)>,
    JsonBody(request): JsonBody<Speak>,
) -> Result<Json<Participant>, Problem> {
    let speech = blocking(move || request.check()).await?;
    let mut state = runtime.service.state();
    let now = state.now;
    let key = find_call(&state, &path)?;
    let speech = SpeechInterval {
        from: now,
        until: speech.length.map(|length| after(now, length)),
        text: speech.text,
        voice: speech.voice,
    };
    runtime.service.speak(&mut state, key, &path.1, speech)?;
    view(&state, key, &path.1).map(Json)
}
