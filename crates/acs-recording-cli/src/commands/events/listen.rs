//! `events listen`: a webhook that prints events and downloads recordings.

use std::net::SocketAddr;
use std::sync::Arc;

use acs_recording::Cloud;
use acs_recording::spool::Spool;
use acs_recording::webhook::{Authenticator, TokenAuthenticator, Webhook};
use tokio::net::TcpListener;

use super::handler::{Handler, Shared, download_worker};
use super::options::Listen;
use super::serve::{Limits, Site, serve};
use crate::client::{client, cloud, transport};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;

const SECRET: &str = "ACS_WEBHOOK_SECRET";

pub(super) async fn run(
    mut options: Listen,
    global: &Global,
    out: &Output,
    stop: crate::stop::Stop,
) -> Result<(), Failure> {
    let cloud = cloud(global)?;
    let authenticator = authenticator(&options, cloud, global)?;
    if !options.path.starts_with('/') || options.path.contains(['{', '*', '?']) {
        return Err(Failure::usage(
            "--path must begin with a slash and must not contain `{`, `*` or `?`",
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
    options.settings.operation_timeout(global.operation_timeout);
    let address = SocketAddr::from((options.host, options.port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen at {address}: {error}")))?;
    let address = listener.local_addr()?;
    out.note(&format!("listening on http://{address}{}", options.path));

    let (path, is_local) = (options.path.clone(), options.allow_unauthenticated);
    let shared = Arc::new(Shared::new(options, out.clone()));
    let stop = {
        let shared = Arc::clone(&shared);
        async move {
            tokio::select! {
                () = stop => {}
                () = shared.done() => {}
            }
        }
    };
    let handler = Handler::new(&shared, spool.as_ref().map(|(spool, _)| spool.clone()));
    let webhook = Webhook::builder(authenticator)
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
            shared.note_left_from_before(&spool);
            tokio::select! {
                () = serving => {}
                () = download_worker(&shared, &spool, client).run() => {}
            }
            shared.note_left_for_later(&spool);
        }
        None => serving.await,
    }
    shared.outcome()
}

fn authenticator(
    options: &Listen,
    cloud: Cloud,
    global: &Global,
) -> Result<Authenticator, Failure> {
    let invalid = |error: &dyn std::error::Error| Failure::usage(error.to_string());
    if options.allow_unauthenticated {
        return Ok(Authenticator::allow_unauthenticated());
    }
    let mut authenticators = Vec::new();
    let secret = match &options.secret_file {
        Some(path) => Some(crate::files::read_text(path)?),
        None => std::env::var(SECRET).ok(),
    };
    match (secret, &options.secret_header) {
        (Some(secret), header) => {
            let secret = secret.trim();
            let authenticator = match header {
                Some(name) => Authenticator::header_secret(name, secret),
                None => Authenticator::query_secret("code", secret),
            };
            authenticators.push(authenticator.map_err(|error| invalid(&error))?);
        }
        (None, Some(_)) => {
            return Err(Failure::usage("--secret-header needs a secret")
                .hint("set ACS_WEBHOOK_SECRET or use --secret-file"));
        }
        (None, None) => {}
    }
    if let Some((tenant, audience)) = options
        .entra_tenant
        .as_ref()
        .zip(options.entra_audience.as_ref())
    {
        let application = options.entra_application.as_deref();
        let token = match &options.entra_authority {
            Some(authority) => {
                let issuer = format!("{}/{tenant}/v2.0", authority.trim_end_matches('/'));
                let configuration = format!("{issuer}/.well-known/openid-configuration");
                let token = TokenAuthenticator::new(&configuration, [issuer], audience);
                let application = application.or(cloud.event_grid_application());
                match application {
                    Some(application) => token.map(|token| token.application(application)),
                    None => token,
                }
            }
            None => TokenAuthenticator::entra_in(cloud, tenant, audience, application),
        };
        let token = token.map_err(|error| invalid(&error))?;
        authenticators.push(Authenticator::token(token.transport(transport(global)?)));
    }
    if let Some(id) = &options.callback_resource_id {
        let token = TokenAuthenticator::callbacks_in(cloud, id).map_err(|error| invalid(&error))?;
        authenticators.push(Authenticator::token(token.transport(transport(global)?)));
    }
    authenticators
        .into_iter()
        .reduce(Authenticator::or)
        .ok_or_else(|| {
            Failure::usage("no authentication is configured").hint(
                "set ACS_WEBHOOK_SECRET, or pass --entra-tenant, --callback-resource-id or \
             --allow-unauthenticated",
            )
        })
}
