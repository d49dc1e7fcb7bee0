//! How far a download is, on a terminal.

use std::time::Duration;

use acs_recording::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

const KNOWN: &str = "{prefix} [{bar:30}] {bytes} of {total_bytes}, {msg}, {eta} left";
const UNKNOWN: &str = "{prefix} {spinner} {bytes}, {msg}";

/// A bar that goes away when it is dropped; nothing is shown without a terminal.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(out: &Output, name: &str) -> Self {
        let bar = out.bars().add(ProgressBar::no_length());
        bar.set_style(style(UNKNOWN));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// What a download calls with its progress.
    pub(crate) fn listener(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let bar = self.0.clone();
        move |progress| {
            if let Some(total) = progress.total
                && bar.length() != Some(total)
            {
                bar.set_length(total);
                bar.set_style(style(KNOWN));
            }
            bar.set_position(progress.bytes);
            let retries = match progress.retries {
                0 => String::new(),
                1 => ", 1 retry".to_owned(),
                many => format!(", {many} retries"),
            };
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people, never negative"
            )]
            let rate = indicatif::HumanBytes(progress.rate as u64);
            bar.set_message(format!("{rate}/s{retries}"));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("#>-")
}
