//! A worker sends traces and metrics to a collector of OpenTelemetry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::site::{Site, lines};

const DRAIN: [&str; 5] = ["drain", "--to", "archive", "--max-poll-interval", "100ms"];

/// What a collector received.
#[derive(Default)]
struct Received {
    services: Vec<String>,
    spans: Vec<Span>,
    metrics: BTreeMap<String, Metric>,
}

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Received>>);

impl Collector {
    /// Listens, and returns its endpoint.
    async fn start(&self) -> String {
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }
}

fn is_acceptable(headers: &HeaderMap) -> bool {
    headers["content-type"] == "application/x-protobuf" && headers["x-team"] == "calls"
}

async fn traces(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_acceptable(&headers) {
        return StatusCode::BAD_REQUEST;
    }
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut received = collector.0.lock().unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        received.services.push(text(&attributes, "service.name"));
        for scope in resource.scope_spans {
            received.spans.extend(scope.spans);
        }
    }
    StatusCode::OK
}

async fn metrics(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if !is_acceptable(&headers) {
        return StatusCode::BAD_REQUEST;
    }
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let mut received = collector.0.lock().unwrap();
    for resource in request.resource_metrics {
        for scope in resource.scope_metrics {
            for metric in scope.metrics {
                received.metrics.insert(metric.name.clone(), metric);
            }
        }
    }
    StatusCode::OK
}

/// An attribute that is a text.
fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.as_ref()?.value.clone());
    match value {
        Some(AnyValue::StringValue(text)) => text,
        other => panic!("{key}: {other:?} in {attributes:?}"),
    }
}

/// The number of a counter whose only label has this value, or that has none.
fn counted(metric: &Metric, label: Option<&str>) -> i64 {
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}");
    };
    let mut points = sum.data_points.iter();
    let point = points.find(|point| match label {
        Some(label) => text(&point.attributes, "outcome") == label,
        None => point.attributes.is_empty(),
    });
    match point.unwrap().value {
        Some(number_data_point::Value::AsInt(number)) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_receives_a_span_for_each_message_and_all_metrics() {
    let Some(site) = Site::new("cli-otel").await else {
        return;
    };
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let stored = site.record(5000).await;
    site.queue.send("not an event").await.unwrap();
    let mut command = site.command(&DRAIN);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=calls");
    command.env("OTEL_SERVICE_NAME", "call-archive");
    let run = site.program.check(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(lines(&run).last().unwrap()["archived"], 1, "{run:?}");
    assert!(!run.err.contains("telemetry"), "{run:?}");

    let received = collector.0.lock().unwrap();
    assert_eq!(received.services[0], "call-archive");
    let messages: Vec<_> = received
        .spans
        .iter()
        .filter(|span| span.name == "archive")
        .collect();
    assert_eq!(messages.len(), 2, "{:?}", received.spans);
    let outcome = |span: &&&Span, outcome: &str| text(&span.attributes, "outcome") == outcome;
    let archived = messages.iter().find(|span| outcome(span, "archived"));
    let archived = archived.unwrap();
    assert_eq!(
        text(&archived.attributes, "recording"),
        stored.recording_id()
    );
    // A failure shows as an error.
    let poisoned = messages.iter().find(|span| outcome(span, "poisoned"));
    assert_eq!(poisoned.unwrap().status.as_ref().unwrap().code, 2);
    // Requests to the service are parts of the message's span.
    let is_part = |span: &&Span| span.trace_id == archived.trace_id && span.name == "GET";
    assert!(received.spans.iter().any(|span| is_part(&span)));

    let metrics = &received.metrics;
    let messages = &metrics["acs_archive_messages_total"];
    assert_eq!(counted(messages, Some("archived")), 1);
    assert_eq!(counted(messages, Some("poisoned")), 1);
    assert_eq!(messages.description, "Messages by what became of them");
    let bytes = &metrics["acs_archive_bytes_total"];
    assert_eq!((counted(bytes, None), bytes.unit.as_str()), (5000, "By"));
    let transfer = &metrics["acs_archive_transfer_seconds"];
    let Some(Data::Histogram(histogram)) = &transfer.data else {
        panic!("{transfer:?}");
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, transfer.unit.as_str()), (1, "s"));
    assert_eq!(point.explicit_bounds.last(), Some(&172_800.0));
    assert!(metrics.contains_key("acs_archive_in_flight"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_cannot_be_reached_is_one_warning_and_harms_nothing() {
    let Some(site) = Site::new("cli-otel-absent").await else {
        return;
    };
    site.record(5000).await;
    let mut command = site.command(&DRAIN);
    // Nobody listens on this port.
    command.env(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://127.0.0.1:1/v1/traces?key=topsecret",
    );
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000");
    let run = site.program.check(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(lines(&run).last().unwrap()["archived"], 1, "{run:?}");
    let warnings = run.err.lines().filter(|line| line.contains("telemetry"));
    assert_eq!(warnings.count(), 1, "{run:?}");
    assert!(!run.err.contains("topsecret"), "{run:?}");
}

#[test]
fn a_protocol_that_is_not_supported_is_a_mistake_of_usage() {
    let program = crate::program::Program::with_connection_string("endpoint=https://x.example");
    let queue = "https://a.queue.core.windows.net/recordings?sig=s";
    let run = ["archive", "run", "--queue", queue, "--to", "a"];
    let mut command = program.command(&run);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let failure = program.check(command.output().unwrap()).failure(2);
    assert!(failure.contains("http/protobuf"), "{failure}");
}
