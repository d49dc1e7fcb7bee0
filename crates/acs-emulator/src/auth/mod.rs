//! Access keys, signatures and tokens.

pub(crate) mod admin_token;
pub(crate) mod authorities;
pub(crate) mod hmac;
pub(crate) mod keys;
pub(crate) mod tokens;

use jiff::{SignedDuration, Timestamp};

use authorities::Authorities;
use keys::{AccessKey, Keys, connection_string};
use tokens::Tokens;

/// How clients authenticate, and how the emulator does.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) keys: Keys,
    pub(crate) tokens: Tokens,
    pub(crate) authorities: Authorities,
    /// The endpoint for clients, such as `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    server_time_offset: SignedDuration,
}

impl Auth {
    pub(crate) fn new(
        keys: Keys,
        endpoint: String,
        authorities: Authorities,
        server_time_offset: SignedDuration,
    ) -> Self {
        Self {
            keys,
            tokens: Tokens::new(&endpoint),
            authorities,
            endpoint,
            server_time_offset,
        }
    }

    /// The time that signatures and tokens are checked against.
    pub(crate) fn server_time(&self) -> Timestamp {
        Timestamp::now()
            .checked_add(self.server_time_offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// The connection string with the current value of a key.
    pub(crate) fn connection_string(&self, key: AccessKey) -> String {
        self.connection_string_for(&self.endpoint, key)
    }

    /// The connection string for another endpoint of the same resource.
    pub(crate) fn connection_string_for(&self, endpoint: &str, key: AccessKey) -> String {
        connection_string(endpoint, &self.keys.text(key))
    }
}
