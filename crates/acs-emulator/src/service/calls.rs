//! Calls: their connections, their participants, and when they end.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use super::call::{CallIds, CallState};
use super::connection::{Connection, ConnectionProperties};
use super::disconnect_reason::DisconnectReason;
use super::error::ServiceError;
use super::ids;
use super::recording_request::CallTarget;

/// The key of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallKey(usize);

/// The number of ended calls that are kept.
const MAX_ENDED: usize = 1_000;

/// All calls, including those that ended a short time ago.
pub(crate) struct Calls {
    states: BTreeMap<CallKey, CallState>,
    /// The number of calls that were created, including those that were removed.
    count: usize,
    /// What is left of calls that were removed.
    removed: CallState,
    /// The calls that have ended, in that order.
    ended: VecDeque<(Timestamp, CallKey)>,
    by_connection: HashMap<String, CallKey>,
    by_server_call: HashMap<String, CallKey>,
    by_group: HashMap<String, CallKey>,
    by_room: HashMap<String, CallKey>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            states: BTreeMap::new(),
            count: 0,
            removed: CallState::removed(),
            ended: VecDeque::new(),
            by_connection: HashMap::new(),
            by_server_call: HashMap::new(),
            by_group: HashMap::new(),
            by_room: HashMap::new(),
        }
    }
}

impl Calls {
    pub(crate) fn create(&mut self, call_ids: CallIds, now: Timestamp) -> CallKey {
        let key = CallKey(self.count);
        self.count += 1;
        let server_call_id = ids::server_call_id(now);
        self.by_server_call.insert(server_call_id.clone(), key);
        if let Some(group) = &call_ids.group {
            self.by_group.insert(group.to_ascii_lowercase(), key);
        }
        if let Some(room) = &call_ids.room {
            self.by_room.insert(room.clone(), key);
        }
        let call = CallState {
            correlation_id: ids::new_id(),
            server_call_id,
            participants: Vec::new(),
            ids: call_ids,
            created_at: now,
            started_at: None,
            ended: None,
            script: Vec::new(),
            speech_is_scripted: false,
            connections: Vec::new(),
        };
        self.states.insert(key, call);
        key
    }

    /// Connects the application to a call and returns the id of the connection.
    pub(crate) fn connect(
        &mut self,
        key: CallKey,
        properties: ConnectionProperties,
        connected_at: Timestamp,
    ) -> String {
        let id = ids::new_id().to_string();
        self.by_connection.insert(id.clone(), key);
        self.get_mut(key).connections.push(Connection {
            id: id.clone(),
            properties,
            connected_at,
            sequence: 0,
            known: Vec::new(),
            disconnected_at: None,
        });
        id
    }

    /// A call. A call that was removed has ended and has no participants.
    pub(crate) fn get(&self, key: CallKey) -> &CallState {
        self.states.get(&key).unwrap_or(&self.removed)
    }

    pub(crate) fn get_mut(&mut self, key: CallKey) -> &mut CallState {
        if let Some(call) = self.states.get_mut(&key) {
            return call;
        }
        self.removed = CallState::removed();
        &mut self.removed
    }

    /// Removes all calls.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            count: self.count,
            ..Self::default()
        };
    }

    /// An open connection and its call.
    pub(crate) fn connection(&self, id: &str) -> Result<(CallKey, &Connection), ServiceError> {
        let key = *self
            .by_connection
            .get(id)
            .ok_or(ServiceError::CallNotFound)?;
        let call = self.get(key);
        let open = |connection: &&Connection| connection.id == id && !connection.is_closed();
        match call.connections.iter().find(open) {
            Some(connection) if !call.is_over() => Ok((key, connection)),
            _ => Err(ServiceError::CallNotFound),
        }
    }

    /// The call of an established connection. Most operations require one.
    pub(crate) fn established(&self, id: &str, now: Timestamp) -> Result<CallKey, ServiceError> {
        let (key, connection) = self.connection(id)?;
        if connection.is_established(now) {
            Ok(key)
        } else {
            Err(ServiceError::NotEstablished)
        }
    }

    /// Closes a connection. Returns whether that ends the call. It does, unless two other
    /// participants remain.
    pub(crate) fn disconnect(&mut self, id: &str, now: Timestamp) -> Result<bool, ServiceError> {
        let (key, _) = self.connection(id)?;
        let call = self.get_mut(key);
        for connection in &mut call.connections {
            if connection.id == id {
                connection.disconnected_at.get_or_insert(now);
            }
        }
        Ok(call.present(now).count() < 2)
    }

    /// Counts a participant update of a connection and returns its sequence number.
    pub(crate) fn count_update(&mut self, key: CallKey, id: &str, known: Vec<String>) -> u32 {
        let connections = &mut self.get_mut(key).connections;
        let connection = connections.iter_mut().find(|one| one.id == id);
        connection.map_or(1, |connection| {
            connection.known = known;
            connection.sequence += 1;
            connection.sequence
        })
    }

    /// Ends a call and closes its connections.
    pub(crate) fn end(&mut self, key: CallKey, reason: DisconnectReason, now: Timestamp) {
        if !self.get(key).is_over() {
            self.ended.push_back((now, key));
        }
        let call = self.get_mut(key);
        call.ended.get_or_insert((now, reason));
        for connection in &mut call.connections {
            connection.disconnected_at.get_or_insert(now);
        }
    }

    /// Removes the calls that ended before `limit`, and the oldest ones if too many have ended.
    /// Returns those that were removed.
    pub(crate) fn remove_ended(&mut self, limit: Timestamp) -> Vec<(CallKey, CallState)> {
        let mut removed = Vec::new();
        while let Some((ended_at, key)) = self.ended.front().copied()
            && (ended_at < limit || self.ended.len() > MAX_ENDED)
        {
            self.ended.pop_front();
            removed.extend(self.remove(key).map(|call| (key, call)));
        }
        removed
    }

    fn remove(&mut self, key: CallKey) -> Option<CallState> {
        let call = self.states.remove(&key)?;
        self.by_server_call.remove(&call.server_call_id);
        for connection in &call.connections {
            self.by_connection.remove(&connection.id);
        }
        let CallIds { group, room } = &call.ids;
        let group = group.as_ref().map(|group| group.to_ascii_lowercase());
        // Another call may have the id by now.
        for (id, keys) in [
            (group, &mut self.by_group),
            (room.clone(), &mut self.by_room),
        ] {
            if let Some(id) = id
                && keys.get(&id) == Some(&key)
            {
                keys.remove(&id);
            }
        }
        Some(call)
    }

    /// The call that has one of these ids and has not ended.
    pub(crate) fn with_ids(&self, ids: &CallIds) -> Option<CallKey> {
        let group = ids.group.as_ref();
        let group = group.and_then(|id| self.by_group.get(&id.to_ascii_lowercase()));
        let room = ids.room.as_ref().and_then(|id| self.by_room.get(id));
        let mut found = [group, room].into_iter().flatten().copied();
        found.find(|key| !self.get(*key).is_over())
    }

    /// All calls, in the order of their creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CallState> {
        self.states.values()
    }

    /// All calls with their keys, in the order of their creation.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (CallKey, &CallState)> {
        self.states.iter().map(|(key, call)| (*key, call))
    }

    pub(crate) fn by_correlation_id(&self, id: Uuid) -> Option<CallKey> {
        let mut entries = self.entries();
        entries
            .find(|(_, call)| call.correlation_id == id)
            .map(|(key, _)| key)
    }

    /// The call of a connection, even if the connection is closed.
    pub(crate) fn of_connection(&self, id: &str) -> Option<&CallState> {
        self.by_connection.get(id).map(|key| self.get(*key))
    }

    /// Finds the call that a request refers to, which must not have ended.
    pub(crate) fn find(&self, call: &CallTarget, now: Timestamp) -> Result<CallKey, ServiceError> {
        let key = match call {
            CallTarget::Connection(id) => self.by_connection.get(id),
            CallTarget::ServerCall(id) if !ids::is_server_call_id(id) => {
                return Err(ServiceError::JoinIdentity);
            }
            CallTarget::ServerCall(id) => self.by_server_call.get(id),
            CallTarget::Group(id) => self.by_group.get(&id.to_ascii_lowercase()),
            CallTarget::Room(id) => self.by_room.get(id),
        };
        let key = *key.ok_or(ServiceError::CallNotFound)?;
        let state = self.get(key);
        if state.is_over() {
            return Err(ServiceError::Terminated);
        }
        if let CallTarget::Connection(id) = call {
            return self.established(id, now);
        }
        if state.is_established(now) {
            Ok(key)
        } else {
            Err(ServiceError::NotEstablished)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::clock::{Clock, after};
    use std::sync::Arc;
    use std::time::Duration;

    fn call_of(calls: &mut Calls, people: &[&str], clock: &Clock) -> (CallKey, String) {
        let key = calls.create(CallIds::default(), clock.now());
        for raw_id in people {
            calls.get_mut(key).join(raw_id, None, clock.now());
        }
        let id = calls.connect(key, ConnectionProperties::default(), clock.now());
        (key, id)
    }

    #[test]
    fn a_call_is_found_by_each_of_its_ids() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let call_ids = CallIds {
            group: Some("ABCD".to_owned()),
            room: Some("99".to_owned()),
        };
        let key = calls.create(call_ids, clock.now());
        let connection = calls.connect(key, ConnectionProperties::default(), clock.now());
        let server_call = calls.get(key).server_call_id.clone();
        for call in [
            CallTarget::Connection(connection),
            CallTarget::ServerCall(server_call),
            CallTarget::Group("abcd".to_owned()),
            CallTarget::Room("99".to_owned()),
        ] {
            assert_eq!(calls.find(&call, clock.now()), Ok(key), "{call:?}");
        }
    }

    #[test]
    fn unknown_ids_are_refused_by_their_kind() {
        let clock = Clock::manual();
        let calls = Calls::default();
        let unknown = "x".to_owned();
        for (call, error) in [
            (
                CallTarget::Connection(unknown.clone()),
                ServiceError::CallNotFound,
            ),
            (
                CallTarget::Group(unknown.clone()),
                ServiceError::CallNotFound,
            ),
            (
                CallTarget::Room(unknown.clone()),
                ServiceError::CallNotFound,
            ),
            (CallTarget::ServerCall(unknown), ServiceError::JoinIdentity),
            (
                CallTarget::ServerCall(ids::server_call_id(clock.now())),
                ServiceError::CallNotFound,
            ),
        ] {
            assert_eq!(calls.find(&call, clock.now()), Err(error), "{call:?}");
        }
    }

    #[test]
    fn a_call_connects_after_a_delay_and_stays_ended() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let key = calls.create(CallIds::default(), clock.now());
        let connected_at = after(clock.now(), Duration::from_millis(100));
        let id = calls.connect(key, ConnectionProperties::default(), connected_at);
        let call = CallTarget::Connection(id.clone());

        assert_eq!(
            calls.find(&call, clock.now()),
            Err(ServiceError::NotEstablished)
        );
        clock.advance(Duration::from_millis(100));
        assert_eq!(calls.find(&call, clock.now()), Ok(key));
        calls.end(key, DisconnectReason::CallEnded, clock.now());
        assert_eq!(
            calls.find(&call, clock.now()),
            Err(ServiceError::Terminated)
        );
        assert_eq!(
            calls.connection(&id).err(),
            Some(ServiceError::CallNotFound)
        );
    }

    #[test]
    fn ended_calls_are_removed_after_a_while() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let room = |id: &str| CallIds {
            group: None,
            room: Some(id.to_owned()),
        };
        let first = calls.create(room("7"), clock.now());
        let connection = calls.connect(first, ConnectionProperties::default(), clock.now());
        let live = calls.create(room("8"), clock.now());
        calls.end(first, DisconnectReason::CallEnded, clock.now());
        calls.end(first, DisconnectReason::CallEnded, clock.now());
        let next = calls.create(room("7"), clock.now());
        assert!(calls.remove_ended(clock.now()).is_empty());
        clock.advance(Duration::from_secs(1));
        let removed = calls.remove_ended(clock.now());
        assert_eq!(removed.len(), 1);
        assert_eq!(removed[0].0, first);
        assert!(calls.of_connection(&connection).is_none());
        assert!(calls.get(first).is_over());
        assert_eq!(calls.with_ids(&room("7")), Some(next));
        assert_eq!(calls.with_ids(&room("8")), Some(live));
        assert_eq!(calls.iter().count(), 2);

        for _ in 0..=MAX_ENDED {
            let call = calls.create(CallIds::default(), clock.now());
            calls.end(call, DisconnectReason::CallEnded, clock.now());
        }
        assert_eq!(calls.remove_ended(Timestamp::MIN).len(), 1);
        assert_eq!(calls.iter().count(), 2 + MAX_ENDED);
    }

    #[test]
    fn hanging_up_ends_the_call_unless_two_remain() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let (_, alone) = call_of(&mut calls, &["8:a"], &clock);
        assert_eq!(calls.disconnect(&alone, clock.now()), Ok(true));

        let (key, both) = call_of(&mut calls, &["8:a", "8:b"], &clock);
        assert_eq!(calls.disconnect(&both, clock.now()), Ok(false));
        assert_eq!(
            calls.disconnect(&both, clock.now()),
            Err(ServiceError::CallNotFound)
        );
        let server_call = calls.get(key).server_call_id.clone();
        assert_eq!(
            calls.find(&CallTarget::ServerCall(server_call), clock.now()),
            Ok(key)
        );
    }

    #[test]
    fn people_join_once_and_leave_once() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let (key, _) = call_of(&mut calls, &["8:a", "8:a", "8:b"], &clock);
        let call = calls.get_mut(key);
        assert_eq!(call.present(clock.now()).count(), 2);
        assert_eq!(call.leave("8:a", clock.now()), Ok(false));
        assert_eq!(
            call.leave("8:a", clock.now()),
            Err(ServiceError::ParticipantNotFound)
        );
        assert_eq!(
            call.mute(&["8:b".to_owned(), "8:a".to_owned()], clock.now()),
            Err(ServiceError::ParticipantNotFound)
        );
        assert!(!call.participants[1].is_muted());
        assert_eq!(
            call.mute(&["8:b".to_owned()], clock.now()),
            Ok(vec!["8:b".to_owned()])
        );
        assert_eq!(call.mute(&["8:b".to_owned()], clock.now()), Ok(Vec::new()));
        assert_eq!(call.leave("8:b", clock.now()), Ok(true));
        call.join("8:a", None, clock.now());
        assert_eq!(call.present(clock.now()).count(), 1);
        assert!(Arc::ptr_eq(
            &call.participants[0].voice,
            &call.participants[2].voice
        ));
    }
}
