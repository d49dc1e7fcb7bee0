//! The queue and the archive against Azurite. `cargo xtask test` installs it; elsewhere these tests
//! are left out.

#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod storage_queue;
