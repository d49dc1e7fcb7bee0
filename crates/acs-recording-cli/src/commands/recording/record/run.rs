//! The steps of one recording.

use std::path::Path;
use std::time::{Duration, Instant};

use acs_recording::{
    ErrorKind, Event, EventPayload, Recording, RecordingClient, RecordingId, SavedRecording,
    ServiceCode,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::background::{Announced, Wanted};
use super::live_line::LiveLine;
use super::options::Record;
use crate::commands::recording::journal::Journal;
use crate::failure::Failure;
use crate::output::Output;
use crate::saving::{incomplete, report_saved};
use crate::stop::{Signal, Stop};
use crate::text::shortened;

/// How long a start that was only accepted may take.
const PENDING_TIMEOUT: Duration = Duration::from_secs(60);

/// One recording, from its start to its files.
pub(super) struct Run<'a> {
    pub(super) options: &'a Record,
    pub(super) journal: &'a mut Journal,
    pub(super) wanted: watch::Sender<Option<Wanted>>,
    pub(super) outcomes: mpsc::UnboundedReceiver<Announced>,
    pub(super) out: &'a Output,
}

/// Why a recording is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// A signal, or the duration is over. The recording is to be stopped.
    Asked,
    /// The service no longer has it: the call is over, or someone else stopped it.
    Ended,
}

impl Run<'_> {
    pub(super) async fn run(
        &mut self,
        client: &RecordingClient,
        stop: Stop,
    ) -> Result<(), Failure> {
        let recording = match &self.options.resume {
            Some(id) => client.recording(id.clone()),
            None => self.start(client).await?,
        };
        let id = recording.id().clone();
        let wanted = Wanted {
            id: id.clone(),
            server_call_id: self.options.call.server_call_id.clone(),
        };
        self.wanted.send_replace(Some(wanted));
        let finish = self.finish(&recording, stop).await;
        finish.map_err(|failure| {
            let command = resume_command(&id, &self.options.dir);
            failure.then_hint(&format!("to continue: {command}"))
        })
    }

    async fn start(&mut self, client: &RecordingClient) -> Result<Recording, Failure> {
        let media = self.options.media.media()?;
        // With these, the same start can be sent again after a crash.
        let (repeatability_id, first_sent) = (Uuid::new_v4(), Timestamp::now());
        let mut start = client.start(self.options.call.target()?).media(media);
        start = start.repeatability(repeatability_id, first_sent.into());
        self.journal.write(
            "starting",
            json!({
                "repeatability_id": repeatability_id,
                "first_sent": first_sent.to_string(),
                "server_call_id": self.options.call.server_call_id,
            }),
        )?;
        let recording = start.await.map_err(|error| {
            let may_run = matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Connection);
            let failure = Failure::from(error);
            if !may_run {
                return failure;
            }
            failure.then_hint(&format!(
                "the recording may have started: `acs-recording start` with --repeatability-id \
                 {repeatability_id} --first-sent {first_sent} returns its id"
            ))
        })?;
        let id = recording.id();
        self.out.note(&format!("recording {id}"));
        self.step("started", id);
        self.out
            .json_result(&json!({"recording_id": id, "step": "started"}))?;
        Ok(recording)
    }

    /// Keeps a step. The recording goes on without it.
    fn step(&mut self, step: &str, id: &RecordingId) {
        if let Err(failure) = self.journal.step(step, id) {
            self.out.failure(&failure);
        }
    }

    async fn finish(&mut self, recording: &Recording, mut asked: Stop) -> Result<(), Failure> {
        let id = recording.id();
        let end = self.until_end(recording, &mut asked).await?;
        let step = match end {
            Some(End::Asked) => {
                let command = resume_command(id, &self.options.dir);
                self.out.note(&format!(
                    "stopping; Ctrl-C leaves without the files, and `{command}` continues"
                ));
                match recording.stop().await {
                    Ok(()) => "stopped",
                    Err(error) if error.service_code() == Some(ServiceCode::NotFound) => "ended",
                    Err(error) => return Err(error.into()),
                }
            }
            Some(End::Ended) => "ended",
            // The event came first.
            None => return Ok(()),
        };
        self.step(step, id);
        self.out
            .json_result(&json!({"recording_id": id, "step": step}))?;
        self.out.note(&format!("{step}; waiting for the files"));
        let timeout = self.options.timeout;
        let was_asked = end == Some(End::Asked);
        let left = async {
            // A signal that has stopped the recording does not count again: main ends the program
            // at the second one.
            if was_asked {
                std::future::pending::<()>().await;
            }
            asked.await;
        };
        tokio::select! {
            outcome = self.files() => outcome,
            () = left => Err(Failure::stopped(Signal::Interrupt, "the files are not saved")),
            () = tokio::time::sleep(timeout) => {
                let text = format!("the files were not announced within {timeout:?}");
                Err(Failure::timed_out(
                    text,
                    "check that Event Grid delivers RecordingFileStatusUpdated here; the \
                     service keeps the files for 24 hours",
                ))
            }
        }
    }

    /// Waits until the recording is over. `None` if its files are saved already.
    async fn until_end(
        &mut self,
        recording: &Recording,
        stop: &mut Stop,
    ) -> Result<Option<End>, Failure> {
        let line = LiveLine::new(self.out, recording.id());
        let begun = Instant::now();
        let (mut is_troubled, mut was_seen) = (false, false);
        // A start that was only accepted takes a moment until the recording exists.
        let response = recording.start_response();
        let is_pending = response.is_some_and(|response| response.outcome_pending);
        let mut pause = Duration::ZERO;
        loop {
            let left = self.options.duration;
            let left = left.map_or(Duration::MAX, |it| it.saturating_sub(begun.elapsed()));
            let state = async {
                tokio::time::sleep(pause).await;
                recording.state().await
            };
            let state = tokio::select! {
                () = &mut *stop => return Ok(Some(End::Asked)),
                () = tokio::time::sleep(left) => return Ok(Some(End::Asked)),
                outcome = self.files() => return outcome.map(|()| None),
                state = state => state,
            };
            pause = self.options.interval;
            match state {
                Ok(state) => {
                    (is_troubled, was_seen) = (false, true);
                    line.show(state.as_ref());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if was_seen || !is_pending || begun.elapsed() > PENDING_TIMEOUT {
                        return Ok(Some(End::Ended));
                    }
                }
                // The recording goes on, whether or not its state can be seen.
                Err(error) => {
                    if !is_troubled {
                        self.out.note(&format!("{error}; trying again"));
                    }
                    is_troubled = true;
                }
            }
        }
    }

    /// Waits until the files of the recording are saved, and reports them.
    async fn files(&mut self) -> Result<(), Failure> {
        while let Some(Announced { event, outcome }) = self.outcomes.recv().await {
            let wanted = self.wanted.borrow().clone();
            let Some(Wanted { id, .. }) = wanted.filter(|wanted| wanted.matches(&event)) else {
                self.note_other(&event, outcome);
                continue;
            };
            let saved = outcome?;
            let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
                continue;
            };
            report_saved(file, &saved, &self.options.settings, self.out)?;
            if let Some(failure) = incomplete(&saved) {
                return Err(failure);
            }
            // Without the line, `--resume` downloads again, and finds that all files exist.
            if let Err(failure) = self.journal.saved(&id, &saved.manifest) {
                self.out.failure(&failure);
            }
            return Ok(());
        }
        Err(Failure::usage("the webhook has ended"))
    }

    fn note_other(&self, event: &Event, outcome: Result<SavedRecording, Failure>) {
        let id = event.recording_id();
        let id = id.map_or_else(|| event.id.clone(), |id| id.to_string());
        match outcome {
            Ok(saved) => {
                let manifest = saved.manifest.display();
                let text = format!(
                    "another recording, {}, is saved: {manifest}",
                    shortened(&id)
                );
                self.out.note(&text);
            }
            Err(failure) => self.out.failure(&failure),
        }
    }
}

fn resume_command(id: &RecordingId, folder: &Path) -> String {
    format!(
        "acs-recording record --resume {id} --dir '{}'",
        folder.display()
    )
}
