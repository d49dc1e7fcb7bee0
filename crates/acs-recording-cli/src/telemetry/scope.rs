//! The name under which telemetry is sent.

use opentelemetry::InstrumentationScope;

pub(super) const NAME: &str = "acs-recording";

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(NAME)
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}
