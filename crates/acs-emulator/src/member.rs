//! Who takes part in a call, and when.

use std::sync::Arc;

use acs_call_automation::types::CallParticipant;
use jiff::Timestamp;

use crate::identifier::model;
use crate::media::Voice;

/// Somebody who takes part in a call, took part in it, or will join it in a moment.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) raw_id: String,
    pub(crate) voice: Arc<Voice>,
    pub(crate) joined_at: Timestamp,
    /// Whether others were told of the joining.
    pub(crate) announced: bool,
    pub(crate) left_at: Option<Timestamp>,
    pub(crate) muted_at: Option<Timestamp>,
    /// When this member speaks; `None` for all the time.
    pub(crate) speech: Option<Vec<Speech>>,
}

/// A time of speaking, until its end or until leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speech {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

impl Member {
    /// When this member first speaks after `start`, if ever.
    pub(crate) fn first_word(&self, start: Timestamp) -> Option<Timestamp> {
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

impl From<&Member> for CallParticipant {
    fn from(member: &Member) -> Self {
        Self::default()
            .identifier(model(&member.raw_id))
            .is_muted(member.muted_at.is_some())
            .is_on_hold(false)
    }
}
