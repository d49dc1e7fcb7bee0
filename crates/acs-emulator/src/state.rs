//! What all requests share, and the steps that touch both calls and recordings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

use crate::calls::{CallKey, Calls};
use crate::clock::{Clock, after};
use crate::delivery::event_grid::{self, Subscription};
use crate::ids;
use crate::recordings::{EndReason, Finished, Recording, Recordings, Store};
use crate::refusal::Refusal;
use crate::routes::Repeats;
use crate::start::{CallRef, Start};

/// What the builder sets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) connect_delay: Duration,
    pub(crate) start_delay: Duration,
    pub(crate) event_delay: Duration,
    pub(crate) retention: Duration,
    pub(crate) server_time_offset: SignedDuration,
}

/// The emulated resource with everything that belongs to it.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// `127.0.0.1:PORT`, which requests are signed for.
    pub(crate) authority: String,
    pub(crate) key: Vec<u8>,
    pub(crate) resource: Uuid,
    /// The raw id that the application has in its own calls.
    pub(crate) application: String,
    pub(crate) webhooks: reqwest::Client,
    pub(crate) runtime: Handle,
    /// True once the emulator is to stop.
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) repeats: Repeats,
    world: Mutex<World>,
}

/// Everything that changes.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) calls: Calls,
    pub(crate) recordings: Recordings,
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
    users: HashMap<String, String>,
}

impl World {
    /// The raw id of somebody whom tests know by name: the same one in every call.
    pub(crate) fn user(&mut self, name: &str, resource: Uuid) -> String {
        self.users
            .entry(name.to_owned())
            .or_insert_with(|| ids::user(resource))
            .clone()
    }
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        authority: String,
        key: Vec<u8>,
        webhooks: reqwest::Client,
    ) -> Self {
        let resource = Uuid::new_v4();
        Self {
            settings,
            authority,
            key,
            resource,
            application: ids::user(resource),
            webhooks,
            runtime: Handle::current(),
            stopped: watch::Sender::new(false),
            repeats: Repeats::default(),
            world: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// The time that signatures are checked against.
    pub(crate) fn server_time(&self) -> Timestamp {
        Timestamp::now()
            .checked_add(self.settings.server_time_offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// Nothing is left half-done under this lock, so a panic elsewhere does not matter.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the emulator is to stop.
    pub(crate) async fn until_stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // An error would mean that the sender is gone, which is a stop as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn start_recording<T>(
        &self,
        start: Start,
        answer: impl FnOnce(&Recording) -> T,
    ) -> Result<T, Refusal> {
        let now = self.now();
        let ready_at = after(now, self.settings.start_delay);
        let mut world = self.world();
        let call = world.calls.find(&start.call, now)?;
        let endpoint = match start.call {
            CallRef::Connection(id) => id,
            _ => ids::guid(),
        };
        let times = (now, ready_at);
        world
            .recordings
            .start(call, &endpoint, start.media, start.paused, times)
            .map(|recording| {
                tracing::debug!(recording = recording.id, "recording started");
                answer(recording)
            })
    }

    /// Stops a recording and returns the correlation id of its call.
    pub(crate) fn stop_recording(self: &Arc<Self>, id: &str) -> Result<Uuid, Refusal> {
        let (call, finished) = {
            let mut world = self.world();
            let call = world.recordings.get(id)?.call;
            let finished = self.finish(&mut world, id, call, EndReason::Stopped)?;
            (world.calls.get(call).correlation_id, finished)
        };
        self.announce(finished);
        Ok(call)
    }

    /// Ends a call for everybody, and with it its recording.
    pub(crate) fn end_call(self: &Arc<Self>, call: CallKey) {
        let finished = {
            let mut world = self.world();
            world.calls.end(call);
            world.recordings.of_call(call).and_then(|id| {
                self.finish(&mut world, &id, call, EndReason::CallEnded)
                    .ok()
                    .flatten()
            })
        };
        self.announce(finished);
    }

    fn finish(
        &self,
        world: &mut World,
        id: &str,
        call: CallKey,
        reason: EndReason,
    ) -> Result<Option<Finished>, Refusal> {
        let store = Store {
            resource: self.resource,
            retention: self.settings.retention,
        };
        let now = self.now();
        let World {
            calls, recordings, ..
        } = world;
        recordings.end(id, reason, calls.get(call), &store, now)
    }

    fn announce(self: &Arc<Self>, finished: Option<Finished>) {
        if let Some(finished) = finished {
            event_grid::announce(self, finished);
        }
    }
}
