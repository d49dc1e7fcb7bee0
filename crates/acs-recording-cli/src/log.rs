//! Logs on standard error, and the activity of the emulator.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::output::Output;
use crate::text::{clock, shortened};

/// Collects spans for another program.
pub(crate) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging what RUST_LOG or the number of `-v` selects. `activity` shows what the emulator does
/// in plain lines instead. `spans` collects beside it.
pub(crate) fn start(verbose: u8, activity: bool, out: &Output, spans: Option<SpanLayer>) {
    let selected = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    if activity && verbose < 2 && selected.is_none() {
        let layer = ActivityLog::new(out.clone()).with_filter(FilterFn::new(is_activity));
        return tracing_subscriber::registry()
            .with(spans)
            .with(layer)
            .init();
    }
    let colors = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colors)
        .with_writer(Lines(out.clone()));
    if let (0, None) = (verbose, &selected) {
        // An EnvFilter takes time to set up.
        let lines = lines.with_filter(LevelFilter::WARN);
        return tracing_subscriber::registry()
            .with(spans)
            .with(lines)
            .init();
    }
    let filter = match (selected, verbose) {
        (Some(text), _) => EnvFilter::new(text),
        (None, 1) => EnvFilter::new("info,acs_recording=debug"),
        (None, _) => EnvFilter::new("debug"),
    };
    let lines = lines.with_filter(filter);
    tracing_subscriber::registry()
        .with(spans)
        .with(lines)
        .init();
}

/// Standard error, without disturbing progress bars.
#[derive(Clone, Debug)]
struct Lines(Output);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Lines {
    /// Receives a whole event, because the layer writes each in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn is_activity(metadata: &Metadata<'_>) -> bool {
    let level = *metadata.level();
    level <= Level::WARN || level == Level::INFO && metadata.target().starts_with("acs_emulator")
}

/// Shows each event of the emulator on one line: time, event and details.
struct ActivityLog {
    out: Output,
    started: Instant,
}

impl ActivityLog {
    fn new(out: Output) -> Self {
        Self {
            out,
            started: Instant::now(),
        }
    }
}

impl<S: Subscriber> Layer<S> for ActivityLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = EventText::default();
        event.record(&mut text);
        let elapsed = clock(self.started.elapsed());
        self.out.note(&format!("{elapsed:>7}  {}", text.line()));
    }
}

/// The text of an event.
#[derive(Default)]
struct EventText {
    message: String,
    details: String,
}

impl EventText {
    fn line(&self) -> String {
        format!("{}{}", self.message, self.details)
    }

    fn detail(&mut self, text: fmt::Arguments<'_>) {
        let link = if self.details.is_empty() { ": " } else { ", " };
        let _ = write!(self.details, "{link}{text}");
    }
}

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            // The id of a delivery is of no use here.
            "id" => {}
            "reason" | "error" => self.detail(format_args!("{value:?}")),
            name => self.detail(format_args!("{name} {value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "id" => {}
            "to" => {
                let _ = write!(self.details, " to {value}");
            }
            "kind" => {
                let short = value.strip_prefix("Microsoft.Communication.");
                self.detail(format_args!("{}", short.unwrap_or(value)));
            }
            "call" | "who" | "server_call" | "connection" | "recording" | "document"
            | "subject" => {
                self.detail(format_args!("{}", shortened(value)));
            }
            "reason" | "error" => self.detail(format_args!("{value}")),
            name => self.detail(format_args!("{name} {value}")),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "attempt" if value == 1 => {}
            "bytes" => self.detail(format_args!("{}", indicatif::HumanBytes(value))),
            name => self.detail(format_args!("{name} {value}")),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match Duration::try_from_secs_f64(value) {
            Ok(time) if field.name() == "seconds" => self.detail(format_args!("{}", clock(time))),
            _ => self.record_debug(field, &value),
        }
    }
}
