//! Event Grid events of the resource, in both schemas.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::delivery::USER_AGENT;
use crate::delivery::event_grid::deliver::spawn;
use crate::delivery::event_grid::file_status;
use crate::delivery::event_grid::subscription::Subscription;
use crate::error::Error;
use crate::service::clock::{after, text};
use crate::service::ids;
use crate::service::recordings::Finished;
use crate::service::state::Shared;

pub(crate) const FILE_STATUS_UPDATED: &str = "Microsoft.Communication.RecordingFileStatusUpdated";

/// The response timeout of webhooks. It is measured in real time: the speed of the program under
/// test does not depend on the emulator's clock.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// An event, independent of the schema that it is sent in.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) data: Value,
    pub(crate) data_version: &'static str,
    pub(crate) time: Timestamp,
}

/// An event that is queued for one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) event: Arc<Event>,
    /// The number of additional copies to send.
    pub(crate) duplicates: u32,
}

impl Event {
    pub(crate) fn new(kind: &'static str, subject: String, data: Value, time: Timestamp) -> Self {
        Self {
            id: ids::passing(),
            kind,
            subject,
            data,
            data_version: "1.0",
            time,
        }
    }

    pub(crate) fn in_event_grid_schema(&self, shared: &Shared) -> Value {
        json!({
            "id": self.id,
            "topic": topic(shared),
            "subject": self.subject,
            "data": self.data,
            "eventType": self.kind,
            "dataVersion": self.data_version,
            "metadataVersion": "1",
            "eventTime": text(self.time),
        })
    }

    pub(crate) fn as_cloud_event(&self, shared: &Shared) -> Value {
        json!({
            "id": self.id,
            "source": topic(shared),
            "subject": self.subject,
            "data": self.data,
            "type": self.kind,
            "time": text(self.time),
            "specversion": "1.0",
        })
    }
}

/// Sends an event to all subscriptions to its type.
pub(crate) fn publish(shared: &Shared, subscriptions: &[Arc<Subscription>], event: Event) {
    let matches = |one: &&Arc<Subscription>| one.wishes.include(event.kind);
    let matching: Vec<_> = subscriptions.iter().filter(matches).collect();
    // An event without subscribers must not use up a fault.
    if matching.is_empty() {
        return;
    }
    let duplicates = shared.faults.duplicates(&event.subject);
    let event = Arc::new(event);
    for subscription in matching {
        // The receiver is dropped when the emulator stops.
        let _ = subscription.queue.send(Queued {
            event: Arc::clone(&event),
            duplicates,
        });
    }
}

/// The HTTP client that sends events.
pub(crate) fn client() -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(USER_AGENT)
        // A webhook may close an idle connection just as it is reused, and lost callbacks are not
        // retried.
        .pool_max_idle_per_host(0)
        .timeout(ANSWER_LIMIT)
        .build()
        .map_err(|error| Error::WebhookClient(error.into()))
}

fn topic(shared: &Shared) -> String {
    format!(
        "/subscriptions/{}/resourcegroups/acs-emulator/providers/microsoft.communication/communicationservices/acs-emulator",
        shared.resource
    )
}

/// Notifies all subscriptions, after the event delay, that a file is available.
pub(crate) fn announce(shared: &Arc<Shared>, finished: Finished) {
    let task = {
        let shared = Arc::clone(shared);
        async move {
            let due = after(finished.ended_at, shared.settings.event_delay);
            shared.settings.clock.wait_until(due).await;
            let event = file_status_updated(&shared, &finished, due).await;
            let subscriptions = shared.world().subscriptions.clone();
            publish(&shared, &subscriptions, event);
        }
    };
    spawn(shared, task);
}

async fn file_status_updated(shared: &Arc<Shared>, finished: &Finished, now: Timestamp) -> Event {
    let subject = format!(
        "/recording/call/{}/serverCallId/{}/recordingId/{}",
        finished.correlation_id, finished.server_call_id, finished.recording_id
    );
    let data = json!(file_status::settle(shared, finished).await);
    Event::new(FILE_STATUS_UPDATED, subject, data, now)
}
