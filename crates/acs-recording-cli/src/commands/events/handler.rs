//! Handles the events of the listener.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_recording::spool::{Outcome, Spool, SpoolWorker};
use acs_recording::webhook::{EventHandler, HandlerError};
use acs_recording::{Event, EventPayload, InvalidEvent, RecordingClient};
use tokio::sync::Notify;

use super::event_json::event_json;
use super::options::Listen;
use crate::failure::Failure;
use crate::output::Output;
use crate::saving::{
    CONCURRENCY, DeletePolicy, event_failure, incomplete, is_nothing_to_save, report_saved,
    report_skipped, save_announced,
};

/// State that the webhook and the downloads share.
pub(super) struct Shared {
    options: Listen,
    out: Output,
    handled: AtomicUsize,
    /// Why standard output cannot be written any more.
    output_error: Mutex<Option<io::Error>>,
    done: Notify,
}

/// Prints events, and spools those that announce recordings if these are downloaded.
pub(super) struct Handler {
    shared: Arc<Shared>,
    spool: Option<Spool>,
}

impl Shared {
    pub(super) fn new(options: Listen, out: Output) -> Self {
        Self {
            options,
            out,
            handled: AtomicUsize::new(0),
            output_error: Mutex::default(),
            done: Notify::new(),
        }
    }

    /// Waits until the listener is to exit.
    pub(super) async fn done(&self) {
        self.done.notified().await;
    }

    /// Prints an event. If that fails, the listener exits.
    fn print(&self, event: &Event) -> Result<(), HandlerError> {
        let printed = self.out.delivered_json_text(&event_json(event));
        printed.map_err(|error| {
            let rejection = HandlerError::retry(format!("the event was not printed: {error}"));
            *self
                .output_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.done.notify_one();
            rejection
        })
    }

    fn count(&self) {
        let count = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if self
            .options
            .count
            .is_some_and(|wanted| wanted.get() == count)
        {
            self.done.notify_one();
        }
    }

    pub(super) fn note_left_from_before(&self, spool: &Spool) {
        if let Some(events) = recordings(spool.pending()) {
            let text = format!("{events} left from an earlier run; resuming");
            self.out.note(&text);
        }
    }

    pub(super) fn note_left_for_later(&self, spool: &Spool) {
        if let Some(events) = recordings(spool.pending()) {
            let folder = spool.folder().display();
            self.out.note(&format!(
                "{events} left in {folder}; the next start resumes"
            ));
        }
    }

    /// A reader that closed the pipe, as `head` does, is not an error.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        let error = self.output_error.lock();
        match error.unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn recordings(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 recording is".to_owned()),
        _ => Some(format!("{count} recordings are")),
    }
}

impl Handler {
    pub(super) fn new(shared: &Arc<Shared>, spool: Option<Spool>) -> Self {
        Self {
            shared: Arc::clone(shared),
            spool,
        }
    }
}

impl EventHandler for Handler {
    async fn handle(&self, event: Event) -> Result<(), HandlerError> {
        let announces_files =
            matches!(event.payload(), EventPayload::RecordingFileStatusUpdated(_));
        let Some(spool) = self.spool.as_ref().filter(|_| announces_files) else {
            self.shared.print(&event)?;
            self.shared.count();
            return Ok(());
        };
        // A repeated delivery is not printed again. If the spool fails after the line was written,
        // the event is delivered and printed again, which is better than not at all.
        if !spool.contains(&event).await? {
            self.shared.print(&event)?;
        }
        spool.put(&event).await?;
        Ok(())
    }

    async fn handle_invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        let out = &self.shared.out;
        let failure = Failure::usage(error.to_string());
        if let Some(spool) = &self.spool {
            let kept = spool.put_unreadable(error).await?;
            let hint = format!("it is kept in {}", kept.display());
            out.failure(&failure.hint(hint));
        } else {
            out.failure(&failure.hint("the body follows"));
            out.note(&String::from_utf8_lossy(error.raw()));
        }
        Ok(())
    }
}

/// Downloads the recordings of spooled events, and reports the outcomes.
pub(super) fn download_worker(
    shared: &Arc<Shared>,
    spool: &Spool,
    client: RecordingClient,
) -> SpoolWorker<impl EventHandler> {
    let handler = Arc::clone(shared);
    let worker = spool.process(move |event: Event| {
        let (shared, client) = (Arc::clone(&handler), client.clone());
        async move { download(&shared, &client, &event).await }
    });
    let (shared, folder) = (Arc::clone(shared), spool.folder().to_owned());
    worker
        .concurrency(CONCURRENCY)
        .on_outcome(move |event, outcome| {
            match outcome {
                Outcome::Deferred { error, delay, .. } => {
                    let seconds = delay.max(Duration::from_secs(1)).as_secs();
                    let next = format!("retrying in {seconds} s");
                    return shared
                        .out
                        .failure(&event_failure(event, error).then_hint(&next));
                }
                Outcome::Noted { error, expired, .. } => {
                    if let (Some(own), EventPayload::RecordingFileStatusUpdated(file)) = (
                        error
                            .source()
                            .downcast_ref()
                            .filter(|own| is_nothing_to_save(own)),
                        event.payload(),
                    ) {
                        if let Err(failure) = report_skipped(file, own, &shared.out) {
                            shared.out.failure(&failure);
                        }
                        return shared.count();
                    }
                    let kept = folder.join("noted");
                    let kept = kept.display();
                    let next = if expired {
                        format!("gave up after 24 hours; the event is kept in {kept}")
                    } else {
                        format!("it will not be retried; the event is kept in {kept}")
                    };
                    shared
                        .out
                        .failure(&event_failure(event, error).then_hint(&next));
                }
                _ => {}
            }
            shared.count();
        })
}

async fn download(
    shared: &Shared,
    client: &RecordingClient,
    event: &Event,
) -> Result<(), HandlerError> {
    let (options, out) = (&shared.options, &shared.out);
    let (EventPayload::RecordingFileStatusUpdated(file), Some(folder)) =
        (event.payload(), &options.download_to)
    else {
        return Ok(());
    };
    let settings = &options.settings;
    let deletes = DeletePolicy {
        complete: options.delete_after,
        incomplete: false,
    };
    let saved = save_announced(client, event, file, folder, settings, deletes, out).await?;
    let reported = report_saved(file, &saved, settings, out);
    for failure in reported.err().into_iter().chain(incomplete(&saved)) {
        out.failure(&failure);
    }
    Ok(())
}
