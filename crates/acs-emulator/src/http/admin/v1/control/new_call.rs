//! Requests for calls and participants, and their checks.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::problem::{Code, Problem};
use crate::media::Voice;
use crate::service::Service;
use crate::service::call::CallIds;
use crate::service::call_setup::CallSetup;
use crate::service::error::ServiceError;
use crate::service::participant::NewParticipant as ServiceParticipant;
use crate::service::recording_request::CallTarget;
use crate::service::script::{ActionKind, CallPlan, InvalidStep, ScriptStep, Speaking};
use crate::service::state::State;
use crate::service::url_policy::UrlPolicy;

/// The maximum size of a WAV file.
const MAX_WAV: usize = 16 << 20;

/// A participant to add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewParticipant {
    name: String,
    #[serde(default)]
    wav: Option<String>,
}

impl NewParticipant {
    /// `at` is the JSON pointer of this object.
    pub(super) fn check(self, at: &str) -> Result<ServiceParticipant, Problem> {
        let invalid = |detail: &str| Err(Problem::invalid(detail).pointer(format!("{at}/name")));
        if self.name.trim().is_empty() {
            return invalid("The name of the participant is empty.");
        }
        if self.name.starts_with('#') {
            return invalid("The name begins with `#`, which steps use for the order of calling.");
        }
        let wav = self.wav.as_deref();
        let voice = wav.map(|wav| voice(wav, &format!("{at}/wav")));
        Ok(ServiceParticipant {
            name: self.name,
            voice: voice.transpose()?,
        })
    }
}

/// Reads a WAV file in base64. `at` is its JSON pointer.
pub(super) fn voice(wav: &str, at: &str) -> Result<Arc<Voice>, Problem> {
    let content = STANDARD.decode(wav).map_err(|error| {
        Problem::invalid(format!("The WAV file is not in base64 ({error})."))
            .hint("Encode the file in standard base64 with padding.")
            .pointer(at)
    })?;
    if content.len() > MAX_WAV {
        let detail = format!("The WAV file has {} bytes.", content.len());
        return Err(Problem::new(Code::TooLarge, detail)
            .hint(format!("Use a file of at most {MAX_WAV} bytes."))
            .pointer(at));
    }
    let voice = Voice::from_wav_bytes(&content).map_err(|error| {
        Problem::invalid(format!("The WAV file cannot be read ({error})."))
            .hint("Use integer samples of 8 to 32 bits or 32-bit floats.")
            .pointer(at)
    })?;
    Ok(Arc::new(voice))
}

/// A step of a script.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    #[serde(default)]
    at_ms: u64,
    #[serde(default)]
    who: Option<String>,
    #[serde(rename = "do")]
    action: ActionKind,
    #[serde(default)]
    for_ms: Option<u64>,
}

impl Step {
    fn check(self, at: &str) -> Result<ScriptStep, Problem> {
        let invalid =
            |detail, member| Err(Problem::invalid(detail).pointer(format!("{at}/{member}")));
        if self.for_ms == Some(0) {
            return invalid("A speech lasts at least 1 ms.", "forMs");
        }
        let step = ScriptStep {
            at_ms: self.at_ms,
            who: self.who.unwrap_or_default(),
            action: self.action,
            for_ms: self.for_ms,
        };
        match step.check() {
            Ok(()) => Ok(step),
            Err(InvalidStep::MissingWho) => invalid("The step names no participant.", "who"),
            Err(InvalidStep::UnexpectedWho) => {
                invalid("The end of the call concerns no single participant.", "who")
            }
            Err(InvalidStep::UnexpectedLength) => invalid(
                "Only a step in which a participant speaks has a length.",
                "forMs",
            ),
        }
    }
}

fn plan(speaking: Speaking, steps: Option<Vec<Step>>, at: &str) -> Result<CallPlan, Problem> {
    let check = |(index, step): (usize, Step)| step.check(&format!("{at}/steps/{index}"));
    let steps = steps.map(|steps| steps.into_iter().enumerate().map(check).collect());
    Ok(CallPlan {
        steps: steps.transpose()?,
        speaking,
    })
}

/// A call to set up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCall {
    participants: Vec<NewParticipant>,
    #[serde(default)]
    group_id: Option<String>,
    #[serde(default)]
    room_id: Option<String>,
    #[serde(default)]
    callback_uri: Option<String>,
    #[serde(default)]
    speaking: Speaking,
    #[serde(default)]
    steps: Option<Vec<Step>>,
}

impl NewCall {
    /// `at` is the JSON pointer of this object.
    pub(super) fn check(self, at: &str, urls: UrlPolicy) -> Result<CallSetup, Problem> {
        let participants = self.participants.into_iter().enumerate();
        let participants: Vec<_> = participants
            .map(|(index, one)| one.check(&format!("{at}/participants/{index}")))
            .collect::<Result<_, _>>()?;
        if participants.is_empty() {
            let problem = Problem::invalid("A call needs participants.");
            return Err(problem.pointer(format!("{at}/participants")));
        }
        for (id, member) in [(&self.group_id, "groupId"), (&self.room_id, "roomId")] {
            if id.as_ref().is_some_and(|id| id.trim().is_empty()) {
                let problem = Problem::invalid(format!("`{member}` is empty."));
                return Err(problem
                    .hint("Omit it for a call without such an id.")
                    .pointer(format!("{at}/{member}")));
            }
        }
        if let Some(url) = &self.callback_uri {
            urls.check(url).map_err(|reason| {
                Problem::new(
                    Code::InvalidUrl,
                    format!("Callbacks cannot be sent there: {reason}."),
                )
                .pointer(format!("{at}/callbackUri"))
            })?;
        }
        Ok(CallSetup {
            participants,
            ids: CallIds {
                group: self.group_id,
                room: self.room_id,
            },
            plan: plan(self.speaking, self.steps, at)?,
            callback_uri: self.callback_uri,
        })
    }
}

/// A call to the application.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewIncomingCall {
    caller: NewParticipant,
    #[serde(default)]
    speaking: Speaking,
    #[serde(default)]
    steps: Option<Vec<Step>>,
}

impl NewIncomingCall {
    /// `at` is the JSON pointer of this object.
    pub(super) fn check(self, at: &str) -> Result<(ServiceParticipant, CallPlan), Problem> {
        let caller = self.caller.check(&format!("{at}/caller"))?;
        Ok((caller, plan(self.speaking, self.steps, at)?))
    }
}

/// Checks whether calls can be set up together. `at` gives the JSON pointer of each.
pub(super) fn check_conflicts(
    service: &Service,
    state: &mut State,
    calls: &[CallSetup],
    at: impl Fn(usize) -> String,
) -> Result<(), Problem> {
    let now = state.now;
    let mut taken = HashSet::new();
    for (index, call) in calls.iter().enumerate() {
        let at = at(index);
        let mut people = HashSet::new();
        for (person, participant) in call.participants.iter().enumerate() {
            if !people.insert(state.user(&participant.name, service.resource)) {
                let name = &participant.name;
                let problem = Problem::invalid(format!("The participant '{name}' is given twice."));
                return Err(problem.pointer(format!("{at}/participants/{person}/name")));
            }
        }
        let group = call.ids.group.clone().map(CallTarget::Group);
        let room = call.ids.room.clone().map(CallTarget::Room);
        for (target, member) in [(group, "groupId"), (room, "roomId")] {
            let Some(target) = target else { continue };
            let ongoing = matches!(
                state.calls.find(&target, now),
                Ok(_) | Err(ServiceError::NotEstablished)
            );
            if ongoing || !taken.insert(format!("{target:?}").to_ascii_lowercase()) {
                let problem =
                    Problem::new(Code::Conflict, format!("Another call has this `{member}`."));
                return Err(problem
                    .hint("End the other call, or use another id.")
                    .pointer(format!("{at}/{member}")));
            }
        }
    }
    Ok(())
}
