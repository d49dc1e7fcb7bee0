//! A local emulator of Azure Communication Services for tests: calls, recordings, content and
//! events on loopback, over real HTTP and with real signatures.
//!
//! An [`Emulator`] is one Communication Services resource with its own access keys. Clients connect
//! to it with its connection string:
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
//! acs.clock().advance(Duration::from_secs(60)); // one minute of audio, immediately
//! call.hang_up();
//! # acs.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! - **Recordings**: start, state, pause, resume and stop, with the statuses and error codes of the
//!   service. A recording is `inactive` at first and becomes active after the start delay.
//! - **Calls**: create, answer, connect, state, hang up and terminate; list, get, add, remove and
//!   mute participants. Participants who are called or added connect after the connect delay and
//!   then speak, unless a [`Script`] defines who joins, speaks and leaves, and when. A test can
//!   [call the application](Emulator::incoming_call). All other published operations return 501.
//! - **Media**: all four formats of the service. The length of a file is exactly the time during
//!   which the recording was active; see below. Each participant speaks a test tone or the content
//!   of a WAV file, whether or not it is being recorded: what is said during a pause is missing in
//!   the file. Long recordings consist of [chunks](EmulatorBuilder::chunk_duration). Recordings of
//!   [any size](SyntheticRecording) can be added to the store without using memory for them.
//! - **Content**: media with ranges, metadata, and deletion at the locations in the event. Requests
//!   are signed for the host of the resource, which is in `x-ms-host`. Optionally, content is
//!   behind a [redirect](EmulatorBuilder::redirect_content).
//! - **Your own storage** (feature `own-storage`): exports files to a container of Azure Blob
//!   Storage or Azurite, with a [shared access signature](EmulatorBuilder::storage_sas).
//! - **[Faults](Fault)**: statuses, delays, missing responses, lost connections, broken bodies and
//!   changed content, from Rust or over the admin interface.
//! - **Events**: Event Grid events to [webhooks](Emulator::subscribe), with their handshakes, and
//!   to [queues of Azure Storage](Emulator::subscribe_queue), in both schemas, with the published
//!   retry schedule. Optionally, events are batched, duplicated or reordered. The event types are
//!   `RecordingFileStatusUpdated`, `IncomingCall`, `CallStarted`, `CallEnded`,
//!   `CallParticipantAdded` and `CallParticipantRemoved`.
//! - **Callbacks** to `callbackUri`, `operationCallbackUri` and `recordingStateCallbackUri`, each
//!   with an RS256 token that is valid for five minutes. The discovery document for the keys is at
//!   `/calling/.well-known/acsopenidconfiguration`. The audience is [`Emulator::resource_id`].
//! - **Authentication**: HMAC-SHA256 with either of [two keys](AccessKey), or an [access
//!   token](Emulator::access_token) that the emulator has issued. Requests for content may be
//!   signed in each of the ways of the official SDKs, and in no other way.
//!
//! Time is a [`Clock`] that tests can stop and advance, so that no test has to sleep.
//!
//! # As a program
//!
//! `cargo install acs-emulator --features cli` installs the program `acs-emulator`. It serves HTTP at
//! `127.0.0.1:10010` with well-known access keys, and the admin interface at `127.0.0.1:10012`. When
//! it is ready, it prints one line of JSON with its connection strings. `--help` lists its options.
//! `acs-emulator exec -- COMMAND` runs a command with an emulator of its own. Other programs can
//! include the same options with the module `cli`. The official SDKs require HTTPS, and certain host
//! names for content:
//!
//! ```text
//! acs-emulator --official-sdks --ca-dir ca
//! ```
//!
//! Clients must trust `ca/ca.pem` (`NODE_EXTRA_CA_CERTS`, or `connection_verify` in Python) and
//! resolve the name `eu-storage.asm.skype.com` to loopback. In Rust, the feature `tls` provides HTTPS.
//! It also enables the delivery of events to `https` URLs.
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
//! All linked code has permissive licences. MP3 is encoded by `rusty_mp3` (Apache-2.0) and AAC by
//! `syom` (MIT), both written in Rust without dependencies; the licences of LAME, Shine and FDK AAC
//! are more restrictive. The emulator encodes H.264 itself: the video is a mosaic of single
//! colours, which needs only a small part of the standard and takes a few megabytes per hour. An
//! encoder for real video would require a C++ compiler and minutes of computing time. The service's
//! audio in `mp4` has 128 kbit/s, which is more than AAC allows for one channel of 16 kHz. AAC and
//! H.264 are patented in some countries; consider this before you ship a program that contains
//! these encoders.
//!
//! # Speed
//!
//! Measure with `cargo bench -p acs-emulator`. On a busy machine with two cores, content was served
//! at 2 to 6 GB/s, which is 0.9 of the rate of a hyper server that does nothing else. Ten thousand
//! ended recordings used 60 MB of memory, and one recording of 40 GiB used 1 MB.
//!
//! # Where it differs from the service
//!
//! - Videos show a test card with a clock instead of the participants.
//! - Answering succeeds with any `incomingCallContext`. If no ringing call has this context, a call
//!   with one caller is created.
//! - A callback that is not accepted is not retried. `CreateCallFailed`, `AnswerFailed` and similar
//!   callbacks are never sent, because all calls are answered.
//! - The Event Grid handshake cannot be completed later with `validationUrl`, nor the `CloudEvents`
//!   handshake with `WebHook-Request-Callback`.
//! - Steps of a script always run at their scheduled time, however far the clock is advanced.
//!   Requests from a client are processed when they arrive.
//! - A file is encoded when it is first read. This takes a moment for `mp3` and `mp4`, and much
//!   longer if the encoders are built without optimisation. Setting `rusty_mp3.opt-level = 3` and
//!   `syom.opt-level = 3` in `[profile.dev.package]` helps.
//! - Your own storage requires a shared access signature; the service uses a managed identity.
//! - After a successful export, the emulator deletes the files from its own store. If an export
//!   fails, the event contains the locations in that store, and the files stay there for the
//!   retention time.
//!
//! Some responses of the service are not known. The emulator makes these choices:
//!
//! - Pausing or resuming twice is accepted.
//! - A second recording of a call is refused with code 8559.
//! - The event of a stopped recording has the reason `SessionStillOngoing`; if the call ended, the
//!   reason is `CallEnded`.
//! - A pause that lasts until the end is listed in the metadata.
//! - A recording without a single sample has no file and no event.
//! - When the application hangs up, the call ends, unless two other participants remain.
//! - A muted participant is silent in the recording.
//! - An invalid token is refused with code 7501.
//! - If the call ends before the recorder has joined, the callback is `StartRecordingFailed`.
//! - A callback about the recording state is also sent when the recording stops.

#![cfg_attr(docsrs, feature(doc_cfg))]

// From the ground up: each module imports only from modules above it in this list. `server` stands
// beside `delivery`.
mod error;
mod redact;
mod tasks;

mod faults;
mod media;

mod service;

mod activity;
mod auth;
mod storage;
mod wire;

mod delivery;
mod runtime;
mod server;

mod http;

mod emulator;

#[cfg(feature = "cli")]
pub mod cli;

/// Compiles the examples in the README as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use auth::keys::AccessKey;
pub use delivery::event_grid::new_subscription::NewSubscription;
pub use delivery::event_grid::subscription::EventSchema;
pub use emulator::builder::EmulatorBuilder;
pub use emulator::call::{Call, NewCall};
pub use emulator::handle::Emulator;
pub use emulator::incoming_call::IncomingCall;
pub use emulator::participant::Participant;
pub use emulator::script::Script;
pub use emulator::synthetic_recording::{StoredChunk, StoredRecording, SyntheticRecording};
pub use error::Error;
pub use faults::{ActiveFault, Fault, FaultHandle, Faults, Operation};
pub use service::clock::Clock;
pub use service::ids::seed_ids;
