//! The program `acs-emulator`.

#![allow(
    clippy::doc_markdown,
    reason = "options are documented for a terminal, where backticks are in the way"
)]

use std::fmt::{self, Debug, Write};
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use acs_emulator::Emulator;
use acs_emulator::cli::{ExecOptions, HealthOptions, Options};
use clap::{Parser, Subcommand};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// The exit code after a SIGTERM: 128 plus the number of the signal.
const TERMINATED: u8 = 143;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A local emulator of Azure Communication Services: calls, recordings, content and events.
///
/// By default, it serves HTTP at 127.0.0.1:10010 with well-known access keys, and its admin interface
/// at 127.0.0.1:10012.
///
/// When all listeners are bound, the program prints one line of JSON with addresses and connection
/// strings to standard output. Logs go to standard error; `RUST_LOG` selects them.
///
/// Ctrl-C ends the program with exit code 0, SIGTERM with 143.
#[derive(Debug, Parser)]
#[command(name = "acs-emulator", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "help texts have no markup")]
enum Command {
    /// Runs a command with an emulator of its own and returns the command's exit code
    ///
    /// The emulator has free ports and random keys. The command finds the connection string in
    /// ACS_CONNECTION_STRING, and its environment makes Node.js, Python, Java, .NET on Linux, Go, Ruby,
    /// curl and Rust trust the emulator. Signals are forwarded to the command. After a signal, the exit
    /// code is 128 plus its number. The exit code is 125 if the emulator cannot be started, 126 if the
    /// command cannot be executed, and 127 if it does not exist.
    #[command(after_help = "\
Examples:
  acs-emulator exec -- npm test
  acs-emulator exec --script calls.json -- mvn test")]
    Exec(Box<ExecOptions>),
    /// Reports whether an emulator on this machine is ready: exit code 0 or 1
    Health(HealthOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // The output of a command is about the command.
    let level = if cli.command.is_some() {
        "warn"
    } else {
        "info"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .fmt_fields(debug_fn(field).delimited(" "))
        .init();
    let outcome = match cli.command {
        None => run(cli.options).await,
        Some(Command::Exec(exec)) => match exec.run().await {
            Ok(code) => Ok(ExitCode::from(code)),
            Err(error) => {
                let code = ExecOptions::exit_code(&error);
                report(&error);
                Ok(ExitCode::from(code))
            }
        },
        Some(Command::Health(health)) => match health.run().await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.into()),
        },
    };
    outcome.unwrap_or_else(|error| {
        report(&*error);
        ExitCode::FAILURE
    })
}

/// Logs an error with its causes.
fn report(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    tracing::error!("{text}");
}

async fn run(options: Options) -> Result<ExitCode, Failure> {
    let stop = stop_signal()?;
    let acs = options.start().await?;
    let ready_file = options.write_ready_file(&acs)?;
    announce(&acs, &options)?;
    tracing::info!(endpoint = acs.endpoint(), "ready");

    let code = stop.await;
    tracing::info!("stopping");
    drop(ready_file);
    acs.shutdown().await;
    Ok(code)
}

/// Writes a field of a log line. Field values may come from clients, so control characters and
/// invisible characters are escaped.
fn field(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(out, "{}=", field.name())?;
    }
    write!(Visible(out), "{value:?}")
}

/// A writer that escapes control characters and invisible characters.
struct Visible<'a, W>(&'a mut W);

impl<W: Write> Write for Visible<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\'' | '\\' => self.0.write_char(character)?,
                _ => write!(self.0, "{}", character.escape_debug())?,
            }
        }
        Ok(())
    }
}

/// Prints the line of JSON that parent processes wait for.
fn announce(acs: &Emulator, options: &Options) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    io::Write::write_fmt(&mut out, format_args!("{}\n", options.ready(acs)))?;
    io::Write::flush(&mut out)?;
    Ok(())
}

/// Completes on Ctrl-C, and on Unix also on SIGTERM, with the exit code.
fn stop_signal() -> io::Result<impl Future<Output = ExitCode>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
            _ = terminate.recv() => ExitCode::from(TERMINATED),
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
            ExitCode::SUCCESS
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_log_fields_are_escaped() {
        let mut text = String::new();
        let input = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{2028}c\n\u{feff}";
        write!(Visible(&mut text), "{input} {:?} über \\ '", "\u{1b}\"").unwrap();
        let shown = r#"a\u{1b}[2J\u{9b}31m\u{202e}b\u{2028}c\n\u{feff} "\u{1b}\"" über \ '"#;
        assert_eq!(text, shown);
    }
}
