//! What can go wrong on the emulator's own side.

use std::error::Error as StdError;
use std::path::PathBuf;

/// Why the emulator could not do what a test asked it for.
///
/// What the emulated *service* refuses is no `Error`: its clients see it as an HTTP status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port could not be opened.
    #[error("the emulator cannot listen at {address}")]
    Listen {
        /// Where it was to be.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The admin interface asks for no signature, so it must not be reached from elsewhere.
    #[error("the admin interface has to be on loopback, which {0} is not")]
    Admin(std::net::SocketAddr),
    /// The certificate for HTTPS could not be made.
    #[error("the emulator cannot make its certificate")]
    Certificate(#[source] Box<dyn StdError + Send + Sync>),
    /// Locations of content cannot begin with this address.
    #[error("content cannot be at {0}: it takes an http or https address without a path")]
    ContentUrl(String),
    /// A script could not be read.
    #[error("cannot read the script {}", path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The certificate of the authority could not be written where it was wanted.
    #[error("cannot write the certificate to {}", path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A token could not be signed.
    #[error("the emulator cannot sign tokens")]
    Token(#[source] Box<dyn StdError + Send + Sync>),
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
        /// The address as it was given, without what may be secret: its query and user.
        url: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// Events cannot be put into this queue.
    #[error("events cannot be put into the queue {queue}: {reason}")]
    Queue {
        /// The queue as it was given, without what may be secret: its query and user.
        queue: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The webhook did not pass the validation handshake, so there is no subscription.
    #[error("the webhook {url} failed the validation handshake: {reason}")]
    Handshake {
        /// The address of the webhook, without what may be secret: its query and user.
        url: String,
        /// What it answered.
        reason: String,
    },
}
