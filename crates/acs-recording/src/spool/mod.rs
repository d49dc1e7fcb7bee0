//! A durable queue of events, which are on disk before they are acknowledged, and are handled after
//! that. Needs the feature `webhook`.

mod download;
mod queue;
mod schedule;
mod store;
#[cfg(test)]
mod tests;
mod worker;

pub use download::DownloadHandler;
pub use queue::Spool;
pub use worker::{Outcome, SpoolWorker};
