//! The steps that participants carry out in calls, and calls that start on their own.

use std::time::Duration;

use serde::Deserialize;

/// A step of a script. Its time is relative to the start of the call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptStep {
    #[serde(default)]
    pub(crate) at_ms: u64,
    #[serde(default)]
    pub(crate) who: String,
    #[serde(rename = "do")]
    pub(crate) action: ActionKind,
    #[serde(default)]
    pub(crate) for_ms: Option<u64>,
}

/// Why a step is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidStep {
    /// The participant is missing.
    MissingWho,
    /// The step concerns no participant.
    UnexpectedWho,
    /// Only speaking has a length.
    UnexpectedLength,
}

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ActionKind {
    Join,
    Leave,
    Speak,
    Mute,
    Unmute,
    End,
}

/// What happens in a call, and who speaks.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPlan {
    /// The steps of this call; `None` means those of the emulator.
    pub(crate) steps: Option<Vec<ScriptStep>>,
    /// If a step is to speak, participants speak on request in any case.
    pub(crate) speaking: Speaking,
}

/// When participants speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Speaking {
    /// From joining until leaving.
    #[default]
    Always,
    /// When a step or a request says so.
    OnRequest,
}

/// A call that starts on its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptedCall {
    #[serde(default)]
    pub(crate) at_ms: u64,
    #[serde(default)]
    pub(crate) group: Option<uuid::Uuid>,
    #[serde(default)]
    pub(crate) room: Option<String>,
    #[serde(default)]
    pub(crate) ring: bool,
    #[serde(default)]
    pub(crate) participants: Vec<String>,
    #[serde(default)]
    pub(crate) steps: Option<Vec<ScriptStep>>,
}

/// What happens in a step. Participants are named as in the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScriptAction {
    Join(String),
    Leave(String),
    /// Speaks for `length`, or until leaving.
    Speak(String, Option<Duration>),
    Mute(String),
    Unmute(String),
    End,
}

/// Whether the script defines who speaks.
pub(crate) fn is_spoken(steps: &[ScriptStep]) -> bool {
    steps.iter().any(|step| step.action == ActionKind::Speak)
}

impl ScriptStep {
    /// Checks that the members fit the kind of step. Returns the member that does not.
    pub(crate) fn check(&self) -> Result<(), InvalidStep> {
        if self.action == ActionKind::End {
            if !self.who.is_empty() {
                return Err(InvalidStep::UnexpectedWho);
            }
        } else if self.who.is_empty() {
            return Err(InvalidStep::MissingWho);
        }
        if self.for_ms.is_some() && self.action != ActionKind::Speak {
            return Err(InvalidStep::UnexpectedLength);
        }
        Ok(())
    }

    pub(crate) fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }

    pub(crate) fn action(&self) -> ScriptAction {
        let who = self.who.clone();
        match self.action {
            ActionKind::Join => ScriptAction::Join(who),
            ActionKind::Leave => ScriptAction::Leave(who),
            ActionKind::Speak => ScriptAction::Speak(who, self.for_ms.map(Duration::from_millis)),
            ActionKind::Mute => ScriptAction::Mute(who),
            ActionKind::Unmute => ScriptAction::Unmute(who),
            ActionKind::End => ScriptAction::End,
        }
    }
}
