//! Scheduled steps, ordered by their due time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::calls::CallKey;
use super::script::ScriptAction;

/// A scheduled step.
#[derive(Clone, Debug)]
pub(crate) enum ScheduledStep {
    /// A connection of the application is established.
    Established { call: CallKey, connection: String },
    /// A participant joins a call.
    Joined {
        call: CallKey,
        raw_id: String,
        invitation: Option<Invitation>,
    },
    /// A recorder has joined its call.
    RecorderJoined { id: String },
    /// A scripted call begins; the value is its index in the script.
    BeginScriptedCall(usize),
    /// A step of the script is due.
    Scripted { call: CallKey, action: ScriptAction },
}

/// The request that added a participant to a call.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) connection: String,
    pub(crate) operation_context: Option<String>,
    /// The callback address for the outcome; replaces the address of the connection.
    pub(crate) callback: Option<String>,
}

/// The scheduled steps. Steps that are due at the same time run in the order in which they were
/// added.
#[derive(Default)]
pub(crate) struct Schedule {
    steps: BTreeMap<(Timestamp, u64), ScheduledStep>,
    count: u64,
    changed: Arc<Notify>,
}

impl Schedule {
    pub(crate) fn add(&mut self, at: Timestamp, step: ScheduledStep) {
        self.steps.insert((at, self.count), step);
        self.count += 1;
        self.changed.notify_one();
    }

    /// Removes all steps.
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
    }

    /// Removes and returns the first step that is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<(Timestamp, ScheduledStep)> {
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
        let mut schedule = Schedule::default();
        let at = |second| Timestamp::constant(second, 0);
        for (second, id) in [(2, "c"), (1, "a"), (1, "b")] {
            schedule.add(
                at(second),
                ScheduledStep::RecorderJoined { id: id.to_owned() },
            );
        }
        let mut next = |second| match schedule.due(at(second)) {
            Some((_, ScheduledStep::RecorderJoined { id })) => id,
            _ => String::new(),
        };
        assert_eq!([next(0), next(1), next(1), next(1)], ["", "a", "b", ""]);
        assert_eq!([next(9), next(9)], ["c", ""]);
    }
}
