//! A local Azure Communication Services for tests: calls, recordings, content and events on
//! loopback, over real HTTP and with real signatures.
//!
//! An [`Emulator`] is one Communication Services resource with an access key. Point any client at
//! its connection string:
//!
//! ```
//! use std::time::Duration;
//! use acs_emulator::{Clock, Emulator};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), acs_emulator::Error> {
//! let acs = Emulator::builder().clock(Clock::manual()).start().await?;
//! let call = acs.call(["alice", "bob"]).await;
//! println!("record {} with {}", call.server_call_id(), acs.connection_string());
//! acs.clock().advance(Duration::from_secs(60)); // a minute of sound, at once
//! call.hang_up();
//! # acs.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! - **Recordings**: start, state, pause, resume, stop, with the statuses and error codes of the
//!   service. A recording answers `inactive` at first and turns active after the start delay.
//! - **Calls**: create, answer, connect, state, hang up, terminate; participants list, get, add,
//!   remove, mute. Whoever is called or added connects after the connect delay, and whoever is in
//!   the call speaks, unless a [`Script`] says who joins, speaks and leaves when. Somebody can
//!   [call the application](Emulator::incoming_call). All other published operations answer 501.
//! - **Media**: all four kinds that the service makes, of exactly the time during which the
//!   recording was active; see below. Each participant speaks a test tone or the content of a WAV
//!   file, whether recorded or not: what is said during a pause is missing in the file. Long
//!   recordings consist of [chunks](EmulatorBuilder::chunk_duration), and recordings of
//!   [any size](LargeRecording) can be put into the store without taking up memory.
//! - **Content**: media with ranges, metadata and delete on the addresses that the event tells,
//!   signed for the resource's host in `x-ms-host`, if wanted behind a
//!   [redirect](EmulatorBuilder::redirect_content).
//! - **Own storage**, with the feature `own-storage`: files are written into a container of Azure
//!   Blob Storage, such as one of Azurite, with a
//!   [shared access signature](EmulatorBuilder::storage_sas).
//! - **[Faults](Fault)** on demand: statuses, delays, silence, lost connections, broken bodies,
//!   changed content, from Rust or over the admin interface.
//! - **Events**: Event Grid to [webhooks](Emulator::subscribe), with their handshakes, and to
//!   [queues of Azure Storage](Emulator::subscribe_queue), in both schemas, with the published retry
//!   schedule, if wanted in batches, twice, or in another order: `RecordingFileStatusUpdated`,
//!   `IncomingCall`, `CallStarted`, `CallEnded`, `CallParticipantAdded` and
//!   `CallParticipantRemoved`.
//! - **Callbacks** to `callbackUri`, `operationCallbackUri` and `recordingStateCallbackUri`, each
//!   with an RS256 token of five minutes. Their keys are below
//!   `/calling/.well-known/acsopenidconfiguration`, the audience is [`Emulator::resource_id`].
//! - **Authentication**: HMAC-SHA256 with either of [two keys](AccessKey), or a
//!   [token](Emulator::access_token) of the emulator's own issuer. Requests for content may be
//!   signed in each of the forms of the official SDKs, and in no other.
//!
//! Time is a [`Clock`] that tests can hold and move, so that no test has to sleep.
//!
//! # As a program
//!
//! `cargo install acs-emulator --features cli` gives the program `acs-emulator`. When it is ready
//! it prints one line of JSON with its connection strings; `--help` lists its options. Another
//! program can offer the same options with the module `cli`. The official SDKs insist on HTTPS, and
//! on certain hosts for content:
//!
//! ```text
//! acs-emulator --https 127.0.0.1:0 --ca-out ca.pem \
//!     --host-name eu-storage.asm.skype.com --content-origin https://eu-storage.asm.skype.com:0
//! ```
//!
//! Clients have to trust `ca.pem` (`NODE_EXTRA_CA_CERTS`, or `connection_verify` in Python), and to
//! resolve that name to loopback. The same is there in Rust with the feature `tls`, which also lets
//! events go to `https` addresses.
//!
//! # Media
//!
//! | content, channels, format | file |
//! |---|---|
//! | `audioVideo`, `mixed`, `mp4`; the default | H.264 of 1920 by 1080 at 8 pictures a second, AAC-LC of 16 kHz at 48 kbit/s |
//! | `audio`, `mixed`, `mp3` | MPEG-2 layer III of 16 kHz at a constant 48 kbit/s |
//! | `audio`, `mixed`, `wav` | 16-bit PCM of 16 kHz, one channel |
//! | `audio`, `unmixed`, `wav` | the same with up to five channels |
//!
//! Nothing is linked that is not permissively licensed. MP3 is encoded by `rusty_mp3` (Apache-2.0)
//! and AAC by `syom` (MIT), both in Rust and without dependencies; LAME, Shine and the FDK are
//! under other terms. H.264 is written by the emulator itself: a mosaic of single colours needs so
//! little of the standard that an hour of it takes a few megabytes, where an encoder for real
//! pictures would cost a C++ compiler and minutes of computing. The service gives sound in `mp4`
//! 128 kbit/s, which is more than AAC has for one channel of 16 kHz. Some countries have patents
//! on AAC and H.264; whoever ships programs with these encoders should know.
//!
//! # Speed
//!
//! `cargo bench -p acs-emulator` measures. On two cores of a busy machine content came at 0.9 of
//! the rate of a hyper server that does nothing else, at 2 to 6 GB/s; ten thousand ended recordings
//! took 60 MB, and one of 40 GiB took one.
//!
//! # Where it differs from the service
//!
//! - Videos show a test card with a clock, and no participants.
//! - Answering works with any `incomingCallContext`: one that belongs to no call that rings makes a
//!   call with one caller.
//! - A callback that is not accepted is not sent again. `CreateCallFailed`, `AnswerFailed` and
//!   their like do not come up, since everybody picks up.
//! - The handshake of Event Grid cannot be completed later by `validationUrl`, nor the one of
//!   `CloudEvents` by `WebHook-Request-Callback`.
//! - What a script lets happen at a time has happened by then, however far the clock jumps; the
//!   requests of a client come when they come.
//! - A file is computed when it is first read. That takes a moment for `mp3` and `mp4`, and a long
//!   one where the encoders are built without optimisation: `[profile.dev.package]` with
//!   `rusty_mp3.opt-level = 3` and `syom.opt-level = 3` helps.
//! - Own storage needs a shared access signature, where the service uses a managed identity.
//! - The files of an export that succeeded are gone from the emulator's own store; if it fails, the
//!   event points there, and the files stay for the retention time.
//!
//! Some answers of the service are not known, and the emulator's are a choice: pausing twice and
//! resuming twice is accepted; a second recording of a call is refused with code 8559; a stopped
//! recording's event has the reason `SessionStillOngoing`, one whose call ended `CallEnded`; a
//! pause that lasts until the end is listed in the metadata; a recording without a single sample
//! leaves no file and sends no event; the application's hanging up ends the call unless two others
//! are in it; a muted participant is silent in the recording; a token that is not valid is refused
//! with code 7501; a recording whose call is over before the recorder has joined is told as
//! `StartRecordingFailed`; the callback about its state comes once more when it stops.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod agenda;
mod auth;
mod builder;
mod call;
mod calls;
mod chunks;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
mod delivery;
mod emulator;
mod error;
mod export;
mod faults;
mod file_status;
mod happenings;
mod identifier;
mod ids;
mod incoming;
mod keys;
mod large;
mod media;
mod member;
mod metadata;
mod network;
mod participant;
mod recordings;
mod refusal;
mod routes;
mod script;
mod start;
mod state;
mod store;
mod telling;
#[cfg(feature = "tls")]
mod tls;
mod tokens;

/// The examples in the README are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use builder::EmulatorBuilder;
pub use call::{Call, NewCall};
pub use clock::Clock;
pub use delivery::subscription::{EventSchema, NewSubscription};
pub use emulator::Emulator;
pub use error::Error;
pub use faults::{ActiveFault, Fault, FaultHandle, Faults, Operation};
pub use ids::seed_ids;
pub use incoming::IncomingCall;
pub use keys::AccessKey;
pub use large::{LargeRecording, StoredChunk, StoredRecording};
pub use participant::Participant;
pub use script::Script;
