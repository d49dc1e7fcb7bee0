//! Progress bars on a terminal.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acs_recording::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;
use crate::text::{one_line, shortened};

/// How long a download may receive nothing before a note says so.
const WAITING_NOTE_AFTER: Duration = Duration::from_secs(3);
const KNOWN: &str = "{prefix} [{bar:30}] {bytes} of {total_bytes}, {msg}, {eta} left";
const COUNT: &str = "{prefix} [{bar:30}] {msg}";
const UNKNOWN: &str = "{prefix} {spinner} {bytes}, {msg}";

/// The progress bar of one download. It is removed when dropped, and hidden without a terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Whether the response to the first request has arrived.
    begun: Arc<AtomicBool>,
}

impl Bar {
    pub(crate) fn new(out: &Output, name: &str) -> Self {
        if out.bars().is_hidden() {
            return Self::with(ProgressBar::hidden());
        }
        let bar = out.bars().add(ProgressBar::no_length());
        bar.set_style(style(UNKNOWN));
        bar.set_prefix(one_line(&shortened(name)).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::with(bar)
    }

    fn with(bar: ProgressBar) -> Self {
        let begun = Arc::default();
        Self { bar, begun }
    }

    /// The callback for a download's progress.
    pub(crate) fn listener(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let (bar, begun) = (self.bar.clone(), Arc::clone(&self.begun));
        move |progress| {
            begun.store(true, Ordering::Relaxed);
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
                reason = "the rate is only displayed, and never negative"
            )]
            let rate = indicatif::HumanBytes(progress.rate as u64);
            bar.set_message(format!("{rate}/s{retries}"));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Awaits a download, with a note if it takes long to begin.
pub(crate) async fn with_waiting_note<F: Future>(
    download: F,
    bar: &Bar,
    name: &str,
    out: &Output,
) -> F::Output {
    let mut download = pin!(download);
    tokio::select! {
        outcome = &mut download => return outcome,
        () = tokio::time::sleep(WAITING_NOTE_AFTER) => {}
    }
    if !bar.begun.load(Ordering::Relaxed) {
        out.note(&format!(
            "{name}: waiting; the content may not be ready yet"
        ));
    }
    download.await
}

/// The progress bar of one recording on its way into an archive. It is removed when dropped, and hidden
/// without a terminal.
#[cfg(feature = "archive")]
#[derive(Debug)]
pub(crate) struct TransferBar(ProgressBar);

#[cfg(feature = "archive")]
impl TransferBar {
    pub(crate) fn new(out: &Output, name: &str) -> Self {
        if out.bars().is_hidden() {
            return Self(ProgressBar::hidden());
        }
        let bar = out.bars().add(ProgressBar::no_length());
        bar.set_style(style(UNKNOWN));
        bar.set_prefix(one_line(&shortened(name)).into_owned());
        bar.set_message("waiting");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows how much of a chunk has arrived; chunks count from 1.
    pub(crate) fn set(&self, (chunk, chunks): (usize, usize), bytes: u64, total: Option<u64>) {
        if let Some(total) = total
            && self.0.length() != Some(total)
        {
            self.0.set_length(total);
            self.0.set_style(style(KNOWN));
        }
        self.0.set_position(bytes);
        let chunk = match chunks {
            0 | 1 => String::new(),
            _ => format!(", chunk {chunk} of {chunks}"),
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the rate is only displayed, and never negative"
        )]
        let rate = indicatif::HumanBytes(self.0.per_sec() as u64);
        self.0.set_message(format!("{rate}/s{chunk}"));
    }
}

#[cfg(feature = "archive")]
impl Drop for TransferBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A progress bar that counts completed downloads. It is removed when dropped.
#[derive(Debug)]
pub(crate) struct Count {
    bar: ProgressBar,
    /// Whether they run one after the other, so that the current one is known.
    in_order: bool,
}

impl Count {
    /// For files or recordings that are downloaded at the same time.
    pub(crate) fn files(out: &Output, total: usize) -> Self {
        Self::new(out, "all", false, total)
    }

    /// For the chunks of a recording, which are downloaded one after the other.
    pub(crate) fn chunks(out: &Output, name: &str, total: usize) -> Self {
        Self::new(out, name, true, total)
    }

    fn new(out: &Output, name: &str, in_order: bool, total: usize) -> Self {
        // A single one needs no count.
        let bar = if total < 2 || out.bars().is_hidden() {
            ProgressBar::hidden()
        } else {
            out.bars().add(ProgressBar::new(total as u64))
        };
        bar.set_style(style(COUNT));
        bar.set_prefix(one_line(&shortened(name)).into_owned());
        let count = Self { bar, in_order };
        count.show();
        count
    }

    /// Counts one more.
    pub(crate) fn next(&self) {
        self.bar.inc(1);
        self.show();
    }

    /// Sets the count.
    pub(crate) fn set(&self, done: usize) {
        if self.bar.position() != done as u64 {
            self.bar.set_position(done as u64);
            self.show();
        }
    }

    fn show(&self) {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
        self.bar.set_message(if self.in_order {
            format!("chunk {} of {total}", total.min(done + 1))
        } else {
            format!("{done} of {total} done")
        });
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("#>-")
}
