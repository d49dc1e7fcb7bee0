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
    /// When this participant was muted. The last period may not have ended.
    pub(crate) mutes: Vec<Interval>,
    /// When this participant speaks; `None` means always.
    pub(crate) speech: Option<Vec<SpeechInterval>>,
}

/// A participant to add to a call.
#[derive(Clone, Debug)]
pub(crate) struct NewParticipant {
    /// A name or a raw id.
    pub(crate) name: String,
    /// `None` means a test tone.
    pub(crate) voice: Option<Arc<Voice>>,
}

/// A period that has not ended if `until` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// A period of speech, which ends at `until` or when the participant leaves.
#[derive(Clone, Debug)]
pub(crate) struct SpeechInterval {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    /// What is said, for timelines. It is not synthesised.
    pub(crate) text: Option<Arc<str>>,
    /// The voice for this speech; `None` means that of the participant.
    pub(crate) voice: Option<Arc<Voice>>,
}

impl SpeechInterval {
    pub(crate) fn new(from: Timestamp, until: Option<Timestamp>) -> Self {
        Self {
            from,
            until,
            text: None,
            voice: None,
        }
    }
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

    pub(crate) fn is_muted(&self) -> bool {
        self.mutes.last().is_some_and(|mute| mute.until.is_none())
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left_at.is_some()
    }
}
