//! The emulator as a program: `acs-emulator --help`.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use acs_emulator::{Emulator, EmulatorBuilder, EventSchema, Script};
use clap::{Parser, ValueEnum};
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// Attempts to pass the handshake of a webhook that may be starting at the same time.
const HANDSHAKES: u32 = 30;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A local Azure Communication Services: calls, recordings, content and events.
///
/// When every listener is bound, one line of JSON on standard output tells the addresses and
/// connection strings. Logs go to standard error; `RUST_LOG` selects them.
#[derive(Debug, Parser)]
#[command(name = "acs-emulator", version)]
struct Cli {
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
    #[arg(long, value_enum, default_value_t = Schema::EventGrid, requires = "webhook")]
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schema {
    EventGrid,
    CloudEvents,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(source) = cause {
                text = format!("{text}: {source}");
                cause = source.source();
            }
            tracing::error!("{text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(stop_signal()?);
    if let Some(seed) = cli.seed {
        acs_emulator::seed_ids(seed);
    }
    let acs = configure(&cli)?.start().await?;
    if let (Some(path), Some(certificate)) = (&cli.ca_out, acs.ca_certificate()) {
        std::fs::write(path, certificate)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    announce(&acs, &cli)?;
    tracing::info!(endpoint = acs.endpoint(), "ready");

    let subscribing = subscribe(&acs, &cli);
    tokio::select! {
        () = &mut stop => {}
        subscribed = subscribing => {
            subscribed?;
            stop.await;
        }
    }
    tracing::info!("stopping");
    acs.shutdown().await;
    Ok(())
}

fn configure(cli: &Cli) -> Result<EmulatorBuilder, Failure> {
    let mut builder = Emulator::builder().admin(cli.admin);
    if let Some(address) = cli.https {
        builder = builder.https(address);
        if cli.http.is_none() {
            builder = builder.without_http();
        }
    }
    if let Some(address) = cli.http {
        builder = builder.http(address);
    }
    for name in &cli.tls_names {
        builder = builder.name(name);
    }
    if let Some(url) = &cli.content_url {
        builder = builder.content_url(url)?;
    }
    if let Some(path) = &cli.script {
        builder = builder.script(Script::from_file(path)?);
    }
    Ok(builder)
}

/// The one line that programs wait for.
fn announce(acs: &Emulator, cli: &Cli) -> Result<(), Failure> {
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
        "ca_file": cli.ca_out,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

async fn subscribe(acs: &Emulator, cli: &Cli) -> Result<(), Failure> {
    let Some(url) = &cli.webhook else {
        return Ok(());
    };
    let mut attempt = 1;
    loop {
        let mut subscription = acs.subscribe(url).schema(match cli.webhook_schema {
            Schema::EventGrid => EventSchema::EventGrid,
            Schema::CloudEvents => EventSchema::CloudEvents,
        });
        if cli.webhook_events.iter().any(|kind| kind == "all") {
            subscription = subscription.all_events();
        } else if !cli.webhook_events.is_empty() {
            subscription = subscription.events(&cli.webhook_events);
        }
        match subscription.await {
            Ok(()) => {
                tracing::info!(url, "webhook subscribed");
                return Ok(());
            }
            Err(error @ acs_emulator::Error::Handshake { .. }) if attempt < HANDSHAKES => {
                tracing::warn!(%error, attempt, "will try again");
                attempt += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Completes on Ctrl-C, and where there is such a thing on SIGTERM.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
