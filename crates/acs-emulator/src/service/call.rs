//! One call.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::disconnect_reason::DisconnectReason;
use super::error::ServiceError;
use super::participant::{Interval, ParticipantState, SpeechInterval};
use super::script::ScriptStep;
use crate::media::Voice;

/// One call.
pub(crate) struct CallState {
    pub(crate) correlation_id: Uuid,
    pub(crate) server_call_id: String,
    pub(crate) participants: Vec<ParticipantState>,
    pub(crate) ids: CallIds,
    pub(crate) created_at: Timestamp,
    /// The time at which the call began, if it has begun.
    pub(crate) started_at: Option<Timestamp>,
    /// When and why the call ended, if it has ended.
    pub(crate) ended: Option<(Timestamp, DisconnectReason)>,
    /// Script steps that are not scheduled yet.
    pub(crate) script: Vec<ScriptStep>,
    pub(crate) speech_is_scripted: bool,
    pub(crate) connections: Vec<Connection>,
}

impl CallState {
    /// What is left of a call that is no longer kept.
    pub(super) fn removed() -> Self {
        Self {
            correlation_id: Uuid::nil(),
            server_call_id: String::new(),
            participants: Vec::new(),
            ids: CallIds::default(),
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            ended: Some((Timestamp::UNIX_EPOCH, DisconnectReason::CallEnded)),
            script: Vec::new(),
            speech_is_scripted: false,
            connections: Vec::new(),
        }
    }

    pub(crate) fn present(&self, now: Timestamp) -> impl Iterator<Item = &ParticipantState> {
        self.participants
            .iter()
            .filter(move |participant| participant.is_present(now))
    }

    pub(super) fn is_established(&self, now: Timestamp) -> bool {
        let connected = |connection: &Connection| connection.is_established(now);
        self.started_at.is_some() || self.connections.iter().any(connected)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
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
        let source = first.and_then(|one| one.properties.source.clone());
        source.or_else(|| {
            self.participants
                .first()
                .map(|participant| participant.raw_id.clone())
        })
    }

    pub(crate) fn open_connections(&self) -> Vec<String> {
        let open = self.connections.iter().filter(|one| !one.is_closed());
        open.map(|one| one.id.clone()).collect()
    }

    /// A connection, even if it is closed.
    pub(crate) fn known_connection(&self, id: &str) -> Option<&Connection> {
        self.connections.iter().find(|one| one.id == id)
    }

    /// Adds a speech, which replaces the rest of earlier ones. A participant who speaks all the
    /// time is silent after it.
    pub(crate) fn speak(
        &mut self,
        raw_id: &str,
        speech: SpeechInterval,
    ) -> Result<(), ServiceError> {
        let participant = self.current(raw_id)?;
        let all_the_time = SpeechInterval::new(participant.joined_at, None);
        let earlier = participant.speech.get_or_insert_with(|| vec![all_the_time]);
        for one in &mut *earlier {
            let until = one.until.unwrap_or(Timestamp::MAX);
            one.until = Some(until.min(speech.from));
        }
        earlier.retain(|one| one.until.is_some_and(|until| one.from < until));
        earlier.push(speech);
        Ok(())
    }

    /// Whether the participant is in the call or about to join.
    pub(crate) fn has(&self, raw_id: &str) -> bool {
        let mut present = self.participants.iter().filter(|one| !one.has_left());
        present.any(|one| one.raw_id == raw_id)
    }

    /// The participant with this id who is in the call or about to join.
    fn current(&mut self, raw_id: &str) -> Result<&mut ParticipantState, ServiceError> {
        self.participants
            .iter_mut()
            .find(|participant| participant.raw_id == raw_id && !participant.has_left())
            .ok_or(ServiceError::ParticipantNotFound)
    }

    /// Adds a participant, who speaks a test tone unless `voice` is given. Has no effect if the
    /// participant is already in the call.
    pub(crate) fn join(&mut self, raw_id: &str, voice: Option<Arc<Voice>>, at: Timestamp) {
        if self.current(raw_id).is_ok() {
            return;
        }
        let earlier = self
            .participants
            .iter()
            .find(|participant| participant.raw_id == raw_id);
        let voice = voice
            .or_else(|| earlier.map(|participant| Arc::clone(&participant.voice)))
            .unwrap_or_else(|| Arc::new(Voice::tone(self.participants.len())));
        self.participants.push(ParticipantState {
            raw_id: raw_id.to_owned(),
            voice,
            joined_at: at,
            announced: false,
            left_at: None,
            mutes: Vec::new(),
            speech: self.speech_is_scripted.then(Vec::new),
        });
    }

    /// Removes a participant from the call. Returns whether the call is now empty.
    pub(crate) fn leave(&mut self, raw_id: &str, now: Timestamp) -> Result<bool, ServiceError> {
        self.current(raw_id)?.left_at = Some(now);
        Ok(self.participants.iter().all(ParticipantState::has_left))
    }

    /// Mutes all of the given participants, or none if one is unknown. Returns those who were not
    /// muted before.
    pub(crate) fn mute(
        &mut self,
        raw_ids: &[String],
        now: Timestamp,
    ) -> Result<Vec<String>, ServiceError> {
        for raw_id in raw_ids {
            self.current(raw_id)?;
        }
        let mut muted = Vec::new();
        for raw_id in raw_ids {
            let participant = self.current(raw_id)?;
            if !participant.is_muted() {
                participant.mutes.push(Interval {
                    from: now,
                    until: None,
                });
                muted.push(raw_id.clone());
            }
        }
        Ok(muted)
    }

    /// Unmutes a participant. Returns whether that changed anything.
    pub(crate) fn unmute(&mut self, raw_id: &str, now: Timestamp) -> Result<bool, ServiceError> {
        let last = self.current(raw_id)?.mutes.last_mut();
        let open = last.filter(|mute| mute.until.is_none());
        Ok(open.map(|mute| mute.until = Some(now)).is_some())
    }

    /// Marks a participant as announced. Returns whether that changed anything.
    pub(crate) fn announce(&mut self, raw_id: &str) -> bool {
        let participant = self.current(raw_id);
        participant.is_ok_and(|participant| !std::mem::replace(&mut participant.announced, true))
    }

    /// Whether the participant is in the call and has been announced.
    pub(crate) fn is_announced(&self, raw_id: &str) -> bool {
        let mut present = self.participants.iter().filter(|one| !one.has_left());
        present.any(|one| one.raw_id == raw_id && one.announced)
    }
}

/// Ids that a call has in addition to its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallIds {
    pub(crate) group: Option<String>,
    pub(crate) room: Option<String>,
}
