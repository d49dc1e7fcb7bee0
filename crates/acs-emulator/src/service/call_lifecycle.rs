//! Changes to calls, whether they are caused by a request, the script or time.

use std::sync::Arc;

use acs_call_automation::types::RecordingState;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::delivery::callbacks::{Note, Outcome};
use crate::media::Voice;
use crate::service::calls::{Addresses, CallKey, Connection, Terms};
use crate::service::clock::after;
use crate::service::error::Refusal;
use crate::service::recordings::EndReason;
use crate::service::schedule::{Invitation, Step};
use crate::service::script::{Deed, ScriptStep, is_spoken};
use crate::service::state::{Shared, World};
use crate::wire::identifier::model;

const BY_APPLICATION: Outcome = Outcome(200, 7000, "The application has ended the call.");
const BY_OTHERS: Outcome = Outcome(200, 0, "The call has ended.");

impl World {
    /// Connects the application to a call.
    pub(crate) fn connect(&mut self, call: CallKey, terms: Terms, at: Timestamp) -> String {
        let connection = self.calls.connect(call, terms, at);
        let step = Step::Established {
            call,
            connection: connection.clone(),
        };
        self.agenda.add(at, step);
        connection
    }

    /// Adds a participant to a call.
    pub(crate) fn join(
        &mut self,
        call: CallKey,
        raw_id: &str,
        (voice, invitation): (Option<Arc<Voice>>, Option<Invitation>),
        at: Timestamp,
    ) {
        self.calls.get_mut(call).join(raw_id, voice, at);
        let step = Step::Joined {
            call,
            raw_id: raw_id.to_owned(),
            invitation,
        };
        self.agenda.add(at, step);
    }
}

impl Shared {
    /// Runs a step that is due.
    pub(crate) fn perform(&self, world: &mut World, at: Timestamp, step: Step) {
        match step {
            Step::Established { call, connection } => {
                self.established(world, call, &connection, at);
            }
            Step::Joined {
                call,
                raw_id,
                invitation,
            } => self.joined(world, call, &raw_id, invitation.as_ref(), at),
            Step::Recording { id } => {
                if let Some(watcher) = world.watchers.get_mut(&id) {
                    watcher.arrived = true;
                }
                let is_active = |state| state == RecordingState::Active;
                let active = world.recordings.get(&id).map(|one| one.state(at));
                if active.is_ok_and(is_active) {
                    self.recording_changed(world, &id, true, at);
                }
            }
            Step::Scripted { call, deed } => self.act_out(world, call, &deed, at),
            Step::Begin(number) => self.begin(world, number, at),
        }
    }

    /// Creates a call, which lasts until all participants have left.
    pub(crate) fn create_call(
        &self,
        world: &mut World,
        addresses: Addresses,
        script: Option<Vec<ScriptStep>>,
        now: Timestamp,
    ) -> CallKey {
        let key = world.calls.create(addresses, now);
        let script = script.unwrap_or_else(|| self.settings.script.steps.clone());
        let call = world.calls.get_mut(key);
        call.speech_is_scripted = is_spoken(&script);
        call.script = script;
        tracing::info!(server_call = call.server_call_id, "call created");
        key
    }

    /// Removes a participant from a call, which may end the call.
    pub(crate) fn leave(
        &self,
        world: &mut World,
        call: CallKey,
        raw_id: &str,
        invitation: Option<&Invitation>,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let announced = world.calls.get(call).is_announced(raw_id);
        let empty = world.calls.get_mut(call).leave(raw_id, at)?;
        if announced {
            tracing::info!(who = raw_id, "participant left");
            self.call_event(world, call, "CallParticipantRemoved", Some(raw_id), at);
        }
        if let Some(invitation) = invitation {
            let data = json!({
                "participant": model(raw_id),
                "operationContext": invitation.context,
            });
            let note = Note::success("RemoveParticipantSucceeded", at);
            self.tell_inviter(world, call, invitation, note, data);
        }
        if announced {
            self.participants_updated(world, call, None, at);
        }
        if empty {
            self.end_call(world, call, at);
        }
        Ok(())
    }

    /// Closes a connection. This ends the call unless two other participants remain.
    pub(crate) fn hang_up(
        &self,
        world: &mut World,
        connection: &str,
        at: Timestamp,
    ) -> Result<Uuid, Refusal> {
        let (call, _) = world.calls.connection(connection)?;
        let over = world.calls.disconnect(connection, at)?;
        if over {
            self.end_call(world, call, at);
        }
        // This is the last callback to the connection. The end of a recording is reported before
        // it.
        self.disconnected(world, call, connection, BY_APPLICATION, at);
        Ok(world.calls.get(call).correlation_id)
    }

    /// Ends a call for everybody at the application's request.
    pub(crate) fn terminate(
        &self,
        world: &mut World,
        connection: &str,
        at: Timestamp,
    ) -> Result<Uuid, Refusal> {
        let (call, _) = world.calls.connection(connection)?;
        self.over(world, call, BY_APPLICATION, at);
        Ok(world.calls.get(call).correlation_id)
    }

    /// Ends a call and its recording for everybody. Calling this again has no effect.
    pub(crate) fn end_call(&self, world: &mut World, call: CallKey, at: Timestamp) {
        self.over(world, call, BY_OTHERS, at);
    }

    fn over(&self, world: &mut World, call: CallKey, outcome: Outcome, at: Timestamp) {
        if world.calls.get(call).is_over() {
            return;
        }
        let open = world.calls.get(call).open_connections();
        world.calls.end(call);
        let server_call = world.calls.get(call).server_call_id.as_str();
        tracing::info!(server_call, "call ended");
        if let Some(id) = world.recordings.of_call(call) {
            // The recording exists, so this cannot fail.
            let _ = self.end_recording(world, &id, EndReason::CallEnded, at);
        }
        for connection in open {
            self.disconnected(world, call, &connection, outcome, at);
        }
        self.call_event(world, call, "CallEnded", None, at);
    }

    /// Ends a recording and returns the correlation id of its call.
    pub(crate) fn end_recording(
        &self,
        world: &mut World,
        id: &str,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<Uuid, Refusal> {
        let recording = world.recordings.get(id)?;
        let call = recording.call;
        let active = recording.state(at) == RecordingState::Active;
        let finished = self.finish(world, id, call, reason, at)?;
        let recorded = finished.as_ref().map(|finished| finished.length);
        let seconds = recorded.unwrap_or_default().as_secs_f64();
        tracing::info!(recording = id, seconds, "recording stopped");
        let watcher = world.watchers.get(id);
        let never = watcher.is_some_and(|watcher| !watcher.arrived);
        if active {
            self.recording_changed(world, id, false, at);
        } else if never && reason == EndReason::CallEnded {
            self.recording_failed(world, id, at);
        }
        world.watchers.remove(id);
        self.announce(finished);
        Ok(world.calls.get(call).correlation_id)
    }

    /// Pauses or resumes a recording. Repeating it has no effect.
    pub(crate) fn switch_recording(
        &self,
        world: &mut World,
        id: &str,
        on: bool,
        now: Timestamp,
    ) -> Result<Uuid, Refusal> {
        let before = world.recordings.get(id)?.state(now);
        let call = world.recordings.switch(id, on, now)?;
        let what = if on { "resumed" } else { "paused" };
        tracing::info!(recording = id, "recording {what}");
        if world.recordings.get(id)?.state(now) != before {
            self.recording_changed(world, id, on, now);
        }
        Ok(world.calls.get(call).correlation_id)
    }

    fn established(&self, world: &mut World, call: CallKey, connection: &str, at: Timestamp) {
        if world.calls.connection(connection).is_err() {
            return; // closed before it was established
        }
        tracing::info!(connection, "call connected");
        let context = |one: &Connection| json!({"operationContext": one.terms.context});
        self.callback(
            world,
            call,
            connection,
            Note::success("CallConnected", at),
            context,
        );
        self.update_one(world, call, connection, at);
        if world.calls.get_mut(call).begin(at) {
            self.started(world, call, at);
        }
    }

    /// Schedules the script steps of a call that has just begun.
    pub(crate) fn started(&self, world: &mut World, call: CallKey, at: Timestamp) {
        self.call_event(world, call, "CallStarted", None, at);
        for step in std::mem::take(&mut world.calls.get_mut(call).script) {
            let deed = step.deed();
            let step_at = after(at, step.at());
            world.agenda.add(step_at, Step::Scripted { call, deed });
        }
    }

    fn joined(
        &self,
        world: &mut World,
        call: CallKey,
        raw_id: &str,
        invitation: Option<&Invitation>,
        at: Timestamp,
    ) {
        let state = world.calls.get(call);
        if state.is_over() || !state.present(at).any(|member| member.raw_id == raw_id) {
            return; // the call has ended, or the participant was removed before joining
        }
        // A participant who is already in the call does not join again.
        let joined = world.calls.get_mut(call).announce(raw_id);
        if joined {
            tracing::info!(who = raw_id, "participant joined");
            self.call_event(world, call, "CallParticipantAdded", Some(raw_id), at);
        }
        if let Some(invitation) = invitation {
            let data = json!({
                "participant": model(raw_id),
                "operationContext": invitation.context,
            });
            let note = Note::success("AddParticipantSucceeded", at);
            self.tell_inviter(world, call, invitation, note, data);
        }
        if joined {
            self.participants_updated(world, call, Some(raw_id), at);
        }
    }

    /// Mutes all of the given participants, or none if one is unknown.
    pub(crate) fn mute(
        &self,
        world: &mut World,
        call: CallKey,
        people: &[String],
        at: Timestamp,
    ) -> Result<(), Refusal> {
        if world.calls.get_mut(call).mute(people, at)? {
            self.participants_updated(world, call, None, at);
        }
        Ok(())
    }

    fn act_out(&self, world: &mut World, call: CallKey, deed: &Deed, at: Timestamp) {
        if world.calls.get(call).is_over() {
            return;
        }
        let outcome = match deed {
            Deed::Join(who) => {
                let raw_id = self.person(world, call, who);
                world.join(call, &raw_id, (None, None), at);
                Ok(())
            }
            Deed::Leave(who) => {
                let raw_id = self.person(world, call, who);
                self.leave(world, call, &raw_id, None, at)
            }
            Deed::Speak(who, length) => {
                let raw_id = self.person(world, call, who);
                let until = length.map(|length| after(at, length));
                world.calls.get_mut(call).speak(&raw_id, at, until)
            }
            Deed::Mute(who) => {
                let raw_id = self.person(world, call, who);
                self.mute(world, call, &[raw_id], at)
            }
            Deed::End => {
                self.end_call(world, call, at);
                Ok(())
            }
        };
        if outcome.is_err() {
            tracing::warn!(?deed, "cannot perform a step of the script");
        }
    }

    /// The raw id of a person that a script names.
    fn person(&self, world: &mut World, call: CallKey, who: &str) -> String {
        let number = who.strip_prefix('#').and_then(|number| number.parse().ok());
        let member = number.and_then(|number: usize| {
            let members = &world.calls.get(call).members;
            members.get(number.checked_sub(1)?)
        });
        match member {
            Some(member) => member.raw_id.clone(),
            None => world.user(who, self.resource),
        }
    }
}
