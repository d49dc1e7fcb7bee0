//! A webhook that prints events and downloads what becomes ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_recording::webhook::{Check, EventKey, HandlerError, TokenCheck, Webhook};
use acs_recording::{Event, EventKind, RecordingClient, RecordingFileStatusUpdated};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use super::event_json;
use super::memory::{Places, Recent};
use crate::cli::Global;
use crate::connect::client;
use crate::download::{AT_ONCE, Settings, save, tell};
use crate::failure::Failure;
use crate::output::Output;

const SECRET: &str = "ACS_WEBHOOK_SECRET";
/// How long open requests may keep a listener that is to end.
const GRACE: Duration = Duration::from_secs(4);

/// Runs a webhook: prints every event, and downloads recordings as they become ready
///
/// Up to four recordings come in at the same time. It answers the handshakes of Event Grid, and
/// checks who posts: by a secret in the URL (`?code=…`, from ACS_WEBHOOK_SECRET or --secret-file), by
/// a token of Entra ID, or by the token of callbacks. An event that cannot be printed or whose
/// download fails is refused, so that it is delivered again. Ctrl-C ends it within five seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording events listen --port 8080 --download-to recordings
  acs-recording events listen --port 8080 --no-check       # prints whatever anybody posts

Each event is one line of JSON as of `events parse`. Each download is told as by `download --event`,
so with --output json all lines are JSON. For a file that `download --event` reads, leave
--download-to away: it takes lines of events only.")]
pub(crate) struct Listen {
    /// The port; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address; 0.0.0.0 lets other machines post
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The path that events are posted to
    #[arg(long, default_value = "/events")]
    path: String,

    /// Reads the secret in the URL from this file instead of ACS_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Takes deliveries of Event Grid with a token of this tenant
    #[arg(long, value_name = "TENANT", requires = "entra_audience")]
    entra_tenant: Option<String>,
    /// The application that these tokens are for
    #[arg(long, value_name = "APP", requires = "entra_tenant")]
    entra_audience: Option<String>,
    /// Takes callbacks of the resource with this immutable id
    #[arg(long, value_name = "RESOURCE_ID")]
    callbacks: Option<String>,
    /// Takes what anybody posts
    #[arg(long, conflicts_with_all = ["secret_file", "entra_tenant", "callbacks"])]
    no_check: bool,

    /// Downloads recordings into this folder when they are ready
    #[arg(long, value_name = "DIR")]
    download_to: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Deletes a recording from the service, once all of it is here and checked
    #[arg(long, requires = "download_to")]
    delete_after: bool,
    /// Ends after this many events
    #[arg(long, value_name = "N")]
    count: Option<NonZeroUsize>,
}

/// What handling an event needs.
struct Handler {
    client: Option<RecordingClient>,
    options: Listen,
    out: Output,
    /// What was printed.
    seen: Recent,
    /// What was downloaded.
    downloaded: Recent,
    places: Places,
    /// How many more recordings may come in at the same time.
    slots: Semaphore,
    handled: AtomicUsize,
    /// Why nothing more can be printed.
    lost: Mutex<Option<std::io::Error>>,
    enough: Notify,
}

pub(super) async fn run(
    mut options: Listen,
    global: &Global,
    out: &Output,
    stop: crate::Stop,
) -> Result<(), Failure> {
    let check = check(&options)?;
    if !options.path.starts_with('/') || options.path.contains(['{', '*', '?']) {
        return Err(Failure::usage(
            "--path must be plain and begin with a slash",
        ));
    }
    let client = match options.download_to {
        Some(_) => Some(client(global)?),
        None => None,
    };
    options.settings.time_limit(global.timeout);
    let address = SocketAddr::from((options.host, options.port));
    let path = options.path.clone();
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen at {address}: {error}")))?;
    let address = listener.local_addr()?;
    let handler = Arc::new(Handler::new(client, options, out.clone()));
    let webhook = Webhook::builder(check)
        .allow_origin("eventgrid.azure.net")
        .build({
            let handler = Arc::clone(&handler);
            move |event: Event| handle(Arc::clone(&handler), event)
        });
    out.note(&format!("listening on http://{address}{path}"));
    serve(listener, webhook.router::<()>(&path), &handler, stop).await?;
    handler.tell_what_is_left();
    handler.outcome()
}

/// Serves until it is enough, and then for as long as open requests need, within bounds.
async fn serve(
    listener: TcpListener,
    router: axum::Router,
    handler: &Arc<Handler>,
    stop: crate::Stop,
) -> Result<(), Failure> {
    let (ending, end) = tokio::sync::oneshot::channel();
    let enough = Arc::clone(handler);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        tokio::select! {
            () = stop => {}
            () = enough.enough.notified() => {}
        }
        let _ = ending.send(());
    });
    let grace = async {
        let _ = end.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = server.into_future() => Ok(outcome?),
        // Somebody holds a connection, or a download is long.
        () = grace => Ok(()),
    }
}

impl Handler {
    fn new(client: Option<RecordingClient>, options: Listen, out: Output) -> Self {
        Self {
            client,
            options,
            out,
            seen: Recent::default(),
            downloaded: Recent::default(),
            places: Places::default(),
            slots: Semaphore::new(AT_ONCE),
            handled: AtomicUsize::new(0),
            lost: Mutex::default(),
            enough: Notify::new(),
        }
    }

    /// Prints an event. If that fails no event will do any better, and the listener ends.
    fn print(&self, event: &Event, key: &EventKey) -> Result<(), HandlerError> {
        // A repeated delivery is handled again and not told again.
        if !self.seen.insert(key.clone()) {
            return Ok(());
        }
        self.out
            .delivered_json(&event_json(event))
            .map_err(|error| {
                self.seen.remove(key);
                let refusal = HandlerError::retry(format!("the event was not printed: {error}"));
                *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.enough.notify_one();
                refusal
            })
    }

    fn tell_what_is_left(&self) {
        let count = AT_ONCE - self.slots.available_permits();
        if count > 0 {
            let plural = if count == 1 { " was" } else { "s were" };
            self.out.note(&format!(
                "{count} download{plural} under way; what came in is kept in .part files, and the \
                 next delivery of the event goes on from there"
            ));
        }
    }

    /// Whoever has read enough, as `head` does, has not made an error.
    fn outcome(&self) -> Result<(), Failure> {
        let lost = self
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match lost {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn check(options: &Listen) -> Result<Check, Failure> {
    let invalid = |error: &dyn std::error::Error| Failure::usage(error.to_string());
    if options.no_check {
        return Ok(Check::none());
    }
    let mut checks = Vec::new();
    let secret = match &options.secret_file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.map_err(|error| Failure::file(path, &error))?)
        }
        None => std::env::var(SECRET).ok(),
    };
    if let Some(secret) = secret {
        checks.push(Check::secret("code", secret.trim()).map_err(|error| invalid(&error))?);
    }
    if let Some((tenant, audience)) = options
        .entra_tenant
        .as_ref()
        .zip(options.entra_audience.as_ref())
    {
        let token = TokenCheck::entra(tenant, audience).map_err(|error| invalid(&error))?;
        checks.push(Check::token(token));
    }
    if let Some(id) = &options.callbacks {
        let token = TokenCheck::callbacks(id).map_err(|error| invalid(&error))?;
        checks.push(Check::token(token));
    }
    checks.into_iter().reduce(Check::or).ok_or_else(|| {
        Failure::usage("nothing tells who may post")
            .advise("set ACS_WEBHOOK_SECRET, or give --entra-tenant, --callbacks or --no-check")
    })
}

async fn handle(handler: Arc<Handler>, event: Event) -> Result<(), HandlerError> {
    let key = EventKey::of(&event);
    handler.print(&event, &key)?;
    if let EventKind::RecordingFileStatusUpdated(file) = event.into_kind()
        && handler.client.is_some()
    {
        // Event Grid does not wait for long downloads. They go on, and the next delivery finds
        // what became of them.
        let download = tokio::spawn(download(Arc::clone(&handler), key, file));
        download.await??;
    }
    let count = handler.handled.fetch_add(1, Ordering::Relaxed) + 1;
    if handler
        .options
        .count
        .is_some_and(|wanted| wanted.get() == count)
    {
        handler.enough.notify_one();
    }
    Ok(())
}

async fn download(
    handler: Arc<Handler>,
    key: EventKey,
    file: RecordingFileStatusUpdated,
) -> Result<(), HandlerFailure> {
    let first = file.chunks.first();
    let document = first.map_or("", |chunk| chunk.document_id.as_str());
    let place = handler.places.of(document);
    let _alone = place.lock().await;
    let (Some(client), Some(folder)) = (&handler.client, &handler.options.download_to) else {
        return Ok(());
    };
    if handler.downloaded.contains(&key) {
        return Ok(());
    }
    let (options, out) = (&handler.options, &handler.out);
    // It is never closed.
    let _slot = handler.slots.acquire().await;
    let (settings, delete_after) = (&options.settings, options.delete_after);
    match save(client, &file, folder, settings, delete_after, out).await {
        Ok(saved) => {
            handler.downloaded.insert(key);
            if let Err(failure) = tell(&file, &saved, delete_after, out) {
                out.failure(&failure);
            }
            Ok(())
        }
        Err(error) => {
            let failure = Failure::from(error).and_then("it is tried again with the next delivery");
            out.failure(&failure);
            Err(HandlerFailure(failure.text(false)))
        }
    }
}

/// What a handler says of a failure.
#[derive(Debug)]
struct HandlerFailure(String);

impl std::fmt::Display for HandlerFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HandlerFailure {}
