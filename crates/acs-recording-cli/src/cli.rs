//! What can be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use acs_recording::Cloud;
use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "emulator")]
use crate::emulator;
use crate::output::Output;
use crate::{call, content, download, events, inspect, metadata, recording};

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

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Reads the connection string from this file instead of ACS_CONNECTION_STRING
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) connection_string_file: Option<PathBuf>,

    /// The resource's address, to use with Entra ID in place of a key; it goes before
    /// ACS_CONNECTION_STRING [default: ACS_ENDPOINT]
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) endpoint: Option<String>,

    /// Who to be for Entra ID
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHICH",
        help_heading = "Global options"
    )]
    pub(crate) credential: EntraCredential,

    /// The cloud of the resource, where its address does not tell: who gives tokens and for what,
    /// who signs them, and where Event Grid's events come from [default: that of the endpoint, or
    /// else public] [env: ACS_CLOUD]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "CLOUD",
        help_heading = "Global options"
    )]
    pub(crate) cloud: Option<CloudName>,

    /// What tokens of Entra ID are asked for, if it is not what the cloud suggests
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_name = "SCOPE",
        help_heading = "Global options"
    )]
    pub(crate) token_scope: Option<String>,

    /// Sends requests for the resource to this address, such as that of a front door or a tunnel;
    /// they stay signed for the resource
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) send_to: Option<String>,

    /// How results and errors are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(crate) output: Format,

    /// Tells what is done, and all that is known about an error; twice tells more
    ///
    /// RUST_LOG selects logs more finely.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,

    /// How long one operation may take with its retries, such as `30s` or `2m`
    ///
    /// The default is two minutes. A download's limit counts until its content begins to come in,
    /// and it bounds the wait for content that is not ready.
    #[arg(long, global = true, value_parser = crate::text::duration, value_name = "TIME", help_heading = "Global options")]
    pub(crate) timeout: Option<Duration>,

    /// How often a request is sent again at the most [default: 4]
    #[arg(long, global = true, value_name = "N", help_heading = "Global options")]
    pub(crate) retries: Option<u32>,

    /// Trusts the certificate authorities in this PEM file too, beside the system's
    ///
    /// For a proxy that looks into TLS, or an emulator with --https. May be repeated. Requests for
    /// tokens of Entra ID and keys for checking them do not go by it: for these, add the authority to
    /// the system's, or name a file with SSL_CERT_FILE.
    #[arg(
        long = "ca-cert",
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) ca_certs: Vec<PathBuf>,

    /// Sends credentials for content also to this host, with its port if that is another than 443,
    /// or with a leading dot to all below a domain
    ///
    /// For a host that you run. Events come from outside: that one names a host is no reason.
    #[arg(
        long = "allow-host",
        global = true,
        value_name = "HOST",
        help_heading = "Global options"
    )]
    pub(crate) allow_hosts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CloudName {
    /// Azure for everybody
    Public,
    /// Azure Government of the United States
    UsGov,
    /// Azure in China, operated by 21Vianet
    China,
}

impl From<CloudName> for Cloud {
    fn from(name: CloudName) -> Self {
        match name {
            CloudName::Public => Self::Public,
            CloudName::UsGov => Self::UsGov,
            CloudName::China => Self::China,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: the plain value, or a table
    #[default]
    Text,
    /// For programs: one JSON object per line
    Json,
}

#[cfg(feature = "entra")]
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum EntraCredential {
    /// By variables: AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE mean `environment`,
    /// IDENTITY_ENDPOINT or MSI_ENDPOINT `managed-identity` (a virtual machine has neither: name it),
    /// and without any of them it is `cli`
    #[default]
    Auto,
    /// Whoever is signed in with `az login` or `azd auth login`
    Cli,
    /// The managed identity of this machine, or the user-assigned one of AZURE_CLIENT_ID
    ManagedIdentity,
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID, and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE
    Environment,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Start(Box<recording::Start>),
    Status(recording::Which),
    Pause(recording::Pause),
    Resume(recording::Resume),
    Stop(recording::Stop),
    Wait(recording::Wait),
    Download(Box<download::Download>),
    Delete(content::Delete),
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
