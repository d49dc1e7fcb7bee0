//! The result of one check.

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::text::one_line;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// It works, but not as it should.
    Warning,
    Failed,
    /// Another check failed that this one needs.
    Skipped,
}

/// The result of one check, in one line.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) status: Status,
    message: String,
    hint: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    pub(super) fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Warning, message)
    }

    pub(super) fn failed(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Failed, message)
    }

    pub(super) fn skipped(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Skipped, message)
    }

    /// The failure of a check, with its hint.
    pub(super) fn of_failure(name: &'static str, failure: &Failure) -> Self {
        let mut check = Self::failed(name, failure.message());
        check.hint = failure.hint_text().map(str::to_owned);
        check
    }

    fn new(name: &'static str, status: Status, message: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), None);
        Self {
            name,
            status,
            message,
            hint,
        }
    }

    /// The same, as the result of another check that includes it.
    #[cfg(feature = "archive")]
    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn print(&self, out: &Output) -> Result<(), Failure> {
        let (mark, status) = match self.status {
            Status::Ok => ('✓', "ok"),
            Status::Warning => ('!', "warning"),
            Status::Failed => ('✗', "failed"),
            Status::Skipped => ('-', "skipped"),
        };
        let hint = self.hint.as_ref();
        let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        let text = format!("{mark} {:<10} {}{hint}", self.name, self.message);
        let json = json!({
            "check": self.name,
            "status": status,
            "message": self.message,
            "hint": self.hint,
        });
        out.result(&one_line(&text), &json)
    }
}
