//! `events replay`: sends events again that were kept.

mod envelope;
mod schedule;
mod sources;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_recording::{Event, Events};
use clap::Args;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::envelope::original;
use self::schedule::Schedule;
use super::recipient::{Destination, Recipient};
use super::types::{is_callback, is_name_of, short};
use crate::client::cloud;
use crate::event_files::read;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::text::put_path;
use crate::webhook_sender::{Delivery, DeliveryKind};

/// Sends kept events to a webhook or a queue again, one after the other
///
/// A source is a file, a folder with files, or a spool of `events listen`, whose pending and noted
/// events are sent. Files may have what `events listen` prints, requests of Event Grid, dead-letter
/// files, messages of queues, or lines of JSON; in folders, files named .json, .jsonl, .ndjson, .txt or
/// .log, or without an ending, are read. Events are sent as they were first delivered, in the
/// order of the files or of their arrival. Sources are only read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording events replay events.jsonl --to http://127.0.0.1:8080/events
  acs-recording events replay recordings/.spool --to http://127.0.0.1:8080/events --dry-run
  acs-recording events replay dead-letters/ --to 'https://app.example/events?code=…' --retry --rate 5

Events that are not accepted are reported, and do not stop the others. The exit code is that of the
first failure: 3 for 401 and 403, 4 for 404, 5 without a response, 7 for 429 and 5xx, 2 for events
that cannot be read, and 1 for others.

JSON: {\"id\", \"type\", \"recording_id\", \"file\", \"status\", \"delivered\", \"attempts\"} for each event;
with --dry-run, status is null and delivered is false.")]
pub(crate) struct Replay {
    /// Files, folders or spools with events, or `-` for standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    sources: Vec<PathBuf>,

    #[command(flatten)]
    recipient: Recipient,

    /// Lists the events and sends nothing
    #[arg(long, conflicts_with = "to")]
    dry_run: bool,

    /// Sends only events of this type, with or without `Microsoft.Communication.`; can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Skips all events up to and including the one with this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,

    /// Of spools, sends handled events too
    #[arg(long)]
    include_done: bool,

    /// Maximum number of events per second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,

    /// Sends an event again that is not accepted, on the schedule of Event Grid: after 10 seconds, 30
    /// seconds, 1 minute and so on, for up to 24 hours; 400, 401, 403 and 413 are final
    #[arg(long)]
    retry: bool,

    /// Delay after the first attempt; the other times change alike
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::text::duration, requires = "retry")]
    retry_delay: Duration,
}

/// What happened so far.
#[derive(Default)]
struct Tally {
    sent: usize,
    delivered: usize,
    filtered: usize,
    failed: usize,
    first: Option<Failure>,
}

impl Tally {
    fn fail(&mut self, failure: Failure, out: &Output) {
        out.failure(&failure);
        self.failed += 1;
        self.first.get_or_insert(failure);
    }
}

pub(super) async fn run(options: Replay, global: &Global, out: &Output) -> Result<(), Failure> {
    let to = if options.dry_run {
        None
    } else {
        Some(options.recipient.open(cloud(global)?, global)?)
    };
    let mut files = Vec::new();
    for source in &options.sources {
        files.extend(sources::files(source, options.include_done)?);
    }
    let mut pace = options.rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    let mut tally = Tally::default();
    let mut after = options.after.as_deref();
    for file in &files {
        let bytes = match read(file).await {
            Ok(bytes) => bytes,
            Err(failure) => {
                let Some(bytes) = sources::read_spooled(file) else {
                    tally.fail(failure, out);
                    continue;
                };
                bytes
            }
        };
        for event in Events::parse(&bytes) {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    let failure = Failure::usage(error.to_string()).context_file(file);
                    tally.fail(failure, out);
                    continue;
                }
            };
            if let Some(id) = after {
                if event.id == id {
                    after = None;
                }
                tally.filtered += 1;
                continue;
            }
            if !options.wants(&event) {
                tally.filtered += 1;
                continue;
            }
            tally.sent += 1;
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            match &to {
                Some(to) => send(to, &event, file, &options, &mut tally, out).await?,
                None => report(&event, file, Attempted::default(), out)?,
            }
        }
    }
    if let Some(id) = after {
        let text = format!("no event has the id `{id}`");
        return Err(Failure::usage(text).context(&"--after"));
    }
    summary(&tally, options.dry_run, out);
    match tally.first {
        Some(failure) if tally.failed == 1 => Err(failure.summarized("1 event was not delivered")),
        Some(failure) => {
            let text = format!("{} events were not delivered", tally.failed);
            Err(failure.summarized(text))
        }
        None => Ok(()),
    }
}

impl Replay {
    fn wants(&self, event: &Event) -> bool {
        let mut types = self.types.iter();
        self.types.is_empty() || types.any(|name| is_name_of(name, &event.event_type))
    }
}

/// The attempts to send an event.
#[derive(Clone, Copy, Default)]
struct Attempted {
    status: Option<u16>,
    is_delivered: bool,
    count: u32,
}

async fn send(
    to: &Destination,
    event: &Event,
    file: &Path,
    options: &Replay,
    tally: &mut Tally,
    out: &Output,
) -> Result<(), Failure> {
    let (schema, text) = original(event);
    let kind = if is_callback(&event.event_type) {
        DeliveryKind::Callback
    } else {
        DeliveryKind::notification(schema, false)
    };
    let mut delivery = Delivery {
        kind,
        events: vec![text],
        id: Some(event.id.clone()),
        attempts: 0,
        token: None,
    };
    let schedule = options.retry.then(|| Schedule::new(options.retry_delay));
    let start = Instant::now();
    let mut attempted = Attempted::default();
    loop {
        delivery.attempts = attempted.count;
        let posted = to.send(&delivery).await;
        attempted.count += 1;
        let failure = match posted {
            Ok(status) => {
                attempted.status = status;
                attempted.is_delivered = true;
                tally.delivered += 1;
                return report(event, file, attempted, out);
            }
            Err(failure) => failure,
        };
        attempted.status = failure.status();
        let failure = failure.context(&format_args!("event {}", event.id));
        let delay =
            schedule.and_then(|it| it.delay(attempted.count, attempted.status, start.elapsed()));
        let Some(delay) = delay else {
            report(event, file, attempted, out)?;
            tally.fail(failure, out);
            return Ok(());
        };
        let seconds = delay.as_secs_f64();
        out.note(&format!("{}; retrying in {seconds} s", failure.message()));
        sleep(delay).await;
    }
}

fn report(event: &Event, file: &Path, attempted: Attempted, out: &Output) -> Result<(), Failure> {
    let mut json = json!({
        "id": event.id,
        "type": event.event_type,
        "recording_id": event.recording_id(),
        "status": attempted.status,
        "delivered": attempted.is_delivered,
        "attempts": attempted.count,
    });
    put_path(&mut json, "file", file);
    let outcome = match attempted {
        Attempted { count: 0, .. } => "would send",
        Attempted {
            is_delivered: true, ..
        } => "delivered",
        _ => "rejected",
    };
    let (name, id) = (short(&event.event_type), &event.id);
    let text = format!("{outcome} {name} {id} from {}", file.display());
    out.result(&crate::text::one_line(&text), &json)
}

fn summary(tally: &Tally, is_dry_run: bool, out: &Output) {
    let mut text = match (is_dry_run, tally.sent) {
        (true, 1) => "1 event would be sent".to_owned(),
        (true, sent) => format!("{sent} events would be sent"),
        (false, sent) => format!("{} of {sent} events delivered", tally.delivered),
    };
    if tally.filtered > 0 {
        let _ = write!(text, ", {} skipped", tally.filtered);
    }
    out.note(&text);
}
