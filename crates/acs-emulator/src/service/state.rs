//! The mutable state of the service.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::calls::{CallKey, Calls};
use super::connection::ConnectionProperties;
use super::ids;
use super::recordings::Recordings;
use super::schedule::{Invitation, Schedule, ScheduledStep};
use crate::media::Voice;

/// The mutable state.
#[derive(Default)]
pub(crate) struct State {
    /// The current time for all readers. The clock may advance while the state is locked, but steps
    /// that become due meanwhile have not run yet.
    pub(crate) now: Timestamp,
    pub(crate) calls: Calls,
    pub(crate) recordings: Recordings,
    pub(super) schedule: Schedule,
    /// By recording id.
    pub(super) recording_callbacks: HashMap<String, StateCallback>,
    /// By `incomingCallContext`.
    pub(super) ringing: HashMap<String, RingingCall>,
    /// The contexts of calls that ring or have rung, with the time when they began to ring.
    pub(super) rung: VecDeque<(Timestamp, String)>,
    users: HashMap<String, String>,
    /// The names in `users`, by raw id.
    names: HashMap<String, String>,
}

/// The recipient of callbacks about the state of a recording.
#[derive(Clone, Debug)]
pub(super) struct StateCallback {
    pub(super) url: Option<String>,
    /// The connection that records.
    pub(super) connection: String,
    pub(super) call: CallKey,
    /// Whether the recorder has joined the call.
    pub(super) recorder_joined: bool,
    /// The time at which the recording became active for the first time.
    pub(super) active_at: Option<Timestamp>,
}

/// A call to the application that was not answered yet, or that was answered.
pub(crate) struct RingingCall {
    pub(super) call: CallKey,
    pub(crate) callers: Vec<(String, Option<Arc<Voice>>)>,
    pub(crate) answered: bool,
}

impl State {
    /// Removes all calls and recordings, without any notification. The names of people stay.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.recordings = Recordings::default();
        self.schedule.clear();
        self.recording_callbacks.clear();
        self.ringing.clear();
        self.rung.clear();
    }

    /// The raw id of the person with this name, the same one in every call. A raw id is returned
    /// unchanged.
    pub(crate) fn user(&mut self, name: &str, resource: Uuid) -> String {
        if ids::is_raw_id(name) {
            return name.to_owned();
        }
        if let Some(raw_id) = self.users.get(name) {
            return raw_id.clone();
        }
        let raw_id = ids::user(resource);
        self.users.insert(name.to_owned(), raw_id.clone());
        self.names.insert(raw_id.clone(), name.to_owned());
        raw_id
    }

    /// The name that was chosen for a person.
    pub(super) fn name_of(&self, raw_id: &str) -> Option<&str> {
        self.names.get(raw_id).map(String::as_str)
    }

    /// The names that were chosen for people, with their raw ids.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let users = self.users.iter();
        users.map(|(name, raw_id)| (name.as_str(), raw_id.as_str()))
    }

    /// The `incomingCallContext` of a call to the application.
    pub(crate) fn ringing_call(&self, call: CallKey) -> Option<(&str, &RingingCall)> {
        let mut ringing = self.ringing.iter();
        let (context, ringing) = ringing.find(|(_, ringing)| ringing.call == call)?;
        Some((context.as_str(), ringing))
    }

    /// Connects the application to a call.
    pub(crate) fn connect(
        &mut self,
        call: CallKey,
        properties: ConnectionProperties,
        at: Timestamp,
    ) -> String {
        let connection = self.calls.connect(call, properties, at);
        let step = ScheduledStep::Established {
            call,
            connection: connection.clone(),
        };
        self.schedule.add(at, step);
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
        let step = ScheduledStep::Joined {
            call,
            raw_id: raw_id.to_owned(),
            invitation,
        };
        self.schedule.add(at, step);
    }
}
