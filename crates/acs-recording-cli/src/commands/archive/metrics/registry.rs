//! Keeps metrics, and writes them in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, GaugeFn as _, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Upper bounds of the buckets in seconds, from a transfer of a few kilobytes to the age of content
/// that the service drops after 24 or 48 hours.
pub(super) const BUCKETS: [f64; 16] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0,
    57_600.0, 86_400.0, 172_800.0,
];

/// All metrics of the process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<BTreeMap<String, Family>>>);

/// A metric with all combinations of its labels.
#[derive(Debug, Default)]
struct Family {
    kind: &'static str,
    help: String,
    /// By their labels as they are written.
    series: BTreeMap<String, Series>,
}

#[derive(Clone, Debug)]
enum Series {
    Counter(Arc<AtomicU64>),
    /// The bits of a floating-point number.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

#[derive(Debug, Default)]
struct Buckets {
    /// Each bucket by itself; the last has what is above all bounds.
    counts: [AtomicU64; BUCKETS.len() + 1],
    /// The bits of a floating-point number.
    sum: AtomicU64,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = BUCKETS.iter().position(|bound| value <= *bound);
        let bucket = bucket.unwrap_or(BUCKETS.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.increment(value);
    }
}

impl Registry {
    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, kind: &'static str, help: &SharedString) {
        let mut families = self.families();
        let family = families.entry(name.as_str().to_owned()).or_default();
        family.kind = kind;
        family.help = help.to_string();
    }

    fn series(&self, key: &Key, kind: &'static str, new: impl FnOnce() -> Series) -> Series {
        let mut families = self.families();
        let family = families.entry(key.name().to_owned()).or_default();
        family.kind = kind;
        let labels = key.labels();
        let labels: Vec<_> = labels
            .map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())))
            .collect();
        let series = family.series.entry(labels.join(","));
        series.or_insert_with(new).clone()
    }

    /// All metrics in the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in &*self.families() {
            if family.series.is_empty() {
                continue;
            }
            let help = family.help.replace('\\', r"\\").replace('\n', r"\n");
            let _ = writeln!(text, "# HELP {name} {help}");
            let _ = writeln!(text, "# TYPE {name} {}", family.kind);
            for (labels, series) in &family.series {
                series.render(&mut text, name, labels);
            }
        }
        text
    }
}

impl Series {
    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let braced = match labels {
            "" => String::new(),
            _ => format!("{{{labels}}}"),
        };
        match self {
            Self::Counter(value) => {
                let _ = writeln!(text, "{name}{braced} {}", value.load(Ordering::Relaxed));
            }
            Self::Gauge(bits) => {
                let _ = writeln!(text, "{name}{braced} {}", number(bits));
            }
            Self::Histogram(buckets) => {
                let link = if labels.is_empty() { "" } else { "," };
                let mut total = 0;
                for (index, count) in buckets.counts.iter().enumerate() {
                    total += count.load(Ordering::Relaxed);
                    let bound = BUCKETS.get(index).map(ToString::to_string);
                    let bound = bound.unwrap_or_else(|| "+Inf".to_owned());
                    let _ = writeln!(
                        text,
                        "{name}_bucket{{{labels}{link}le=\"{bound}\"}} {total}"
                    );
                }
                let _ = writeln!(text, "{name}_sum{braced} {}", number(&buckets.sum));
                let _ = writeln!(text, "{name}_count{braced} {total}");
            }
        }
    }
}

fn number(bits: &AtomicU64) -> f64 {
    f64::from_bits(bits.load(Ordering::Relaxed))
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', r#"\""#);
    value.replace('\n', r"\n")
}

impl Recorder for Registry {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, "counter", &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, "gauge", &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, "histogram", &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.series(key, "counter", || Series::Counter(Arc::default())) {
            Series::Counter(value) => Counter::from_arc(value),
            // The name belongs to a metric of another kind.
            Series::Gauge(_) | Series::Histogram(_) => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.series(key, "gauge", || Series::Gauge(Arc::default())) {
            Series::Gauge(value) => Gauge::from_arc(value),
            Series::Counter(_) | Series::Histogram(_) => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.series(key, "histogram", || Series::Histogram(Arc::default())) {
            Series::Histogram(buckets) => Histogram::from_arc(buckets),
            Series::Counter(_) | Series::Gauge(_) => Histogram::noop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, describe_counter, gauge, histogram, with_local_recorder};

    use super::*;

    #[test]
    fn metrics_are_written_as_prometheus_reads_them() {
        let registry = Registry::default();
        with_local_recorder(&registry, || {
            describe_counter!("messages_total", "Messages by\noutcome");
            describe_counter!("unused_total", "Never counted");
            counter!("messages_total", "outcome" => "archived").increment(2);
            counter!("messages_total", "outcome" => "a\"b\\c\nd").increment(1);
            gauge!("in_flight").set(1.5);
            histogram!("seconds").record(0.3);
            histogram!("seconds").record(1e9);
        });
        let text = registry.render();
        let mut lines = text.lines();
        for expected in [
            "# HELP in_flight ",
            "# TYPE in_flight gauge",
            "in_flight 1.5",
            r"# HELP messages_total Messages by\noutcome",
            "# TYPE messages_total counter",
            r#"messages_total{outcome="a\"b\\c\nd"} 1"#,
            r#"messages_total{outcome="archived"} 2"#,
            "# HELP seconds ",
            "# TYPE seconds histogram",
            r#"seconds_bucket{le="0.1"} 0"#,
            r#"seconds_bucket{le="0.5"} 1"#,
        ] {
            assert_eq!(lines.next(), Some(expected), "{text}");
        }
        let end = "seconds_bucket{le=\"+Inf\"} 2\nseconds_sum 1000000000.3\nseconds_count 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
