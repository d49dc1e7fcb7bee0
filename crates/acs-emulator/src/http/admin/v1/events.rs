//! Event Grid events and callbacks, with their attempts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::body::Parameters;
use super::list::{ListParameters, Page};
use super::problem::{Code, Problem};
use crate::activity::Channel;
use crate::delivery::callback_events::PREFIX;
use crate::delivery::delivery_log::{AttemptRecord, DeliveryRecord, Message};
use crate::delivery::event_grid::subscription::EventSchema;
use crate::delivery::{Delivery as Deliveries, ResendError};
use crate::http::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/events", get(list))
        .route("/events/{delivery}", get(read))
        .route("/events/{delivery}/resend", post(resend))
}

/// An event on its way to one destination.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: u64,
    channel: &'static str,
    event_id: String,
    r#type: String,
    subject: String,
    time: Timestamp,
    state: &'static str,
    subscription_id: Option<String>,
    destination: Option<String>,
    copies: u32,
    attempts: Vec<Attempt>,
    next_attempt_at: Option<Timestamp>,
    call_id: Option<Uuid>,
    recording_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct DeliveryDetail {
    #[serde(flatten)]
    delivery: Delivery,
    body: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    number: usize,
    at: Timestamp,
    status: Option<u16>,
    error: Option<String>,
    duration_ms: u64,
    resend: bool,
}

impl From<&AttemptRecord> for Attempt {
    fn from(attempt: &AttemptRecord) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at,
            status: attempt.status.map(|status| status.as_u16()),
            error: attempt.error.clone(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            resend: attempt.resend,
        }
    }
}

impl From<&DeliveryRecord> for Delivery {
    fn from(delivery: &DeliveryRecord) -> Self {
        let (event_id, kind, subject, time) = match &delivery.message {
            Message::Event(event, _) => {
                (&event.id, event.kind.to_owned(), &event.subject, event.time)
            }
            Message::Callback(callback) => {
                let kind = format!("{PREFIX}{}", callback.kind);
                (&callback.id, kind, &callback.subject, callback.at)
            }
        };
        Self {
            id: delivery.id,
            channel: match delivery.message.channel() {
                Channel::EventGrid => "eventGrid",
                Channel::Callback => "callback",
            },
            event_id: event_id.clone(),
            r#type: kind,
            subject: subject.clone(),
            time,
            state: delivery.state.as_str(),
            subscription_id: delivery.subscription.clone(),
            destination: delivery.destination.clone(),
            copies: delivery.copies,
            attempts: delivery.attempts.iter().map(Attempt::from).collect(),
            next_attempt_at: delivery.next_attempt_at,
            call_id: delivery.message.call(),
            recording_id: delivery.message.recording().map(str::to_owned),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ChannelName {
    EventGrid,
    Callback,
}

#[derive(Deserialize)]
struct EventParameters {
    limit: Option<usize>,
    cursor: Option<String>,
    after: Option<u64>,
    channel: Option<ChannelName>,
}

async fn list(
    State(deliveries): State<Arc<Deliveries>>,
    Parameters(parameters): Parameters<EventParameters>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let mut all = deliveries.context.log.list();
    let total = all.len();
    all.reverse();
    if let Some(after) = parameters.after {
        all.retain(|delivery| delivery.id > after);
    }
    if let Some(channel) = parameters.channel {
        let wanted = match channel {
            ChannelName::EventGrid => Channel::EventGrid,
            ChannelName::Callback => Channel::Callback,
        };
        all.retain(|delivery| delivery.message.channel() == wanted);
    }
    let list = ListParameters::new(parameters.limit, parameters.cursor);
    let key = |delivery: &DeliveryRecord| delivery.id.to_string();
    let view = |delivery: &DeliveryRecord| Delivery::from(delivery);
    list.page(&all, total, key, view).map(Json)
}

fn find(deliveries: &Deliveries, id: &str) -> Result<DeliveryRecord, Problem> {
    let id = id.parse().ok();
    id.and_then(|id| deliveries.context.log.get(id))
        .ok_or_else(|| Problem::not_found("The delivery", "The last 1,000 deliveries are kept."))
}

async fn read(
    State(deliveries): State<Arc<Deliveries>>,
    Path(id): Path<String>,
) -> Result<Json<DeliveryDetail>, Problem> {
    let delivery = find(&deliveries, &id)?;
    let resource = deliveries.context.resource;
    let body = match &delivery.message {
        Message::Event(event, EventSchema::EventGrid) => event.in_event_grid_schema(resource),
        Message::Event(event, EventSchema::CloudEvents) => event.as_cloud_event(resource),
        Message::Callback(callback) => callback.body[0].clone(),
    };
    Ok(Json(DeliveryDetail {
        delivery: (&delivery).into(),
        body,
    }))
}

async fn resend(
    State(deliveries): State<Arc<Deliveries>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let delivery = find(&deliveries, &id)?;
    deliveries.resend(&delivery).map_err(|error| match error {
        ResendError::Unsubscribed => {
            Problem::new(Code::Conflict, "No subscription selects this event.")
                .hint("Create a subscription to its type first.")
        }
        ResendError::Deleted => Problem::new(
            Code::Conflict,
            "The subscription of this delivery was deleted.",
        )
        .hint("Create a subscription and publish a new event."),
        ResendError::Underway => Problem::new(Code::Conflict, "The event is being sent now.")
            .hint("Wait for the outcome of this attempt."),
    })?;
    let delivery = find(&deliveries, &id)?;
    Ok((StatusCode::ACCEPTED, Json((&delivery).into())))
}
