//! Errors of the emulator itself.

use std::error::Error as StdError;
use std::path::PathBuf;

/// An error of the emulator.
///
/// A refusal by the emulated *service* is not an `Error`. Clients see it as an HTTP status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port could not be opened.
    #[error("the emulator cannot listen at {address}{}", advice(listener, source))]
    Listen {
        /// Which listener it is: `http`, `https` or `admin`. The option of the program and the method
        /// of the builder have the same name.
        listener: &'static str,
        /// The address of the listener.
        address: std::net::SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The token of the admin interface is not valid in a header, a cookie and a URL.
    #[error("the token of the admin interface is invalid: use ASCII letters, digits and -._~ only")]
    AdminToken,
    /// The certificate for HTTPS could not be created.
    #[error("the emulator cannot create its certificate")]
    Certificate(#[source] Box<dyn StdError + Send + Sync>),
    /// The certificate authority cannot be read from its folder or created there.
    #[error(
        "cannot use the certificate authority in {}; delete the folder to create a new one, or give \
         --ca-dir another one",
        path.display()
    )]
    AuthorityFolder {
        /// The folder.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The URL is not a valid origin for content.
    #[error("{0} is not a valid content origin: use an http or https URL without a path")]
    ContentUrl(String),
    /// A script could not be read.
    #[error("cannot read the script {}", path.display())]
    Script {
        /// The path of the script.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The CA certificate could not be written.
    #[error("cannot write the certificate to {}", path.display())]
    CertificateFile {
        /// The path of the certificate.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: std::io::Error,
    },
    /// The file that tells other programs that the emulator is ready could not be written or removed.
    #[error("cannot write the ready file {}", path.display())]
    ReadyFile {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: std::io::Error,
    },
    /// The emulator is not ready, or another program has its port.
    #[error("the emulator at {url} is not ready")]
    NotReady {
        /// The URL of the request.
        url: String,
        /// The underlying error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The command that should run with the emulator could not be started.
    #[error("cannot run {command}")]
    Command {
        /// The program, without its arguments.
        command: String,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The files for a command that should run with the emulator could not be written.
    #[error("cannot write the certificates for the command")]
    CommandFiles(#[source] std::io::Error),
    /// A token could not be signed.
    #[error("the emulator cannot sign tokens")]
    Token(#[source] Box<dyn StdError + Send + Sync>),
    /// The HTTP client for events could not be created.
    #[error("the emulator cannot create its webhook client")]
    WebhookClient(#[source] Box<dyn StdError + Send + Sync>),
    /// The audio of a participant could not be read.
    #[error("cannot read the WAV file {}", path.display())]
    AudioFile {
        /// The path of the WAV file.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Events cannot be sent to this URL.
    #[error("events cannot be sent to {url}: {reason}")]
    WebhookUrl {
        /// The URL, without its query and user information, which may contain secrets.
        url: String,
        /// The rule that the URL violates.
        reason: String,
    },
    /// Events cannot be added to this queue.
    #[error("events cannot be added to the queue {queue}: {reason}")]
    Queue {
        /// The URL or name of the queue, without its query and user information, which may contain
        /// secrets.
        queue: String,
        /// The rule that the queue violates.
        reason: String,
    },
    /// The webhook did not pass the validation handshake and was not subscribed.
    #[error("the webhook {url} failed the validation handshake: {reason}")]
    Handshake {
        /// The URL of the webhook, without its query and user information, which may contain
        /// secrets.
        url: String,
        /// What was wrong with the response.
        reason: String,
    },
}

/// What to do about a port that cannot be opened.
fn advice(listener: &str, source: &std::io::Error) -> String {
    if source.kind() != std::io::ErrorKind::AddrInUse {
        return String::new();
    }
    format!(
        ", because another program uses the port. Stop that program, which may be another emulator, or \
         choose another address with --{listener}; port 0 selects a free port"
    )
}
