//! The emulator over real HTTP, seen by a client that shares no code with it.

#[cfg(test)]
mod authentication;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod client;
#[cfg(test)]
mod content;
#[cfg(test)]
mod events;
#[cfg(test)]
mod running;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod start;
#[cfg(test)]
mod webhook;
