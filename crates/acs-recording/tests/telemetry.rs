//! Logs, spans, metrics and trace contexts of requests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

use acs_recording::telemetry::TraceContext;
use acs_recording::{NeverRetry, RecordingId, ServerCallId};
use common::{KEY, Server, TestResponse, respond, state};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_contain_every_attempt_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let busy = respond("503 Service Unavailable", &[], "");
    let responses = [
        busy,
        state("inactive"),
        state("active"),
        respond("200 OK", &[], "x"),
        TestResponse::Close,
    ];
    let server = Server::start(responses).await;
    let client = server.client().build().unwrap();
    let callback = "https://app.example/state?secret=callback-secret";
    let start = client
        .start(ServerCallId::new("aHR0cHM6Ly9h").unwrap())
        .state_callback(callback)
        .unwrap();
    let answer_call = client.calls().answer("context-secret", callback).unwrap();
    tracing::info!(?client, ?start, ?answer_call);
    let recording = start.await.unwrap();
    client
        .recording(RecordingId::new("rid").unwrap())
        .state()
        .await
        .unwrap();
    let location = format!("{}/v1/objects/o?sig=url-secret", server.url)
        .parse()
        .unwrap();
    client.download(&location).into_bytes().await.unwrap();
    recording
        .state()
        .retry_policy(NeverRetry)
        .await
        .unwrap_err();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "start recording",
        "get recording state",
        "status=503",
        "status=200",
        "retrying the request",
        "no response",
        "acs.client_request_id=",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    for secret in [
        KEY,
        "0123456789abcdef",
        "Signature=",
        "callback-secret",
        "context-secret",
        "url-secret",
    ] {
        assert!(!text.contains(secret), "{secret:?} in\n{text}");
    }
}

/// Spans with their fields, in the order of their creation.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<RecordedSpan>>>);

#[derive(Clone, Debug)]
struct RecordedSpan {
    id: u64,
    parent: Option<u64>,
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        self.0.lock().unwrap().push(RecordedSpan {
            id: id.into_u64(),
            parent: span.parent().map(|parent| parent.id().into_u64()),
            name: span.name(),
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _context: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        let span = spans.iter_mut().rev().find(|span| span.id == id.into_u64());
        values.record(&mut Fields(&mut span.unwrap().fields));
    }
}

impl Spans {
    fn named(&self, name: &str) -> Vec<RecordedSpan> {
        let spans = self.0.lock().unwrap();
        spans.iter().filter(|s| s.name == name).cloned().collect()
    }
}

impl RecordedSpan {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

#[tokio::test]
async fn an_operation_has_a_span_with_a_child_span_per_attempt() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let responses = [
        respond("503 Service Unavailable", &[], ""),
        state("active"),
        respond("404 Not Found", &[], r#"{"error":{"code":"8522"}}"#),
        TestResponse::Close,
    ];
    let server = Server::start(responses).await;
    let client = server.client().build().unwrap();
    let recording = client.recording(RecordingId::new("rid=").unwrap());
    recording
        .state()
        .client_request_id("order-7")
        .await
        .unwrap();
    recording.stop().await.unwrap_err();
    let paused = recording.pause().retry_policy(NeverRetry).await;
    paused.unwrap_err();

    let operations = spans.named("acs.operation");
    let [state, stop, pause] = operations.as_slice() else {
        panic!("{operations:?}");
    };
    for (span, expected) in [
        (
            state,
            [
                ("otel.name", Some("get recording state")),
                ("acs.operation", Some("get recording state")),
                ("acs.recording_id", Some("rid=")),
                ("acs.client_request_id", Some("order-7")),
                ("acs.attempts", Some("2")),
                ("http.response.status_code", Some("200")),
                ("error.type", None),
                ("otel.status_code", None),
            ],
        ),
        (
            stop,
            [
                ("otel.name", Some("stop recording")),
                ("acs.operation", Some("stop recording")),
                ("acs.recording_id", Some("rid=")),
                ("acs.client_request_id", stop.field("acs.client_request_id")),
                ("acs.attempts", Some("1")),
                ("http.response.status_code", Some("404")),
                ("error.type", Some("404")),
                ("otel.status_code", Some("ERROR")),
            ],
        ),
        (
            pause,
            [
                ("otel.name", Some("pause recording")),
                ("acs.operation", Some("pause recording")),
                ("acs.recording_id", Some("rid=")),
                (
                    "acs.client_request_id",
                    pause.field("acs.client_request_id"),
                ),
                ("acs.attempts", Some("1")),
                ("http.response.status_code", None),
                ("error.type", Some("connection")),
                ("otel.status_code", Some("ERROR")),
            ],
        ),
    ] {
        for (name, value) in expected {
            assert_eq!(span.field(name), value, "{name} of {span:?}");
        }
    }

    check_attempts(&spans, &server, [state.id, state.id, stop.id, pause.id]);
}

fn check_attempts(spans: &Spans, server: &Server, operations: [u64; 4]) {
    let attempts = spans.named("acs.attempt");
    let parents: Vec<_> = attempts.iter().map(|span| span.parent.unwrap()).collect();
    assert_eq!(parents, operations);
    let port = server.url.rsplit_once(':').unwrap().1;
    for (span, method, template, status, resend_count) in [
        (
            &attempts[0],
            "GET",
            "/calling/recordings/{recordingId}",
            "503",
            None,
        ),
        (
            &attempts[1],
            "GET",
            "/calling/recordings/{recordingId}",
            "200",
            Some("1"),
        ),
        (
            &attempts[2],
            "DELETE",
            "/calling/recordings/{recordingId}",
            "404",
            None,
        ),
    ] {
        assert_eq!(span.field("otel.kind"), Some("client"));
        assert_eq!(span.field("http.request.method"), Some(method));
        assert_eq!(span.field("url.template"), Some(template));
        assert_eq!(span.field("server.address"), Some("127.0.0.1"));
        assert_eq!(span.field("server.port"), Some(port));
        assert_eq!(span.field("http.response.status_code"), Some(status));
        assert_eq!(span.field("http.request.resend_count"), resend_count);
    }
    assert_eq!(attempts[0].field("error.type"), Some("503"));
    assert_eq!(attempts[1].field("error.type"), None);
    assert_eq!(attempts[3].field("error.type"), Some("connection"));
}

#[tokio::test]
async fn each_attempt_sends_the_trace_context_of_its_span() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736";
    let subscriber = tracing_subscriber::registry();
    let _guard = tracing::subscriber::set_default(subscriber);
    let responses = [respond("503 Service Unavailable", &[], ""), state("active")];
    let server = Server::start(responses).await;
    let client = server
        .client()
        .trace_context(|| {
            let span = tracing::Span::current();
            assert_eq!(span.metadata().unwrap().name(), "acs.attempt");
            let id = span.id().unwrap().into_u64();
            let context = TraceContext::new(&format!("{TRACE}-{id:016x}-01")).unwrap();
            Some(context.tracestate("vendor=1").unwrap())
        })
        .build()
        .unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    recording.state().await.unwrap();
    let parents: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            assert!(
                request.contains("\r\ntracestate: vendor=1\r\n"),
                "{request}"
            );
            let (_, rest) = request.split_once("\r\ntraceparent: ").unwrap();
            rest.lines().next().unwrap().to_owned()
        })
        .collect();
    assert!(parents.iter().all(|parent| parent.starts_with(TRACE)));
    assert_ne!(parents[0], parents[1]);
}

#[cfg(feature = "metrics")]
mod metered {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use acs_recording::{NeverRetry, RecordingId, telemetry};
    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
        Recorder, SharedString, Unit,
    };

    use tokio::io::AsyncReadExt as _;

    use super::common::{Server, TestResponse, respond, state};

    /// Sums of counters and gauges, and the number of values in histograms.
    #[derive(Clone, Default)]
    struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

    struct Sum {
        sums: Sums,
        key: String,
    }

    impl Sum {
        fn add(&self, value: f64) {
            *self
                .sums
                .0
                .lock()
                .unwrap()
                .entry(self.key.clone())
                .or_default() += value;
        }
    }

    impl CounterFn for Sum {
        fn increment(&self, value: u64) {
            self.add(f64::from(u32::try_from(value).unwrap()));
        }
        fn absolute(&self, _value: u64) {
            panic!("counters are only incremented");
        }
    }

    impl GaugeFn for Sum {
        fn increment(&self, value: f64) {
            self.add(value);
        }
        fn decrement(&self, value: f64) {
            self.add(-value);
        }
        fn set(&self, _value: f64) {
            panic!("gauges are only changed");
        }
    }

    impl HistogramFn for Sum {
        fn record(&self, value: f64) {
            assert!((0.0..60.0).contains(&value), "seconds: {value}");
            self.add(1.0);
        }
    }

    impl Sums {
        fn sum(&self, key: &Key) -> Arc<Sum> {
            let labels: Vec<_> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let key = format!("{} {}", key.name(), labels.join(" "));
            let sums = self.clone();
            Arc::new(Sum { sums, key })
        }

        fn get(&self, key: &str) -> Option<f64> {
            self.0.lock().unwrap().get(key).copied()
        }
    }

    impl Recorder for Sums {
        fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.0
                .lock()
                .unwrap()
                .insert(format!("described {}", key.as_str()), 1.0);
        }
        fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
            self.describe_counter(key, unit, text);
        }
        fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
            self.describe_counter(key, unit, text);
        }
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.sum(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.sum(key))
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.sum(key))
        }
    }

    #[tokio::test]
    async fn downloads_are_counted() {
        let sums = Sums::default();
        let _guard = metrics::set_default_local_recorder(&sums);
        let content = || respond("200 OK", &[("content-length", "7")], "content");
        let server = Server::start([content(), content()]).await;
        let client = server.client().build().unwrap();
        let location = format!("{}/v1/objects/o/content/audiowav", server.url);
        let download = client.download(&location.parse().unwrap());
        let active = format!("{} ", telemetry::ACTIVE_DOWNLOADS);
        let mut stream = download.clone().stream().await.unwrap();
        assert_eq!(sums.get(&active), Some(1.0));
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        drop(stream);
        assert_eq!(sums.get(&active), Some(0.0));
        let folder = tempfile::tempdir().unwrap();
        download.to_file(folder.path().join("a")).await.unwrap();
        assert_eq!(sums.get(&active), Some(0.0));
        for (name, expected) in [
            (telemetry::DOWNLOADED_BYTES, 14.0),
            (telemetry::CONNECTION_WAIT, 1.0),
        ] {
            assert_eq!(sums.get(&format!("{name} ")), Some(expected), "{name}");
        }
    }

    #[tokio::test]
    async fn attempts_and_retries_are_counted() {
        let sums = Sums::default();
        let _guard = metrics::set_default_local_recorder(&sums);
        telemetry::describe_metrics();
        for name in [
            telemetry::REQUESTS,
            telemetry::ACTIVE_DOWNLOADS,
            telemetry::EVENT_DURATION,
        ] {
            assert_eq!(sums.get(&format!("described {name}")), Some(1.0), "{name}");
        }

        let busy = || respond("503 Service Unavailable", &[], "");
        let server = Server::start([busy(), busy(), state("active"), TestResponse::Close]).await;
        let client = server.client().build().unwrap();
        let recording = client.recording(RecordingId::new("rid").unwrap());
        recording.state().await.unwrap();
        recording
            .state()
            .retry_policy(NeverRetry)
            .await
            .unwrap_err();

        let get = "http.request.method=GET url.template=/calling/recordings/{recordingId}";
        for (key, expected) in [
            (format!("acs.client.retries {get}"), 2.0),
            (
                format!("acs.client.requests {get} http.response.status_code=503 error.type=503"),
                2.0,
            ),
            (
                format!("acs.client.requests {get} http.response.status_code=200"),
                1.0,
            ),
            (
                format!("acs.client.requests {get} error.type=connection"),
                1.0,
            ),
            (
                format!("http.client.request.duration {get} http.response.status_code=200"),
                1.0,
            ),
        ] {
            assert_eq!(
                sums.get(&key),
                Some(expected),
                "{key}: {:?}",
                sums.0.lock().unwrap()
            );
        }
    }

    #[cfg(feature = "webhook")]
    mod events {
        use std::sync::atomic::{AtomicBool, Ordering};

        use acs_recording::spool::Spool;
        use acs_recording::webhook::{Authenticator, HandlerError, Webhook};
        use acs_recording::{Error, ErrorKind, Event, Events};

        use super::{Sums, telemetry};

        fn event(id: &str) -> String {
            format!(
                r#"{{"id": "{id}", "topic": "/t", "eventType": "Microsoft.Communication.CallEnded",
                    "data": {{}}}}"#
            )
        }

        fn assert_counts(sums: &Sums, operation: &str, expected: &[(&str, f64)]) {
            for (labels, count) in expected {
                let labels = format!(
                    "messaging.system=eventgrid messaging.operation.name={operation} {labels}"
                );
                for metric in [telemetry::EVENTS, telemetry::EVENT_DURATION] {
                    let found = sums.get(&format!("{metric} {labels}"));
                    assert_eq!(found, Some(*count), "{metric} {labels}: {:?}", sums.0);
                }
            }
        }

        #[tokio::test]
        async fn received_events_are_counted_by_outcome() {
            let sums = Sums::default();
            let _guard = metrics::set_default_local_recorder(&sums);
            let webhook = Webhook::builder(Authenticator::allow_unauthenticated()).build(
                async |event: Event| match event.id.as_str() {
                    "later" => Err(Error::new(ErrorKind::Connection, "no network").into()),
                    "useless" => Err(HandlerError::permanent("no use")),
                    "expired" => Err(Error::new(ErrorKind::ExpiredContent, "it is gone").into()),
                    _ => Ok(()),
                },
            );
            let unknown = r#"{"id": "u", "type": "Contoso.Invented"}"#;
            let batch = [
                event("a"),
                event("later"),
                event("a"),
                event("useless"),
                event("expired"),
                unknown.to_owned(),
                "{}".to_owned(),
            ];
            let request = http::Request::post("/events")
                .header("content-type", "application/json")
                .body(format!("[{}]", batch.join(",")).into())
                .unwrap();
            assert_eq!(webhook.respond(request).await.status(), 503);
            let ended = |labels| {
                format!(
                    "acs.event.type=Microsoft.Communication.CallEnded acs.event.outcome={labels}"
                )
            };
            for (labels, count) in [
                (ended("handled"), 1.0),
                (ended("duplicate"), 1.0),
                (ended("deferred error.type=connection"), 1.0),
                (ended("rejected error.type=_OTHER"), 1.0),
                (ended("noted error.type=expired-content"), 1.0),
                // A sender cannot invent label values.
                (
                    "acs.event.type=unknown acs.event.outcome=handled".into(),
                    1.0,
                ),
                (
                    "acs.event.type=unknown acs.event.outcome=invalid".into(),
                    1.0,
                ),
            ] {
                assert_counts(&sums, "receive", &[(&labels, count)]);
            }
        }

        #[tokio::test(start_paused = true)]
        async fn the_events_of_a_spool_are_counted() {
            // Events are written by other threads, which a local recorder does not observe.
            let sums = Sums::default();
            metrics::set_global_recorder(sums.clone()).unwrap();
            let pending = || sums.get(&format!("{} ", telemetry::SPOOL_EVENTS));
            let folder = tempfile::tempdir().unwrap();
            let spool = Spool::open(folder.path()).await.unwrap();
            for id in ["a", "a", "b"] {
                let body = event(id);
                let event = Events::parse(body.as_bytes()).next().unwrap().unwrap();
                spool.put(&event).await.unwrap();
            }
            assert_eq!(pending(), Some(2.0));
            drop(spool);
            assert_eq!(pending(), Some(0.0));

            let spool = Spool::open(folder.path()).await.unwrap();
            assert_eq!(pending(), Some(2.0));
            let has_failed = AtomicBool::new(false);
            let worker = spool.process(move |event: Event| {
                let fails = event.id == "b" && !has_failed.swap(true, Ordering::Relaxed);
                std::future::ready(if fails {
                    Err(HandlerError::retry("no"))
                } else {
                    Ok(())
                })
            });
            worker.run_until(spool.drained()).await;
            assert_eq!(pending(), Some(0.0));
            let ended = "acs.event.type=Microsoft.Communication.CallEnded acs.event.outcome=";
            let handled = format!("{ended}handled");
            let deferred = format!("{ended}deferred error.type=_OTHER");
            assert_counts(&sums, "process", &[(&handled, 2.0), (&deferred, 1.0)]);
        }
    }
}
