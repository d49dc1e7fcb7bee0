//! What can go wrong on the emulator's own side.

use std::error::Error as StdError;
use std::path::PathBuf;

/// Why the emulator could not do what a test asked it for.
///
/// What the emulated *service* refuses is no `Error`: its clients see it as an HTTP status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No loopback port could be opened.
    #[error("the emulator cannot listen on loopback")]
    Listen(#[source] std::io::Error),
    /// The client that posts events could not be set up.
    #[error("the emulator cannot set up its webhook client")]
    WebhookClient(#[source] Box<dyn StdError + Send + Sync>),
    /// The voice of a participant could not be read.
    #[error("cannot read the WAV file {}", path.display())]
    AudioFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Events may not be sent to this address.
    #[error("events cannot be sent to {url}: {reason}")]
    WebhookUrl {
        /// The address as it was given.
        url: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The webhook did not pass the validation handshake, so there is no subscription.
    #[error("the webhook {url} failed the validation handshake: {reason}")]
    Handshake {
        /// The address of the webhook.
        url: String,
        /// What it answered.
        reason: String,
    },
}
