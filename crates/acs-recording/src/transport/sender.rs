//! The built-in transport, or one of the caller's own.

use std::sync::Arc;

use super::Transport;
use super::http_client::HttpClients;

/// What sends the requests of a client.
#[derive(Clone, Debug)]
pub(crate) enum Sender {
    /// The built-in transport, without the conversions that the trait needs.
    BuiltIn(HttpClients),
    Custom(Arc<dyn Transport>),
}

impl Sender {
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        match self {
            Self::BuiltIn(clients) => Arc::new(clients.clone()),
            Self::Custom(transport) => Arc::clone(transport),
        }
    }
}
