//! Notifications: who is told what, and in which order.

use jiff::Timestamp;

use super::Service;
use super::calls::CallKey;
use super::disconnect_reason::DisconnectReason;
use super::event::{
    CallChange, CallEvent, CallSummary, Callback, CallbackContent, ParticipantStatus, ServiceEvent,
};
use super::recordings::RecordingState;
use super::schedule::Invitation;
use super::state::{State, StateCallback};

impl Service {
    /// Reports a change to a call or one of its participants.
    pub(super) fn call_changed(
        &self,
        state: &State,
        call: CallKey,
        change: CallChange,
        at: Timestamp,
    ) {
        let mut call = CallSummary::from(state.calls.get(call));
        let caller = match &change {
            CallChange::Ringing { caller, .. } => Some(caller.clone()),
            _ => None,
        };
        let people = call.participants.iter().cloned().chain(caller);
        call.names = people
            .filter_map(|raw_id| Some((state.name_of(&raw_id)?.to_owned(), raw_id)))
            .map(|(name, raw_id)| (raw_id, name))
            .collect();
        self.emit(ServiceEvent::Call(CallEvent { call, change, at }));
    }

    /// Sends a participant update to all connections, except for those that already know
    /// `newcomer`.
    pub(super) fn participants_updated(
        &self,
        state: &mut State,
        call: CallKey,
        newcomer: Option<&str>,
        at: Timestamp,
    ) {
        for connection in state.calls.get(call).open_connections() {
            let waits = state.calls.connection(&connection).is_ok_and(|(_, one)| {
                // A connection that is being established gets the update in that step.
                one.sequence > 0
                    && newcomer
                        .is_none_or(|newcomer| one.known.iter().all(|known| known != newcomer))
            });
            if waits {
                self.update_participants(state, call, &connection, at);
            }
        }
    }

    /// Sends a participant update to one connection.
    pub(super) fn update_participants(
        &self,
        state: &mut State,
        call: CallKey,
        connection: &str,
        at: Timestamp,
    ) {
        let present = || state.calls.get(call).present(at);
        let status = |one: &super::participant::ParticipantState| ParticipantStatus {
            raw_id: one.raw_id.clone(),
            is_muted: one.is_muted(),
        };
        let participants = present().map(status).collect();
        let known = present().map(|one| one.raw_id.clone()).collect();
        let sequence_number = state.calls.count_update(call, connection, known);
        let content = CallbackContent::ParticipantsUpdated {
            participants,
            sequence_number,
        };
        self.callback(state, call, connection, content, at);
    }

    pub(super) fn disconnected(
        &self,
        state: &State,
        call: CallKey,
        connection: &str,
        reason: DisconnectReason,
        at: Timestamp,
    ) {
        let known = state.calls.get(call).known_connection(connection);
        let content = CallbackContent::CallDisconnected {
            operation_context: known.and_then(|one| one.properties.operation_context.clone()),
            reason,
        };
        self.callback(state, call, connection, content, at);
    }

    /// Sends a callback to the URL of a connection, if it has one.
    pub(super) fn callback(
        &self,
        state: &State,
        call: CallKey,
        connection: &str,
        content: CallbackContent,
        at: Timestamp,
    ) {
        let known = state.calls.get(call).known_connection(connection);
        if let Some(url) = known.and_then(|one| one.properties.callback_uri.clone()) {
            self.send_callback(state, call, connection, url, content, at);
        }
    }

    /// Reports the outcome of a request about a participant to the connection that made it, unless
    /// that connection is closed.
    pub(super) fn notify_inviter(
        &self,
        state: &State,
        call: CallKey,
        invitation: &Invitation,
        content: CallbackContent,
        at: Timestamp,
    ) {
        let connection = invitation.connection.as_str();
        if state.calls.connection(connection).is_err() {
            return;
        }
        match &invitation.callback {
            Some(url) => self.send_callback(state, call, connection, url.clone(), content, at),
            None => self.callback(state, call, connection, content, at),
        }
    }

    /// Reports the state of a recording to the URL that the application gave, if any.
    pub(super) fn recording_state_changed(
        &self,
        state: &mut State,
        id: &str,
        recording_state: RecordingState,
        at: Timestamp,
    ) {
        let Some(callback) = state.recording_callbacks.get_mut(id) else {
            return;
        };
        if recording_state == RecordingState::Active {
            callback.active_at.get_or_insert(at);
        }
        let callback = callback.clone();
        let content = CallbackContent::RecordingStateChanged {
            recording_id: id.to_owned(),
            state: recording_state,
            active_at: callback.active_at,
        };
        self.send_state_callback(state, &callback, content, at);
    }

    pub(super) fn recording_failed(&self, state: &State, id: &str, at: Timestamp) {
        let Some(callback) = state.recording_callbacks.get(id) else {
            return;
        };
        let content = CallbackContent::StartRecordingFailed {
            recording_id: id.to_owned(),
        };
        self.send_state_callback(state, callback, content, at);
    }

    fn send_state_callback(
        &self,
        state: &State,
        callback: &StateCallback,
        content: CallbackContent,
        at: Timestamp,
    ) {
        if let Some(url) = callback.url.clone() {
            let (call, connection) = (callback.call, &callback.connection);
            self.send_callback(state, call, connection, url, content, at);
        }
    }

    fn send_callback(
        &self,
        state: &State,
        call: CallKey,
        connection: &str,
        url: String,
        content: CallbackContent,
        at: Timestamp,
    ) {
        let call = state.calls.get(call);
        self.emit(ServiceEvent::Callback(Callback {
            url,
            connection_id: connection.to_owned(),
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            content,
            at,
        }));
    }
}
