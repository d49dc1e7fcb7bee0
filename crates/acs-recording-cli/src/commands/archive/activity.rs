//! Shows what a worker does: a live line for each transfer on a terminal, and a line for each message.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use acs_recording_archive::{Activity, Archived, Error, Outcome, Summary, Update};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::report::{chunks_json, place};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::TransferBar;
use crate::text::{one_line, shortened};

/// Shows what a worker does.
pub(super) struct ActivityLog {
    out: Output,
    /// Of the messages in progress, by their ids.
    bars: Mutex<HashMap<String, TransferBar>>,
}

impl ActivityLog {
    pub(super) fn new(out: &Output) -> Self {
        Self {
            out: out.clone(),
            bars: Mutex::default(),
        }
    }

    pub(super) fn update(&self, update: &Update<'_>) {
        let id = &update.message.id;
        let name = update.recording_id.unwrap_or(id);
        match &update.activity {
            Activity::Started => {
                let bar = TransferBar::new(&self.out, name);
                self.bars().insert(id.clone(), bar);
            }
            Activity::Progress(now) => {
                if let Some(bar) = self.bars().get(id) {
                    bar.set((now.chunk, now.chunks), now.bytes, now.total);
                }
            }
            Activity::Finished {
                outcome,
                archived,
                error,
                retry_after,
                ..
            } => {
                drop(self.bars().remove(id));
                let retry_after = retry_after.map(|time| time.as_secs_f64());
                let line = if self.out.is_interactive() {
                    self.out.line(&text(name, *outcome, archived, *error))
                } else {
                    let mut json = json!({
                        "event": "message",
                        "outcome": outcome.name(),
                        "message_id": id,
                        "dequeue_count": update.message.dequeue_count,
                        "recording_id": update.recording_id,
                        "call_id": update.call_id,
                        "chunks": chunks_json(*archived),
                        "deleted": archived.iter().any(|archived| archived.is_deleted),
                        "warnings": warnings(archived),
                        "error": Value::Null,
                        "retry_after_seconds": retry_after,
                    });
                    if let Some(error) = error {
                        json["error"] =
                            json!({"kind": error.kind().name(), "message": error.to_string()});
                    }
                    self.out.json(&json)
                };
                if let Err(failure) = line {
                    tracing::warn!(error = failure.message(), "a line cannot be printed");
                }
            }
            _ => {}
        }
    }

    fn bars(&self) -> std::sync::MutexGuard<'_, HashMap<String, TransferBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints what the worker has done in all.
    pub(super) fn summary(&self, summary: &Summary) -> Result<(), Failure> {
        if self.out.is_interactive() {
            return self.out.line(&summary_text(summary));
        }
        self.out.json(&json!({
            "event": "summary",
            "messages": summary.messages(),
            "archived": summary.archived,
            "already": summary.already,
            "ignored": summary.ignored,
            "released": summary.released,
            "poisoned": summary.poisoned,
            "lease_lost": summary.lease_lost,
            "unsettled": summary.unsettled,
            "chunks": summary.chunks,
            "bytes": summary.bytes,
        }))
    }
}

fn warnings(archived: &[Archived]) -> Vec<&String> {
    let warnings = archived.iter().flat_map(|archived| &archived.warnings);
    warnings.collect()
}

/// One line for a message, and one more for each warning.
fn text(name: &str, outcome: Outcome, archived: &[Archived], error: Option<&Error>) -> String {
    let chunks: Vec<_> = archived.iter().flat_map(|one| &one.chunks).collect();
    let bytes: u64 = archived.iter().map(Archived::bytes).sum();
    let outcome = outcome.name().replace('_', " ");
    let name = shortened(name);
    let name = one_line(&name);
    if let Some(error) = error {
        return format!("{outcome:<9} {name}  {}", one_line(&error.to_string()));
    }
    let mut line = format!("{outcome:<9} {name}");
    if bytes > 0 {
        let _ = write!(line, "  {}", HumanBytes(bytes));
    }
    match &chunks[..] {
        [] => {}
        [chunk] => {
            let place = place(chunk.name.as_ref(), &chunk.receipt);
            let _ = write!(line, "  {}", one_line(&place));
        }
        several => {
            let _ = write!(line, "  {} chunks", several.len());
        }
    }
    if archived.iter().any(|archived| archived.is_deleted) {
        line.push_str("  deleted from the service");
    }
    for warning in warnings(archived) {
        let _ = write!(line, "\n          warning: {}", one_line(warning));
    }
    line
}

fn summary_text(summary: &Summary) -> String {
    let mut parts = vec![format!(
        "{} archived ({} chunks, {})",
        summary.archived,
        summary.chunks,
        HumanBytes(summary.bytes)
    )];
    for (count, what) in [
        (summary.already, "archived before"),
        (summary.ignored, "ignored"),
        (summary.released, "released for a retry"),
        (summary.poisoned, "moved to the poison queue"),
        (summary.lease_lost, "taken over by another worker"),
        (summary.unsettled, "unsettled"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use acs_recording_archive::ErrorKind;

    use super::*;

    #[test]
    fn a_message_is_one_line_and_cannot_add_others() {
        let error = Error::new(ErrorKind::InvalidEvent, "no\nevent\u{1b}[2J");
        let line = text("a\nb", Outcome::Poisoned, &[], Some(&error));
        assert_eq!(line, r"poisoned  a\u{a}b  no\u{a}event\u{1b}[2J");
        let line = text("id", Outcome::LeaseLost, &[], None);
        assert_eq!(line, "lease lost id");
    }

    #[test]
    fn a_summary_names_what_happened() {
        let mut summary = Summary::default();
        summary.archived = 2;
        summary.chunks = 3;
        summary.bytes = 2048;
        summary.poisoned = 1;
        assert_eq!(
            summary_text(&summary),
            "2 archived (3 chunks, 2.00 KiB), 1 moved to the poison queue"
        );
    }
}
