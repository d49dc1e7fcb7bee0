//! The state that all requests share, and the steps that affect both calls and recordings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::agenda::{Agenda, Step};
use crate::calls::{CallKey, Calls};
use crate::chunks::Store;
use crate::clock::{Clock, after};
use crate::delivery::callbacks::{self, Callback};
use crate::delivery::event_grid;
use crate::delivery::queue::spawn;
use crate::delivery::subscription::Subscription;
use crate::faults::Faults;
use crate::identifier;
use crate::ids;
use crate::incoming::Incoming;
use crate::keys::Keys;
use crate::media::Cache;
use crate::network::{Addresses, Bound, Hosts};
use crate::recordings::{EndReason, Finished, Recording, Recordings};
use crate::refusal::Refusal;
use crate::routes::Repeats;
use crate::script::Script;
use crate::start::{CallRef, Start};
use crate::store::StoreSettings;
use crate::telling::Watcher;
use crate::tokens::Tokens;

/// The settings of the builder.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) connect_delay: Duration,
    pub(crate) start_delay: Duration,
    pub(crate) event_delay: Duration,
    pub(crate) retention: Duration,
    pub(crate) server_time_offset: SignedDuration,
    pub(crate) store: StoreSettings,
    /// The factor for the delays between delivery attempts.
    pub(crate) retry_scale: f64,
    pub(crate) script: Script,
    pub(crate) well_known_keys: bool,
    /// The id of the resource. `None` generates one.
    pub(crate) resource: Option<Uuid>,
}

/// The emulated resource and everything that belongs to it.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// The endpoint for clients, such as `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    pub(crate) hosts: Hosts,
    pub(crate) keys: Keys,
    pub(crate) tokens: Tokens,
    pub(crate) resource: Uuid,
    /// The raw id of the application in its own calls.
    pub(crate) application: String,
    pub(crate) webhooks: reqwest::Client,
    /// The address of the admin interface, if enabled.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) runtime: Handle,
    /// True once the emulator should stop.
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) repeats: Repeats,
    pub(crate) faults: Faults,
    /// Generated files.
    pub(crate) cache: Cache,
    pub(crate) callbacks: mpsc::UnboundedSender<Callback>,
    /// For tasks that outlive a request.
    me: Weak<Self>,
    world: Mutex<World>,
}

/// The mutable state.
#[derive(Default)]
pub(crate) struct World {
    /// The current time for all readers. The clock may advance while the state is locked, but steps
    /// that become due meanwhile have not run yet.
    pub(crate) now: Timestamp,
    pub(crate) calls: Calls,
    pub(crate) recordings: Recordings,
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
    pub(crate) agenda: Agenda,
    /// By recording id.
    pub(crate) watchers: HashMap<String, Watcher>,
    /// By `incomingCallContext`.
    pub(crate) incoming: HashMap<String, Incoming>,
    users: HashMap<String, String>,
}

impl World {
    /// The raw id of the person with this name, the same one in every call. A raw id is returned
    /// unchanged.
    pub(crate) fn user(&mut self, name: &str, resource: Uuid) -> String {
        if identifier::is_raw_id(name) {
            return name.to_owned();
        }
        self.users
            .entry(name.to_owned())
            .or_insert_with(|| ids::user(resource))
            .clone()
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings, bound: &Bound, webhooks: reqwest::Client) -> Arc<Self> {
        let resource = settings.resource.unwrap_or_else(ids::fresh);
        let Addresses { http, https, .. } = bound.addresses.clone();
        let endpoint = http.or(https).unwrap_or_default();
        let (callbacks, receiver) = mpsc::unbounded_channel();
        let keys = if settings.well_known_keys {
            Keys::well_known()
        } else {
            Keys::new()
        };
        let shared = Arc::new_cyclic(|me| Self {
            settings,
            hosts: bound.hosts.clone(),
            keys,
            tokens: Tokens::new(&endpoint),
            endpoint,
            resource,
            application: ids::user(resource),
            webhooks,
            admin: bound
                .admin
                .as_ref()
                .and_then(|listener| listener.local_addr().ok()),
            runtime: Handle::current(),
            stopped: watch::Sender::new(false),
            repeats: Repeats::default(),
            faults: Faults::default(),
            cache: Cache::default(),
            callbacks,
            me: Weak::clone(me),
            world: Mutex::default(),
        });
        callbacks::run(&shared, receiver);
        shared.begin_script();
        spawn(&shared, Arc::clone(&shared).keep_time());
        shared
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

    /// Locks the state after running all steps that are due.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A panic in another thread leaves no inconsistent state, so poisoning is harmless.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        while let Some((at, step)) = world.agenda.due(now) {
            self.perform(&mut world, at, step);
        }
        world.now = now;
        world
    }

    /// Runs steps when they become due, even if there are no requests.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let (next, changed) = {
                let world = self.world();
                (world.agenda.next(), world.agenda.changed())
            };
            let due = async {
                match next {
                    Some(next) => self.settings.clock.wait_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = changed.notified() => {}
            }
        }
    }

    /// Completes when the emulator should stop.
    pub(crate) async fn until_stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // An error means that the sender is gone, which also means that the emulator stops.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn start_recording<T>(
        &self,
        start: Start,
        answer: impl FnOnce(&Recording) -> T,
    ) -> Result<T, Refusal> {
        let mut world = self.world();
        let now = world.now;
        let ready_at = after(now, self.settings.start_delay);
        let call = world.calls.find(&start.call, now)?;
        let endpoint = match start.call {
            CallRef::Connection(id) => id,
            _ => ids::guid(),
        };
        let times = (now, ready_at);
        let recording = world
            .recordings
            .start(call, &endpoint, start.tape, start.paused, times)?;
        let id = recording.id.clone();
        let answer = answer(recording);
        tracing::info!(recording = id, "recording started");
        let watcher = Watcher {
            url: start.callback,
            connection: endpoint,
            call,
            arrived: false,
            active_at: None,
        };
        world.watchers.insert(id.clone(), watcher);
        self.recording_changed(&mut world, &id, false, now);
        world.agenda.add(ready_at, Step::Recording { id });
        Ok(answer)
    }

    /// Stops a recording and returns the correlation id of its call.
    pub(crate) fn stop_recording(&self, id: &str) -> Result<Uuid, Refusal> {
        let mut world = self.world();
        let now = world.now;
        self.end_recording(&mut world, id, EndReason::Stopped, now)
    }

    pub(crate) fn finish(
        &self,
        world: &mut World,
        id: &str,
        call: CallKey,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Option<Finished>, Refusal> {
        let store = Store {
            resource: self.resource,
            retention: self.settings.retention,
            settings: &self.settings.store,
        };
        let World {
            calls, recordings, ..
        } = world;
        recordings.end(id, reason, calls.get(call), store, now)
    }

    pub(crate) fn announce(&self, finished: Option<Finished>) {
        if let Some(finished) = finished
            && let Some(me) = self.me.upgrade()
        {
            event_grid::announce(&me, finished);
        }
    }
}
