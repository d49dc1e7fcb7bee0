//! Records calls of Azure Communication Services: start a recording, control it, learn when its
//! files are ready, download and verify them, and delete them from the service.
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
//! Minutes later Event Grid posts to your webhook that the files are ready. A spool keeps the event
//! on disk until the recording is saved, verified and deleted from the service, across crashes and
//! restarts (feature `axum`):
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
//! let webhook = Webhook::builder(Authenticator::secret("code", secret)?).build(spool.clone());
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
//! [`RecordingClient`] is the entry point, and the [`guide`] goes through every step. Every operation
//! returns a value or one [`Error`], whose [`kind`](Error::kind) says what a program can do about it,
//! and whose [`hint`](Error::hint) says what a person can. [`Disposition`] says whether an event
//! that could not be handled must come again.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `entra` | credentials of Entra ID, through any of `azure_identity` or one of your own |
//! | `webhook` | answers deliveries of events on types of `http`: handshakes, checks, de-duplication; the spool |
//! | `tower` | the webhook as a `tower::Service`; with `webhook` |
//! | `axum` | the webhook as a router of axum; with `tower` |
//! | `schemars` | JSON Schemas of events and metadata |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod calls;
mod client;
mod client_core;
mod cloud;
mod content;
mod credential;
mod error;
mod event;
mod identifier;
mod ids;
mod inbox;
mod lenient;
mod locator;
mod manifest;
mod metadata;
mod mistaken;
mod operation;
mod panic;
mod poller;
mod recording;
#[cfg(feature = "schemars")]
pub mod schema;
#[cfg(feature = "webhook")]
pub mod spool;
mod start;
pub mod text;
mod transport;
mod web_url;
#[cfg(feature = "webhook")]
pub mod webhook;

#[doc = include_str!("guide.md")]
pub mod guide {}

/// The examples in the README are compiled with those of the documentation.
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
    ContentHash, ContentStream, ContentUrl, CopiedContent, DeleteContent, Download,
    DownloadRecording, InvalidContentHash, InvalidContentUrl, MissingChunk, Overwrite, Progress,
    ReadMetadata, SaveRecording, SavedChunk, SavedFile, SavedRecording,
};
#[cfg(feature = "entra")]
pub use credential::ClaimsChallenge;
pub use credential::{
    AccessKey, ConnectionString, Endpoint, InvalidAccessKey, InvalidConnectionString,
    InvalidEndpoint, SignedHeaders,
};
pub use error::{Disposition, Error, ErrorKind, Hint, Result, ServiceCode};
pub use event::{
    CallDetails, CallEndReason, CallEnded, CallParticipantAdded, CallParticipantRemoved, CallParty,
    CallStarted, Delivery, DialogUpdate, Event, EventPayload, EventSchema, Events, IncomingCall,
    InvalidEvent, RecordingChunk, RecordingFileStatusUpdated, RecordingStateChanged,
    SubscriptionDeleted, SubscriptionValidation,
};
pub use identifier::{CloudEnvironment, CommunicationIdentifier, IdentifierKind};
pub use ids::{
    CallConnectionId, DocumentId, GroupCallId, InvalidId, RecordingId, RoomId, ServerCallId,
};
pub use inbox::{AwaitedRecording, EventStream, Inbox, Wait};
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
    AttemptLimit, ExponentialBackoff, FailedAttempt, NeverRetry, RequestOptions, RetryPolicy,
    RetryPolicyExt, TimeLimit,
};
