//! What went wrong, with what to do next and the exit code.

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
const NOT_NOW: u8 = 7;
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
    advice: Option<String>,
    details: Vec<String>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    /// The local file that it is about.
    path: Option<PathBuf>,
}

impl Failure {
    fn new(exit_code: u8, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit_code,
            kind,
            message: message.into(),
            advice: None,
            details: Vec::new(),
            status: None,
            code: None,
            request_id: None,
            path: None,
        }))
    }

    /// A value on the command line, or a file it names, is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, ErrorKind::InvalidInput.name(), message)
    }

    /// The program was asked to stop before it was done.
    pub(crate) fn stopped(by: Signal, advice: &str) -> Self {
        let message = match by {
            Signal::Interrupt => "interrupted",
            Signal::Terminate => "terminated",
        };
        Self::new(by.exit_code(), "interrupted", message).advise(advice)
    }

    /// Something that was recorded is not among what was saved.
    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self::new(INCOMPLETE, "incomplete", message)
    }

    /// A local file could not be used.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let text = format!("{}: {error}", path.display());
        Self::new(OTHER, ErrorKind::Io.name(), text).of_file(path)
    }

    /// A file has another format than those that can be read, or nothing of it can be.
    pub(crate) fn unreadable(path: &Path, what: &dyn Display) -> Self {
        let text = format!("{}: {what}", path.display());
        Self::new(CONTENT, "unreadable", text).of_file(path)
    }

    /// A file is not what it should be.
    pub(crate) fn corrupt(path: &Path, error: &dyn StdError) -> Self {
        let mut failure = Self::new(
            CONTENT,
            ErrorKind::CorruptContent.name(),
            format!("{}: {error}", path.display()),
        );
        failure.0.details = causes(error);
        failure.of_file(path)
    }

    pub(crate) fn other(error: &dyn StdError) -> Self {
        let mut failure = Self::new(OTHER, "failed", error.to_string());
        failure.0.details = causes(error);
        failure
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Says what happens next, behind what can be done.
    pub(crate) fn and_then(mut self, what: &str) -> Self {
        self.0.advice = Some(match self.0.advice.take() {
            Some(advice) => format!("{advice}; {what}"),
            None => what.to_owned(),
        });
        self
    }

    /// Which of several it happened to.
    pub(crate) fn about(mut self, what: &dyn Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Names the file that it happened to, where the message does not.
    pub(crate) fn about_file(self, path: &Path) -> Self {
        self.about(&path.display()).of_file(path)
    }

    /// The file that it happened to, for JSON. Text cannot say all names.
    pub(crate) fn of_file(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned()).filter(|path| path.as_os_str() != "-");
        self
    }

    /// What happened, without advice.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.0.exit_code
    }

    /// One line, or with all that is known.
    pub(crate) fn text(&self, verbose: bool) -> String {
        let mut text = format!("error: {}", self.0.message);
        if let Some(advice) = &self.0.advice {
            let _ = write!(text, "; {advice}");
        }
        if let Some(id) = &self.0.request_id {
            let _ = write!(text, " [request {id}]");
        }
        // What the service says may have lines of its own.
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
            "advice": self.0.advice,
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
        let code = if is_busy { NOT_NOW } else { exit_code(kind) };
        let mut failure = Self::new(code, kind.name(), error.summary());
        let hinted = error.hint().map(in_options);
        failure.0.advice = hinted.or_else(|| advice(&error).map(str::to_owned));
        failure.0.status = error.status();
        failure.0.code = error.code().map(str::to_owned);
        failure.0.request_id = error.request_id().map(str::to_owned);
        if let Some(status) = error.status() {
            failure.0.details.push(format!("status: {status}"));
        }
        if let Some(code) = error.code() {
            failure.0.details.push(format!("code: {code}"));
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
        ErrorKind::Throttled | ErrorKind::Service | ErrorKind::ContentNotReady => NOT_NOW,
        _ => OTHER,
    }
}

/// What the library advises, in terms of this program.
fn in_options(hint: Hint) -> String {
    match hint {
        Hint::AddRootCertificate => {
            "check the endpoint; if it is whom you mean to talk to, give the certificate of its \
             authority with --ca-cert FILE"
        }
        Hint::ChooseMedia => "choose another --media",
        Hint::CheckRecordingState => "`acs-recording status` tells the state",
        Hint::CheckCallState => "`acs-recording call get` tells the state of the call",
        Hint::CheckToken => "check --credential, and --cloud if it is not the public one",
        other => return other.to_string(),
    }
    .to_owned()
}

/// What to do next, where the library advises nothing.
fn advice(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Authentication if error.status().is_none() => {
            "sign in with `az login`, or choose another --credential"
        }
        ErrorKind::PermissionDenied => "give the identity a role on the resource that allows this",
        ErrorKind::Conflict => "`acs-recording status` tells the state",
        ErrorKind::Throttled | ErrorKind::Service => {
            "try again in a moment, or with more --retries"
        }
        ErrorKind::Timeout => "try again, or with a longer --timeout or --within",
        ErrorKind::Connection => "check the endpoint and the network",
        ErrorKind::CorruptContent | ErrorKind::ContentChanged => "download it again",
        ErrorKind::ExpiredContent => "the service keeps content for 24 hours",
        ErrorKind::ContentNotReady => "try again in some minutes",
        ErrorKind::Io if is_there(error) => {
            "choose another name, or add --overwrite replace or skip"
        }
        _ => return None,
    })
}

fn is_there(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::AlreadyExists;
        }
        next = cause.source();
    }
    false
}
