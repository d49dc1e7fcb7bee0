//! Where events are sent to: a webhook, or a queue.

use std::fmt;
use std::path::PathBuf;

use acs_recording::Cloud;
use axum::http::{HeaderName, HeaderValue};
#[cfg(feature = "archive")]
use base64::Engine as _;
use clap::Args;

use crate::failure::Failure;
use crate::files::read_text;
use crate::options::Global;
#[cfg(feature = "archive")]
use crate::storage::{Location, queue_builder};
use crate::webhook_sender::{Delivery, Schema, WebhookSender};
use crate::webhook_url::WebhookUrl;

/// Where events are sent to.
#[derive(Debug, Args)]
pub(super) struct Recipient {
    /// Webhook to post to: https, or http on this machine; its query may have the secret
    #[arg(long, value_name = "URL")]
    to: Option<WebhookUrl>,

    /// Queue of Azure Storage to send to instead: its URL, or its name in the account of
    /// ACS_QUEUE_CONNECTION_STRING
    #[cfg(feature = "archive")]
    #[arg(long, value_name = "URL|NAME", conflicts_with_all = ["to", "secret_header"])]
    queue: Option<Location>,

    /// Header to send the secret in, which comes from ACS_WEBHOOK_SECRET or --secret-file
    #[arg(long, value_name = "NAME")]
    secret_header: Option<HeaderName>,

    /// File with the secret for --secret-header
    #[arg(long, value_name = "FILE", requires = "secret_header")]
    secret_file: Option<PathBuf>,
}

/// An opened recipient.
#[derive(Debug)]
pub(super) enum Destination {
    Webhook(Box<WebhookSender>),
    #[cfg(feature = "archive")]
    Queue(acs_recording_archive::StorageQueue),
}

impl Recipient {
    /// Checks the options. Sends no request.
    pub(super) fn open(&self, cloud: Cloud, global: &Global) -> Result<Destination, Failure> {
        #[cfg(feature = "archive")]
        if let Some(queue) = &self.queue {
            let queue = queue_builder("--queue", queue, None, global)?.build()?;
            return Ok(Destination::Queue(queue));
        }
        let to = self.to.clone().ok_or_else(|| {
            let places = if cfg!(feature = "archive") {
                "pass --to URL or --queue URL"
            } else {
                "pass --to URL"
            };
            Failure::usage("no recipient is given").hint(places)
        })?;
        let mut sender = WebhookSender::new(to, cloud, global)?;
        if let Some(name) = &self.secret_header {
            let secret = match &self.secret_file {
                Some(path) => read_text(path)?,
                None => std::env::var("ACS_WEBHOOK_SECRET").map_err(|_| {
                    Failure::usage("--secret-header needs a secret")
                        .hint("set ACS_WEBHOOK_SECRET or use --secret-file")
                })?,
            };
            let secret = HeaderValue::from_str(secret.trim()).map_err(|_| {
                Failure::usage("the secret has characters that a header cannot have")
            })?;
            sender.add_header(name.clone(), secret);
        }
        Ok(Destination::Webhook(Box::new(sender)))
    }
}

impl Destination {
    pub(super) fn is_webhook(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    /// The handshake of a webhook. A queue has none.
    pub(super) async fn handshake(
        &self,
        schema: Schema,
        token: Option<String>,
    ) -> Result<(), Failure> {
        match self {
            Self::Webhook(sender) => sender.handshake(schema, token).await,
            #[cfg(feature = "archive")]
            Self::Queue(_) => Ok(()),
        }
    }

    /// Sends events. Returns the status of the response of a webhook.
    pub(super) async fn send(&self, delivery: &Delivery) -> Result<Option<u16>, Failure> {
        match self {
            Self::Webhook(sender) => sender.post(delivery).await.map(Some),
            #[cfg(feature = "archive")]
            Self::Queue(queue) => {
                // Event Grid writes one event in base64 into each message.
                for event in &delivery.events {
                    let message = base64::engine::general_purpose::STANDARD.encode(event);
                    queue.send(message).await?;
                }
                Ok(None)
            }
        }
    }
}

/// The recipient, without secrets.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(sender) => sender.to().fmt(f),
            #[cfg(feature = "archive")]
            Self::Queue(queue) => queue.url().fmt(f),
        }
    }
}
