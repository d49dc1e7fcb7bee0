//! A webhook that prints events and downloads what becomes ready.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use acs_recording::webhook::{Check, EventKey, HandlerError, TokenCheck, Webhook};
use acs_recording::{Event, EventKind, RecordingClient, RecordingFileStatusUpdated};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, Semaphore};

use super::event_json;
use crate::cli::Global;
use crate::connect::client;
use crate::download::{AT_ONCE, Settings, save, tell};
use crate::failure::Failure;
use crate::output::Output;

const SECRET: &str = "ACS_WEBHOOK_SECRET";

/// Runs a webhook: prints every event, and downloads recordings as they become ready
///
/// Up to four recordings come in at the same time. It answers the handshakes of Event Grid, and checks who posts: by a secret in the URL
/// (`?code=…`, from ACS_WEBHOOK_SECRET or --secret-file), by a token of Entra ID, or by the token of
/// callbacks. An event whose download fails is refused, so that it is delivered again. Ctrl-C ends
/// it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording events listen --port 8080 --download-to recordings
  acs-recording events listen --port 8080 --no-check       # prints whatever anybody posts

Each event is one line of JSON as of `events parse`; each download is told as by `download --event`.")]
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
    count: Option<usize>,
}

/// What handling an event needs.
struct Handler {
    client: Option<RecordingClient>,
    options: Listen,
    out: Output,
    seen: Mutex<HashSet<EventKey>>,
    /// By the first document, which events are done. Held during a download, since two would be in
    /// each other's way.
    places: Mutex<HashMap<String, Arc<Mutex<HashSet<EventKey>>>>>,
    /// How many more recordings may come in at the same time.
    slots: Semaphore,
    handled: Mutex<usize>,
    enough: Notify,
}

pub(super) async fn run(
    options: Listen,
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
    let address = SocketAddr::from((options.host, options.port));
    let path = options.path.clone();
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen at {address}: {error}")))?;
    let address = listener.local_addr()?;
    let handler = Arc::new(Handler {
        client,
        options,
        out: out.clone(),
        seen: Mutex::default(),
        places: Mutex::default(),
        slots: Semaphore::new(AT_ONCE),
        handled: Mutex::default(),
        enough: Notify::new(),
    });
    let webhook = Webhook::builder(check)
        .allow_origin("eventgrid.azure.net")
        .build({
            let handler = Arc::clone(&handler);
            move |event: Event| handle(Arc::clone(&handler), event)
        });
    out.note(&format!("listening on http://{address}{path}"));
    let enough = Arc::clone(&handler);
    let server =
        axum::serve(listener, webhook.router::<()>(&path)).with_graceful_shutdown(async move {
            tokio::select! {
                () = stop => {}
                () = enough.enough.notified() => {}
            }
        });
    server.await?;
    Ok(())
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
    // A repeated delivery is handled again and not told again.
    if handler.seen.lock().await.insert(key.clone()) {
        let line = event_json(&event).to_string();
        handler
            .out
            .line(&line)
            .map_err(|failure| HandlerError::retry(failure.text(false)))?;
    }
    if let EventKind::RecordingFileStatusUpdated(file) = event.into_kind()
        && handler.client.is_some()
    {
        // Event Grid does not wait for long downloads. They go on, and the next delivery finds
        // what became of them.
        let download = tokio::spawn(download(Arc::clone(&handler), key, file));
        download.await??;
    }
    let mut count = handler.handled.lock().await;
    *count += 1;
    if Some(*count) == handler.options.count {
        handler.enough.notify_one();
    }
    Ok(())
}

async fn download(
    handler: Arc<Handler>,
    key: EventKey,
    file: RecordingFileStatusUpdated,
) -> Result<(), acs_recording::Error> {
    let first = file.chunks.first();
    let document = first.map_or("", |chunk| chunk.document_id.as_str());
    let place = {
        let mut places = handler.places.lock().await;
        Arc::clone(places.entry(document.to_owned()).or_default())
    };
    let mut downloaded = place.lock().await;
    let (Some(client), Some(folder)) = (&handler.client, &handler.options.download_to) else {
        return Ok(());
    };
    if downloaded.contains(&key) {
        return Ok(());
    }
    let (options, out) = (&handler.options, &handler.out);
    // It is never closed.
    let _slot = handler.slots.acquire().await;
    match save(
        client,
        &file,
        folder,
        &options.settings,
        options.delete_after,
        out,
    )
    .await
    {
        Ok(saved) => {
            downloaded.insert(key);
            if let Err(failure) = tell(&file, &saved, options.delete_after, out) {
                out.failure(&failure);
            }
            Ok(())
        }
        Err(error) => {
            out.note(&format!(
                "error: {error}; it is tried again with the next delivery"
            ));
            Err(error)
        }
    }
}
