//! Options of every command.

use std::path::PathBuf;
use std::time::Duration;

use acs_recording::Cloud;
use clap::{Args, ValueEnum};

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
