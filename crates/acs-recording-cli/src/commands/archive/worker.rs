//! `archive run` and `archive drain`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use acs_recording_archive::Worker;
use clap::Args;
use serde_json::json;

use super::activity::ActivityLog;
use super::metrics::{self, Health, Registry, Server};
use super::options::{ArchiveOptions, QueueOptions};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::stop::Stop;
use crate::text::duration;

/// Archives recordings as their events arrive in the queue, until it is stopped
///
/// Any number of workers may share a queue and a store. While a recording is transferred, the lease of
/// its message is renewed. After a failure that may pass, the message is released for a retry; what can
/// never succeed goes to the poison queue.
///
/// Ctrl-C or SIGTERM stops receiving. Transfers in progress may finish within --grace; what is left is
/// released, so that another worker has it at once, and the exit code is 0. A second signal exits at
/// once.
#[derive(Debug, Args)]
#[command(after_help = format!("{RUN_HELP}{TELEMETRY_HELP}"))]
pub(crate) struct Run {
    #[command(flatten)]
    options: WorkerOptions,
}

/// Archives recordings until the queue is empty
///
/// As `archive run`, for jobs and cron. Messages that wait for a retry or that other workers hold count
/// as in the queue, so the command may wait for them. Ctrl-C and SIGTERM have the same effect as for
/// `archive run`. The exit code is 0 also if messages went to the poison queue; the summary counts them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording archive drain --queue https://acct.queue.core.windows.net/recordings --to az://archive

JSON: as for `archive run`.")]
pub(crate) struct Drain {
    #[command(flatten)]
    options: WorkerOptions,
}

const RUN_HELP: &str = "\
Examples:
  acs-recording archive run --queue https://acct.queue.core.windows.net/recordings \\
    --to https://acct.blob.core.windows.net/archive --delete --metrics 0.0.0.0:9464
  ACS_QUEUE_CONNECTION_STRING=UseDevelopmentStorage=true \\
    acs-recording archive run --queue recordings --to ./archive

On a terminal, each message is one line, and each transfer has a live line. Otherwise, and with
--output json, each line is JSON:
  {\"event\": \"ready\", \"queue\", \"store\", \"concurrency\", \"metrics\"}
  {\"event\": \"message\", \"outcome\", \"message_id\", \"dequeue_count\", \"recording_id\", \"call_id\",
   \"chunks\", \"deleted\", \"warnings\", \"error\": {\"kind\", \"message\"}, \"retry_after_seconds\"}
  {\"event\": \"summary\", \"messages\", \"archived\", \"already\", \"ignored\", \"released\", \"poisoned\",
   \"lease_lost\", \"unsettled\", \"chunks\", \"bytes\"}
outcome is archived, already, ignored, released, poisoned, lease_lost or unsettled. chunks are
those of `archive put`.

The exit code is not 0 if the queue or the store cannot be used at the start: 2 for an invalid
option, 3 for a rejected credential, 4 for a queue or container that does not exist.";

#[cfg(feature = "opentelemetry")]
const TELEMETRY_HELP: &str = "

With OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4318, traces and metrics are sent to an
OpenTelemetry collector (OTLP over HTTP with protobuf). The other OTEL_… variables apply, too.";

#[cfg(not(feature = "opentelemetry"))]
const TELEMETRY_HELP: &str = "";

#[derive(Debug, Args)]
struct WorkerOptions {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(flatten)]
    archive: ArchiveOptions,

    /// How many recordings are archived at the same time, 1 to 256; each takes up to 24 MiB of memory
    #[arg(long, value_name = "N", default_value_t = 4)]
    concurrency: usize,

    /// How long a message stays invisible to other workers without a renewal, such as 30s or 2m; after
    /// a crash, another worker begins when it has passed
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    lease: Duration,

    /// How long transfers may continue after Ctrl-C or SIGTERM
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = duration)]
    grace: Duration,

    /// After how many deliveries a message goes to the poison queue whose recording keeps failing
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_attempts: u32,

    /// Longest pause between two requests for messages while the queue is empty
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    max_poll_interval: Duration,

    /// Address to serve Prometheus metrics at /metrics, /healthz and /readyz; port 0 selects a free
    /// port
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

/// The shortest pause between two requests for messages.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// More requests would only keep the queue busy.
const MIN_MAX_POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn run(
    command: Run,
    global: &Global,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    command.options.work(global, out, stop, false).await
}

pub(super) async fn drain(
    command: Drain,
    global: &Global,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    command.options.work(global, out, stop, true).await
}

impl WorkerOptions {
    async fn work(
        &self,
        global: &Global,
        out: &Output,
        stop: Stop,
        drains: bool,
    ) -> Result<(), Failure> {
        if self.max_poll_interval < MIN_MAX_POLL_INTERVAL {
            let text = "--max-poll-interval is too short; give 100ms or more";
            return Err(Failure::usage(text));
        }
        let queue = self.queue.open(global)?;
        let archive = self.archive.open(global)?;
        let health = Health::new(archive.clone(), queue.clone());
        let registry = Registry::default();
        metrics::install(registry.clone())?;
        let server = match self.metrics {
            Some(address) => Some(Server::start(address, registry, health.clone()).await?),
            None => None,
        };
        let log = Arc::new(ActivityLog::new(out));
        let worker = Worker::new(archive, queue.clone())
            .concurrency(self.concurrency)
            .lease(self.lease)
            .grace(self.grace)
            .max_attempts(self.max_attempts)
            .poll_interval(
                MIN_POLL_INTERVAL.min(self.max_poll_interval),
                self.max_poll_interval,
            )
            .on_update({
                let log = Arc::clone(&log);
                move |update| log.update(update)
            });
        let store = self.archive.store.to.without_secrets();
        let address = server.as_ref().map(|server| server.address().to_string());
        if out.is_interactive() {
            let metrics = address.map_or_else(String::new, |address| {
                format!(" Metrics are at http://{address}/metrics.")
            });
            out.note(&format!(
                "Archiving from {} to {store}.{metrics} Press Ctrl-C to stop.",
                queue.url()
            ));
        } else {
            out.json(&json!({
                "event": "ready",
                "queue": queue.url(),
                "store": store,
                "concurrency": self.concurrency,
                "metrics": address,
            }))?;
        }
        let stop = async {
            stop.await;
            health.stop();
        };
        let outcome = if drains {
            worker.drain_until(stop).await
        } else {
            worker.run_until(stop).await
        };
        log.summary(&outcome?)
    }
}
