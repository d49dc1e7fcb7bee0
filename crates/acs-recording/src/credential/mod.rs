//! The credentials of a client, and the hosts that may receive them.

mod access_key;
mod connection_string;
mod endpoint;
#[cfg(feature = "entra")]
mod entra;
mod signature;

use parking_lot::RwLock;

pub use access_key::{AccessKey, InvalidAccessKey};
pub use connection_string::{ConnectionString, InvalidConnectionString};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub(crate) use endpoint::{is_azure_storage, is_loopback, is_secure, is_service_host};
#[cfg(feature = "entra")]
pub(crate) use entra::EntraCredential;
pub(crate) use signature::{Signable, content_hash};

/// How a client authenticates.
#[derive(Debug)]
pub(crate) enum Credential {
    /// An access key, which signs every request.
    Key(RwLock<AccessKey>),
    /// Tokens of Entra ID.
    #[cfg(feature = "entra")]
    Entra(EntraCredential),
}

impl Credential {
    pub(crate) fn key(key: AccessKey) -> Self {
        Self::Key(RwLock::new(key))
    }

    /// Whether it authenticates with tokens, which a rejected request may replace.
    pub(crate) fn has_tokens(&self) -> bool {
        !matches!(self, Self::Key(_))
    }

    /// Replaces the access key. Returns false if this is not an access key.
    pub(crate) fn set_key(&self, key: AccessKey) -> bool {
        match self {
            Self::Key(current) => {
                *current.write() = key;
                true
            }
            #[cfg(feature = "entra")]
            Self::Entra(_) => false,
        }
    }
}
