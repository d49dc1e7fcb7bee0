//! The options of `events listen`.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::download_settings::Settings;

/// Runs a webhook that prints every event and downloads recordings when they are ready
///
/// The webhook completes the handshakes of Event Grid and authenticates deliveries: by a secret
/// (ACS_WEBHOOK_SECRET or --secret-file) in the URL (`?code=…`) or in the header --secret-header, by a
/// Microsoft Entra ID token, or by the token of Call Automation callbacks. If a secret is set, the
/// CloudEvents handshake requires it too, because that handshake never has a token.
///
/// An event is acknowledged after its line was written. With --download-to, the event of a recording
/// is printed, written to the spool, and then acknowledged. Recordings are downloaded in the
/// background, up to four at the same time, and failed downloads are retried for 24 hours. Ctrl-C or
/// SIGTERM ends the command within five seconds. The next start resumes what is left in the spool,
/// also after a crash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ACS_WEBHOOK_SECRET=… acs-recording events listen --port 8080 --download-to recordings
  acs-recording events listen --port 8080 --allow-unauthenticated

Each event is one line of JSON as for `events parse`. Each download is reported as for `download
--event`; with --output json, all lines are JSON. To write a file for `download --event`, omit
--download-to: that file must have lines of events only.

An event that cannot be read is reported and rejected. It is kept unchanged in the folder
`unreadable` of the spool, or printed on standard error without a spool. An event whose recording
can never be downloaded, such as one in your own storage account, is reported once and kept in the
folder `noted` of the spool.")]
pub(crate) struct Listen {
    /// Port to listen on; 0 selects a free port
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// Address to listen on; 0.0.0.0 accepts connections from other machines
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(super) host: IpAddr,
    /// Path of the webhook
    #[arg(long, default_value = "/events")]
    pub(super) path: String,

    /// File with the secret, to use instead of ACS_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// Header that contains the secret, as configured in the delivery properties of the event
    /// subscription; the URL must contain it otherwise
    #[arg(long, value_name = "NAME")]
    pub(super) secret_header: Option<String>,
    /// Accepts deliveries of Event Grid with a Microsoft Entra ID token of this tenant
    #[arg(long, value_name = "TENANT", requires = "entra_audience")]
    pub(super) entra_tenant: Option<String>,
    /// Application id or URI that the tokens are issued for
    #[arg(long, value_name = "APP", requires = "entra_tenant")]
    pub(super) entra_audience: Option<String>,
    /// Application id of Event Grid in this cloud, if it is not known
    #[arg(long, value_name = "ID", requires = "entra_tenant")]
    pub(super) entra_application: Option<String>,
    /// Token authority to trust instead of that of the cloud, such as the issuer of `events trigger
    /// --token-audience`
    #[arg(long, value_name = "URL", requires = "entra_tenant")]
    pub(super) entra_authority: Option<String>,
    /// Accepts callbacks of the resource with this immutable id, a GUID
    #[arg(long, value_name = "RESOURCE_ID")]
    pub(super) callback_resource_id: Option<String>,
    /// Accepts events without authentication from programs on this machine, but not from web pages;
    /// the Host of a request must be localhost or the address that it was sent to
    #[arg(long, conflicts_with_all = ["secret_file", "secret_header", "entra_tenant", "callback_resource_id", "delete_after"])]
    pub(super) allow_unauthenticated: bool,

    /// Folder to download recordings to
    #[arg(long, value_name = "DIR")]
    pub(super) download_to: Option<PathBuf>,
    /// Folder for events until their recordings are downloaded [default: .spool in the folder of
    /// --download-to]
    #[arg(long, value_name = "DIR", requires = "download_to")]
    pub(super) spool: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Deletes each recording from the service after all its files are saved and verified; requires
    /// authentication
    #[arg(long, requires = "download_to")]
    pub(super) delete_after: bool,
    /// Exits after this number of events: printed, or their recordings downloaded
    #[arg(long, value_name = "N")]
    pub(super) count: Option<NonZeroUsize>,
}
