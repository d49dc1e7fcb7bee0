//! Sends traces and metrics to a collector of OpenTelemetry, by OTLP over HTTP.
//!
//! The standard variables configure it, and nothing is sent unless one of them names an endpoint.

mod client;
mod instruments;
mod scope;
mod variables;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer as _;

pub(crate) use instruments::Instruments;

use self::client::Client;
use self::scope::{NAME, scope};
use self::variables::{Signal, Variables};
use crate::failure::Failure;
use crate::log::SpanLayer;
use crate::options::Global;

/// How long the program waits at its end for what is not yet sent.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// What is sent to a collector.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    /// Sends the requests. It is not the runtime of the command, which may have ended.
    runtime: Runtime,
}

impl Telemetry {
    /// Begins to collect what the environment asks for.
    pub(crate) fn start(global: &Global) -> Result<Option<Self>, Failure> {
        let variables = Variables::read();
        let (traces, metrics) = (
            variables.is_sent(Signal::Traces)?,
            variables.is_sent(Signal::Metrics)?,
        );
        if !traces && !metrics {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(Failure::from)?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_attribute(version);
        let resource = if variables.has_service_name() {
            resource
        } else {
            resource.with_service_name(NAME)
        };
        let resource = resource.build();
        let client = |signal| Client::new(&variables, signal, global, runtime.handle());
        let traces = traces
            .then(|| {
                let exporter = SpanExporter::builder()
                    .with_http()
                    .with_http_client(client(Signal::Traces)?)
                    .build()
                    .map_err(|error| invalid(&error))?;
                let provider = SdkTracerProvider::builder().with_resource(resource.clone());
                Ok::<_, Failure>(provider.with_batch_exporter(exporter).build())
            })
            .transpose()?;
        let metrics = metrics
            .then(|| {
                let exporter = MetricExporter::builder()
                    .with_http()
                    .with_http_client(client(Signal::Metrics)?)
                    .build()
                    .map_err(|error| invalid(&error))?;
                let provider = SdkMeterProvider::builder().with_resource(resource.clone());
                Ok::<_, Failure>(provider.with_periodic_exporter(exporter).build())
            })
            .transpose()?;
        if let Some(provider) = &metrics {
            opentelemetry::global::set_meter_provider(provider.clone());
        }
        Ok(Some(Self {
            traces,
            metrics,
            runtime,
        }))
    }

    /// Collects the spans of the libraries.
    pub(crate) fn span_layer(&self) -> Option<SpanLayer> {
        let tracer = self.traces.as_ref()?.tracer_with_scope(scope());
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false);
        // Also acs_recording_archive.
        let ours = Targets::new().with_target("acs_recording", LevelFilter::INFO);
        Some(Box::new(layer.with_filter(ours)))
    }

    /// Sends what is left, as far as there is time. `at_once` leaves it, because the process ends.
    pub(crate) fn finish(self, at_once: bool) {
        if at_once {
            // Dropping it would wait.
            std::mem::forget(self);
            return;
        }
        let (sent, all_sent) = std::sync::mpsc::channel();
        let Self {
            traces,
            metrics,
            runtime,
        } = self;
        std::thread::spawn(move || {
            if let Some(provider) = traces {
                let _ = provider.shutdown_with_timeout(LAST_EXPORT);
            }
            if let Some(provider) = metrics {
                let _ = provider.shutdown();
            }
            let _ = sent.send(());
        });
        let _ = all_sent.recv_timeout(LAST_EXPORT);
        runtime.shutdown_background();
    }
}

fn invalid(error: &ExporterBuildError) -> Failure {
    Failure::usage(format!("OpenTelemetry: {error}")).hint("see the variables OTEL_EXPORTER_OTLP_…")
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("traces", &self.traces.is_some())
            .field("metrics", &self.metrics.is_some())
            .finish_non_exhaustive()
    }
}
