//! Creates and deletes subscriptions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::super::body::JsonBody;
use super::super::problem::{Code, Problem};
use super::super::subscriptions::Subscription;
use crate::delivery::Delivery;
use crate::delivery::event_grid::new_subscription::NewSubscription as Builder;
use crate::delivery::event_grid::prepared_subscription::PreparedSubscription;
use crate::delivery::event_grid::subscription::EventSchema;
use crate::error::Error;
use crate::http::state::AppState;

/// The maximum number of additional copies.
const MOST_DUPLICATES: u32 = 999;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/subscriptions", post(create))
        .route("/subscriptions/{subscription}", delete(remove))
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Webhook,
    StorageQueue,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Schema {
    #[default]
    EventGrid,
    CloudEvents,
}

/// A subscription to create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSubscription {
    kind: Kind,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    connection_string: Option<String>,
    #[serde(default)]
    schema: Schema,
    #[serde(default)]
    event_types: Option<Vec<String>>,
    #[serde(default = "one")]
    batch: usize,
    #[serde(default)]
    duplicates: u32,
    #[serde(default)]
    reordered: bool,
}

fn one() -> usize {
    1
}

impl NewSubscription {
    /// Checks the members. `at` is the JSON pointer of this object.
    pub(super) fn check(&self, at: &str) -> Result<(), Problem> {
        let invalid =
            |detail, member| Err(Problem::invalid(detail).pointer(format!("{at}/{member}")));
        match (self.kind, &self.url, &self.queue, &self.connection_string) {
            (_, Some(_), None, None) | (Kind::StorageQueue, None, Some(_), Some(_)) => {}
            (Kind::Webhook, None, ..) => return invalid("A webhook needs a URL.", "url"),
            (Kind::Webhook, _, Some(_), _) => {
                return invalid("A webhook has no queue.", "queue");
            }
            (Kind::Webhook, ..) => {
                return invalid("A webhook has no connection string.", "connectionString");
            }
            (Kind::StorageQueue, ..) => {
                let detail = "A queue needs its URL, or its name and a connection string.";
                return invalid(detail, "queue");
            }
        }
        if self.batch == 0 {
            return invalid("A request contains at least one event.", "batch");
        }
        if self.duplicates > MOST_DUPLICATES {
            return invalid("At most 999 additional copies can be sent.", "duplicates");
        }
        let types = self.event_types.as_deref();
        if types.is_some_and(<[String]>::is_empty) {
            let detail = "The list of event types is empty. Omit it to deliver all.";
            return invalid(detail, "eventTypes");
        }
        Ok(())
    }

    /// Performs the handshake. The subscription, which was checked, must then be added.
    pub(super) async fn prepare(
        self,
        delivery: &Arc<Delivery>,
        at: &str,
    ) -> Result<PreparedSubscription, Problem> {
        let member = if self.url.is_some() { "url" } else { "queue" };
        let to = self.url.or(self.queue).unwrap_or_default();
        let builder = match self.kind {
            Kind::Webhook => Builder::webhook(delivery, &to),
            Kind::StorageQueue => Builder::queue(delivery, &to),
        };
        let mut builder = builder
            .schema(match self.schema {
                Schema::EventGrid => EventSchema::EventGrid,
                Schema::CloudEvents => EventSchema::CloudEvents,
            })
            .batch(self.batch)
            .duplicates(self.duplicates);
        if let Some(text) = self.connection_string {
            builder = builder.connection_string(text);
        }
        if self.reordered {
            builder = builder.reordered();
        }
        builder = match self.event_types {
            Some(types) => builder.events(types),
            None => builder.all_events(),
        };
        let prepared = builder.prepare().await;
        prepared.map_err(|error| problem(&error).pointer(format!("{at}/{member}")))
    }
}

fn problem(error: &Error) -> Problem {
    let detail = error.to_string();
    match error {
        Error::WebhookUrl { .. } => Problem::new(Code::InvalidUrl, detail),
        Error::Handshake { .. } => Problem::new(Code::HandshakeFailed, detail),
        _ => Problem::invalid(detail).hint(
            "Use the URL of a queue with a SAS, or the name of a queue and the connection string of \
             its account.",
        ),
    }
}

async fn create(
    State(delivery): State<Arc<Delivery>>,
    JsonBody(request): JsonBody<NewSubscription>,
) -> Result<(StatusCode, Json<Subscription>), Problem> {
    request.check("")?;
    let prepared = request.prepare(&delivery, "").await?;
    let subscription = delivery.add_subscription(prepared);
    Ok((StatusCode::CREATED, Json((&*subscription).into())))
}

async fn remove(
    State(delivery): State<Arc<Delivery>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if delivery.delete_subscription(&id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        let hint = "It may have been deleted. List the subscriptions again.";
        Err(Problem::not_found("The subscription", hint))
    }
}
