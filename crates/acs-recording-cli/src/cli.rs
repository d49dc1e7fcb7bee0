//! The command line: all commands with their options.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[cfg(feature = "archive")]
use crate::commands::archive;
#[cfg(feature = "emulator")]
use crate::commands::emulator;
use crate::commands::{
    call, delete, doctor, download, events, inspect, metadata, profile, recording,
};
use crate::options::Global;
use crate::output::Output;

/// Records calls with Azure Communication Services: start, control, download and inspect recordings
///
/// The connection string comes from ACS_CONNECTION_STRING or --connection-string-file. It is never an
/// argument, because other users of the machine can read arguments. With ACS_ENDPOINT or --endpoint,
/// the command signs in with Microsoft Entra ID. Profiles hold such options in a file, see `profile`.
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
    /// Whether the emulator's activity is shown line by line.
    pub(crate) fn shows_activity(&self, out: &Output) -> bool {
        self.command.is_emulator() && (out.is_interactive() || self.global.verbose > 0)
    }
}

#[cfg(feature = "emulator")]
const EXAMPLE: &str = "\
Example, with the emulator on this machine:
  acs-recording emulator                       # prints a connection string
  export ACS_CONNECTION_STRING='endpoint=…'    # in another terminal
  acs-recording call create 8:acs:alice --callback-url https://app.example/calls
  acs-recording start --server-call-id ID
  acs-recording stop RECORDING_ID
";

#[cfg(not(feature = "emulator"))]
const EXAMPLE: &str = "\
Example:
  export ACS_CONNECTION_STRING='endpoint=…;accesskey=…'
  acs-recording call create 8:acs:alice --callback-url https://app.example/calls
  acs-recording start --server-call-id ID
  acs-recording stop RECORDING_ID
";

const EXIT_CODES: &str = "
Exit codes:
    0  done
    1  failed: the service rejected the request, or a local file cannot be used
    2  the command line, or a value on it, is invalid
    3  not authenticated or not authorized
    4  not found: the recording, the call or the content
    5  network: no connection, or no response in time
    6  the content is corrupt, expired, unreadable or kept changing
    7  try again later: too many requests, the service is unavailable, the content is not ready, or
       another program is writing the file
    8  incomplete: part of a recording was saved, and something is missing
  130  interrupted by Ctrl-C; a listener, an archive worker, the emulator and `status --watch` exit
       with 0 then, and `record` stops the recording and saves it
  143  terminated by SIGTERM, which shuts down as cleanly as Ctrl-C; `archive run` and `archive drain`
       exit with 0 then";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Record(Box<recording::Record>),
    Start(Box<recording::Start>),
    Status(recording::Status),
    Pause(recording::Pause),
    Resume(recording::Resume),
    Stop(recording::Stop),
    Wait(recording::Wait),
    Download(Box<download::Download>),
    Delete(delete::Delete),
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording events listen --allow-unauthenticated --count 1 > event.json"
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
        after_help = "Example:\n  acs-recording call create 8:acs:… --callback-url https://app.example/calls"
    )]
    Call(call::CallCommand),
    #[cfg(feature = "archive")]
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording archive run --queue https://acct.queue.core.windows.net/recordings --to az://archive"
    )]
    Archive(archive::ArchiveCommand),
    #[cfg(feature = "emulator")]
    Emulator(Box<emulator::EmulatorOptions>),
    #[command(
        subcommand,
        after_help = "Example:\n  ACS_PROFILE=prod acs-recording profile show"
    )]
    Profile(profile::ProfileCommand),
    Doctor(doctor::Doctor),
    /// Prints a shell completion script
    #[command(
        after_help = "Example:\n  acs-recording completions bash > ~/.local/share/bash-completion/completions/acs-recording"
    )]
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, or writes one page for each command to a folder
    #[command(after_help = "Example:\n  acs-recording man | man -l -")]
    Man {
        /// Folder to write the pages to
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Servers and parallel downloads use several threads.
    pub(crate) fn needs_threads(&self) -> bool {
        match self {
            #[cfg(feature = "archive")]
            Self::Archive(command) => command.transfers(),
            #[cfg(feature = "emulator")]
            Self::Emulator(_) => true,
            Self::Download(_) => true,
            _ => self.ends_with_signal(),
        }
    }

    /// Whether the settings of the profile apply. A broken file must not break a shell's completions.
    pub(crate) fn uses_profile(&self) -> bool {
        !matches!(self, Self::Completions { .. } | Self::Man { .. })
    }

    /// Whether a signal is the usual way to end the command.
    pub(crate) fn ends_with_signal(&self) -> bool {
        matches!(self, Self::Events(events::EventsCommand::Listen(_)))
            || matches!(self, Self::Status(options) if options.is_watch())
            || self.is_emulator()
            || self.finishes_work()
    }

    /// Whether the command finishes what is in progress after a signal, which is a success.
    pub(crate) fn finishes_work(&self) -> bool {
        match self {
            #[cfg(feature = "archive")]
            Self::Archive(command) => command.is_worker(),
            Self::Record(_) => true,
            _ => false,
        }
    }

    /// The options of `emulator exec`.
    #[cfg(feature = "emulator")]
    pub(crate) fn emulator_exec(&self) -> Option<&acs_emulator::cli::ExecOptions> {
        match self {
            Self::Emulator(options) => options.exec(),
            _ => None,
        }
    }

    fn is_emulator(&self) -> bool {
        match self {
            #[cfg(feature = "emulator")]
            Self::Emulator(options) => options.exec().is_none(),
            _ => false,
        }
    }

    /// The hint after Ctrl-C or SIGTERM.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Download(_) => {
                "the downloaded part is kept in a .part file; run the same command again to resume"
            }
            Self::Record(_) => recording::Record::WHEN_INTERRUPTED,
            Self::Start(_) => "the recording may have been started",
            Self::Pause(_) | Self::Resume(_) | Self::Stop(_) => {
                "run `acs-recording status` to see whether it took effect"
            }
            Self::Delete(_) => {
                "some content may have been deleted; run the same command again to delete the rest"
            }
            Self::Call(command) => command.when_interrupted(),
            Self::Events(command) => command.when_interrupted(),
            #[cfg(feature = "archive")]
            Self::Archive(command) => command.when_interrupted(),
            Self::Inspect(options) => options.when_interrupted(),
            Self::Man { dir: Some(_) } => "some pages may have been written",
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
