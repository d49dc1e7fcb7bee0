//! Logs on standard error, and what the emulator is doing, for people.

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

/// Logs what RUST_LOG selects, or what goes with so many `-v`. `story` tells what the emulator does
/// in plain lines instead.
pub(crate) fn start(verbose: u8, story: bool, out: &Output) {
    let selected = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    if story && verbose < 2 && selected.is_none() {
        let story = Story::new(out.clone()).with_filter(FilterFn::new(belongs_to_story));
        tracing_subscriber::registry().with(story).init();
        return;
    }
    let colors = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer::<Registry>()
        .with_ansi(colors)
        .with_writer(Lines(out.clone()));
    if let (0, None) = (verbose, &selected) {
        // Without a filter by text, which takes time to set up.
        let lines = lines.with_filter(LevelFilter::WARN);
        return tracing_subscriber::registry().with(lines).init();
    }
    let filter = match (selected, verbose) {
        (Some(text), _) => EnvFilter::new(text),
        (None, 1) => EnvFilter::new("info,acs_recording=debug"),
        (None, _) => EnvFilter::new("debug"),
    };
    let lines = lines.with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
}

/// Standard error, without tearing progress bars apart.
#[derive(Clone, Debug)]
struct Lines(Output);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Lines {
    /// A whole event: they are written in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn belongs_to_story(metadata: &Metadata<'_>) -> bool {
    let level = *metadata.level();
    level <= Level::WARN || level == Level::INFO && metadata.target().starts_with("acs_emulator")
}

/// One line for each thing that happens: when, what, to what.
struct Story {
    out: Output,
    started: Instant,
}

impl Story {
    fn new(out: Output) -> Self {
        Self {
            out,
            started: Instant::now(),
        }
    }
}

impl<S: Subscriber> Layer<S> for Story {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let passed = clock(self.started.elapsed());
        self.out.note(&format!("{passed:>7}  {}", words.line()));
    }
}

/// What an event says.
#[derive(Default)]
struct Words {
    what: String,
    details: String,
}

impl Words {
    fn line(&self) -> String {
        format!("{}{}", self.what, self.details)
    }

    fn detail(&mut self, text: fmt::Arguments<'_>) {
        let link = if self.details.is_empty() { ": " } else { ", " };
        let _ = write!(self.details, "{link}{text}");
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.what = format!("{value:?}"),
            // A webhook's own id for a delivery says nothing here.
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
            "who" | "server_call" | "connection" | "recording" | "document" => {
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
