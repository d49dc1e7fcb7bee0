//! What a listener does with events.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_recording::spool::{Outcome, Spool, SpoolWorker};
use acs_recording::webhook::{EventHandler, HandlerError};
use acs_recording::{Error, ErrorKind, Event, EventPayload, InvalidEvent, RecordingClient};
use tokio::sync::Notify;

use super::event_json;
use super::listen::Listen;
use crate::failure::Failure;
use crate::output::Output;
use crate::saving::{AT_ONCE, Deletes, incomplete, is_nothing, save, skipped, tell};

/// What the webhook and the downloads behind it have in common.
pub(super) struct Shared {
    options: Listen,
    out: Output,
    handled: AtomicUsize,
    /// Why nothing more can be printed.
    lost: Mutex<Option<io::Error>>,
    enough: Notify,
}

/// Prints events, and spools those that tell of recordings if these are to be downloaded.
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
            lost: Mutex::default(),
            enough: Notify::new(),
        }
    }

    /// Waits until the listener has no reason to go on.
    pub(super) async fn enough(&self) {
        self.enough.notified().await;
    }

    /// Prints an event. If that fails no event will do any better, and the listener ends.
    fn print(&self, event: &Event) -> Result<(), HandlerError> {
        let printed = self.out.delivered_json_text(&event_json(event));
        printed.map_err(|error| {
            let refusal = HandlerError::retry(format!("the event was not printed: {error}"));
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.enough.notify_one();
            refusal
        })
    }

    fn count(&self) {
        let count = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if self
            .options
            .count
            .is_some_and(|wanted| wanted.get() == count)
        {
            self.enough.notify_one();
        }
    }

    pub(super) fn tell_what_was_left(&self, spool: &Spool) {
        if let Some(events) = recordings(spool.pending()) {
            let text = format!("{events} left from before: they are taken up again");
            self.out.note(&text);
        }
    }

    pub(super) fn tell_what_is_left(&self, spool: &Spool) {
        if let Some(events) = recordings(spool.pending()) {
            let folder = spool.folder().display();
            self.out.note(&format!(
                "{events} left in {folder}: the next start goes on from there"
            ));
        }
    }

    /// Whoever has read enough, as `head` does, has not made an error.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        let lost = self.lost.lock();
        match lost.unwrap_or_else(PoisonError::into_inner).take() {
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
        let tells_of_files = matches!(event.payload(), EventPayload::RecordingFileStatusUpdated(_));
        let Some(spool) = self.spool.as_ref().filter(|_| tells_of_files) else {
            self.shared.print(&event)?;
            self.shared.count();
            return Ok(());
        };
        // A repeated delivery is not told again. Should the spool fail after the line was written,
        // the event comes again and so does the line, which is better than none.
        if !spool.contains(&event).await? {
            self.shared.print(&event)?;
        }
        spool.put(&event).await?;
        Ok(())
    }

    async fn invalid(&self, error: &InvalidEvent) -> Result<(), HandlerError> {
        let out = &self.shared.out;
        let failure = Failure::usage(error.to_string());
        if let Some(spool) = &self.spool {
            let kept = spool.put_unreadable(error).await?;
            let advice = format!("it is kept in {}", kept.display());
            out.failure(&failure.advise(advice));
        } else {
            out.failure(&failure.advise("this is what came:"));
            out.note(&String::from_utf8_lossy(error.raw()));
        }
        Ok(())
    }
}

/// Downloads what is in the spool, and tells what became of it.
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
        .concurrency(AT_ONCE)
        .on_outcome(move |event, outcome| {
            match outcome {
                Outcome::Deferred { error, delay, .. } => {
                    let seconds = delay.max(Duration::from_secs(1)).as_secs();
                    let next = format!("it is tried again in {seconds} s");
                    return shared.out.failure(&failure(event, error).and_then(&next));
                }
                Outcome::Noted { error, expired, .. } => {
                    if let (Some(own), EventPayload::RecordingFileStatusUpdated(file)) = (
                        error.source().downcast_ref().filter(|own| is_nothing(own)),
                        event.payload(),
                    ) {
                        if let Err(failure) = skipped(file, own, &shared.out) {
                            shared.out.failure(&failure);
                        }
                        return shared.count();
                    }
                    let kept = folder.join("noted");
                    let kept = kept.display();
                    let next = if expired {
                        format!("it was tried for 24 hours; the event is kept in {kept}")
                    } else {
                        format!("it is not tried again; the event is kept in {kept}")
                    };
                    shared.out.failure(&failure(event, error).and_then(&next));
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
    let (settings, download) = (&options.settings, client.download_recording(file));
    let deletes = Deletes {
        complete: options.delete_after,
        incomplete: false,
    };
    let saved = save(download.event(event), file, folder, settings, deletes, out).await?;
    if saved.may_be_completed() {
        let text = "a metadata document of the recording is not there yet";
        return Err(Error::new(ErrorKind::ContentNotReady, text).into());
    }
    let told = tell(file, &saved, settings, out);
    for failure in told.err().into_iter().chain(incomplete(&saved)) {
        out.failure(&failure);
    }
    Ok(())
}

fn failure(event: &Event, error: HandlerError) -> Failure {
    let failure = match error.into_source().downcast::<Error>() {
        Ok(error) => Failure::from(*error),
        Err(error) => Failure::other(error.as_ref()),
    };
    failure.about(&format_args!("event {}", event.id))
}
