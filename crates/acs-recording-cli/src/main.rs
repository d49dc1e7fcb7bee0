//! `acs-recording`: the command line for recording calls with Azure Communication Services.

#![allow(
    clippy::doc_markdown,
    reason = "options are documented for a terminal, where backticks are in the way"
)]

mod cli;
mod client;
mod commands;
mod download_settings;
mod event_files;
mod failure;
mod files;
mod identifier;
mod listener;
mod log;
mod metadata_document;
mod options;
mod output;
mod profile;
mod progress;
mod saving;
mod stop;
#[cfg(feature = "archive")]
mod storage;
#[cfg(feature = "opentelemetry")]
mod telemetry;
mod text;
mod webhook_sender;
mod webhook_url;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::Parser as _;

use cli::{Cli, Command};
#[cfg(feature = "archive")]
use commands::archive;
#[cfg(feature = "emulator")]
use commands::emulator;
use commands::{
    call, delete, doctor, download, events, inspect, metadata, profile as profiles, recording,
    shell,
};
use failure::Failure;
use output::Output;
use stop::{Signal, Signals, Stop};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let mut cli = cli;
    let profile = if cli.command.uses_profile() {
        cli.global.apply_profile()
    } else {
        Ok(())
    };
    let out = Output::new(
        cli.global.output.unwrap_or_default(),
        cli.global.verbose > 0,
    );
    match profile.and_then(|()| start_log(&cli, &out)) {
        Ok(finish) => {
            let outcome = start(cli, &out);
            // Whoever sends a second signal does not want to wait.
            finish(matches!(&outcome, Err(failure) if failure.is_interruption()));
            outcome.unwrap_or_else(|failure| fail(&failure, &out))
        }
        Err(failure) => fail(&failure, &out),
    }
}

fn fail(failure: &Failure, out: &Output) -> ExitCode {
    out.failure(failure);
    ExitCode::from(failure.exit_code())
}

/// Starts logging, and sending telemetry; call the returned function at the end, and tell it
/// whether to end at once.
#[cfg(feature = "opentelemetry")]
fn start_log(cli: &Cli, out: &Output) -> Result<impl FnOnce(bool) + use<>, Failure> {
    let telemetry = if cli.command.finishes_work() {
        telemetry::Telemetry::start(&cli.global)?
    } else {
        None
    };
    let spans = telemetry
        .as_ref()
        .and_then(telemetry::Telemetry::span_layer);
    log::start(cli.global.verbose, cli.shows_activity(out), out, spans);
    Ok(|at_once| {
        if let Some(telemetry) = telemetry {
            telemetry.finish(at_once);
        }
    })
}

#[cfg(not(feature = "opentelemetry"))]
#[allow(clippy::unnecessary_wraps, reason = "as with OpenTelemetry")]
fn start_log(cli: &Cli, out: &Output) -> Result<impl FnOnce(bool) + use<>, Failure> {
    log::start(cli.global.verbose, cli.shows_activity(out), out, None);
    Ok(|_| ())
}

fn start(cli: Cli, out: &Output) -> Result<ExitCode, Failure> {
    // Starting threads takes time, and most commands send a single request.
    let mut runtime = if cli.command.needs_threads() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = runtime.enable_all().build().map_err(Failure::from)?;
    let hint = cli.command.when_interrupted();
    #[cfg(feature = "emulator")]
    if let Some(exec) = cli.command.emulator_exec() {
        return runtime.block_on(emulator::exec(exec.clone()));
    }
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        if cli.command.ends_with_signal() {
            return run_until(signals, cli, out).await;
        }
        tokio::select! {
            outcome = run(cli, out, Box::pin(std::future::pending())) => {
                outcome.map(|()| ExitCode::SUCCESS)
            }
            by = signals.next() => Err(Failure::stopped(by, hint)),
        }
    });
    // A blocking read of standard input cannot be cancelled and would keep the program running.
    runtime.shutdown_background();
    outcome
}

/// Runs a command that a signal usually ends, so that Ctrl-C is not a failure. A second signal ends a
/// command at once that finishes work after the first.
async fn run_until(mut signals: Signals, cli: Cli, out: &Output) -> Result<ExitCode, Failure> {
    let hint = cli.command.when_interrupted();
    let finishes_work = cli.command.finishes_work();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stopped_by = Arc::new(OnceLock::new());
    let second = {
        let stopped_by = Arc::clone(&stopped_by);
        async move {
            let _ = stopped_by.set(signals.next().await);
            let _ = stop.send(());
            if !finishes_work {
                std::future::pending::<()>().await;
            }
            signals.next().await
        }
    };
    let stopped = Box::pin(async move {
        let _ = stopped.await;
    });
    tokio::select! {
        outcome = run(cli, out, stopped) => outcome?,
        by = second => return Err(Failure::stopped(by, hint)),
    }
    Ok(match stopped_by.get() {
        Some(Signal::Terminate) if !finishes_work => ExitCode::from(Signal::Terminate.exit_code()),
        _ => ExitCode::SUCCESS,
    })
}

async fn run(cli: Cli, out: &Output, stop: Stop) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Record(options) => Box::pin(recording::record(*options, global, out, stop)).await,
        Command::Start(options) => recording::start(*options, global, out).await,
        Command::Status(options) => recording::status(options, global, out, stop).await,
        Command::Pause(which) => recording::pause(which, global, out).await,
        Command::Resume(which) => recording::resume(which, global, out).await,
        Command::Stop(which) => recording::stop(which, global, out).await,
        Command::Wait(options) => recording::wait(options, global, out).await,
        Command::Download(options) => download::download(*options, global, out).await,
        Command::Delete(options) => delete::delete(options, global, out).await,
        Command::Events(command) => events::run(command, global, out, stop).await,
        Command::Metadata(command) => metadata::run(&command, out),
        Command::Inspect(options) => inspect::run(options, out).await,
        Command::Doctor(options) => Box::pin(doctor::run(options, global, out)).await,
        Command::Profile(command) => profiles::run(&command, global, out),
        Command::Call(command) => call::run(command, global, out).await,
        #[cfg(feature = "archive")]
        Command::Archive(command) => archive::run(command, global, out, stop).await,
        #[cfg(feature = "emulator")]
        Command::Emulator(options) => emulator::run(*options, out, stop).await,
        Command::Completions { shell } => shell::completions(shell, out),
        Command::Man { dir } => shell::man(dir.as_deref(), out),
    }
}
