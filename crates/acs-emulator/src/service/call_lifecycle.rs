//! Changes to calls, whether they are caused by a request, the script or time.

use jiff::Timestamp;
use uuid::Uuid;

use super::Service;
use super::call::CallIds;
use super::calls::CallKey;
use super::clock::after;
use super::disconnect_reason::DisconnectReason;
use super::error::ServiceError;
use super::event::{CallChange, CallbackContent};
use super::participant::SpeechInterval;
use super::recordings::EndReason;
use super::schedule::{Invitation, ScheduledStep};
use super::script::{CallPlan, Speaking, is_spoken};
use super::state::State;

impl Service {
    /// Creates a call, which lasts until all participants have left. Returns the existing call if the
    /// group or room has one.
    pub(crate) fn create_call(
        &self,
        state: &mut State,
        ids: CallIds,
        plan: CallPlan,
        now: Timestamp,
    ) -> CallKey {
        if let Some(key) = state.calls.with_ids(&ids) {
            // A group or a room has one call at a time, which others can join.
            let call = state.calls.get_mut(key);
            call.script.extend(plan.steps.unwrap_or_default());
            if call.started_at.is_some() {
                Self::schedule_script(state, key, now);
            }
            return key;
        }
        let key = state.calls.create(ids, now);
        let steps = plan.steps;
        let steps = steps.unwrap_or_else(|| self.settings.script_steps.clone());
        let call = state.calls.get_mut(key);
        call.speech_is_scripted = plan.speaking == Speaking::OnRequest || is_spoken(&steps);
        call.script = steps;
        self.call_changed(state, key, CallChange::Created, now);
        key
    }

    pub(super) fn established(
        &self,
        state: &mut State,
        call: CallKey,
        connection: &str,
        at: Timestamp,
    ) {
        let Ok((_, established)) = state.calls.connection(connection) else {
            return; // closed before it was established
        };
        let content = CallbackContent::CallConnected {
            operation_context: established.properties.operation_context.clone(),
        };
        let change = CallChange::Connected {
            connection_id: connection.to_owned(),
        };
        self.call_changed(state, call, change, at);
        self.callback(state, call, connection, content, at);
        self.update_participants(state, call, connection, at);
        if state.calls.get_mut(call).begin(at) {
            self.started(state, call, at);
        }
    }

    /// Schedules the script steps of a call that has just begun.
    pub(super) fn started(&self, state: &mut State, call: CallKey, at: Timestamp) {
        self.call_changed(state, call, CallChange::Started, at);
        Self::schedule_script(state, call, at);
    }

    fn schedule_script(state: &mut State, call: CallKey, at: Timestamp) {
        for step in std::mem::take(&mut state.calls.get_mut(call).script) {
            let action = step.action();
            let step_at = after(at, step.at());
            state
                .schedule
                .add(step_at, ScheduledStep::Scripted { call, action });
        }
    }

    pub(super) fn joined(
        &self,
        state: &mut State,
        call: CallKey,
        raw_id: &str,
        invitation: Option<&Invitation>,
        at: Timestamp,
    ) {
        let joining = state.calls.get(call);
        if joining.is_over() || !joining.present(at).any(|one| one.raw_id == raw_id) {
            return; // the call has ended, or the participant was removed before joining
        }
        // A participant who is already in the call does not join again.
        let joined = state.calls.get_mut(call).announce(raw_id);
        if joined {
            let raw_id = raw_id.to_owned();
            self.call_changed(state, call, CallChange::ParticipantAdded { raw_id }, at);
        }
        if let Some(invitation) = invitation {
            let content = CallbackContent::AddParticipantSucceeded {
                raw_id: raw_id.to_owned(),
                operation_context: invitation.operation_context.clone(),
            };
            self.notify_inviter(state, call, invitation, content, at);
        }
        if joined {
            self.participants_updated(state, call, Some(raw_id), at);
        }
    }

    /// Removes a participant from a call, which may end the call.
    pub(crate) fn leave(
        &self,
        state: &mut State,
        call: CallKey,
        raw_id: &str,
        invitation: Option<&Invitation>,
        at: Timestamp,
    ) -> Result<(), ServiceError> {
        let announced = state.calls.get(call).is_announced(raw_id);
        let empty = state.calls.get_mut(call).leave(raw_id, at)?;
        if announced {
            let raw_id = raw_id.to_owned();
            self.call_changed(state, call, CallChange::ParticipantRemoved { raw_id }, at);
        }
        if let Some(invitation) = invitation {
            let content = CallbackContent::RemoveParticipantSucceeded {
                raw_id: raw_id.to_owned(),
                operation_context: invitation.operation_context.clone(),
            };
            self.notify_inviter(state, call, invitation, content, at);
        }
        if announced {
            self.participants_updated(state, call, None, at);
        }
        if empty {
            self.end_call(state, call, at);
        }
        Ok(())
    }

    /// Mutes all of the given participants, or none if one is unknown.
    pub(crate) fn mute(
        &self,
        state: &mut State,
        call: CallKey,
        raw_ids: &[String],
        at: Timestamp,
    ) -> Result<(), ServiceError> {
        let muted = state.calls.get_mut(call).mute(raw_ids, at)?;
        if muted.is_empty() {
            return Ok(());
        }
        for raw_id in muted {
            self.call_changed(state, call, CallChange::ParticipantMuted { raw_id }, at);
        }
        self.participants_updated(state, call, None, at);
        Ok(())
    }

    /// Unmutes a participant. Has no effect if the participant is not muted.
    pub(crate) fn unmute(
        &self,
        state: &mut State,
        call: CallKey,
        raw_id: &str,
        at: Timestamp,
    ) -> Result<(), ServiceError> {
        if state.calls.get_mut(call).unmute(raw_id, at)? {
            let raw_id = raw_id.to_owned();
            self.call_changed(state, call, CallChange::ParticipantUnmuted { raw_id }, at);
            self.participants_updated(state, call, None, at);
        }
        Ok(())
    }

    /// Lets a participant speak, instead of what the participant would say by then.
    pub(crate) fn speak(
        &self,
        state: &mut State,
        call: CallKey,
        raw_id: &str,
        speech: SpeechInterval,
    ) -> Result<(), ServiceError> {
        let (at, until) = (speech.from, speech.until);
        state.calls.get_mut(call).speak(raw_id, speech)?;
        let raw_id = raw_id.to_owned();
        let change = CallChange::ParticipantSpeaking { raw_id, until };
        self.call_changed(state, call, change, at);
        Ok(())
    }

    /// Closes a connection. This ends the call unless two other participants remain.
    pub(crate) fn hang_up(
        &self,
        state: &mut State,
        connection: &str,
        at: Timestamp,
    ) -> Result<Uuid, ServiceError> {
        let (call, _) = state.calls.connection(connection)?;
        let over = state.calls.disconnect(connection, at)?;
        if over {
            self.end_call(state, call, at);
        }
        // This is the last callback to the connection. The end of a recording is reported before
        // it.
        self.disconnected(state, call, connection, DisconnectReason::Application, at);
        Ok(state.calls.get(call).correlation_id)
    }

    /// Ends a call for everybody at the application's request.
    pub(crate) fn terminate(
        &self,
        state: &mut State,
        connection: &str,
        at: Timestamp,
    ) -> Result<Uuid, ServiceError> {
        let (call, _) = state.calls.connection(connection)?;
        self.end(state, call, DisconnectReason::Application, at);
        Ok(state.calls.get(call).correlation_id)
    }

    /// Ends a call and its recording for everybody. Calling this again has no effect.
    pub(crate) fn end_call(&self, state: &mut State, call: CallKey, at: Timestamp) {
        self.end(state, call, DisconnectReason::CallEnded, at);
    }

    fn end(&self, state: &mut State, call: CallKey, reason: DisconnectReason, at: Timestamp) {
        if state.calls.get(call).is_over() {
            return;
        }
        let open = state.calls.get(call).open_connections();
        state.calls.end(call, reason, at);
        if let Some(id) = state.recordings.of_call(call) {
            // The recording exists, so this cannot fail.
            let _ = self.end_recording(state, &id, EndReason::CallEnded, at);
        }
        for connection in open {
            self.disconnected(state, call, &connection, reason, at);
        }
        self.call_changed(state, call, CallChange::Ended, at);
    }
}
