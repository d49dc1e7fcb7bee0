//! The line that a terminal shows while a call is recorded.

use std::time::Duration;

use acs_recording::RecordingId;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;
use crate::text::shortened;

/// The line on a terminal while a call is recorded. It is removed when dropped.
pub(super) struct LiveLine(ProgressBar);

impl LiveLine {
    pub(super) fn new(out: &Output, id: &RecordingId) -> Self {
        if out.bars().is_hidden() {
            return Self(ProgressBar::hidden());
        }
        let bar = out.bars().add(ProgressBar::no_length());
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed_precise} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(shortened(id.as_str()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(super) fn show(&self, state: &str) {
        self.0.set_message(format!("{state}; Ctrl-C stops"));
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
