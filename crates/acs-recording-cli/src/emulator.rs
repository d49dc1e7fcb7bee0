//! `emulator`: the service on this machine.

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use acs_emulator::{Emulator, EmulatorBuilder, EventSchema, Script};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;

/// Attempts to pass the handshake of a webhook that may be starting at the same time.
const HANDSHAKES: u32 = 30;

/// Runs the service on this machine: calls, recordings, content and events
///
/// When it is ready, one line of JSON on standard output tells the addresses and connection strings.
/// Ctrl-C ends it. The key in them is made for this run and opens nothing else.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording emulator --http 127.0.0.1:8080
  acs-recording emulator --webhook http://127.0.0.1:9000/events --webhook-event all

JSON: {\"event\": \"ready\", \"connection_string\", \"endpoint\", \"https_connection_string\",
\"https_endpoint\", \"admin\", \"ca_file\"}")]
pub(crate) struct EmulatorOptions {
    /// Serves plain HTTP at this address; port 0 picks a free one [default: 127.0.0.1:0, unless
    /// --https is given]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,

    /// Serves HTTPS at this address; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    https: Option<SocketAddr>,

    /// A host name for the certificate, also `*.example`; loopback is always in it
    #[arg(long = "tls-name", value_name = "NAME")]
    tls_names: Vec<String>,

    /// Writes the certificate of the authority, which clients have to trust, to this file
    #[arg(long, value_name = "FILE", requires = "https")]
    ca_out: Option<PathBuf>,

    /// The origin that locations of content begin with; port 0 stands for the listener's port
    /// [default: the endpoint]
    #[arg(long, value_name = "URL")]
    content_url: Option<String>,

    /// Sends Event Grid events to this address
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,

    /// The schema of these events
    #[arg(long, value_enum, default_value_t, requires = "webhook")]
    webhook_schema: Schema,

    /// A type of these events, such as `Microsoft.Communication.IncomingCall`, or `all`
    /// [default: Microsoft.Communication.RecordingFileStatusUpdated]
    #[arg(long = "webhook-event", value_name = "TYPE", requires = "webhook")]
    webhook_events: Vec<String>,

    /// Lets people join, speak and leave as this file says
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Makes ids and keys the same on every run that does the same in the same order
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Serves the admin interface at this address, which has to be on loopback
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    admin: SocketAddr,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Schema {
    #[default]
    EventGrid,
    CloudEvents,
}

pub(crate) async fn run(
    options: EmulatorOptions,
    out: &Output,
    mut stop: crate::Stop,
) -> Result<(), Failure> {
    if let Some(seed) = options.seed {
        acs_emulator::seed_ids(seed);
    }
    let acs = configure(&options)?.start().await.map_err(failure)?;
    if let (Some(path), Some(certificate)) = (&options.ca_out, acs.ca_certificate()) {
        std::fs::write(path, certificate).map_err(|error| Failure::file(path, &error))?;
    }
    announce(&acs, &options, out)?;
    let subscribing = subscribe(&acs, &options, out);
    tokio::select! {
        () = &mut stop => {}
        subscribed = subscribing => {
            subscribed?;
            stop.await;
        }
    }
    out.note("stopping");
    acs.shutdown().await;
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it goes with `map_err`")]
fn failure(error: acs_emulator::Error) -> Failure {
    Failure::other(&error)
}

fn configure(options: &EmulatorOptions) -> Result<EmulatorBuilder, Failure> {
    let mut builder = Emulator::builder().admin(options.admin);
    if let Some(address) = options.https {
        builder = builder.https(address);
        if options.http.is_none() {
            builder = builder.without_http();
        }
    }
    if let Some(address) = options.http {
        builder = builder.http(address);
    }
    for name in &options.tls_names {
        builder = builder.name(name);
    }
    if let Some(url) = &options.content_url {
        builder = builder.content_url(url).map_err(failure)?;
    }
    if let Some(path) = &options.script {
        builder = builder.script(Script::from_file(path).map_err(failure)?);
    }
    Ok(builder)
}

/// The one line that programs wait for, and how to go on for people.
fn announce(acs: &Emulator, options: &EmulatorOptions, out: &Output) -> Result<(), Failure> {
    let connection_string = |endpoint: Option<&str>| {
        endpoint.map(|endpoint| format!("endpoint={endpoint}/;accesskey={}", acs.access_key()))
    };
    let (http, https) = (acs.http_endpoint(), acs.https_endpoint());
    let line = json!({
        "event": "ready",
        "connection_string": connection_string(http),
        "endpoint": http,
        "https_connection_string": connection_string(https),
        "https_endpoint": https,
        "admin": acs.admin_url(),
        "ca_file": options.ca_out.as_ref().map(|path| path.to_string_lossy()),
    });
    out.line(&line.to_string())?;
    if io::stdout().is_terminal() {
        let text = connection_string(http.or(https)).unwrap_or_default();
        out.note(&format!(
            "\nIn another terminal:\n  export ACS_CONNECTION_STRING='{text}'\n  \
             acs-recording call create 8:acs:alice --callback https://app.example/calls\n\
             Ctrl-C ends it.\n"
        ));
    }
    Ok(())
}

async fn subscribe(acs: &Emulator, options: &EmulatorOptions, out: &Output) -> Result<(), Failure> {
    let Some(url) = &options.webhook else {
        return Ok(());
    };
    let mut attempt = 1;
    loop {
        let mut subscription = acs.subscribe(url).schema(match options.webhook_schema {
            Schema::EventGrid => EventSchema::EventGrid,
            Schema::CloudEvents => EventSchema::CloudEvents,
        });
        if options.webhook_events.iter().any(|kind| kind == "all") {
            subscription = subscription.all_events();
        } else if !options.webhook_events.is_empty() {
            subscription = subscription.events(&options.webhook_events);
        }
        match subscription.await {
            Ok(()) => {
                out.note("webhook subscribed");
                return Ok(());
            }
            Err(error @ acs_emulator::Error::Handshake { .. }) if attempt < HANDSHAKES => {
                if attempt == 1 {
                    out.note(&format!("{error}; will try again"));
                }
                attempt += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(failure(error)),
        }
    }
}
