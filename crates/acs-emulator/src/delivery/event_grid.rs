//! Event Grid: subscriptions, and the events that they get in the Event Grid schema.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::schedule::{Outcome, TIME_TO_LIVE, judge};
use crate::clock::{after, text};
use crate::error::Error;
use crate::ids;
use crate::metadata::milliseconds;
use crate::recordings::Finished;
use crate::state::Shared;

/// A webhook has to answer within this time, which is real time and not the emulator's: how fast
/// a program under test is has nothing to do with the clock that it is shown.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A webhook that has passed the handshake.
#[derive(Debug)]
pub(crate) struct Subscription {
    name: String,
    url: Url,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<D> {
    id: String,
    topic: String,
    subject: String,
    data: D,
    #[serde(rename = "eventType")]
    kind: &'static str,
    data_version: &'static str,
    metadata_version: &'static str,
    #[serde(rename = "eventTime")]
    time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidationData {
    validation_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationAnswer {
    validation_response: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileStatusData {
    recording_storage_info: StorageInfo,
    recording_start_time: String,
    recording_duration_ms: i64,
    session_end_reason: &'static str,
    recording_content_type: &'static str,
    recording_channel_type: &'static str,
    recording_format_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StorageInfo {
    recording_chunks: Vec<Chunk>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    document_id: String,
    index: u32,
    end_reason: &'static str,
    content_location: String,
    metadata_location: String,
    delete_location: String,
}

/// The client that posts events.
pub(crate) fn client() -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
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

/// Adds a subscription after its webhook has answered the validation event.
pub(crate) async fn subscribe(shared: &Arc<Shared>, url: &str) -> Result<(), Error> {
    let target = super::check_url(url).map_err(|reason| Error::WebhookUrl {
        url: url.to_owned(),
        reason,
    })?;
    let subscription = Subscription {
        name: format!("ACS-EMULATOR-{}", ids::guid().to_uppercase()),
        url: target,
    };
    validate(shared, &subscription)
        .await
        .map_err(|reason| Error::Handshake {
            url: url.to_owned(),
            reason,
        })?;
    shared.world().subscriptions.push(Arc::new(subscription));
    Ok(())
}

async fn validate(shared: &Shared, subscription: &Subscription) -> Result<(), String> {
    let code = ids::guid();
    let event = Event {
        id: ids::guid(),
        topic: topic(shared),
        subject: String::new(),
        data: ValidationData {
            validation_code: code.clone(),
        },
        kind: "Microsoft.EventGrid.SubscriptionValidationEvent",
        data_version: "1",
        metadata_version: "1",
        time: text(shared.now()),
    };
    let body = serde_json::to_vec(&[event]).map_err(|error| error.to_string())?;
    let headers = headers(subscription, "SubscriptionValidation", 0);
    let answer = shared
        .webhooks
        .post(subscription.url.clone())
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(|error| root_cause(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answered {} and not 200", answer.status()));
    }
    let body = answer.bytes().await.map_err(|error| root_cause(&error))?;
    match serde_json::from_slice::<ValidationAnswer>(&body) {
        Ok(answer) if answer.validation_response == code => Ok(()),
        Ok(_) => Err("it answered with another validation code".to_owned()),
        Err(error) => Err(format!("its answer has no validationResponse ({error})")),
    }
}

/// The innermost message says what happened; the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn headers(subscription: &Subscription, event_type: &'static str, attempts: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert("aeg-event-type", HeaderValue::from_static(event_type));
    if let Ok(name) = HeaderValue::from_str(&subscription.name) {
        headers.insert("aeg-subscription-name", name);
    }
    headers.insert("aeg-delivery-count", HeaderValue::from(attempts));
    headers.insert("aeg-data-version", HeaderValue::from_static("1.0"));
    headers.insert("aeg-metadata-version", HeaderValue::from_static("1"));
    headers
}

/// Tells all subscriptions, after the event delay, that a file is ready.
pub(crate) fn announce(shared: &Arc<Shared>, finished: Finished) {
    let task = {
        let shared = Arc::clone(shared);
        async move {
            let due = after(finished.ended_at, shared.settings.event_delay);
            shared.settings.clock.wait_until(due).await;
            let event = file_status_updated(&shared, &finished, due);
            let id = event.id.clone();
            let body = match serde_json::to_vec(&[event]) {
                Ok(body) => bytes::Bytes::from(body),
                Err(error) => return tracing::error!(%error, "the event cannot be written"),
            };
            let subscriptions = shared.world().subscriptions.clone();
            for subscription in subscriptions {
                let delivery = deliver(
                    Arc::clone(&shared),
                    subscription,
                    id.clone(),
                    body.clone(),
                    due,
                );
                spawn(&shared, delivery);
            }
        }
    };
    spawn(shared, task);
}

/// Runs `task` until the emulator stops.
fn spawn(shared: &Arc<Shared>, task: impl Future<Output = ()> + Send + 'static) {
    let stopped = Arc::clone(shared);
    shared.runtime.spawn(async move {
        tokio::select! {
            () = task => {}
            () = stopped.until_stopped() => {}
        }
    });
}

async fn deliver(
    shared: Arc<Shared>,
    subscription: Arc<Subscription>,
    id: String,
    body: bytes::Bytes,
    published: Timestamp,
) {
    let clock = &shared.settings.clock;
    for attempt in 1.. {
        // Counted from here and not from the answer: whoever steps the clock sees the request, but
        // cannot tell when the answer has been taken in.
        let sent = clock.now();
        let answer = shared
            .webhooks
            .post(subscription.url.clone())
            .headers(headers(&subscription, "Notification", attempt - 1))
            .header("aeg-output-event-id", &id)
            .body(body.clone())
            .send()
            .await;
        let status = answer.as_ref().ok().map(reqwest::Response::status);
        match judge(status, attempt) {
            Outcome::Delivered => return tracing::debug!(id, attempt, "event delivered"),
            Outcome::Retry(delay) => {
                tracing::debug!(id, attempt, ?status, ?delay, "event not accepted");
                clock.wait_until(after(sent, delay)).await;
                if clock.now() > after(published, TIME_TO_LIVE) {
                    return tracing::warn!(id, attempt, "event expired before it was accepted");
                }
            }
            Outcome::Dropped => {
                let url = subscription.url.as_str();
                return tracing::warn!(id, attempt, ?status, url, "event dropped");
            }
        }
    }
}

fn file_status_updated(
    shared: &Shared,
    finished: &Finished,
    now: Timestamp,
) -> Event<FileStatusData> {
    let document = &finished.document;
    let object = format!("http://{}/v1/objects/{}", shared.authority, document.id);
    Event {
        id: ids::guid(),
        topic: topic(shared),
        subject: format!(
            "/recording/call/{}/serverCallId/{}/recordingId/{}",
            finished.correlation_id, finished.server_call_id, finished.recording_id
        ),
        data: FileStatusData {
            recording_storage_info: StorageInfo {
                recording_chunks: vec![Chunk {
                    document_id: document.id.clone(),
                    index: 0,
                    end_reason: "SessionEnded",
                    content_location: format!("{object}/content/{}", document.content_name),
                    metadata_location: format!("{object}/content/acsmetadata"),
                    delete_location: object,
                }],
            },
            recording_start_time: text(finished.started_at),
            recording_duration_ms: milliseconds(finished.length),
            session_end_reason: finished.reason.as_str(),
            recording_content_type: "Audio",
            recording_channel_type: if finished.unmixed { "Unmixed" } else { "Mixed" },
            recording_format_type: "Wav",
        },
        kind: "Microsoft.Communication.RecordingFileStatusUpdated",
        data_version: "1.0",
        metadata_version: "1",
        time: text(now),
    }
}
