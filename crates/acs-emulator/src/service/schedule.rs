//! Scheduled steps, ordered by their due time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::service::calls::CallKey;
use crate::service::script::Deed;

/// A scheduled step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A connection of the application is established.
    Established { call: CallKey, connection: String },
    /// A participant joins a call.
    Joined {
        call: CallKey,
        raw_id: String,
        invitation: Option<Invitation>,
    },
    /// A recorder has joined its call.
    Recording { id: String },
    /// A scripted call begins; the value is its index in the script.
    Begin(usize),
    /// A participant carries out a step of the script.
    Scripted { call: CallKey, deed: Deed },
}

/// The request that added a participant to a call.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) connection: String,
    pub(crate) context: Option<String>,
    /// The callback address for the outcome; replaces the address of the connection.
    pub(crate) callback: Option<String>,
}

/// The scheduled steps. Steps that are due at the same time run in the order in which they were
/// added.
#[derive(Default)]
pub(crate) struct Agenda {
    steps: BTreeMap<(Timestamp, u64), Step>,
    count: u64,
    changed: Arc<Notify>,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Timestamp, step: Step) {
        self.steps.insert((at, self.count), step);
        self.count += 1;
        self.changed.notify_one();
    }

    /// Removes and returns the first step that is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<(Timestamp, Step)> {
        let first = self.steps.first_entry()?;
        let (at, _) = *first.key();
        (at <= now).then(|| (at, first.remove()))
    }

    /// The time at which the next step is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.steps.keys().next().map(|(at, _)| *at)
    }

    /// Notified when a step is added.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_ordered_by_time_and_then_by_insertion() {
        let mut agenda = Agenda::default();
        let at = |second| Timestamp::constant(second, 0);
        for (second, id) in [(2, "c"), (1, "a"), (1, "b")] {
            agenda.add(at(second), Step::Recording { id: id.to_owned() });
        }
        let mut next = |second| match agenda.due(at(second)) {
            Some((_, Step::Recording { id })) => id,
            _ => String::new(),
        };
        assert_eq!([next(0), next(1), next(1), next(1)], ["", "a", "b", ""]);
        assert_eq!([next(9), next(9)], ["c", ""]);
    }
}
