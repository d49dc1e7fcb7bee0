//! Scripts, which define who joins, speaks and leaves, and when.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::service::script::{ActionKind, InvalidStep, ScriptStep, ScriptedCall};

/// Steps that participants carry out in calls. Without a script, participants stay in the call and
/// speak all the time.
///
/// The steps apply to every call of the emulator that has no steps of its own. Their times are
/// relative to the moment in which the application's first connection to the call is established,
/// or, for calls of the script without `ring`, to the start of the call. If the steps contain
/// speaking, all other participants are silent, and the order of speaking determines the channels
/// of an unmixed recording. Otherwise all participants speak all the time. The call ends when the
/// last participant has left.
///
/// ```
/// use std::time::Duration;
/// use acs_emulator::Script;
///
/// let second = Duration::from_secs;
/// let script = Script::new()
///     .join(second(1), "carol")
///     .speak(second(2), "#1", second(5)) // the first person that the application called
///     .speak(second(4), "carol", second(9))
///     .leave(second(20), "carol")
///     .end(second(30));
/// # let _ = script;
/// ```
///
/// Participants are given as in [`Participant`](crate::Participant), by a name of your choice or a
/// raw id, or as `#1`, `#2`, … for the people whom the application called or who called it, in that
/// order.
///
/// # As a file
///
/// [`Script::from_file`] reads a script from JSON. All members except for `do` are optional. The
/// calls in `calls` start on their own; with `ring`, the call is made to the application, which
/// must answer it.
///
/// ```json
/// {
///   "steps": [
///     {"at_ms": 1000, "who": "carol", "do": "join"},
///     {"at_ms": 2000, "who": "#1", "do": "speak", "for_ms": 5000},
///     {"at_ms": 9000, "who": "#1", "do": "mute"},
///     {"at_ms": 12000, "who": "#1", "do": "unmute"},
///     {"at_ms": 20000, "who": "carol", "do": "leave"},
///     {"at_ms": 30000, "do": "end"}
///   ],
///   "calls": [
///     {"group": "f8b9f1c2-6f4b-4c43-8a4d-7d5ad6a4f0d1", "participants": ["alice", "bob"]},
///     {"room": "99445276259151407", "participants": ["dora"], "steps": []},
///     {"ring": true, "at_ms": 500, "participants": ["emil"]}
///   ]
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    pub(crate) steps: Vec<ScriptStep>,
    #[serde(default)]
    pub(crate) calls: Vec<ScriptedCall>,
}

impl Script {
    /// Creates a script without steps: all participants stay and speak.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a script from a JSON file.
    ///
    /// # Errors
    ///
    /// [`Error::Script`] if the file cannot be read or is not a valid script.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Script {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read(path).map_err(|error| failed(error.into()))?;
        let script: Self = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        script.check().map_err(|reason| failed(reason.into()))?;
        Ok(script)
    }

    /// At this time, `who` joins the call.
    pub fn join(self, at: Duration, who: impl Into<String>) -> Self {
        self.step(at, who, ActionKind::Join, None)
    }

    /// At this time, `who` leaves the call.
    pub fn leave(self, at: Duration, who: impl Into<String>) -> Self {
        self.step(at, who, ActionKind::Leave, None)
    }

    /// At this time, `who` speaks for `length`.
    pub fn speak(self, at: Duration, who: impl Into<String>, length: Duration) -> Self {
        self.step(at, who, ActionKind::Speak, Some(milliseconds(length)))
    }

    /// At this time, `who` is muted.
    pub fn mute(self, at: Duration, who: impl Into<String>) -> Self {
        self.step(at, who, ActionKind::Mute, None)
    }

    /// At this time, `who` is no longer muted.
    pub fn unmute(self, at: Duration, who: impl Into<String>) -> Self {
        self.step(at, who, ActionKind::Unmute, None)
    }

    /// At this time, the call ends for everybody.
    pub fn end(self, at: Duration) -> Self {
        self.step(at, "", ActionKind::End, None)
    }

    fn step(
        mut self,
        at: Duration,
        who: impl Into<String>,
        action: ActionKind,
        for_ms: Option<u64>,
    ) -> Self {
        self.steps.push(ScriptStep {
            at_ms: milliseconds(at),
            who: who.into(),
            action,
            for_ms,
        });
        self
    }

    fn check(&self) -> Result<(), String> {
        let own = self.calls.iter().filter_map(|call| call.steps.as_ref());
        for step in self.steps.iter().chain(own.flatten()) {
            let action = step.action;
            step.check().map_err(|invalid| match invalid {
                InvalidStep::MissingWho => format!("{action:?} needs 'who'"),
                InvalidStep::UnexpectedWho => format!("'who' is not allowed with {action:?}"),
                InvalidStep::UnexpectedLength => {
                    format!("'for_ms' is not allowed with {action:?}")
                }
            })?;
        }
        for call in &self.calls {
            if call.participants.is_empty() {
                return Err("a call needs participants".to_owned());
            }
        }
        Ok(())
    }
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Script, String> {
        let script: Script = serde_json::from_str(text).map_err(|error| error.to_string())?;
        script.check().map(|()| script)
    }

    #[test]
    fn files_and_the_builder_create_the_same_script() {
        let second = Duration::from_secs;
        let built = Script::new()
            .join(second(1), "carol")
            .speak(second(2), "#1", second(5))
            .mute(second(9), "#1")
            .unmute(second(12), "#1")
            .leave(second(20), "carol")
            .end(second(30));
        let text = r##"{"steps": [
            {"at_ms": 1000, "who": "carol", "do": "join"},
            {"at_ms": 2000, "who": "#1", "do": "speak", "for_ms": 5000},
            {"at_ms": 9000, "who": "#1", "do": "mute"},
            {"at_ms": 12000, "who": "#1", "do": "unmute"},
            {"at_ms": 20000, "who": "carol", "do": "leave"},
            {"at_ms": 30000, "do": "end"}
        ]}"##;
        assert_eq!(read(text), Ok(built));
    }

    #[test]
    fn invalid_files_are_rejected() {
        for text in [
            r#"{"step": []}"#,
            r#"{"steps": [{"do": "dance", "who": "a"}]}"#,
            r#"{"steps": [{"do": "join"}]}"#,
            r#"{"steps": [{"do": "end", "who": "a"}]}"#,
            r#"{"steps": [{"do": "join", "who": "a", "for_ms": 5}]}"#,
            r#"{"calls": [{"room": "1"}]}"#,
            r#"{"calls": [{"group": "1", "participants": ["a"]}]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
