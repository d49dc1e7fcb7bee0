//! `record`: records a call from its start to files that are verified.

mod background;
mod live_line;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use acs_recording::spool::Spool;
use acs_recording::{
    ErrorKind, EventPayload, Recording, RecordingClient, RecordingId, SavedRecording, ServiceCode,
};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use self::background::{Announced, Session, Source, Wanted};
use self::live_line::LiveLine;
use super::journal::Journal;
use super::{Call, MediaOptions};
use crate::client::client;
use crate::download_settings::Settings;
use crate::failure::Failure;
use crate::listener::{self, WebhookOptions};
use crate::options::Global;
use crate::output::Output;
use crate::saving::{DeletePolicy, incomplete, report_saved};
use crate::stop::{Signal, Stop};
#[cfg(feature = "archive")]
use crate::storage::{Location, queue_builder};
use crate::text::shortened;

/// How long a start that was only accepted may take.
const PENDING_TIMEOUT: Duration = Duration::from_secs(60);

/// Records a call: starts, stops on Ctrl-C, waits for the files, downloads and verifies them
///
/// The service announces the files of a recording with an event. This command runs the webhook that
/// receives it, as `events listen` does; Event Grid must deliver RecordingFileStatusUpdated to it.
/// Where no webhook can be reached, --event-queue receives the event from a queue. The other options
/// are those of `start` and of `events listen`.
///
/// Ctrl-C, SIGTERM or --duration stops the recording; so does the end of the call. The command then
/// waits for the files. A second Ctrl-C leaves it. The id of the recording is on disk as soon as it is
/// known, in recordings.jsonl, and --resume continues with it. Other recordings that are announced to
/// the webhook meanwhile are downloaded too, or stay in the spool for `events listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording record --server-call-id ID --dir recordings
  acs-recording record --room-id 99486… --dir recordings --duration 30m --media mp3
  acs-recording record --server-call-id ID --dir recordings \\
    --event-queue https://acct.queue.core.windows.net/recordings
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

    /// Queue of Azure Storage to receive the event from, without a webhook: its URL, or its name in the
    /// account of ACS_QUEUE_CONNECTION_STRING; other messages stay in it
    #[cfg(feature = "archive")]
    #[arg(
        long,
        value_name = "URL|NAME",
        conflicts_with = "allow_unauthenticated"
    )]
    event_queue: Option<Location>,

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

    /// Opens the webhook or the queue. The webhook says where it listens.
    async fn source(&self, global: &Global, out: &Output) -> Result<Source, Failure> {
        #[cfg(feature = "archive")]
        if let Some(queue) = &self.event_queue {
            use acs_recording_archive::EventQueue as _;
            let queue = queue_builder("--event-queue", queue, None, global)?.build()?;
            // A recording whose event cannot be received must not start.
            queue.approximate_depth().await?;
            out.note(&format!("receiving from {}", queue.url()));
            return Ok(Source::Queue(queue));
        }
        let listener = listener::check(&self.webhook, global)?.bind().await?;
        out.note(&format!("listening on {}", listener.url()));
        Ok(Source::Webhook(listener))
    }
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
    let source = options.source(global, out).await?;
    let (sender, outcomes) = mpsc::unbounded_channel();
    let (wanted, wanted_receiver) = watch::channel(None);
    let session = Session {
        client: client.clone(),
        folder,
        settings: options.settings.clone(),
        deletes: DeletePolicy {
            complete: options.delete_after,
            incomplete: false,
        },
        out: out.clone(),
        outcomes: sender,
        saved: Mutex::default(),
    };
    let background = background::run(source, spool, session, wanted_receiver);
    let foreground = async {
        let mut recording = Run {
            options: &options,
            journal: &mut journal,
            wanted,
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

/// One recording, from its start to its files.
struct Run<'a> {
    options: &'a Record,
    journal: &'a mut Journal,
    wanted: watch::Sender<Option<Wanted>>,
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

    fn note_other(&self, event: &acs_recording::Event, outcome: Result<SavedRecording, Failure>) {
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
