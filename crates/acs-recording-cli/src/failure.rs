//! Failures of commands, with a hint and an exit code.

use std::error::Error as StdError;
use std::fmt::{Display, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use acs_recording::{Error, ErrorKind, Hint};
use serde_json::{Value, json};

use crate::stop::Signal;
use crate::text::{one_line, put_path};

const OTHER: u8 = 1;
const USAGE: u8 = 2;
const AUTHENTICATION: u8 = 3;
const NOT_FOUND: u8 = 4;
const NETWORK: u8 = 5;
const CONTENT: u8 = 6;
const TRY_LATER: u8 = 7;
const INCOMPLETE: u8 = 8;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit_code: u8,
    /// One of [`ErrorKind::name`], `failed`, `incomplete`, `interrupted` or `unreadable`.
    kind: &'static str,
    message: String,
    hint: Option<String>,
    details: Vec<String>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    /// The local file that the failure is about.
    path: Option<PathBuf>,
}

impl Failure {
    fn new(exit_code: u8, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit_code,
            kind,
            message: message.into(),
            hint: None,
            details: Vec::new(),
            status: None,
            code: None,
            request_id: None,
            path: None,
        }))
    }

    /// The same failure with another exit code.
    #[cfg(feature = "emulator")]
    pub(crate) fn with_exit_code(mut self, code: u8) -> Self {
        self.0.exit_code = code;
        self
    }

    /// A value on the command line, or in a file that it names, is invalid.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, ErrorKind::InvalidInput.name(), message)
    }

    /// A signal stopped the program before it was done.
    pub(crate) fn stopped(by: Signal, hint: &str) -> Self {
        let message = match by {
            Signal::Interrupt => "interrupted",
            Signal::Terminate => "terminated",
        };
        Self::new(by.exit_code(), "interrupted", message).hint(hint)
    }

    /// Something that the command was to find out is not as it should be.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(OTHER, "failed", message)
    }

    /// Whether a signal stopped the program.
    pub(crate) fn is_interruption(&self) -> bool {
        let signals = [Signal::Interrupt, Signal::Terminate];
        signals.map(Signal::exit_code).contains(&self.exit_code())
    }

    /// Part of a recording could not be saved.
    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self::new(INCOMPLETE, "incomplete", message)
    }

    /// Something that was named does not exist.
    #[cfg(feature = "archive")]
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, ErrorKind::NotFound.name(), message)
    }

    /// Saved content is missing or not what it was.
    #[cfg(feature = "archive")]
    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(CONTENT, ErrorKind::CorruptContent.name(), message)
    }

    /// A webhook did not accept a request.
    pub(crate) fn rejected(status: Option<u16>, message: impl Into<String>) -> Self {
        let (code, kind) = match status {
            Some(401) => (AUTHENTICATION, ErrorKind::Authentication),
            Some(403) => (AUTHENTICATION, ErrorKind::PermissionDenied),
            Some(404 | 410) => (NOT_FOUND, ErrorKind::NotFound),
            Some(429) => (TRY_LATER, ErrorKind::Throttled),
            Some(500..=599) => (TRY_LATER, ErrorKind::Service),
            _ => (OTHER, ErrorKind::InvalidResponse),
        };
        let mut failure = Self::new(code, kind.name(), message);
        failure.0.status = status;
        failure
    }

    /// There was no response.
    pub(crate) fn connection(message: impl Into<String>, hint: &str) -> Self {
        Self::new(NETWORK, ErrorKind::Connection.name(), message).hint(hint)
    }

    /// There was no response in time, or something else took too long.
    pub(crate) fn timed_out(message: impl Into<String>, hint: &str) -> Self {
        Self::new(NETWORK, ErrorKind::Timeout.name(), message).hint(hint)
    }

    /// A local file cannot be used.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let text = format!("{}: {error}", path.display());
        Self::new(OTHER, ErrorKind::Io.name(), text).with_path(path)
    }

    /// A file has an unsupported format, or nothing in it can be read.
    pub(crate) fn unreadable(path: &Path, what: &dyn Display) -> Self {
        let text = format!("{}: {what}", path.display());
        Self::new(CONTENT, "unreadable", text).with_path(path)
    }

    /// A file does not have the expected content.
    pub(crate) fn corrupt(path: &Path, error: &dyn StdError) -> Self {
        let mut failure = Self::new(
            CONTENT,
            ErrorKind::CorruptContent.name(),
            format!("{}: {error}", path.display()),
        );
        failure.0.details = causes(error);
        failure.with_path(path)
    }

    pub(crate) fn other(error: &dyn StdError) -> Self {
        let mut failure = Self::new(OTHER, "failed", error.to_string());
        failure.0.details = causes(error);
        failure
    }

    /// Sets what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Appends to the hint.
    pub(crate) fn then_hint(mut self, next: &str) -> Self {
        self.0.hint = Some(match self.0.hint.take() {
            Some(hint) => format!("{hint}; {next}"),
            None => next.to_owned(),
        });
        self
    }

    /// Replaces what is said of one failure by a summary of several; the exit code stays.
    pub(crate) fn summarized(self, message: impl Into<String>) -> Self {
        Self::new(self.0.exit_code, self.0.kind, message)
    }

    /// Puts what the failure is about before the message.
    pub(crate) fn context(mut self, what: &dyn Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Puts the path before the message, and sets it for JSON.
    pub(crate) fn context_file(self, path: &Path) -> Self {
        self.context(&path.display()).with_path(path)
    }

    /// Sets the path for JSON, because text cannot represent all file names.
    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned()).filter(|path| path.as_os_str() != "-");
        self
    }

    /// The message without the hint.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The status of the response, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.status
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.0.exit_code
    }

    /// The failure on one line; with details on further lines if `verbose`.
    pub(crate) fn text(&self, verbose: bool) -> String {
        let mut text = format!("error: {}", self.0.message);
        if let Some(hint) = &self.0.hint {
            let _ = write!(text, "; {hint}");
        }
        if let Some(id) = &self.0.request_id {
            let _ = write!(text, " [request {id}]");
        }
        // Text of the service may contain line breaks.
        text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if verbose {
            let _ = write!(text, "\n  kind: {}", self.0.kind);
            for detail in &self.0.details {
                let _ = write!(text, "\n  {}", one_line(detail));
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let mut error = json!({
            "kind": self.0.kind,
            "message": self.0.message,
            "hint": self.0.hint,
            "exit_code": self.0.exit_code,
            "status": self.0.status,
            "code": self.0.code,
            "request_id": self.0.request_id,
        });
        if let Some(path) = &self.0.path {
            put_path(&mut error, "path", path);
        }
        json!({"error": error})
    }
}

fn causes(error: &dyn StdError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(format!("caused by: {cause}"));
        next = cause.source();
    }
    causes
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let is_busy = kind == ErrorKind::Io && error.is_retryable();
        let code = if is_busy { TRY_LATER } else { exit_code(kind) };
        let mut failure = Self::new(code, kind.name(), error.summary());
        let hint = error.hint().map(in_options);
        failure.0.hint = hint.or_else(|| default_hint(&error).map(str::to_owned));
        failure.0.status = error.status();
        failure.0.code = error.code().map(str::to_owned);
        failure.0.request_id = error.request_id().map(str::to_owned);
        if let Some(status) = error.status() {
            failure.0.details.push(format!("status: {status}"));
        }
        if let Some(code) = error.code() {
            failure.0.details.push(format!("code: {code}"));
        }
        // Support asks for these ids.
        if let Some(id) = error.chain_id() {
            failure.0.details.push(format!("chain id: {id}"));
        }
        if let Some(vector) = error.correlation_vector() {
            let detail = format!("correlation vector: {vector}");
            failure.0.details.push(detail);
        }
        if error.attempts() > 0 {
            failure
                .0
                .details
                .push(format!("attempts: {}", error.attempts()));
        }
        failure.0.details.extend(causes(&error));
        failure
    }
}

#[cfg(feature = "archive")]
impl From<acs_recording_archive::Error> for Failure {
    fn from(error: acs_recording_archive::Error) -> Self {
        use acs_recording_archive::ErrorKind as Kind;
        let kind = error.kind();
        let code = match kind {
            Kind::InvalidInput | Kind::InvalidEvent | Kind::ForbiddenHost | Kind::OwnStorage => {
                USAGE
            }
            Kind::Authentication | Kind::PermissionDenied => AUTHENTICATION,
            Kind::NotFound | Kind::NothingToArchive | Kind::ContentNotFound => NOT_FOUND,
            Kind::Unavailable => NETWORK,
            Kind::CorruptContent | Kind::ExpiredContent | Kind::Conflict => CONTENT,
            Kind::Throttled => TRY_LATER,
            _ => OTHER,
        };
        let mut failure = Self::new(code, kind.name(), error.to_string());
        // Messages of this crate usually say what to do.
        failure.0.hint = match kind {
            Kind::Throttled => Some("try again later".to_owned()),
            Kind::OwnStorage => Some("use --own-storage record".to_owned()),
            _ => None,
        };
        failure.0.details = causes(&error);
        failure
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::other(&error)
    }
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput | ErrorKind::ForbiddenHost | ErrorKind::OwnStorage => USAGE,
        ErrorKind::Authentication | ErrorKind::PermissionDenied => AUTHENTICATION,
        ErrorKind::NotFound | ErrorKind::NothingToDownload => NOT_FOUND,
        ErrorKind::Timeout | ErrorKind::Connection => NETWORK,
        ErrorKind::CorruptContent | ErrorKind::ExpiredContent | ErrorKind::ContentChanged => {
            CONTENT
        }
        ErrorKind::Throttled | ErrorKind::Service | ErrorKind::ContentNotReady => TRY_LATER,
        _ => OTHER,
    }
}

/// The library's hint in terms of this program.
fn in_options(hint: Hint) -> String {
    match hint {
        Hint::AddRootCertificate => {
            "check the endpoint; if it is the intended server, pass the certificate of its \
             authority with --ca-cert FILE"
        }
        Hint::ChooseMedia => "choose another --media",
        Hint::CheckRecordingState => "run `acs-recording status` to see its state",
        Hint::CheckCallState => "run `acs-recording call get` to see the state of the call",
        Hint::CheckToken => {
            "check --credential, and --cloud if the resource is not in the public cloud"
        }
        other => return other.to_string(),
    }
    .to_owned()
}

/// The hint where the library gives none.
fn default_hint(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Authentication if error.status().is_none() => {
            "sign in with `az login`, or select another --credential"
        }
        ErrorKind::PermissionDenied => {
            "assign the identity a role on the resource that allows this"
        }
        ErrorKind::Conflict => "run `acs-recording status` to see its state",
        ErrorKind::Throttled | ErrorKind::Service => "try again later, or increase --max-retries",
        ErrorKind::Timeout => "try again, or increase --operation-timeout or --timeout",
        ErrorKind::Connection => "check the endpoint and the network",
        ErrorKind::CorruptContent | ErrorKind::ContentChanged => "download it again",
        ErrorKind::ExpiredContent => "the service keeps content for 24 hours",
        ErrorKind::ContentNotReady => "try again in a few minutes",
        ErrorKind::Io if already_exists(error) => {
            "use another name, or add --overwrite replace or --overwrite skip"
        }
        _ => return None,
    })
}

fn already_exists(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::AlreadyExists;
        }
        next = cause.source();
    }
    false
}
