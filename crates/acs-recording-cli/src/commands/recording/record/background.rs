//! What runs beside a recording: receives events, and downloads the recordings that they announce.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_recording::spool::{Outcome, Spool, SpoolWorker};
use acs_recording::webhook::{EventHandler, HandlerError};
use acs_recording::{
    Event, EventPayload, InvalidEvent, RecordingClient, RecordingId, SavedRecording, ServerCallId,
};
use tokio::sync::{mpsc, watch};

use crate::download_settings::Settings;
use crate::failure::Failure;
use crate::listener::Listener;
use crate::output::Output;
use crate::saving::{CONCURRENCY, DeletePolicy, event_failure, save_announced};

/// Where events come from.
pub(super) enum Source {
    Webhook(Listener),
    #[cfg(feature = "archive")]
    Queue(acs_recording_archive::StorageQueue),
}

/// The recording that the command waits for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: RecordingId,
    pub(super) server_call_id: Option<ServerCallId>,
}

impl Wanted {
    /// Whether an event is about the recording.
    pub(super) fn matches(&self, event: &Event) -> bool {
        match event.recording_id() {
            Some(id) => id == self.id,
            // As older versions of the service send it.
            None => self.server_call_id.is_some() && event.server_call_id() == self.server_call_id,
        }
    }
}

/// What downloads need.
pub(super) struct Session {
    pub(super) client: RecordingClient,
    pub(super) folder: PathBuf,
    pub(super) settings: Settings,
    pub(super) deletes: DeletePolicy,
    pub(super) out: Output,
    pub(super) outcomes: mpsc::UnboundedSender<Announced>,
    /// Recordings that are saved, by the ids of their events, until the spool has recorded that.
    pub(super) saved: Mutex<HashMap<String, SavedRecording>>,
}

/// The outcome of the download of a recording.
pub(super) struct Announced {
    pub(super) event: Event,
    pub(super) outcome: Result<SavedRecording, Failure>,
}

/// Keeps events in the spool, and downloads the recordings that they announce.
pub(super) async fn run(
    source: Source,
    spool: Spool,
    session: Session,
    wanted: watch::Receiver<Option<Wanted>>,
) {
    let out = session.out.clone();
    let working = download_worker(&spool, session).run();
    let receiving = receive(source, &spool, wanted, &out);
    tokio::select! {
        () = receiving => {}
        () = working => {}
    }
}

#[cfg_attr(
    not(feature = "archive"),
    allow(unused_variables, reason = "a webhook passes all events to the spool")
)]
async fn receive(
    source: Source,
    spool: &Spool,
    wanted: watch::Receiver<Option<Wanted>>,
    out: &Output,
) {
    match source {
        Source::Webhook(listener) => {
            let handler = Keep(spool.clone());
            listener.serve(handler, std::future::pending()).await;
        }
        #[cfg(feature = "archive")]
        Source::Queue(queue) => queue::receive(&queue, spool, wanted, out).await,
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
            // The command may end now: the spool has recorded the outcome.
            Outcome::Handled => {
                if let Some(saved) = session.saved().remove(&event.id) {
                    session.send(event.clone(), Ok(saved));
                }
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
        self.saved().insert(event.id, saved);
        Ok(())
    }

    fn send(&self, event: Event, outcome: Result<SavedRecording, Failure>) {
        // The command ends when it has its own recording.
        let _ = self.outcomes.send(Announced { event, outcome });
    }

    fn saved(&self) -> std::sync::MutexGuard<'_, HashMap<String, SavedRecording>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receiving from a queue of Azure Storage.
#[cfg(feature = "archive")]
mod queue {
    use std::time::Duration;

    use acs_recording::Events;
    use acs_recording::spool::Spool;
    use acs_recording_archive::{EventQueue as _, Message, StorageQueue};
    use tokio::sync::watch;
    use tokio::time::sleep;

    use super::Wanted;
    use crate::output::Output;

    /// The pause between two looks at the queue.
    const INTERVAL: Duration = Duration::from_secs(2);
    /// How long messages of others stay hidden from this command, and from others.
    const HIDE: Duration = Duration::from_secs(10);
    const LEASE: Duration = Duration::from_secs(60);
    /// The most messages that the service returns at once.
    const MESSAGES: usize = 32;

    /// Moves the event of the recording from the queue to the spool. Other messages stay in the queue.
    pub(super) async fn receive(
        queue: &StorageQueue,
        spool: &Spool,
        mut wanted: watch::Receiver<Option<Wanted>>,
        out: &Output,
    ) {
        let found = wanted.wait_for(Option::is_some).await;
        let Some(wanted) = found.ok().and_then(|wanted| wanted.clone()) else {
            return;
        };
        let mut is_troubled = false;
        loop {
            match look(queue, spool, &wanted).await {
                Ok(()) => is_troubled = false,
                Err(problem) => {
                    if !is_troubled {
                        out.note(&format!("{problem}; trying again"));
                    }
                    is_troubled = true;
                }
            }
            sleep(INTERVAL).await;
        }
    }

    async fn look(queue: &StorageQueue, spool: &Spool, wanted: &Wanted) -> Result<(), String> {
        let messages = queue.receive(MESSAGES, LEASE).await;
        for message in messages.map_err(|error| error.to_string())? {
            let kept = keep(&message, spool, wanted).await?;
            let done = if kept {
                queue.complete(&message).await
            } else {
                queue.release(&message, HIDE).await
            };
            // The lease ends by itself, and the spool knows the event.
            done.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Keeps the event of a message on disk, if it is about the recording.
    async fn keep(message: &Message, spool: &Spool, wanted: &Wanted) -> Result<bool, String> {
        let mut events = Events::parse(&message.body).filter_map(Result::ok);
        let Some(event) = events.find(|event| wanted.matches(event)) else {
            return Ok(false);
        };
        let put = spool.put(&event).await;
        put.map_err(|error| error.to_string())?;
        Ok(true)
    }
}
