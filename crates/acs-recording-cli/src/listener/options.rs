//! The options of a webhook that this program runs.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Args;

/// Where the webhook listens, and how it authenticates deliveries.
#[derive(Clone, Debug, Args)]
pub(crate) struct WebhookOptions {
    /// Port to listen on; 0 selects a free port
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Address to listen on; 0.0.0.0 accepts connections from other machines
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Path of the webhook
    #[arg(long, default_value = "/events")]
    pub(crate) path: String,

    /// File with the secret, to use instead of ACS_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Header that contains the secret, as configured in the delivery properties of the event
    /// subscription; the URL must contain it otherwise
    #[arg(long, value_name = "NAME")]
    pub(crate) secret_header: Option<String>,
    /// Accepts deliveries of Event Grid with a Microsoft Entra ID token of this tenant
    #[arg(long, value_name = "TENANT", requires = "entra_audience")]
    pub(crate) entra_tenant: Option<String>,
    /// Application id or URI that the tokens are issued for
    #[arg(long, value_name = "APP", requires = "entra_tenant")]
    pub(crate) entra_audience: Option<String>,
    /// Application id of Event Grid in this cloud, if it is not known
    #[arg(long, value_name = "ID", requires = "entra_tenant")]
    pub(crate) entra_application: Option<String>,
    /// Token authority to trust instead of that of the cloud, such as the issuer of `events trigger
    /// --token-audience`
    #[arg(long, value_name = "URL", requires = "entra_tenant")]
    pub(crate) entra_authority: Option<String>,
    /// Accepts callbacks of the resource with this immutable id, a GUID
    #[arg(long, value_name = "RESOURCE_ID")]
    pub(crate) callback_resource_id: Option<String>,
    /// Accepts events without authentication from programs on this machine, but not from web pages;
    /// the Host of a request must be localhost or the address that it was sent to
    #[arg(long, conflicts_with_all = ["secret_file", "secret_header", "entra_tenant", "callback_resource_id", "delete_after"])]
    pub(crate) allow_unauthenticated: bool,
}
