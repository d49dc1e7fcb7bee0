//! The program against the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod calls;
mod content;
#[cfg(unix)]
mod crash;
mod emulator;
mod events;
mod help;
mod inspect;
#[cfg(unix)]
mod interrupts;
mod program;
mod recording;
mod refusals;
mod requests;
mod terminal;
mod texts;
mod tls;
