//! A webhook that prints events and downloads what becomes ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use acs_recording::Cloud;
use acs_recording::spool::Spool;
use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
use clap::Args;
use tokio::net::TcpListener;

use super::handler::{Handler, Shared, download_worker};
use super::serve::{Limits, Site, serve};
use crate::client::{client, cloud};
use crate::download_settings::Settings;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;

const SECRET: &str = "ACS_WEBHOOK_SECRET";

/// Runs a webhook: prints every event, and downloads recordings as they become ready
///
/// It answers the handshakes of Event Grid, and checks who posts: by a secret in the URL (`?code=…`,
/// from ACS_WEBHOOK_SECRET or --secret-file), by a token of Entra ID, or by the token of callbacks.
/// Where a secret is set, the handshake of CloudEvents needs it too, because it never has a token.
/// An event is acknowledged after its line was written. With --download-to, the event of a recording
/// is printed, then written to the spool, then acknowledged. Its recording is downloaded in the
/// background, up to four at the same time, and what fails is tried again for 24 hours. Ctrl-C or
/// SIGTERM ends it within five seconds; what is left in the spool is taken up again at the next
/// start, and so it is after a crash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording events listen --port 8080 --download-to recordings
  acs-recording events listen --port 8080 --no-check       # prints whatever anybody posts

Each event is one line of JSON as of `events parse`. Each download is told as by `download --event`,
so with --output json all lines are JSON. For a file that `download --event` reads, leave
--download-to away: it takes lines of events only.

An event that cannot be read is told, kept as it came in the folder `unreadable` of the spool (or
else printed on standard error), and refused. An event whose recording can never be downloaded, such
as one in a storage account of your own, is told once and kept in the folder `noted` of the spool.")]
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
    /// The application of Event Grid that these tokens come from, in a cloud where it is not known
    #[arg(long, value_name = "ID", requires = "entra_tenant")]
    entra_application: Option<String>,
    /// Takes callbacks of the resource with this immutable id, a GUID
    #[arg(long, value_name = "RESOURCE_ID")]
    callbacks: Option<String>,
    /// Takes what any program of this machine posts, but no web page; the Host of a request must be
    /// localhost or the address that it came in at
    #[arg(long, conflicts_with_all = ["secret_file", "entra_tenant", "callbacks", "delete_after"])]
    no_check: bool,

    /// Downloads recordings into this folder when they are ready
    #[arg(long, value_name = "DIR")]
    pub(super) download_to: Option<PathBuf>,
    /// Keeps events here until their recordings are downloaded [default: .spool in the folder of
    /// --download-to]
    #[arg(long, value_name = "DIR", requires = "download_to")]
    spool: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Deletes a recording from the service, once all of it is here and checked; needs a check of
    /// who posts
    #[arg(long, requires = "download_to")]
    pub(super) delete_after: bool,
    /// Ends after this many events were handled: printed, or their recordings downloaded
    #[arg(long, value_name = "N")]
    pub(super) count: Option<NonZeroUsize>,
}

pub(super) async fn run(
    mut options: Listen,
    global: &Global,
    out: &Output,
    stop: crate::stop::Stop,
) -> Result<(), Failure> {
    let cloud = cloud(global)?;
    let check = check(&options, cloud)?;
    if !options.path.starts_with('/') || options.path.contains(['{', '*', '?']) {
        return Err(Failure::usage(
            "--path must be plain and begin with a slash",
        ));
    }
    let spool = match &options.download_to {
        Some(folder) => {
            let client = client(global)?;
            let place = options.spool.clone();
            let place = place.unwrap_or_else(|| folder.join(".spool"));
            Some((Spool::open(place).await?, client))
        }
        None => None,
    };
    options.settings.time_limit(global.timeout);
    let address = SocketAddr::from((options.host, options.port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen at {address}: {error}")))?;
    let address = listener.local_addr()?;
    out.note(&format!("listening on http://{address}{}", options.path));

    let (path, is_local) = (options.path.clone(), options.no_check);
    let shared = Arc::new(Shared::new(options, out.clone()));
    let stop = {
        let shared = Arc::clone(&shared);
        async move {
            tokio::select! {
                () = stop => {}
                () = shared.enough() => {}
            }
        }
    };
    let handler = Handler::new(&shared, spool.as_ref().map(|(spool, _)| spool.clone()));
    let webhook = Webhook::builder(check)
        .allow_origin(cloud.event_grid_origin())
        .build(handler);
    let router = webhook.router::<()>(&path);
    let site = Site {
        router,
        is_local,
        limits: Limits::default(),
    };
    let serving = serve(listener, site, stop);
    match spool {
        Some((spool, client)) => {
            shared.tell_what_was_left(&spool);
            tokio::select! {
                () = serving => {}
                () = download_worker(&shared, &spool, client).run() => {}
            }
            shared.tell_what_is_left(&spool);
        }
        None => serving.await,
    }
    shared.outcome()
}

fn check(options: &Listen, cloud: Cloud) -> Result<Authenticator, Failure> {
    let invalid = |error: &dyn std::error::Error| Failure::usage(error.to_string());
    if options.no_check {
        return Ok(Authenticator::allow_unauthenticated());
    }
    let mut checks = Vec::new();
    let secret = match &options.secret_file {
        Some(path) => Some(crate::files::read_text(path)?),
        None => std::env::var(SECRET).ok(),
    };
    if let Some(secret) = secret {
        checks.push(Authenticator::secret("code", secret.trim()).map_err(|error| invalid(&error))?);
    }
    if let Some((tenant, audience)) = options
        .entra_tenant
        .as_ref()
        .zip(options.entra_audience.as_ref())
    {
        let application = options.entra_application.as_deref();
        let token = TokenAuthenticator::entra_in(cloud, tenant, audience, application)
            .map_err(|error| invalid(&error))?;
        checks.push(Authenticator::token(token));
    }
    if let Some(id) = &options.callbacks {
        let token = TokenAuthenticator::callbacks_in(cloud, id).map_err(|error| invalid(&error))?;
        checks.push(Authenticator::token(token));
    }
    checks.into_iter().reduce(Authenticator::or).ok_or_else(|| {
        Failure::usage("nothing tells who may post")
            .advise("set ACS_WEBHOOK_SECRET, or give --entra-tenant, --callbacks or --no-check")
    })
}
