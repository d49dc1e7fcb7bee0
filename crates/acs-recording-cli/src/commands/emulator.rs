//! `emulator`: runs the service on this machine.

use std::process::ExitCode;

use acs_emulator::Emulator;
use acs_emulator::cli::{ExecOptions, Options};
use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

/// Runs an emulator of the service on this machine: calls, recordings, content and events
///
/// On a terminal, it prints the connection string and then its activity. Otherwise, and with --output
/// json, it prints one line of JSON with addresses and connection strings when it is ready; -v adds
/// its activity on standard error.
///
/// By default, it serves HTTP at 127.0.0.1:10010 with well-known access keys, and its admin interface
/// at 127.0.0.1:10012. Ctrl-C or SIGTERM ends it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  acs-recording emulator
  acs-recording emulator exec -- npm test                 # stops it after the command
  acs-recording emulator --webhook http://127.0.0.1:9000/events --webhook-event all
  acs-recording emulator --event-queue recordings \
    --event-queue-connection-string UseDevelopmentStorage=true    # Azurite on this machine
  acs-recording emulator --https 127.0.0.1:8443 --ca-out ca.pem    # for --ca-cert ca.pem

JSON: {\"event\": \"ready\", \"connection_string\", \"endpoint\", \"https_connection_string\",
\"https_endpoint\", \"admin\", \"ca_file\", \"resource_id\"}; ca_file_base64 has the bytes of a file
name that is not UTF-8."
)]
pub(crate) struct EmulatorOptions {
    #[command(subcommand)]
    command: Option<EmulatorCommand>,

    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum EmulatorCommand {
    /// Runs a command with an emulator of its own and returns the command's exit code
    ///
    /// The emulator has free ports and random keys. The command finds the connection string in
    /// ACS_CONNECTION_STRING, and its environment makes Node.js, Python, Java, .NET on Linux, Go, Ruby,
    /// curl and Rust trust the emulator. Signals are forwarded to the command. After a signal, the exit
    /// code is 128 plus its number. The exit code is 125 if the emulator cannot be started, 126 if the
    /// command cannot be executed, and 127 if it does not exist.
    #[command(after_help = "\
Examples:
  acs-recording emulator exec -- npm test
  acs-recording emulator exec --script calls.json -- mvn test")]
    Exec(Box<ExecOptions>),
}

impl EmulatorOptions {
    /// The options of `exec`, which handles signals itself.
    pub(crate) fn exec(&self) -> Option<&ExecOptions> {
        match &self.command {
            Some(EmulatorCommand::Exec(exec)) => Some(exec),
            None => None,
        }
    }
}

/// Runs a command with an emulator, and returns its exit code.
pub(crate) async fn exec(options: ExecOptions) -> Result<ExitCode, Failure> {
    match options.run().await {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) => {
            let code = ExecOptions::exit_code(&error);
            Err(failure(error).with_exit_code(code))
        }
    }
}

pub(crate) async fn run(
    options: EmulatorOptions,
    out: &Output,
    stop: crate::stop::Stop,
) -> Result<(), Failure> {
    let options = options.options;
    let acs = options.start().await.map_err(failure)?;
    let ready_file = options.write_ready_file(&acs).map_err(failure)?;
    if out.is_interactive() {
        out.line(&welcome(&acs, &options))?;
    } else {
        out.json(&options.ready(&acs))?;
    }
    stop.await;
    drop(ready_file);
    acs.shutdown().await;
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it goes with `map_err`")]
fn failure(error: acs_emulator::Error) -> Failure {
    use acs_emulator::Error;
    let with_cause = |cause: &dyn std::error::Error| format!("{error}: {cause}");
    match &error {
        Error::Listen { source, .. } => Failure::usage(with_cause(source)),
        Error::AdminToken
        | Error::ContentUrl(_)
        | Error::WebhookUrl { .. }
        | Error::Queue { .. } => Failure::usage(error.to_string()),
        Error::Certificate(cause) => Failure::usage(with_cause(cause.as_ref())),
        Error::Script { source, .. } if !source.is::<std::io::Error>() => {
            Failure::usage(with_cause(source.as_ref()))
        }
        _ => Failure::other(&error),
    }
}

/// The text that a terminal shows first.
fn welcome(acs: &Emulator, options: &Options) -> String {
    let endpoint = acs.http_endpoint().or(acs.https_endpoint());
    let endpoint = endpoint.unwrap_or_default();
    let (key, admin) = (acs.access_key(), acs.admin_url().unwrap_or_default());
    // Only HTTPS needs it.
    let trust = match options.ca_file() {
        Some(file) if acs.http_endpoint().is_none() => format!("--ca-cert {} ", file.display()),
        _ => String::new(),
    };
    format!(
        "The emulator runs at {endpoint}. Its admin interface is at {admin}. Press Ctrl-C to stop it.\n\
         In another terminal:\n\n  \
         export ACS_CONNECTION_STRING='endpoint={endpoint}/;accesskey={key}'\n  \
         acs-recording {trust}call create 8:acs:alice 8:acs:bob --callback-url https://app.example/calls\n"
    )
}
