//! The emulator as a program: `acs-emulator --help`.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use acs_emulator::Emulator;
use acs_emulator::cli::Options;
use clap::Parser;
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A local Azure Communication Services: calls, recordings, content and events.
///
/// When every listener is bound, one line of JSON on standard output tells the addresses and
/// connection strings. Logs go to standard error; `RUST_LOG` selects them.
#[derive(Debug, Parser)]
#[command(name = "acs-emulator", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
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
    let options = cli.options;
    let mut stop = std::pin::pin!(stop_signal()?);
    let acs = options.start().await?;
    announce(&acs, &options)?;
    tracing::info!(endpoint = acs.endpoint(), "ready");

    let subscribing = options.subscribe(&acs);
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

/// The one line that programs wait for.
fn announce(acs: &Emulator, options: &Options) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", options.ready(acs))?;
    out.flush()?;
    Ok(())
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
