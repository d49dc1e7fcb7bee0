//! The options of `record`.

use std::path::PathBuf;
use std::time::Duration;

use acs_recording::RecordingId;
use clap::Args;

use super::background::Source;
use crate::commands::recording::{Call, MediaOptions};
use crate::download_settings::Settings;
use crate::failure::Failure;
use crate::listener::{self, WebhookOptions};
use crate::options::Global;
use crate::output::Output;
#[cfg(feature = "archive")]
use crate::storage::{Location, queue_builder};

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
    pub(super) call: Call,

    /// Continues with a recording that was started before: stops it on Ctrl-C, waits and downloads
    #[arg(long, value_name = "RECORDING_ID")]
    pub(super) resume: Option<RecordingId>,

    /// Folder for the files, created if it does not exist
    #[arg(long, value_name = "DIR")]
    pub(super) dir: PathBuf,

    #[command(flatten)]
    pub(super) media: MediaOptions,

    /// Stops after this time [default: records until Ctrl-C, or the end of the call]
    #[arg(long, value_name = "TIME", value_parser = crate::text::duration)]
    pub(super) duration: Option<Duration>,

    /// Maximum time to wait for the files after the recording ended
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::text::duration)]
    pub(super) timeout: Duration,

    /// Time between two requests for the state of the recording
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::text::duration)]
    pub(super) interval: Duration,

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
    pub(super) settings: Settings,

    /// Deletes the recording from the service after all its files are saved and verified; requires
    /// authentication
    #[arg(long)]
    pub(super) delete_after: bool,
}

impl Record {
    /// The hint after a second Ctrl-C. The command has printed the id.
    pub(crate) const WHEN_INTERRUPTED: &str = "the recording is not saved; its id is in \
         recordings.jsonl in the folder, and `acs-recording record --resume RECORDING_ID --dir DIR` \
         continues with it";

    /// Opens the webhook or the queue. The webhook says where it listens.
    pub(super) async fn source(&self, global: &Global, out: &Output) -> Result<Source, Failure> {
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
