//! What a worker tells: metrics, and spans without secrets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_emulator::SyntheticRecording;
use acs_recording_archive::{InMemoryQueue, Worker};
use common::Service;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use object_store::memory::InMemory;
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

/// Metrics by their names and labels.
#[derive(Clone, Default)]
struct Recorded {
    values: Arc<Mutex<BTreeMap<String, f64>>>,
    described: Arc<Mutex<Vec<String>>>,
}

struct Metric {
    name: String,
    recorded: Recorded,
}

impl Recorded {
    fn metric(&self, key: &Key) -> Arc<Metric> {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            name.push(' ');
            name.push_str(label.value());
        }
        Arc::new(Metric {
            name,
            recorded: self.clone(),
        })
    }

    fn describe(&self, name: &KeyName) {
        self.described
            .lock()
            .unwrap()
            .push(name.as_str().to_owned());
    }
}

impl Metric {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.recorded.values.lock().unwrap();
        let value = values.entry(self.name.clone()).or_default();
        *value = change(*value);
    }
}

#[allow(clippy::cast_precision_loss, reason = "the numbers are small")]
impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.change(|before| before + value as f64);
    }
    fn absolute(&self, value: u64) {
        self.change(|_| value as f64);
    }
}

impl GaugeFn for Metric {
    fn increment(&self, value: f64) {
        self.change(|before| before + value);
    }
    fn decrement(&self, value: f64) {
        self.change(|before| before - value);
    }
    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, _: f64) {
        self.change(|before| before + 1.0);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// On one thread, so that recorder and subscriber are those of this test.
#[tokio::test]
async fn metrics_and_spans_tell_what_happened_and_no_secret() {
    let recorded = Recorded::default();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(subscriber);

    let service = Service::start().await;
    let queue = InMemoryQueue::new();
    let mut announced = service.record(SyntheticRecording::new(5000).chunk(1000));
    announced.event["data"]["recordingStartTime"] = json!("2020-01-01T00:00:00Z");
    announced.event["data"]["recordingDurationMs"] = json!(1000);
    let location = announced.chunk(0)["contentLocation"].as_str().unwrap();
    announced.chunk(0)["contentLocation"] = json!(format!("{location}?sig=s3cret"));
    queue.send(announced.body());
    queue.send(announced.body());
    queue.send("s3cret");
    let archive = service.archive(Arc::new(InMemory::new())).build().unwrap();
    let summary = Worker::new(archive, queue)
        .concurrency(1)
        .poll_interval(Duration::from_millis(1), Duration::from_millis(5))
        .drain()
        .await
        .unwrap();
    assert_eq!(summary.messages(), 3);

    let values = recorded.values.lock().unwrap();
    for (name, value) in [
        ("acs_archive_messages_total archived", 1.0),
        ("acs_archive_messages_total already", 1.0),
        ("acs_archive_messages_total poisoned", 1.0),
        ("acs_archive_poison_total invalid-event", 1.0),
        ("acs_archive_chunks_total", 2.0),
        ("acs_archive_bytes_total", 6000.0),
        ("acs_archive_transfer_seconds", 2.0),
        ("acs_archive_age_at_archive_seconds", 1.0),
        ("acs_archive_in_flight", 0.0),
    ] {
        assert_eq!(values.get(name), Some(&value), "{name}: {values:?}");
    }
    assert!(values["acs_archive_expires_in_seconds"] < 0.0);
    assert!(values.contains_key("acs_archive_queue_messages"));
    let described = recorded.described.lock().unwrap();
    // The client has metrics of its own, which it describes itself.
    let own = values
        .keys()
        .filter(|name| name.starts_with("acs_archive_"));
    for name in own {
        let name = name.split(' ').next().unwrap().to_owned();
        assert!(described.contains(&name), "{name}");
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!log.contains("s3cret"), "{log}");
    let recording = announced.stored.recording_id();
    let span = format!("recording=\"{recording}\" call=\"c-1\" attempt=1");
    assert!(log.contains(&span), "{log}");
    assert!(log.contains("outcome=\"poisoned\"}"), "{log}");
}
