//! The options of an emulator.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ready_file::{self, ReadyFile};
use crate::delivery::event_grid::event::KINDS;
use crate::redact::without_secrets;
use crate::storage::settings::SasToken;
use crate::{Emulator, EmulatorBuilder, Error, EventSchema, NewSubscription, Script};

/// The default address of HTTP.
pub const DEFAULT_HTTP: SocketAddr = loopback(10010);
/// The default address of HTTPS.
pub const DEFAULT_HTTPS: SocketAddr = loopback(10011);
/// The default address of the admin interface.
pub const DEFAULT_ADMIN: SocketAddr = loopback(10012);
/// The default id of the resource.
const RESOURCE: Uuid = Uuid::from_u128(0xac5e_0000_0000_4000_8000_0000_0000_0001);
/// A host that the official SDKs download content from.
const CONTENT_HOST: &str = "eu-storage.asm.skype.com";

/// Options of the emulator. Flatten them into a `clap` command.
#[derive(Clone, Debug, Args)]
#[allow(clippy::doc_markdown, reason = "help texts have no markup")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub struct Options {
    /// Address to serve HTTP at; port 0 selects a free port [default: 127.0.0.1:10010, unless --https
    /// is given]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,

    /// Address to serve HTTPS at; port 0 selects a free port [default: 127.0.0.1:10011 if --ca-dir,
    /// --ca-out or --official-sdks is given, otherwise none]
    #[arg(long, value_name = "ADDR")]
    https: Option<SocketAddr>,

    /// Additional host name in the certificate, such as `*.example`; loopback is always included
    #[arg(long = "host-name", value_name = "NAME")]
    host_names: Vec<String>,

    /// File to write the CA certificate to; clients of HTTPS must trust it
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,

    /// Folder of the certificate authority, which is created on first use and then reused, so that
    /// ca.pem in it has to be trusted only once
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,

    /// Provides what the official SDKs require: HTTPS, and content at the host
    /// eu-storage.asm.skype.com, which clients must resolve to the emulator
    #[arg(long, conflicts_with = "content_origin")]
    official_sdks: bool,

    /// Generates random access keys instead of using the well-known ones
    #[arg(long)]
    random_keys: bool,

    /// Immutable id of the resource [default: ac5e0000-0000-4000-8000-000000000001]
    #[arg(long, value_name = "GUID")]
    resource_id: Option<Uuid>,

    /// File to write addresses and connection strings to when the emulator is ready; it is removed when
    /// the emulator stops
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,

    /// Origin of content locations, as clients see it; port 0 is replaced by the listener's port
    /// [default: the host that the request to start the recording names]
    #[arg(long, value_name = "URL")]
    content_origin: Option<String>,

    /// Redirects requests for content to `localhost`
    #[arg(long)]
    redirect_content: bool,

    /// Maximum duration of a chunk in seconds; a longer recording has several chunks
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 14_400,
        value_parser = clap::value_parser!(u64).range(1..=14_400),
    )]
    chunk_duration: u64,

    /// Maximum size of a chunk in bytes; a larger recording has several chunks [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    chunk_size: Option<u64>,

    /// Seconds after which an ended call is forgotten, and after which an unanswered call ends
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    call_retention: u64,

    /// Shared access signature (a query string) for recordings in your own storage
    #[arg(
        long,
        value_name = "QUERY",
        env = "ACS_EMULATOR_STORAGE_SAS",
        hide_env_values = true
    )]
    storage_sas: Option<SasToken>,

    /// Webhook to deliver Event Grid events to
    #[arg(long, value_name = "URL")]
    webhook: Option<Address>,

    /// Schema of the delivered events
    #[arg(long, value_enum, default_value_t, requires = "webhook")]
    webhook_schema: Schema,

    /// Event type to deliver, such as `Microsoft.Communication.IncomingCall`, or `all`; can be repeated
    /// [default: Microsoft.Communication.RecordingFileStatusUpdated]
    #[arg(long = "webhook-event", value_name = "TYPE", requires = "webhook")]
    webhook_events: Vec<String>,

    /// Azure Storage queue to deliver Event Grid events to: its URL with a SAS, or its name together
    /// with --event-queue-connection-string
    #[arg(long, value_name = "URL|NAME")]
    event_queue: Option<Address>,

    /// Connection string of the storage account, such as UseDevelopmentStorage=true, for a queue that
    /// is given by name
    #[arg(
        long,
        value_name = "TEXT",
        env = "ACS_QUEUE_CONNECTION_STRING",
        hide_env_values = true
    )]
    event_queue_connection_string: Option<Secret>,

    /// Schema of the events in the queue
    #[arg(long, value_enum, default_value_t, requires = "event_queue")]
    event_queue_schema: Schema,

    /// Event type to deliver to the queue, or `all`; can be repeated
    /// [default: Microsoft.Communication.RecordingFileStatusUpdated]
    #[arg(
        long = "event-queue-event",
        value_name = "TYPE",
        requires = "event_queue"
    )]
    event_queue_events: Vec<String>,

    /// File with a script of calls: who joins, speaks and leaves, and when
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Seed for ids and random keys, so that the same requests in the same order get the same ids
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Address to serve the admin interface and its page at; unless it is on loopback, requests need a
    /// token [default: 127.0.0.1:10012]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,

    /// Token that requests to the admin interface need [default: none on loopback, otherwise a random
    /// one, which the ready line contains]
    #[arg(
        long,
        value_name = "TEXT",
        env = "ACS_EMULATOR_ADMIN_TOKEN",
        hide_env_values = true
    )]
    admin_token: Option<Secret>,

    /// Host name by which clients reach the admin interface, such as that of a container; can be
    /// repeated
    #[arg(long = "admin-allowed-host", value_name = "NAME")]
    admin_allowed_hosts: Vec<String>,

    /// Allows plain HTTP for webhooks, callbacks and storage on other machines, such as containers
    #[arg(long)]
    allow_http_webhooks: bool,

    /// Set by [`Options::isolated`].
    #[arg(skip)]
    isolated: bool,
}

/// A URL whose query may contain a secret.
#[derive(Clone)]
struct Address(String);

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        without_secrets(&self.0).fmt(f)
    }
}

/// A text that is not shown, such as the connection string of a storage account.
#[derive(Clone)]
struct Secret(String);

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Schema {
    #[default]
    EventGrid,
    CloudEvents,
}

impl Options {
    /// Changes the defaults, so that the emulator does not disturb others: free ports instead of the
    /// well-known ones, random keys, and HTTPS in addition to HTTP.
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Starts the emulator. Writes the CA certificate if a file is given, and removes the ready file
    /// of an earlier run.
    ///
    /// Subscribes the queue and the webhook before the script starts, so that they miss none of its
    /// events. The webhook may be started later: the handshake is retried in the background.
    ///
    /// # Errors
    /// If a value or a file is invalid, or an address cannot be bound.
    pub async fn start(&self) -> Result<Emulator, Error> {
        if let Some(path) = &self.ready_file {
            ready_file::remove(path)?;
        }
        if let Some(seed) = self.seed {
            crate::seed_ids(seed);
        }
        let acs = self.configure()?.hold_script().start().await?;
        self.subscribe(&acs).await?;
        acs.begin_script();
        if let (Some(path), Some(certificate)) = (&self.ca_out, acs.ca_certificate()) {
            std::fs::write(path, certificate).map_err(|source| Error::CertificateFile {
                path: path.clone(),
                source,
            })?;
        }
        Ok(acs)
    }

    fn configure(&self) -> Result<EmulatorBuilder, Error> {
        let default = |well_known| {
            if self.isolated {
                loopback(0)
            } else {
                well_known
            }
        };
        let mut builder = Emulator::builder()
            .admin(self.admin.unwrap_or(default(DEFAULT_ADMIN)))
            .resource_id(self.resource_id.unwrap_or(RESOURCE));
        if !(self.random_keys || self.isolated) {
            builder = builder.well_known_keys();
        }
        if self.https.is_some() && self.http.is_none() && !self.isolated {
            builder = builder.without_http();
        } else {
            builder = builder.http(self.http.unwrap_or(default(DEFAULT_HTTP)));
        }
        let with_tls = self.ca_dir.is_some() || self.ca_out.is_some() || self.official_sdks;
        if self.https.is_some() || with_tls || self.isolated {
            builder = builder.https(self.https.unwrap_or(default(DEFAULT_HTTPS)));
        }
        if let Some(token) = &self.admin_token {
            builder = builder.admin_token(&token.0)?;
        }
        for name in &self.admin_allowed_hosts {
            builder = builder.admin_allowed_host(name);
        }
        if self.allow_http_webhooks {
            builder = builder.allow_http_webhooks();
        }
        if let Some(folder) = &self.ca_dir {
            builder = builder.ca_dir(folder);
        }
        if self.official_sdks {
            builder = builder
                .name(CONTENT_HOST)
                .content_url(format!("https://{CONTENT_HOST}:0"))?;
        }
        for name in &self.host_names {
            builder = builder.name(name);
        }
        if let Some(url) = &self.content_origin {
            builder = builder.content_url(url)?;
        }
        builder = builder.chunk_duration(Duration::from_secs(self.chunk_duration));
        builder = builder.call_retention(Duration::from_secs(self.call_retention));
        if let Some(bytes) = self.chunk_size {
            builder = builder.chunk_size(bytes);
        }
        if let Some(signature) = &self.storage_sas {
            builder = builder.storage_sas(signature.query());
        }
        if self.redirect_content {
            builder = builder.redirect_content();
        }
        if let Some(path) = &self.script {
            builder = builder.script(Script::from_file(path)?);
        }
        Ok(builder)
    }

    /// The file of the CA certificate, if any.
    pub fn ca_file(&self) -> Option<PathBuf> {
        let in_folder = || {
            Some(
                self.ca_dir
                    .as_ref()?
                    .join(crate::server::authority::CERTIFICATE),
            )
        };
        self.ca_out.clone().or_else(in_folder)
    }

    /// Writes the ready file, if one is given, with the content of [`Options::ready`]. The file is
    /// removed when the returned value is dropped.
    ///
    /// # Errors
    /// [`Error::ReadyFile`].
    pub fn write_ready_file(&self, acs: &Emulator) -> Result<Option<ReadyFile>, Error> {
        let path = self.ready_file.as_deref();
        path.map(|path| ReadyFile::write(path, &self.ready(acs)))
            .transpose()
    }

    /// The message that announces to the parent process that the emulator is ready. It contains
    /// addresses and connection strings. `ca_file_base64` contains the bytes of a file name that is
    /// not UTF-8.
    pub fn ready(&self, acs: &Emulator) -> Value {
        let connection_string = |endpoint: Option<&str>| {
            endpoint.map(|endpoint| format!("endpoint={endpoint}/;accesskey={}", acs.access_key()))
        };
        let (http, https) = (acs.http_endpoint(), acs.https_endpoint());
        let ca_file = self.ca_file();
        let mut ready = json!({
            "event": "ready",
            "connection_string": connection_string(http),
            "endpoint": http,
            "https_connection_string": connection_string(https),
            "https_endpoint": https,
            "admin": acs.admin_url(),
            "admin_page": Self::page(acs),
            "admin_token": acs.admin_token(),
            "ca_file": ca_file.as_ref().map(|path| path.to_string_lossy()),
            "resource_id": acs.resource_id(),
        });
        if let Some(path) = ca_file.as_ref().filter(|path| path.to_str().is_none()) {
            let bytes = STANDARD.encode(path.as_os_str().as_encoded_bytes());
            ready["ca_file_base64"] = bytes.into();
        }
        ready
    }

    /// The URL of the page, which contains the token if there is one.
    fn page(acs: &Emulator) -> Option<String> {
        let origin = acs.admin_url()?.trim_end_matches("/admin");
        Some(match acs.admin_token() {
            Some(token) => format!("{origin}/?token={token}"),
            None => format!("{origin}/"),
        })
    }

    async fn subscribe(&self, acs: &Emulator) -> Result<(), Error> {
        if let Some(queue) = &self.event_queue {
            let mut subscription = acs.subscribe_queue(&queue.0);
            // The environment variable may be set for other programs. A URL needs no connection
            // string.
            if let Some(text) = &self.event_queue_connection_string
                && !queue.0.contains("://")
            {
                subscription = subscription.connection_string(&text.0);
            }
            let events = &self.event_queue_events;
            select(subscription, self.event_queue_schema, events).await?;
            tracing::info!(to = &*without_secrets(&queue.0), "queue subscribed");
        }
        if let Some(url) = &self.webhook {
            let subscription = acs.subscribe(&url.0).retry_handshake();
            select(subscription, self.webhook_schema, &self.webhook_events).await?;
        }
        Ok(())
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Applies the schema and the event types to a subscription.
fn select<'a>(
    subscription: NewSubscription<'a>,
    schema: Schema,
    events: &[String],
) -> NewSubscription<'a> {
    let subscription = subscription.schema(match schema {
        Schema::EventGrid => EventSchema::EventGrid,
        Schema::CloudEvents => EventSchema::CloudEvents,
    });
    for kind in events {
        if kind != "all" && !KINDS.contains(&kind.as_str()) {
            tracing::warn!(kind, known = ?KINDS, "the emulator sends no events of this type");
        }
    }
    if events.iter().any(|kind| kind == "all") {
        subscription.all_events()
    } else if events.is_empty() {
        subscription
    } else {
        subscription.events(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    fn addresses(options: &[&str], isolated: bool) -> [Option<SocketAddr>; 3] {
        let arguments = ["x"].iter().chain(options);
        let mut options = Program::parse_from(arguments).options;
        if isolated {
            options = options.isolated();
        }
        let network = options.configure().unwrap().network;
        [network.http, network.https, network.admin]
    }

    #[test]
    fn ports_are_well_known_unless_the_emulator_is_isolated() {
        let admin = Some(DEFAULT_ADMIN);
        let (http, https) = (Some(DEFAULT_HTTP), Some(DEFAULT_HTTPS));
        assert_eq!(addresses(&[], false), [http, None, admin]);
        for option in [
            &["--official-sdks"][..],
            &["--ca-dir", "d"],
            &["--ca-out", "f"],
        ] {
            assert_eq!(addresses(option, false), [http, https, admin], "{option:?}");
        }
        let (own, own_address) = (["--https", "127.0.0.1:9"], Some(loopback(9)));
        assert_eq!(addresses(&own, false), [None, own_address, admin]);
        let free = Some(loopback(0));
        assert_eq!(addresses(&[], true), [free, free, free]);
        assert_eq!(addresses(&own, true), [free, own_address, free]);
    }

    #[test]
    fn secrets_are_used_and_never_shown() {
        let program = Program::parse_from(["x", "--storage-sas", "?sv=1&sig=secret"]);
        let builder = program.options.configure().unwrap();
        let signature = builder.settings.storage.sas.as_ref().unwrap();
        assert_eq!(signature.query(), "sv=1&sig=secret");
        assert!(!format!("{builder:?}").contains("secret"));
        assert!(!format!("{:?}", program.options).contains("secret"));
        let webhook = "https://user:secret@app.example/events?code=secret";
        let program = Program::parse_from(["x", "--webhook", webhook]);
        let shown = format!("{:?}", program.options);
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("https://app.example/events"), "{shown}");
        let program = Program::parse_from(["x", "--admin-token", "secret"]);
        let builder = program.options.configure().unwrap();
        assert!(!format!("{builder:?} {:?}", program.options).contains("secret"));
        let program = Program::parse_from(["x", "--admin-token", "a secret"]);
        let error = program.options.configure().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
        let key = "AccountName=a;AccountKey=c2VjcmV0";
        let options = ["--event-queue", "https://a.example/q?sig=secret"];
        let program = Program::parse_from(
            ["x"]
                .into_iter()
                .chain(options)
                .chain(["--event-queue-connection-string", key]),
        );
        let shown = format!("{:?}", program.options);
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert!(shown.contains("https://a.example/q"), "{shown}");
        let help = Program::command().render_long_help().to_string();
        assert!(help.contains("[env: ACS_EMULATOR_STORAGE_SAS]"), "{help}");
    }
}
