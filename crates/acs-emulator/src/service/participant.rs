//! The participants of a call, and when they take part.

use std::sync::Arc;

use jiff::Timestamp;

use crate::media::Voice;

/// A participant who is in a call, was in it, or is about to join.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantState {
    pub(crate) raw_id: String,
    pub(crate) voice: Arc<Voice>,
    pub(crate) joined_at: Timestamp,
    /// Whether connections have been notified that this participant joined.
    pub(crate) announced: bool,
    pub(crate) left_at: Option<Timestamp>,
    pub(crate) muted_at: Option<Timestamp>,
    /// When this participant speaks; `None` means always.
    pub(crate) speech: Option<Vec<SpeechInterval>>,
}

/// A period of speech, which ends at `until` or when the participant leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpeechInterval {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

impl ParticipantState {
    /// When this participant first speaks after `start`, if ever.
    pub(crate) fn first_speech_after(&self, start: Timestamp) -> Option<Timestamp> {
        let Some(speech) = &self.speech else {
            return Some(self.joined_at.max(start));
        };
        let later = speech
            .iter()
            .filter(|speech| speech.until.is_none_or(|until| until > start));
        later.map(|speech| speech.from.max(start)).min()
    }

    pub(crate) fn is_present(&self, now: Timestamp) -> bool {
        self.joined_at <= now && !self.has_left()
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left_at.is_some()
    }
}
