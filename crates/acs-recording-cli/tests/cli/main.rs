//! The program against the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod calls;
mod content;
#[cfg(unix)]
mod crash;
mod doctor;
mod emulator;
mod events;
mod help;
mod inspect;
#[cfg(unix)]
mod interrupts;
mod profiles;
mod program;
mod receiver;
#[cfg(unix)]
mod record;
mod recording;
mod rejections;
mod requests;
mod sending;
mod terminal;
mod texts;
mod tls;
mod watching;
