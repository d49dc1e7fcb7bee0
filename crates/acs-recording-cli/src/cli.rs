//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[cfg(feature = "emulator")]
use crate::commands::emulator;
use crate::commands::{call, delete, download, events, inspect, metadata, recording};
use crate::options::Global;
use crate::output::Output;

/// Records calls with Azure Communication Services: start, control, download, look at.
///
/// The resource and its key come from ACS_CONNECTION_STRING or --connection-string-file, never from
/// the command line, where other users of the machine could read them. With ACS_ENDPOINT instead,
/// Entra ID is asked for a token.
///
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "acs-recording", version, max_term_width = 100, after_help = format!("{EXAMPLE}{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Whether the emulator says what it is doing.
    pub(crate) fn tells_what_happens(&self, out: &Output) -> bool {
        self.command.is_emulator() && (out.talks_to_people() || self.global.verbose > 0)
    }
}

#[cfg(feature = "emulator")]
const EXAMPLE: &str = "\
Example, with a service on this machine:
  acs-recording emulator                       # prints a connection string
  export ACS_CONNECTION_STRING='endpoint=…'    # in another terminal
  acs-recording call create 8:acs:alice --callback https://app.example/calls
  acs-recording start --server-call-id ID
  acs-recording stop RECORDING_ID
";

#[cfg(not(feature = "emulator"))]
const EXAMPLE: &str = "\
Example:
  export ACS_CONNECTION_STRING='endpoint=…;accesskey=…'
  acs-recording call create 8:acs:alice --callback https://app.example/calls
  acs-recording start --server-call-id ID
  acs-recording stop RECORDING_ID
";

const EXIT_CODES: &str = "
Exit codes:
    0  done
    1  the service refused or failed in another way, or a local file could not be used
    2  the command line or a value on it is wrong
    3  not authenticated, or not allowed
    4  not found: the recording, the call or the content
    5  network: no connection, or no answer in time
    6  content is corrupt, expired or kept changing
    7  not now: too many requests, the service is down, the content is not ready, or another program
       writes to the file; try again
    8  incomplete: what could be saved of a recording is saved, and something is missing
  130  interrupted; a listener or an emulator that Ctrl-C ends has done its work: 0
  143  ended by SIGTERM, as gently as by Ctrl-C";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Start(Box<recording::Start>),
    Status(recording::Which),
    Pause(recording::Pause),
    Resume(recording::Resume),
    Stop(recording::Stop),
    Wait(recording::Wait),
    Download(Box<download::Download>),
    Delete(delete::Delete),
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording events listen --no-check --count 1 > event.json"
    )]
    Events(events::EventsCommand),
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording metadata show recordings/0-weu-d1-….000.json"
    )]
    Metadata(metadata::MetadataCommand),
    Inspect(inspect::Inspect),
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording call create 8:acs:… --callback https://app.example/calls"
    )]
    Call(call::CallCommand),
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorOptions),
    /// Prints a script that completes commands and options in a shell
    #[command(
        after_help = "Example:\n  acs-recording completions bash > ~/.local/share/bash-completion/completions/acs-recording"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, or writes one for every command into a folder
    #[command(after_help = "Example:\n  acs-recording man | man -l -")]
    Man {
        /// Folder for the pages
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Servers, and downloads over several connections.
    pub(crate) fn needs_threads(&self) -> bool {
        matches!(self, Self::Download(_)) || self.ends_with_signal()
    }

    /// Whether a signal is the usual way to end it.
    pub(crate) fn ends_with_signal(&self) -> bool {
        matches!(self, Self::Events(events::EventsCommand::Listen(_))) || self.is_emulator()
    }

    fn is_emulator(&self) -> bool {
        match self {
            #[cfg(feature = "emulator")]
            Self::Emulator(_) => true,
            _ => false,
        }
    }

    /// How to go on after Ctrl-C or SIGTERM.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Download(_) => {
                "what came in is kept in a .part file: run the same command again to go on from there"
            }
            Self::Start(_) => "the recording may have been started all the same",
            Self::Pause(_) | Self::Resume(_) | Self::Stop(_) => {
                "whether it was done, `acs-recording status` tells"
            }
            Self::Delete(_) => {
                "some of it may be deleted all the same: run the same command again for the rest"
            }
            Self::Call(command) => command.when_interrupted(),
            Self::Inspect(options) => options.when_interrupted(),
            Self::Man { dir: Some(_) } => "some pages may be there already",
            _ => "nothing was changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn help_offers_what_was_built() {
        let help = Cli::command().render_long_help().to_string();
        let offered = help.contains("acs-recording emulator") || help.contains("\n  emulator ");
        assert_eq!(offered, cfg!(feature = "emulator"), "{help}");
        let read = Cli::try_parse_from(["acs-recording", "emulator"]);
        assert_eq!(read.is_ok(), cfg!(feature = "emulator"));
        assert!(
            help.contains("RECORDING_ID\n\nExit codes:\n    0  done"),
            "{help}"
        );
    }
}
