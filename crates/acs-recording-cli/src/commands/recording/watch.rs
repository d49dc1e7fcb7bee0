//! `status --watch`: shows each change until the recording ends.

use std::time::{Duration, Instant};

use acs_recording::{Error, ErrorKind, Recording, RecordingProperties};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::stop::Stop;
use crate::text::{clock, shortened};

const ENDED: &str = "ended";

/// Shows the state of a recording until it ends or the program is asked to stop.
pub(super) async fn watch(
    recording: &Recording,
    interval: Duration,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    // Without the recording there is nothing to watch.
    let first = recording.properties().await?;
    let mut shown = Shown::new(recording, out);
    shown.change(Some(&first))?;
    tokio::select! {
        () = stop => Ok(()),
        outcome = until_end(recording, interval, &mut shown) => outcome,
    }
}

async fn until_end(
    recording: &Recording,
    interval: Duration,
    shown: &mut Shown<'_>,
) -> Result<(), Failure> {
    loop {
        tokio::time::sleep(interval).await;
        match recording.properties().await {
            Ok(properties) => shown.change(Some(&properties))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return shown.change(None),
            Err(error) if error.is_retryable() => shown.trouble(&error),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is shown of a recording.
struct Shown<'a> {
    recording: &'a Recording,
    out: &'a Output,
    /// The line on a terminal.
    bar: Option<ProgressBar>,
    state: Option<String>,
    since: Instant,
    /// Whether the last request failed.
    is_troubled: bool,
}

impl<'a> Shown<'a> {
    fn new(recording: &'a Recording, out: &'a Output) -> Self {
        let bar = out.is_interactive().then(|| {
            let bar = out.bars().add(ProgressBar::no_length());
            let style = ProgressStyle::with_template("{prefix} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(shortened(recording.id().as_str()));
            bar
        });
        Self {
            recording,
            out,
            bar,
            state: None,
            since: Instant::now(),
            is_troubled: false,
        }
    }

    /// Shows the state; none if the recording has ended.
    fn change(&mut self, now: Option<&RecordingProperties>) -> Result<(), Failure> {
        self.is_troubled = false;
        let state = now.map_or_else(|| ENDED.to_owned(), |now| now.state.to_string());
        if self.state.as_ref() != Some(&state) {
            self.since = Instant::now();
            self.state = Some(state.clone());
            if self.bar.is_none() {
                let kind = now.and_then(|now| Some(now.kind.as_ref()?.to_string()));
                self.out.json(&json!({
                    "recording_id": self.recording.id(),
                    "state": state,
                    "kind": kind,
                    "time": Timestamp::now().to_string(),
                }))?;
            }
        }
        let Some(bar) = &self.bar else {
            return Ok(());
        };
        bar.set_message(format!("{state} for {}", clock(self.since.elapsed())));
        if now.is_none() {
            bar.finish_and_clear();
            return self.out.line(ENDED);
        }
        Ok(())
    }

    /// Notes a failed request, once for several in a row.
    fn trouble(&mut self, error: &Error) {
        if !self.is_troubled {
            self.out.note(&format!("{error}; trying again"));
        }
        self.is_troubled = true;
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
