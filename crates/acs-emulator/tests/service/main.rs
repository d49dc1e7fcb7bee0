//! The emulator over real HTTP, tested with a client that shares no code with it.

#[cfg(test)]
mod access;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod admin_api;
#[cfg(test)]
mod admin_control;
#[cfg(test)]
mod authentication;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod client;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod content;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod event_queue;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod media;
#[cfg(test)]
mod options;
#[cfg(test)]
#[cfg(feature = "own-storage")]
mod own_storage;
#[cfg(test)]
mod running;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod start;
#[cfg(test)]
mod webhook;
