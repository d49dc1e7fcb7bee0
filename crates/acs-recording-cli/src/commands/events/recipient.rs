//! The webhook that events are sent to.

use std::path::PathBuf;

use acs_recording::Cloud;
use axum::http::{HeaderName, HeaderValue};
use clap::Args;

use crate::failure::Failure;
use crate::files::read_text;
use crate::options::Global;
use crate::webhook_sender::{WebhookSender, WebhookUrl};

/// The webhook that events are sent to.
#[derive(Debug, Args)]
pub(super) struct Recipient {
    /// Webhook to post to: https, or http on this machine; its query may have the secret
    #[arg(long, value_name = "URL")]
    to: Option<WebhookUrl>,

    /// Header to send the secret in, which comes from ACS_WEBHOOK_SECRET or --secret-file
    #[arg(long, value_name = "NAME")]
    secret_header: Option<HeaderName>,

    /// File with the secret for --secret-header
    #[arg(long, value_name = "FILE", requires = "secret_header")]
    secret_file: Option<PathBuf>,
}

impl Recipient {
    pub(super) fn sender(&self, cloud: Cloud, global: &Global) -> Result<WebhookSender, Failure> {
        let to = self
            .to
            .clone()
            .ok_or_else(|| Failure::usage("no webhook is given").hint("pass --to URL"))?;
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
        Ok(sender)
    }
}
