//! Notifications: callbacks to applications, and events about calls.

use acs_call_automation::types::CallParticipant;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::callbacks::{About, Callback, Note, Outcome, time};
use crate::delivery::event_grid::call_events;
use crate::delivery::event_grid::event::publish;
use crate::service::calls::{CallKey, Connection};
use crate::service::schedule::Invitation;
use crate::service::state::{Shared, World};

/// The value that the service uses for an unknown time.
const NO_TIME: &str = "0001-01-01T00:00:00+00:00";

/// The recipient of callbacks about the state of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    pub(crate) url: Option<String>,
    /// The connection that records.
    pub(crate) connection: String,
    pub(crate) call: CallKey,
    /// Whether the recorder has joined the call.
    pub(crate) arrived: bool,
    /// The time at which the recording became active for the first time.
    pub(crate) active_at: Option<Timestamp>,
}

impl Shared {
    /// Sends a participant update to all connections, except for those that already know
    /// `newcomer`.
    pub(crate) fn participants_updated(
        &self,
        world: &mut World,
        call: CallKey,
        newcomer: Option<&str>,
        at: Timestamp,
    ) {
        for connection in world.calls.get(call).open_connections() {
            let waits = world.calls.connection(&connection).is_ok_and(|(_, one)| {
                // A connection that is being established gets the update in that step.
                one.sequence > 0
                    && newcomer
                        .is_none_or(|newcomer| one.told.iter().all(|known| known != newcomer))
            });
            if waits {
                self.update_one(world, call, &connection, at);
            }
        }
    }

    pub(crate) fn update_one(
        &self,
        world: &mut World,
        call: CallKey,
        connection: &str,
        at: Timestamp,
    ) {
        let present = || world.calls.get(call).present(at);
        let people: Vec<_> = present().map(CallParticipant::from).collect();
        let known = present().map(|member| member.raw_id.clone()).collect();
        let sequence = world.calls.count_telling(call, connection, known);
        let data = |_: &Connection| json!({"participants": people, "sequenceNumber": sequence});
        self.callback(
            world,
            call,
            connection,
            Note::success("ParticipantsUpdated", at),
            data,
        );
    }

    pub(crate) fn disconnected(
        &self,
        world: &World,
        call: CallKey,
        connection: &str,
        outcome: Outcome,
        at: Timestamp,
    ) {
        let context = |one: &Connection| json!({"operationContext": one.terms.context});
        let note = Note {
            kind: "CallDisconnected",
            outcome,
            at,
        };
        self.callback(world, call, connection, note, context);
    }

    /// Sends a callback to the URL of a connection, if it has one.
    pub(crate) fn callback(
        &self,
        world: &World,
        call: CallKey,
        connection: &str,
        note: Note,
        data: impl FnOnce(&Connection) -> Value,
    ) {
        let state = world.calls.get(call);
        let Some(known) = state.known_connection(connection) else {
            return;
        };
        if let Some(url) = &known.terms.callback_uri {
            self.send_callback(world, call, connection, url, note, data(known));
        }
    }

    /// Reports the outcome of a request about a participant to the connection that made it, unless
    /// that connection is closed.
    pub(crate) fn tell_inviter(
        &self,
        world: &World,
        call: CallKey,
        invitation: &Invitation,
        note: Note,
        data: Value,
    ) {
        let connection = invitation.connection.as_str();
        if world.calls.connection(connection).is_err() {
            return;
        }
        match &invitation.callback {
            Some(url) => {
                self.send_callback(world, call, connection, url, note, data);
            }
            None => {
                self.callback(world, call, connection, note, |_| data);
            }
        }
    }

    fn send_callback(
        &self,
        world: &World,
        call: CallKey,
        connection: &str,
        url: &str,
        note: Note,
        data: Value,
    ) {
        let state = world.calls.get(call);
        let about = About {
            connection,
            server_call: &state.server_call_id,
            correlation: state.correlation_id.to_string(),
        };
        let source = format!("calling/callConnections/{connection}");
        let callback = Callback::new(url, &source, &about, note, data);
        // The receiver is dropped when the emulator stops.
        let _ = self.callbacks.send(callback);
    }

    pub(crate) fn recording_changed(
        &self,
        world: &mut World,
        id: &str,
        active: bool,
        at: Timestamp,
    ) {
        let Some(watcher) = world.watchers.get_mut(id) else {
            return;
        };
        if active {
            watcher.active_at.get_or_insert(at);
        }
        let watcher = watcher.clone();
        let data = |source: &str| {
            json!({
                "eventSource": source,
                "recordingId": id,
                "state": if active { "active" } else { "inactive" },
                "startDateTime": watcher.active_at.map_or_else(|| NO_TIME.to_owned(), time),
                "recordingKind": "azureCommunicationServices",
            })
        };
        self.tell_watcher(
            world,
            &watcher,
            id,
            Note::success("RecordingStateChanged", at),
            data,
        );
    }

    pub(crate) fn recording_failed(&self, world: &World, id: &str, at: Timestamp) {
        let Some(watcher) = world.watchers.get(id) else {
            return;
        };
        let note = Note {
            kind: "StartRecordingFailed",
            outcome: Outcome(400, 8528, "The call ended before the recording began."),
            at,
        };
        let data = |_: &str| json!({"recordingId": id});
        self.tell_watcher(world, watcher, id, note, data);
    }

    fn tell_watcher(
        &self,
        world: &World,
        watcher: &Watcher,
        id: &str,
        note: Note,
        data: impl FnOnce(&str) -> Value,
    ) {
        let Some(url) = &watcher.url else { return };
        let state = world.calls.get(watcher.call);
        let about = About {
            connection: &watcher.connection,
            server_call: &state.server_call_id,
            correlation: state.correlation_id.to_string(),
        };
        let source = format!(
            "calling/recordings/{}/{id}/{}",
            state.server_call_id, note.kind
        );
        let callback = Callback::new(url, &source, &about, note, data(&source));
        // The receiver is dropped when the emulator stops.
        let _ = self.callbacks.send(callback);
    }

    /// Publishes an event about a call or one of its participants. The service sends such events
    /// for Communication Services users only.
    pub(crate) fn call_event(
        &self,
        world: &World,
        call: CallKey,
        kind: &'static str,
        person: Option<&str>,
        at: Timestamp,
    ) {
        let state = world.calls.get(call);
        let Some(started_at) = state.started_at else {
            return;
        };
        let Some(event) = call_events::event(state, kind, person, started_at, at) else {
            return;
        };
        publish(self, &world.subscriptions, event);
    }
}
