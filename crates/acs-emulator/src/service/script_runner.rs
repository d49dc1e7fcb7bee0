//! Scheduled steps, and the steps of the script.

use std::time::Duration;

use jiff::Timestamp;

use super::Service;
use super::call::CallIds;
use super::calls::CallKey;
use super::clock::after;
use super::participant::SpeechInterval;
use super::schedule::ScheduledStep;
use super::script::{CallPlan, ScriptAction};
use super::state::State;

impl Service {
    /// Schedules the calls of the script.
    pub(crate) fn begin_script(&self) {
        let mut state = self.state();
        let now = state.now;
        for (number, call) in self.settings.scripted_calls.iter().enumerate() {
            let at = after(now, Duration::from_millis(call.at_ms));
            state
                .schedule
                .add(at, ScheduledStep::BeginScriptedCall(number));
        }
    }

    /// Runs a step that is due.
    pub(super) fn run_due(&self, state: &mut State, at: Timestamp, step: ScheduledStep) {
        match step {
            ScheduledStep::Established { call, connection } => {
                self.established(state, call, &connection, at);
            }
            ScheduledStep::Joined {
                call,
                raw_id,
                invitation,
            } => self.joined(state, call, &raw_id, invitation.as_ref(), at),
            ScheduledStep::RecorderJoined { id } => self.recorder_joined(state, &id, at),
            ScheduledStep::Scripted { call, action } => self.run_step(state, call, &action, at),
            ScheduledStep::BeginScriptedCall(number) => {
                self.begin_scripted_call(state, number, at);
            }
        }
    }

    fn begin_scripted_call(&self, state: &mut State, number: usize, at: Timestamp) {
        let Some(scripted) = self.settings.scripted_calls.get(number) else {
            return;
        };
        let ids = CallIds {
            group: scripted.group.map(|id| id.to_string()),
            room: scripted.room.clone(),
        };
        let plan = CallPlan {
            steps: scripted.steps.clone(),
            ..CallPlan::default()
        };
        let call = self.create_call(state, ids, plan, at);
        let participants: Vec<_> = scripted
            .participants
            .iter()
            .map(|name| state.user(name, self.resource))
            .collect();
        if scripted.ring {
            let callers = participants.into_iter().map(|raw_id| (raw_id, None));
            self.raise_incoming_call(state, call, callers.collect(), at);
            return;
        }
        let begins = state.calls.get_mut(call).begin(at);
        for raw_id in participants {
            state.join(call, &raw_id, (None, None), at);
        }
        if begins {
            self.started(state, call, at);
        }
    }

    fn run_step(&self, state: &mut State, call: CallKey, action: &ScriptAction, at: Timestamp) {
        if state.calls.get(call).is_over() {
            return;
        }
        let outcome = match action {
            ScriptAction::Join(who) => {
                let raw_id = self.resolve_participant(state, call, who);
                state.join(call, &raw_id, (None, None), at);
                Ok(())
            }
            ScriptAction::Leave(who) => {
                let raw_id = self.resolve_participant(state, call, who);
                self.leave(state, call, &raw_id, None, at)
            }
            ScriptAction::Speak(who, length) => {
                let raw_id = self.resolve_participant(state, call, who);
                let until = length.map(|length| after(at, length));
                self.speak(state, call, &raw_id, SpeechInterval::new(at, until))
            }
            ScriptAction::Mute(who) => {
                let raw_id = self.resolve_participant(state, call, who);
                self.mute(state, call, &[raw_id], at)
            }
            ScriptAction::Unmute(who) => {
                let raw_id = self.resolve_participant(state, call, who);
                self.unmute(state, call, &raw_id, at)
            }
            ScriptAction::End => {
                self.end_call(state, call, at);
                Ok(())
            }
        };
        if outcome.is_err() {
            tracing::warn!(?action, "cannot perform a step of the script");
        }
    }

    /// The raw id of a person that a script names.
    fn resolve_participant(&self, state: &mut State, call: CallKey, who: &str) -> String {
        let number = who.strip_prefix('#').and_then(|number| number.parse().ok());
        let participant = number.and_then(|number: usize| {
            let participants = &state.calls.get(call).participants;
            participants.get(number.checked_sub(1)?)
        });
        match participant {
            Some(participant) => participant.raw_id.clone(),
            None => state.user(who, self.resource),
        }
    }
}
