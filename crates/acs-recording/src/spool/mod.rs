//! A durable queue of events: they are on disk before they are acknowledged, and are handled after that.

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
