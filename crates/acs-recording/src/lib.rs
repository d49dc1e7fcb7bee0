//! Records calls of Azure Communication Services: start and control a recording, receive the event
//! that its files are ready, download and verify them, and delete them from the service.
//!
//! ```no_run
//! use acs_recording::{Media, RecordingClient, ServerCallId};
//!
//! # async fn run(connection_string: &str, server_call_id: &str) -> acs_recording::Result<()> {
//! let client = RecordingClient::from_connection_string(connection_string)?;
//! let recording = client
//!     .start(ServerCallId::new(server_call_id)?)
//!     .media(Media::unmixed_wav().channel(0, "4:+14255550123"))
//!     .await?;
//! recording.pause().await?;
//! recording.resume().await?;
//! recording.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A few minutes later, Event Grid posts to your webhook that the files are ready. A spool keeps the
//! event on disk until the recording is saved, verified and deleted from the service, across crashes
//! and restarts (feature `axum`):
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # mod archive {
//! use acs_recording::RecordingClient;
//! use acs_recording::spool::Spool;
//! use acs_recording::webhook::{Authenticator, Webhook};
//!
//! # async fn run(client: RecordingClient, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let spool = Spool::open("spool").await?;
//! let webhook = Webhook::builder(Authenticator::query_secret("code", secret)?).build(spool.clone());
//! let worker = spool.download_to(&client, "recordings").delete_after();
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! tokio::select! {
//!     served = axum::serve(listener, webhook.router::<()>("/events")) => served?,
//!     () = worker.run() => {}
//! }
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # Where to start
//!
//! | task | start with |
//! |---|---|
//! | every step, from a call to deleted content | the [`guide`] |
//! | record a call | [`RecordingClient::start`], [`Recording`] |
//! | create, answer or join a call | [`RecordingClient::calls`] |
//! | receive events | `webhook::Webhook`, [`Events`] |
//! | save every recording, across crashes | `spool::Spool` |
//! | download by hand | [`RecordingClient::download_recording`], [`RecordingClient::download`] |
//! | wait for an event in a test | [`Inbox`] |
//! | handle an error | [`Error`], [`ErrorKind`], [`Disposition`] |
//! | test your code | [`Transport`], and the crate `acs-emulator` |
//! | observe | [`telemetry`] |
//!
//! # Conventions
//!
//! - **An operation is an owned builder.** Nothing is sent before you `await` it. A builder is `Clone`,
//!   and its future is `Send + 'static`, so it can be spawned. Every operation has
//!   the options of its requests: `timeout` (of the operation, retries included), `attempt_timeout`,
//!   `retry_policy`, `client_request_id` and `header`. [`RequestOptions`] holds the same for several
//!   operations. Clients have the defaults.
//! - **A method named for a setting sets it:** `media`, `timeout`, `overwrite`. `add_*` adds to a list,
//!   `allow_*` permits more, and `on_*` takes a callback. `with_*_credential` creates a client builder.
//!   `set_*` changes a live object.
//! - **A download names its destination, then the options of the destination:**
//!   `client.download(&location).to_file("call.wav").sha256()`.
//! - **A constructor returns a `Result` if its input comes from outside,** such as an id or a URL.
//! - **A timeout is a [`Duration`](std::time::Duration).** `read_timeout` limits the time without any
//!   byte, `ready_timeout` the wait for content that is not ready, and `poll_interval` the time between
//!   two polls.
//! - **Handles are cheap to clone.** Dropping one stops nothing at the service.
//! - **Every operation returns the one [`Error`].** Its [`kind`](Error::kind) is for programs, its text
//!   and [`hint`](Error::hint) are for people. It contains no secrets.
//! - **[`models`] has the types of the service that this interface uses.** They are generated from the
//!   published description. Structs are `#[non_exhaustive]`, because the service adds members: create
//!   one with `new(required members)`, or with `Default` if it has no required members, and set optional
//!   members with the method of the same name. Enums keep unknown values in `UnknownValue`.
//!
//! # Features
//!
//! None is enabled by default. All are additive.
//!
//! | feature | what it adds |
//! |---|---|
//! | `entra` | credentials of Microsoft Entra ID: any credential of `azure_identity`, or your own |
//! | `webhook` | receives events: handshakes, authentication, deduplication, and the spool; on types of the crate `http` |
//! | `tower` | the webhook as a `tower::Service`; implies `webhook` |
//! | `axum` | the webhook as a router of axum; implies `tower` |
//! | `metrics` | counts requests, bytes, downloads and events, through the crate `metrics` |
//! | `schemars` | JSON Schemas of events and metadata |
//! | `unstable-reqwest` | your own `reqwest::Client` for requests |
//! | `unstable-low-level` | every operation of Call Automation, and changes of requests before they are sent |
//!
//! # Stability
//!
//! Types of other crates appear in signatures only by decision: `bytes`, `http`, `url`, `uuid`, `jiff`,
//! `serde`, `Stream` of `futures-core`, and `AsyncRead` and `AsyncWrite` of `tokio`; behind features,
//! `azure_core` (`entra`), `http-body` and `tower-service` (`tower`), `axum` and `schemars`. A new major
//! version of one of them is a new major version of this crate. `public-api.txt` lists the whole
//! interface, and the tests compare it.
//!
//! Features that begin with `unstable-` are outside of this promise: what they add can change in any
//! release.
//!
//! The minimum supported Rust version is 1.89. Raising it is a minor change.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod calls;
mod client;
mod client_core;
mod cloud;
mod content;
mod content_url;
mod credential;
mod error;
mod event;
mod format;
mod fs;
mod identifier;
mod ids;
mod inbox;
mod lenient;
mod locator;
mod manifest;
mod metadata;
mod operation;
mod panic;
mod poller;
mod recording;
#[cfg(feature = "schemars")]
pub mod schema;
#[cfg(feature = "webhook")]
pub mod spool;
mod start;
pub mod telemetry;
pub mod text;
mod transport;
mod value_kind;
mod web_url;
#[cfg(feature = "webhook")]
pub mod webhook;

#[doc = include_str!("guide.md")]
pub mod guide {}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the targets in `fuzz/` need beside the public interface.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::content::fuzz_journal as journal;
}

pub mod models;

/// The low-level client of the service, with types for all of its operations. Needs the feature
/// `unstable-low-level`, and may change in any release.
#[cfg(feature = "unstable-low-level")]
pub use acs_call_automation as low_level;

pub use calls::{
    AnswerCall, CallConnection, CallProperties, Calls, ConnectCall, CreateCall, GetCallProperties,
    HangUpCall, ListParticipants, Participant, TerminateCall, WaitUntilConnected,
};
pub use client::{RecordingClient, RecordingClientBuilder};
pub use cloud::Cloud;
pub use content::{
    ContentHash, ContentStream, CopiedContent, DeleteContent, Download, DownloadBytes,
    DownloadRecording, DownloadStream, DownloadToDir, DownloadToFile, DownloadToWriter,
    InvalidContentHash, MissingChunk, Overwrite, Progress, ReadMetadata, SavedChunk, SavedFile,
    SavedRecording,
};
pub use content_url::{ContentUrl, InvalidContentUrl};
pub use credential::{
    AccessKey, ConnectionString, Endpoint, InvalidAccessKey, InvalidConnectionString,
    InvalidEndpoint,
};
pub use error::{Disposition, Error, ErrorKind, Hint, Result, ServiceCode};
pub use event::{
    CallDetails, CallEndReason, CallEnded, CallParticipantAdded, CallParticipantRemoved, CallParty,
    CallStarted, Delivery, Event, EventPayload, EventSchema, Events, IncomingCall, InvalidEvent,
    RecordingChunk, RecordingFileStatusUpdated, RecordingStateChanged, SubscriptionDeleted,
    SubscriptionValidation,
};
pub use identifier::{CloudEnvironment, CommunicationIdentifier, IdentifierKind};
pub use ids::{
    CallConnectionId, DocumentId, GroupCallId, InvalidId, RecordingId, RoomId, ServerCallId,
};
pub use inbox::{EventStream, Inbox, RecordingFilter, Wait};
pub use locator::CallLocator;
pub use manifest::{ManifestChunk, ManifestFile, RecordingManifest};
pub use metadata::{
    AudioConfiguration, InvalidMetadata, Pause, RecordedParticipant, RecordingMetadata,
    VideoConfiguration,
};
pub use recording::{
    GetRecordingProperties, GetRecordingState, PauseRecording, Recording, RecordingProperties,
    ResumeRecording, StartResponse, StopRecording, WaitUntil,
};
pub use start::{Media, RecordingTarget, StartRecording, UnmixedWav};
pub use transport::{
    AttemptLimit, Body, ExponentialBackoff, FailedAttempt, NeverRetry, RequestOptions, RetryPolicy,
    RetryPolicyExt, TimeLimit, Transport, TransportError, TransportErrorKind, TransportFuture,
};
