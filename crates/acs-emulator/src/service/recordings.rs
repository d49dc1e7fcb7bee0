//! Recordings in progress, and what was recorded.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::call::CallState;
use super::calls::CallKey;
use super::error::ServiceError;
use super::ids;
use super::participant::ParticipantState;
use super::recording_request::RecordingSpec;
use crate::media::{self, Span};

/// Whether something is being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingState {
    Active,
    Inactive,
}

/// The reason why a recording ended, as the event names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The recording was stopped; the call continues.
    Stopped,
    CallEnded,
}

impl EndReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "SessionStillOngoing",
            Self::CallEnded => "CallEnded",
        }
    }
}

/// A recording in progress.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) call: CallKey,
    pub(crate) spec: RecordingSpec,
    /// When the recorder joins the call.
    pub(crate) ready_at: Timestamp,
    /// The times at which recording was switched on or off.
    switches: Vec<(Timestamp, bool)>,
}

impl Recording {
    fn is_on(&self) -> bool {
        self.switches.last().is_some_and(|(_, on)| *on)
    }

    fn switch(&mut self, on: bool, now: Timestamp) {
        if self.is_on() != on {
            self.switches.push((now, on));
        }
    }

    pub(crate) fn state(&self, now: Timestamp) -> RecordingState {
        if self.is_on() && now >= self.ready_at {
            RecordingState::Active
        } else {
            RecordingState::Inactive
        }
    }

    /// When the start was requested.
    pub(crate) fn requested_at(&self) -> Timestamp {
        self.switches.first().map_or(self.ready_at, |(at, _)| *at)
    }

    /// The spans that were recorded until `end`.
    pub(crate) fn spans(&self, end: Timestamp) -> Vec<Span> {
        let next = self.switches.iter().skip(1).map(|(at, _)| *at);
        self.switches
            .iter()
            .zip(next.chain([end]))
            .filter(|((_, on), _)| *on)
            .map(|((from, _), to)| Span {
                start: self.ready_at.max(*from),
                end: to,
            })
            .filter(|span| span.start < span.end)
            .collect()
    }
}

/// What was recorded, and when. The files are made of this.
#[derive(Clone, Debug)]
pub(crate) struct EndedRecording {
    pub(crate) recording_id: String,
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) spec: RecordingSpec,
    pub(crate) requested_at: Timestamp,
    /// The recorded periods in order.
    pub(crate) spans: Vec<Span>,
    /// Everybody who was in the call until the end of the recording.
    pub(crate) participants: Vec<ParticipantState>,
    pub(crate) ended_at: Timestamp,
    pub(crate) reason: EndReason,
}

impl EndedRecording {
    /// When the recording became active for the first time; its end if it never did.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.spans.first().map_or(self.ended_at, |span| span.start)
    }

    /// The recorded time.
    pub(crate) fn length(&self) -> SignedDuration {
        media::total(&self.spans)
    }
}

/// All recordings in progress.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    live: HashMap<String, Recording>,
    by_call: HashMap<CallKey, String>,
}

impl Recordings {
    /// Starts the recording of a call and returns its id. `endpoint` is the recorder's connection.
    pub(crate) fn start(
        &mut self,
        call: CallKey,
        endpoint: &str,
        spec: RecordingSpec,
        paused: bool,
        (now, ready_at): (Timestamp, Timestamp),
    ) -> Result<String, ServiceError> {
        if self.by_call.contains_key(&call) {
            return Err(ServiceError::Duplicate);
        }
        let id = ids::recording_id(endpoint);
        self.by_call.insert(call, id.clone());
        let recording = Recording {
            id: id.clone(),
            call,
            spec,
            ready_at,
            switches: vec![(now, !paused)],
        };
        self.live.insert(id.clone(), recording);
        Ok(id)
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Recording, ServiceError> {
        self.live.get(id).ok_or(ServiceError::RecordingNotFound)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Recording> {
        self.live.values()
    }

    /// Pauses or resumes a recording. Repeating it has no effect.
    pub(crate) fn switch(
        &mut self,
        id: &str,
        on: bool,
        now: Timestamp,
    ) -> Result<CallKey, ServiceError> {
        let recording = self.live.get_mut(id);
        let recording = recording.ok_or(ServiceError::RecordingNotFound)?;
        recording.switch(on, now);
        Ok(recording.call)
    }

    /// The recording of a call, if there is one.
    pub(super) fn of_call(&self, call: CallKey) -> Option<String> {
        self.by_call.get(&call).cloned()
    }

    /// Ends a recording.
    pub(crate) fn end(
        &mut self,
        id: &str,
        reason: EndReason,
        call: &CallState,
        now: Timestamp,
    ) -> Result<EndedRecording, ServiceError> {
        let recording = self.live.remove(id);
        let recording = recording.ok_or(ServiceError::RecordingNotFound)?;
        self.by_call.remove(&recording.call);
        Ok(EndedRecording {
            spans: recording.spans(now),
            requested_at: recording.requested_at(),
            recording_id: recording.id,
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            spec: recording.spec,
            participants: call.participants.clone(),
            ended_at: now,
            reason,
        })
    }
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
