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
//!   the call speaks. All other published operations answer 501.
//! - **Sound**: 16 kHz 16-bit PCM, of exactly the time during which the recording was active. Each
//!   participant speaks a test tone or the content of a WAV file, whether recorded or not: what
//!   is said during a pause is missing in the file.
//! - **Content**: media with ranges, metadata and delete on the addresses that the event tells,
//!   signed for the resource's host in `x-ms-host`.
//! - **Events**: `RecordingFileStatusUpdated` in the Event Grid schema to subscribed webhooks,
//!   with validation handshake and the published retry schedule.
//! - **Authentication**: every request needs a valid HMAC-SHA256 signature.
//!
//! Time is a [`Clock`] that tests can hold and move, so that no test has to sleep.
//!
//! # Where it differs from the service
//!
//! - It records WAV only. A start that asks for `mp3`, `mp4` or video is refused with 400 and code
//!   8562. One that leaves the media open gets mixed WAV, where the service makes mixed `mp4`.
//! - Callback events (`callbackUri`, `recordingStateCallbackUri`) are not sent; the addresses are
//!   only checked. Own storage (`externalStorage`) answers 501.
//! - Answering works with any `incomingCallContext`: each makes a call with one caller.
//! - Nobody is heard first: channels that are left over go to participants in the order in which
//!   they joined.
//! - A recording is one chunk, whatever its length. Its file is computed when it is first read.
//!
//! Some answers of the service are not known, and the emulator's are a choice: pausing twice and
//! resuming twice is accepted; a second recording of a call is refused with code 8559; a stopped
//! recording's event has the reason `SessionStillOngoing`, one whose call ended `CallEnded`; a
//! pause that lasts until the end is listed in the metadata; a recording without a single sample
//! leaves no file and sends no event; the application's hanging up ends the call unless two others
//! are in it; a muted participant is silent in the recording.

mod auth;
mod call;
mod calls;
mod clock;
mod delivery;
mod emulator;
mod error;
mod identifier;
mod ids;
mod media;
mod metadata;
mod participant;
mod recordings;
mod refusal;
mod routes;
mod start;
mod state;

pub use call::{Call, NewCall};
pub use clock::Clock;
pub use emulator::{Emulator, EmulatorBuilder};
pub use error::Error;
pub use participant::Participant;
