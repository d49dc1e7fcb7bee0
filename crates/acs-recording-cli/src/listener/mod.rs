//! A webhook that this program runs, for one process at a time.

mod local;
mod options;
mod serve;

use std::net::SocketAddr;

use acs_recording::Cloud;
use acs_recording::webhook::{Authenticator, EventHandler, TokenAuthenticator, Webhook};
use tokio::net::TcpListener;

pub(crate) use self::options::WebhookOptions;
use self::serve::{Limits, Site, serve};
use crate::client::{cloud, transport};
use crate::failure::Failure;
use crate::options::Global;

const SECRET: &str = "ACS_WEBHOOK_SECRET";

/// A webhook whose address is open.
pub(crate) struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    authenticator: Authenticator,
    cloud: Cloud,
    path: String,
    is_local: bool,
}

/// The options of a webhook, which are valid.
pub(crate) struct Checked<'a> {
    options: &'a WebhookOptions,
    authenticator: Authenticator,
    cloud: Cloud,
}

/// Checks the options. Opens nothing.
pub(crate) fn check<'a>(
    options: &'a WebhookOptions,
    global: &Global,
) -> Result<Checked<'a>, Failure> {
    let cloud = cloud(global)?;
    let authenticator = authenticator(options, cloud, global)?;
    if !options.path.starts_with('/') || options.path.contains(['{', '*', '?']) {
        return Err(Failure::usage(
            "--path must begin with a slash and must not contain `{`, `*` or `?`",
        ));
    }
    Ok(Checked {
        options,
        authenticator,
        cloud,
    })
}

impl Checked<'_> {
    /// Opens the address.
    pub(crate) async fn bind(self) -> Result<Listener, Failure> {
        let options = self.options;
        let address = SocketAddr::from((options.host, options.port));
        let tcp = TcpListener::bind(address)
            .await
            .map_err(|error| Failure::usage(format!("cannot listen at {address}: {error}")))?;
        Ok(Listener {
            address: tcp.local_addr()?,
            tcp,
            authenticator: self.authenticator,
            cloud: self.cloud,
            path: options.path.clone(),
            is_local: options.allow_unauthenticated,
        })
    }
}

impl Listener {
    /// The URL of the webhook on this machine, without its secret.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// Passes events to the handler until `stop` completes, and open requests complete or time out.
    pub(crate) async fn serve(self, handler: impl EventHandler, stop: impl Future<Output = ()>) {
        let webhook = Webhook::builder(self.authenticator)
            .allow_origin(self.cloud.event_grid_origin())
            .build(handler);
        let site = Site {
            router: webhook.router::<()>(&self.path),
            is_local: self.is_local,
            limits: Limits::default(),
        };
        serve(self.tcp, site, stop).await;
    }
}

fn authenticator(
    options: &WebhookOptions,
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
