//! Calls: their connections, their participants, and when they end.

use std::collections::HashMap;
use std::sync::Arc;

use acs_call_automation::types::{
    CommunicationIdentifierModel, CommunicationUserIdentifierModel, PhoneNumberIdentifierModel,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::recordings::start_request::CallRef;
use crate::media::Voice;
use crate::service::error::Refusal;
use crate::service::ids;
pub(crate) use crate::service::participant::{Member, Speech};
use crate::service::script::ScriptStep;

/// The key of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallKey(usize);

/// The parameters of a connection. Responses repeat them.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    pub(crate) source: Option<CommunicationIdentifierModel>,
    pub(crate) source_display_name: Option<String>,
    pub(crate) source_caller_id_number: Option<PhoneNumberIdentifierModel>,
    pub(crate) targets: Vec<CommunicationIdentifierModel>,
    pub(crate) callback_uri: Option<String>,
    pub(crate) answered_by: Option<CommunicationUserIdentifierModel>,
    /// The operation context, which events repeat.
    pub(crate) context: Option<String>,
}

/// The application's connection to a call.
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) terms: Terms,
    pub(crate) connected_at: Timestamp,
    /// The number of participant updates that were sent to this connection.
    pub(crate) sequence: u32,
    /// The raw ids in the last participant update.
    pub(crate) told: Vec<String>,
    closed: bool,
}

impl Connection {
    pub(crate) fn is_established(&self, now: Timestamp) -> bool {
        self.connected_at <= now
    }
}

/// One call.
pub(crate) struct CallState {
    pub(crate) correlation_id: Uuid,
    pub(crate) server_call_id: String,
    pub(crate) members: Vec<Member>,
    pub(crate) addresses: Addresses,
    /// The time at which the call began, if it has begun.
    pub(crate) started_at: Option<Timestamp>,
    /// Script steps that are not scheduled yet.
    pub(crate) script: Vec<ScriptStep>,
    pub(crate) speech_is_scripted: bool,
    connections: Vec<Connection>,
    over: bool,
}

impl CallState {
    pub(crate) fn present(&self, now: Timestamp) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(move |member| member.is_present(now))
    }

    fn is_established(&self, now: Timestamp) -> bool {
        let connected = |connection: &Connection| connection.is_established(now);
        self.started_at.is_some() || self.connections.iter().any(connected)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Marks the call as begun. Returns whether it had not begun before.
    pub(crate) fn begin(&mut self, at: Timestamp) -> bool {
        let first = self.started_at.is_none();
        self.started_at.get_or_insert(at);
        first
    }

    /// The raw id of whoever started the call.
    pub(crate) fn starter(&self) -> Option<String> {
        let first = self.connections.first();
        let source = first.and_then(|one| one.terms.source.as_ref()?.raw_id.clone());
        source.or_else(|| self.members.first().map(|member| member.raw_id.clone()))
    }

    pub(crate) fn open_connections(&self) -> Vec<String> {
        let open = self.connections.iter().filter(|one| !one.closed);
        open.map(|one| one.id.clone()).collect()
    }

    /// A connection, even if it is closed.
    pub(crate) fn known_connection(&self, id: &str) -> Option<&Connection> {
        self.connections.iter().find(|one| one.id == id)
    }

    pub(crate) fn speak(
        &mut self,
        raw_id: &str,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let speech = &mut self.current(raw_id)?.speech;
        speech.get_or_insert_default().push(Speech { from, until });
        Ok(())
    }

    /// The participant with this id who is in the call or about to join.
    fn current(&mut self, raw_id: &str) -> Result<&mut Member, Refusal> {
        self.members
            .iter_mut()
            .find(|member| member.raw_id == raw_id && !member.has_left())
            .ok_or(Refusal::ParticipantNotFound)
    }

    /// Adds a participant, who speaks a test tone unless `voice` is given. Has no effect if the
    /// participant is already in the call.
    pub(crate) fn join(&mut self, raw_id: &str, voice: Option<Arc<Voice>>, at: Timestamp) {
        if self.current(raw_id).is_ok() {
            return;
        }
        let earlier = self.members.iter().find(|member| member.raw_id == raw_id);
        let voice = voice
            .or_else(|| earlier.map(|member| Arc::clone(&member.voice)))
            .unwrap_or_else(|| Arc::new(Voice::tone(self.members.len())));
        self.members.push(Member {
            raw_id: raw_id.to_owned(),
            voice,
            joined_at: at,
            announced: false,
            left_at: None,
            muted_at: None,
            speech: self.speech_is_scripted.then(Vec::new),
        });
    }

    /// Removes a participant from the call. Returns whether the call is now empty.
    pub(crate) fn leave(&mut self, raw_id: &str, now: Timestamp) -> Result<bool, Refusal> {
        self.current(raw_id)?.left_at = Some(now);
        Ok(self.members.iter().all(Member::has_left))
    }

    /// Mutes all of the given participants, or none if one is unknown. Returns whether anything
    /// changed.
    pub(crate) fn mute(&mut self, people: &[String], now: Timestamp) -> Result<bool, Refusal> {
        for raw_id in people {
            self.current(raw_id)?;
        }
        let mut changed = false;
        for raw_id in people {
            let member = self.current(raw_id)?;
            changed |= member.muted_at.is_none();
            member.muted_at.get_or_insert(now);
        }
        Ok(changed)
    }

    /// Marks a participant as announced. Returns whether that changed anything.
    pub(crate) fn announce(&mut self, raw_id: &str) -> bool {
        let member = self.current(raw_id);
        member.is_ok_and(|member| !std::mem::replace(&mut member.announced, true))
    }

    /// Whether the participant is in the call and has been announced.
    pub(crate) fn is_announced(&self, raw_id: &str) -> bool {
        let mut there = self.members.iter().filter(|one| !one.has_left());
        there.any(|one| one.raw_id == raw_id && one.announced)
    }
}

/// Ids that a call has in addition to its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) group: Option<String>,
    pub(crate) room: Option<String>,
}

/// All calls, including those that have ended.
#[derive(Default)]
pub(crate) struct Calls {
    states: Vec<CallState>,
    by_connection: HashMap<String, CallKey>,
    by_server_call: HashMap<String, CallKey>,
    by_group: HashMap<String, CallKey>,
    by_room: HashMap<String, CallKey>,
}

impl Calls {
    pub(crate) fn create(&mut self, addresses: Addresses, now: Timestamp) -> CallKey {
        let key = CallKey(self.states.len());
        let server_call_id = ids::server_call_id(now);
        self.by_server_call.insert(server_call_id.clone(), key);
        if let Some(group) = &addresses.group {
            self.by_group.insert(group.to_ascii_lowercase(), key);
        }
        if let Some(room) = &addresses.room {
            self.by_room.insert(room.clone(), key);
        }
        self.states.push(CallState {
            correlation_id: ids::fresh(),
            server_call_id,
            members: Vec::new(),
            addresses,
            started_at: None,
            script: Vec::new(),
            speech_is_scripted: false,
            connections: Vec::new(),
            over: false,
        });
        key
    }

    /// Connects the application to a call and returns the id of the connection.
    pub(crate) fn connect(
        &mut self,
        key: CallKey,
        terms: Terms,
        connected_at: Timestamp,
    ) -> String {
        let id = ids::guid();
        self.by_connection.insert(id.clone(), key);
        self.get_mut(key).connections.push(Connection {
            id: id.clone(),
            terms,
            connected_at,
            sequence: 0,
            told: Vec::new(),
            closed: false,
        });
        id
    }

    pub(crate) fn get(&self, key: CallKey) -> &CallState {
        &self.states[key.0]
    }

    pub(crate) fn get_mut(&mut self, key: CallKey) -> &mut CallState {
        &mut self.states[key.0]
    }

    /// An open connection and its call.
    pub(crate) fn connection(&self, id: &str) -> Result<(CallKey, &Connection), Refusal> {
        let key = *self.by_connection.get(id).ok_or(Refusal::CallNotFound)?;
        let call = self.get(key);
        let open = |connection: &&Connection| connection.id == id && !connection.closed;
        match call.connections.iter().find(open) {
            Some(connection) if !call.over => Ok((key, connection)),
            _ => Err(Refusal::CallNotFound),
        }
    }

    /// The call of an established connection. Most operations require one.
    pub(crate) fn established(&self, id: &str, now: Timestamp) -> Result<CallKey, Refusal> {
        let (key, connection) = self.connection(id)?;
        if connection.is_established(now) {
            Ok(key)
        } else {
            Err(Refusal::NotEstablished)
        }
    }

    /// Closes a connection. Returns whether that ends the call. It does, unless two other
    /// participants remain.
    pub(crate) fn disconnect(&mut self, id: &str, now: Timestamp) -> Result<bool, Refusal> {
        let (key, _) = self.connection(id)?;
        let call = self.get_mut(key);
        for connection in &mut call.connections {
            connection.closed |= connection.id == id;
        }
        Ok(call.present(now).count() < 2)
    }

    /// Counts a participant update of a connection and returns its sequence number.
    pub(crate) fn count_telling(&mut self, key: CallKey, id: &str, told: Vec<String>) -> u32 {
        let connections = &mut self.get_mut(key).connections;
        let connection = connections.iter_mut().find(|one| one.id == id);
        connection.map_or(1, |connection| {
            connection.told = told;
            connection.sequence += 1;
            connection.sequence
        })
    }

    pub(crate) fn end(&mut self, key: CallKey) {
        self.get_mut(key).over = true;
    }

    /// All calls, in the form that the admin interface lists them.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<Value> {
        let describe = |call: &CallState| {
            let people: Vec<_> = call.present(now).map(|member| &member.raw_id).collect();
            let open = call.connections.iter().filter(|one| !one.closed);
            let connections: Vec<_> = open.map(|one| &one.id).collect();
            json!({
                "serverCallId": call.server_call_id,
                "correlationId": call.correlation_id,
                "callConnectionIds": connections,
                "participants": people,
                "over": call.over,
            })
        };
        self.states.iter().map(describe).collect()
    }

    /// Finds the call that a request refers to, which must not have ended.
    pub(crate) fn find(&self, call: &CallRef, now: Timestamp) -> Result<CallKey, Refusal> {
        let key = match call {
            CallRef::Connection(id) => self.by_connection.get(id),
            CallRef::ServerCall(id) if !ids::is_server_call_id(id) => {
                return Err(Refusal::JoinIdentity);
            }
            CallRef::ServerCall(id) => self.by_server_call.get(id),
            CallRef::Group(id) => self.by_group.get(&id.to_ascii_lowercase()),
            CallRef::Room(id) => self.by_room.get(id),
        };
        let key = *key.ok_or(Refusal::CallNotFound)?;
        let state = self.get(key);
        if state.over {
            return Err(Refusal::Terminated);
        }
        if let CallRef::Connection(id) = call {
            return self.established(id, now);
        }
        if state.is_established(now) {
            Ok(key)
        } else {
            Err(Refusal::NotEstablished)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::clock::{Clock, after};
    use std::time::Duration;

    fn call_of(calls: &mut Calls, people: &[&str], clock: &Clock) -> (CallKey, String) {
        let key = calls.create(Addresses::default(), clock.now());
        for raw_id in people {
            calls.get_mut(key).join(raw_id, None, clock.now());
        }
        let id = calls.connect(key, Terms::default(), clock.now());
        (key, id)
    }

    #[test]
    fn a_call_is_found_by_each_of_its_ids() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let addresses = Addresses {
            group: Some("ABCD".to_owned()),
            room: Some("99".to_owned()),
        };
        let key = calls.create(addresses, clock.now());
        let connection = calls.connect(key, Terms::default(), clock.now());
        let server_call = calls.get(key).server_call_id.clone();
        for call in [
            CallRef::Connection(connection),
            CallRef::ServerCall(server_call),
            CallRef::Group("abcd".to_owned()),
            CallRef::Room("99".to_owned()),
        ] {
            assert_eq!(calls.find(&call, clock.now()), Ok(key), "{call:?}");
        }
    }

    #[test]
    fn unknown_ids_are_refused_by_their_kind() {
        let clock = Clock::manual();
        let calls = Calls::default();
        let unknown = "x".to_owned();
        for (call, refusal) in [
            (CallRef::Connection(unknown.clone()), Refusal::CallNotFound),
            (CallRef::Group(unknown.clone()), Refusal::CallNotFound),
            (CallRef::Room(unknown.clone()), Refusal::CallNotFound),
            (CallRef::ServerCall(unknown), Refusal::JoinIdentity),
            (
                CallRef::ServerCall(ids::server_call_id(clock.now())),
                Refusal::CallNotFound,
            ),
        ] {
            assert_eq!(calls.find(&call, clock.now()), Err(refusal), "{call:?}");
        }
    }

    #[test]
    fn a_call_connects_after_a_delay_and_stays_ended() {
        let clock = Clock::manual();
        let mut calls = Calls::default();
        let key = calls.create(Addresses::default(), clock.now());
        let connected_at = after(clock.now(), Duration::from_millis(100));
        let id = calls.connect(key, Terms::default(), connected_at);
        let call = CallRef::Connection(id.clone());

        assert_eq!(calls.find(&call, clock.now()), Err(Refusal::NotEstablished));
        clock.advance(Duration::from_millis(100));
        assert_eq!(calls.find(&call, clock.now()), Ok(key));
        calls.end(key);
        assert_eq!(calls.find(&call, clock.now()), Err(Refusal::Terminated));
        assert_eq!(calls.connection(&id).err(), Some(Refusal::CallNotFound));
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
            Err(Refusal::CallNotFound)
        );
        let server_call = calls.get(key).server_call_id.clone();
        assert_eq!(
            calls.find(&CallRef::ServerCall(server_call), clock.now()),
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
            Err(Refusal::ParticipantNotFound)
        );
        assert_eq!(
            call.mute(&["8:b".to_owned(), "8:a".to_owned()], clock.now()),
            Err(Refusal::ParticipantNotFound)
        );
        assert_eq!(call.members[1].muted_at, None);
        assert_eq!(call.mute(&["8:b".to_owned()], clock.now()), Ok(true));
        assert_eq!(call.mute(&["8:b".to_owned()], clock.now()), Ok(false));
        assert_eq!(call.leave("8:b", clock.now()), Ok(true));
        call.join("8:a", None, clock.now());
        assert_eq!(call.present(clock.now()).count(), 1);
        assert!(Arc::ptr_eq(&call.members[0].voice, &call.members[2].voice));
    }
}
