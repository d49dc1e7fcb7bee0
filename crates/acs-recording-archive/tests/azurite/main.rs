//! The queue and the archive against Azurite. `cargo xtask test` installs it; elsewhere these tests
//! are left out.

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod storage_queue;
#[cfg(test)]
mod store;
#[cfg(test)]
mod token;
