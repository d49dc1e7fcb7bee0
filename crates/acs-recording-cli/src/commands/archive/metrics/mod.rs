//! Metrics in the text format of Prometheus, and whether the worker is alive and ready.
//!
//! The recorder is our own: it holds about ten metrics, and the exporter of the facade's project would
//! bring seventeen packages, four of them in a second version.

mod registry;
mod server;

pub(super) use server::{Health, Server};
