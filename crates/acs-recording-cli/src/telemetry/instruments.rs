//! Passes metrics on to OpenTelemetry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use opentelemetry::metrics::Meter;
use opentelemetry::{KeyValue, global};

use super::scope::scope;

/// A recorder in front of another: metrics go to both, those here to OpenTelemetry.
pub(crate) struct Instruments<R> {
    inner: R,
    meter: Meter,
    /// Upper bounds of the buckets of histograms.
    buckets: Vec<f64>,
    descriptions: Mutex<HashMap<String, Description>>,
}

#[derive(Clone, Debug, Default)]
struct Description {
    text: String,
    unit: &'static str,
}

impl<R> Instruments<R> {
    pub(crate) fn new(inner: R, buckets: &[f64]) -> Self {
        Self::with_meter(inner, buckets, global::meter_with_scope(scope()))
    }

    fn with_meter(inner: R, buckets: &[f64], meter: Meter) -> Self {
        Self {
            inner,
            meter,
            buckets: buckets.to_vec(),
            descriptions: Mutex::default(),
        }
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, text: &SharedString) {
        let description = Description {
            text: text.to_string(),
            // As UCUM writes them.
            unit: match unit {
                Some(Unit::Bytes) => "By",
                Some(Unit::Percent) => "%",
                Some(Unit::Seconds) => "s",
                Some(Unit::Milliseconds) => "ms",
                _ => "",
            },
        };
        let mut descriptions = self.descriptions();
        descriptions.insert(name.as_str().to_owned(), description);
    }

    fn description(&self, key: &Key) -> Description {
        self.descriptions()
            .get(key.name())
            .cloned()
            .unwrap_or_default()
    }

    fn descriptions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Description>> {
        self.descriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn attributes(key: &Key) -> Vec<KeyValue> {
    let labels = key.labels();
    labels
        .map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned()))
        .collect()
}

impl<R: Recorder> Recorder for Instruments<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
        self.inner.describe_counter(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
        self.inner.describe_gauge(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
        self.inner.describe_histogram(name, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let Description { text, unit } = self.description(key);
        let counter = self.meter.u64_counter(key.name().to_owned());
        Counter::from_arc(Arc::new(CounterInstrument {
            inner: self.inner.register_counter(key, metadata),
            counter: counter.with_description(text).with_unit(unit).build(),
            attributes: attributes(key),
            total: AtomicU64::new(0),
        }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let Description { text, unit } = self.description(key);
        let gauge = self.meter.f64_gauge(key.name().to_owned());
        Gauge::from_arc(Arc::new(GaugeInstrument {
            inner: self.inner.register_gauge(key, metadata),
            gauge: gauge.with_description(text).with_unit(unit).build(),
            attributes: attributes(key),
            value: AtomicU64::new(0),
        }))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let Description { text, unit } = self.description(key);
        let histogram = self.meter.f64_histogram(key.name().to_owned());
        Histogram::from_arc(Arc::new(HistogramInstrument {
            inner: self.inner.register_histogram(key, metadata),
            histogram: histogram
                .with_description(text)
                .with_unit(unit)
                .with_boundaries(self.buckets.clone())
                .build(),
            attributes: attributes(key),
        }))
    }
}

struct CounterInstrument {
    inner: Counter,
    counter: opentelemetry::metrics::Counter<u64>,
    attributes: Vec<KeyValue>,
    total: AtomicU64,
}

impl CounterFn for CounterInstrument {
    fn increment(&self, value: u64) {
        self.inner.increment(value);
        self.total.fetch_add(value, Ordering::Relaxed);
        self.counter.add(value, &self.attributes);
    }

    fn absolute(&self, value: u64) {
        self.inner.absolute(value);
        let before = self.total.fetch_max(value, Ordering::Relaxed);
        self.counter
            .add(value.saturating_sub(before), &self.attributes);
    }
}

struct GaugeInstrument {
    inner: Gauge,
    gauge: opentelemetry::metrics::Gauge<f64>,
    attributes: Vec<KeyValue>,
    /// The bits of a floating-point number.
    value: AtomicU64,
}

impl GaugeInstrument {
    fn record(&self) {
        let value = f64::from_bits(self.value.load(Ordering::Relaxed));
        self.gauge.record(value, &self.attributes);
    }
}

impl GaugeFn for GaugeInstrument {
    fn increment(&self, value: f64) {
        self.inner.increment(value);
        GaugeFn::increment(&self.value, value);
        self.record();
    }

    fn decrement(&self, value: f64) {
        self.inner.decrement(value);
        GaugeFn::decrement(&self.value, value);
        self.record();
    }

    fn set(&self, value: f64) {
        self.inner.set(value);
        GaugeFn::set(&self.value, value);
        self.record();
    }
}

struct HistogramInstrument {
    inner: Histogram,
    histogram: opentelemetry::metrics::Histogram<f64>,
    attributes: Vec<KeyValue>,
}

impl HistogramFn for HistogramInstrument {
    fn record(&self, value: f64) {
        self.inner.record(value);
        self.histogram.record(value, &self.attributes);
    }
}
