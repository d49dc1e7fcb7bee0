//! `record`: records a call from its start to files that are verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_recording::spool::{Outcome, Spool, SpoolWorker};
use acs_recording::webhook::{EventHandler, HandlerError};
use acs_recording::{
    ErrorKind, Event, EventPayload, InvalidEvent, Recording, RecordingClient, RecordingId,
    SavedRecording, ServerCallId, ServiceCode,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::journal::Journal;
use super::{Call, MediaOptions};
use crate::client::client;
use crate::download_settings::Settings;
use crate::failure::Failure;
use crate::listener::{self, Listener, WebhookOptions};
use crate::options::Global;
use crate::output::Output;
use crate::saving::{
    CONCURRENCY, DeletePolicy, event_failure, incomplete, report_saved, save_announced,
};
use crate::stop::{Signal, Stop};
use crate::text::shortened;

/// How long a start that was only accepted may take.
const PENDING_TIMEOUT: Duration = Duration::from_secs(60);

/// Records a call: starts, stops on Ctrl-C, waits for the files, downloads and verifies them
///
/// The service announces the files of a recording with an event. This command runs the webhook that
/// receives it, as `events listen` does; Event Grid must deliver RecordingFileStatusUpdated to it. The
/// options are those of `start` and of `events listen`.
///
/// Ctrl-C, SIGTERM or --duration stops the recording; so does the end of the call. The command then
/// waits for the files. A second Ctrl-C leaves it. The id of the recording is on disk as soon as it is
/// known, in recordings.jsonl, and --resume continues with it. Recordings of others that are
/// announced meanwhile are downloaded too, or stay in the spool for `events listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording record --server-call-id ID --dir recordings
  acs-recording record --room-id 99486… --dir recordings --duration 30m --media mp3
  acs-recording record --resume RECORDING_ID --dir recordings

With the emulator on this machine:
  acs-recording emulator --webhook http://127.0.0.1:8080/events    # in another terminal
  acs-recording record --server-call-id ID --dir recordings --allow-unauthenticated

The exit code is 0 when all files are saved, also after Ctrl-C; 5 if they were not announced in time,
and 8 if some are missing.

JSON: {\"recording_id\", \"step\": \"started\"}, {\"recording_id\", \"step\": \"stopped\" or \"ended\"}, and
then a line as for `download --event`.")]
#[command(group = clap::ArgGroup::new("call").required(true).args(Call::OPTIONS).arg("resume"))]
pub(crate) struct Record {
    #[command(flatten)]
    call: Call,

    /// Continues with a recording that was started before: stops it on Ctrl-C, waits and downloads
    #[arg(long, value_name = "RECORDING_ID")]
    resume: Option<RecordingId>,

    /// Folder for the files, created if it does not exist
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    #[command(flatten)]
    media: MediaOptions,

    /// Stops after this time [default: records until Ctrl-C, or the end of the call]
    #[arg(long, value_name = "TIME", value_parser = crate::text::duration)]
    duration: Option<Duration>,

    /// Maximum time to wait for the files after the recording ended
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::text::duration)]
    timeout: Duration,

    /// Time between two requests for the state of the recording
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::text::duration)]
    interval: Duration,

    #[command(flatten)]
    webhook: WebhookOptions,

    #[command(flatten)]
    settings: Settings,

    /// Deletes the recording from the service after all its files are saved and verified; requires
    /// authentication
    #[arg(long)]
    delete_after: bool,
}

impl Record {
    /// The hint after a second Ctrl-C. The command has printed the id.
    pub(crate) const WHEN_INTERRUPTED: &str = "the recording is not saved; its id is in \
         recordings.jsonl in the folder, and `acs-recording record --resume RECORDING_ID --dir DIR` \
         continues with it";
}

pub(crate) async fn record(
    mut options: Record,
    global: &Global,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    options.settings.operation_timeout(global.operation_timeout);
    // Everything that can fail is tried before the recording starts.
    let client = client(global)?;
    let folder = options.dir.clone();
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let mut journal = Journal::open(&folder)?;
    if let Some(id) = &options.resume
        && let Some(manifest) = journal.manifest(id)?
    {
        out.note("the recording was saved before");
        let json = json!({"recording_id": id, "step": "saved", "manifest": manifest});
        return out.result(&manifest.display().to_string(), &json);
    }
    let spool = Spool::open(folder.join(".spool")).await.map_err(|error| {
        Failure::from(error).hint(
            "if `events listen` downloads to this folder, use `acs-recording start`: it saves \
             the recording",
        )
    })?;
    let webhook = options.webhook.clone();
    let listener = listener::check(&webhook, global)?.bind().await?;
    out.note(&format!("listening on {}", listener.url()));
    let server_call_id = options.call.server_call_id.clone();
    let (saved, outcomes) = mpsc::unbounded_channel();
    let session = Session {
        client: client.clone(),
        folder,
        settings: options.settings.clone(),
        deletes: DeletePolicy {
            complete: options.delete_after,
            incomplete: false,
        },
        out: out.clone(),
        saved,
    };
    let background = serve_and_download(listener, spool, session);
    let foreground = async {
        let mut recording = Run {
            options: &options,
            journal: &mut journal,
            server_call_id,
            outcomes,
            out,
        };
        recording.run(&client, stop).await
    };
    tokio::select! {
        outcome = foreground => outcome,
        () = background => Err(Failure::usage("the webhook has ended")),
    }
}

/// What a download in the background needs.
struct Session {
    client: RecordingClient,
    folder: PathBuf,
    settings: Settings,
    deletes: DeletePolicy,
    out: Output,
    saved: mpsc::UnboundedSender<Announced>,
}

/// The outcome of the download of a recording.
struct Announced {
    event: Event,
    outcome: Result<SavedRecording, Failure>,
}

/// Keeps events in the spool, and downloads the recordings that they announce.
async fn serve_and_download(listener: Listener, spool: Spool, session: Session) {
    let serving = listener.serve(Keep(spool.clone()), std::future::pending());
    let working = download_worker(&spool, session).run();
    tokio::select! {
        () = serving => {}
        () = working => {}
    }
}

/// Keeps events about files, and acknowledges others.
struct Keep(Spool);

impl EventHandler for Keep {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        if let EventPayload::RecordingFileStatusUpdated(_) = event.payload() {
            self.0.put(&event).await?;
        } else {
            tracing::info!(%event, "event ignored");
        }
        Ok(())
    }

    async fn handle_invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        self.0.put_unreadable(error).await?;
        Ok(())
    }
}

fn download_worker(spool: &Spool, session: Session) -> SpoolWorker<impl EventHandler> {
    let session = Arc::new(session);
    let handler = Arc::clone(&session);
    let worker = spool.process(move |event: Event| {
        let session = Arc::clone(&handler);
        async move { session.download(event).await }
    });
    worker
        .concurrency(CONCURRENCY)
        .on_outcome(move |event, outcome| match outcome {
            Outcome::Deferred { error, delay, .. } => {
                let seconds = delay.max(Duration::from_secs(1)).as_secs();
                let next = format!("retrying in {seconds} s");
                session
                    .out
                    .failure(&event_failure(event, error).then_hint(&next));
            }
            Outcome::Noted { error, .. } => {
                let failure = event_failure(event, error);
                session.send(event.clone(), Err(failure));
            }
            _ => {}
        })
}

impl Session {
    async fn download(&self, event: Event) -> Result<(), HandlerError> {
        let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
            return Ok(());
        };
        let Self {
            client,
            folder,
            settings,
            deletes,
            out,
            ..
        } = self;
        let saved = save_announced(client, &event, file, folder, settings, *deletes, out).await?;
        self.send(event, Ok(saved));
        Ok(())
    }

    fn send(&self, event: Event, outcome: Result<SavedRecording, Failure>) {
        // The command ends when it has its own recording.
        let _ = self.saved.send(Announced { event, outcome });
    }
}

/// One recording, from its start to its files.
struct Run<'a> {
    options: &'a Record,
    journal: &'a mut Journal,
    server_call_id: Option<ServerCallId>,
    outcomes: mpsc::UnboundedReceiver<Announced>,
    out: &'a Output,
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
    async fn run(&mut self, client: &RecordingClient, stop: Stop) -> Result<(), Failure> {
        let recording = match &self.options.resume {
            Some(id) => client.recording(id.clone()),
            None => self.start(client).await?,
        };
        let id = recording.id().clone();
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
                "server_call_id": self.server_call_id,
            }),
        )?;
        let recording = start.await?;
        let id = recording.id();
        // Without the line on disk the recording goes on, so the id is shown first.
        self.out.note(&format!("recording {id}"));
        self.journal.step("started", id)?;
        self.out
            .json_result(&json!({"recording_id": id, "step": "started"}))?;
        Ok(recording)
    }

    async fn finish(&mut self, recording: &Recording, stop: Stop) -> Result<(), Failure> {
        let id = recording.id();
        let mut stop = stop;
        let end = self.until_end(recording, &mut stop).await?;
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
        self.journal.step(step, id)?;
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
            stop.await;
        };
        tokio::select! {
            outcome = self.files(id) => outcome,
            () = left => Err(Failure::stopped(Signal::Interrupt, "the files are not saved")),
            () = tokio::time::sleep(timeout) => {
                let text = format!("the files were not announced within {timeout:?}");
                Err(Failure::timed_out(
                    text,
                    "check that Event Grid delivers RecordingFileStatusUpdated to the webhook; the \
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
        loop {
            let left = self
                .options
                .duration
                .map(|it| it.saturating_sub(begun.elapsed()));
            let left = left.unwrap_or(Duration::MAX);
            match recording.state().await {
                Ok(state) => {
                    (is_troubled, was_seen) = (false, true);
                    line.show(&state.to_string());
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
            let id = recording.id();
            tokio::select! {
                () = &mut *stop => return Ok(Some(End::Asked)),
                () = tokio::time::sleep(left.min(self.options.interval)) => {
                    if left <= self.options.interval {
                        return Ok(Some(End::Asked));
                    }
                }
                outcome = self.files(id) => return outcome.map(|()| None),
            }
        }
    }

    /// Waits until the files of the recording are saved, and reports them.
    async fn files(&mut self, id: &RecordingId) -> Result<(), Failure> {
        while let Some(Announced { event, outcome }) = self.outcomes.recv().await {
            if !self.is_own(id, &event) {
                self.note_other(&event, outcome);
                continue;
            }
            let saved = outcome?;
            let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
                continue;
            };
            report_saved(file, &saved, &self.options.settings, self.out)?;
            if let Some(failure) = incomplete(&saved) {
                return Err(failure);
            }
            return self.journal.saved(id, &saved.manifest);
        }
        Err(Failure::usage("the webhook has ended"))
    }

    fn is_own(&self, id: &RecordingId, event: &Event) -> bool {
        match event.recording_id() {
            Some(known) => known == *id,
            // As older versions of the service send it.
            None => self.server_call_id.is_some() && event.server_call_id() == self.server_call_id,
        }
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

/// The line on a terminal while a call is recorded. It is removed when dropped.
struct LiveLine(ProgressBar);

impl LiveLine {
    fn new(out: &Output, id: &RecordingId) -> Self {
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

    fn show(&self, state: &str) {
        self.0.set_message(format!("{state}; Ctrl-C stops"));
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
