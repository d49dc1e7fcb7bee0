//! Metrics in the text format of Prometheus, and whether the worker is alive and ready.
//!
//! The recorder is our own: it holds about ten metrics, and the exporter of the facade's project would
//! bring seventeen packages, four of them in a second version.

mod registry;
mod server;

pub(super) use registry::Registry;
pub(super) use server::{Health, Server};

use crate::failure::Failure;

/// Records what is measured from now on, and passes it on to OpenTelemetry.
#[cfg(feature = "opentelemetry")]
pub(super) fn install(registry: Registry) -> Result<(), Failure> {
    use crate::telemetry::Instruments;

    let instruments = Instruments::new(registry, &registry::BUCKETS);
    metrics::set_global_recorder(instruments).map_err(|error| Failure::other(&error))
}

/// Records what is measured from now on.
#[cfg(not(feature = "opentelemetry"))]
pub(super) fn install(registry: Registry) -> Result<(), Failure> {
    metrics::set_global_recorder(registry).map_err(|error| Failure::other(&error))
}
