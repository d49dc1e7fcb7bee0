//! The options of `events listen`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::download_settings::Settings;
use crate::listener::WebhookOptions;

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
    #[command(flatten)]
    pub(super) webhook: WebhookOptions,

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
