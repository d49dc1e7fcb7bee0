//! Options that every command accepts.

use std::path::PathBuf;
use std::time::Duration;

use acs_recording::Cloud;
use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::profile;

/// Options that every command accepts.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Profile with defaults for these options, see `profile --help` [default: the profile `default`]
    /// [env: ACS_PROFILE]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    profile: Option<String>,

    /// Settings that the environment takes precedence over.
    #[arg(skip)]
    pub(crate) from_profile: FromProfile,

    /// File with the connection string, to use instead of ACS_CONNECTION_STRING
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) connection_string_file: Option<PathBuf>,

    /// Endpoint of the resource, to sign in with Microsoft Entra ID instead of an access key; takes
    /// precedence over ACS_CONNECTION_STRING [default: ACS_ENDPOINT]
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) endpoint: Option<String>,

    /// Microsoft Entra ID credential to use [default: auto]
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "CREDENTIAL",
        help_heading = "Global options"
    )]
    pub(crate) credential: Option<EntraCredential>,

    /// Azure cloud of the resource, if its endpoint does not show it; selects the token authority,
    /// the token scope and the origin of Event Grid deliveries [default: the cloud of the endpoint,
    /// otherwise public] [env: ACS_CLOUD]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "CLOUD",
        help_heading = "Global options"
    )]
    pub(crate) cloud: Option<CloudName>,

    /// Scope of Microsoft Entra ID tokens [default: the scope of the cloud]
    #[cfg(feature = "entra")]
    #[arg(
        long,
        global = true,
        value_name = "SCOPE",
        help_heading = "Global options"
    )]
    pub(crate) token_scope: Option<String>,

    /// Address to send requests to instead of the resource's own, such as a front door, a tunnel or
    /// a private link; requests are still signed for the resource
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) custom_endpoint: Option<String>,

    /// Output format of results and errors [default: text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(crate) output: Option<Format>,

    /// Logs what the command does, and shows all details of an error; repeat for more
    ///
    /// RUST_LOG selects logs in more detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,

    /// Timeout of one operation including its retries, such as `30s` or `2m` [default: 2m]
    ///
    /// For a download, it is the time until content arrives, and the time to wait for content that
    /// is not ready.
    #[arg(long, global = true, value_parser = crate::text::duration, value_name = "TIME", help_heading = "Global options")]
    pub(crate) operation_timeout: Option<Duration>,

    /// Maximum number of retries per request [default: 4]
    #[arg(long, global = true, value_name = "N", help_heading = "Global options")]
    pub(crate) max_retries: Option<u32>,

    /// PEM file of certificate authorities to trust in addition to the system's
    ///
    /// Use it for a proxy that inspects TLS, or for an emulator with --https. Can be repeated. It also
    /// applies to the signing keys that `events listen` fetches. It does not apply to requests for
    /// Microsoft Entra ID tokens: for these, add the authority to the system's store, or set
    /// SSL_CERT_FILE.
    #[arg(
        long = "ca-cert",
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) ca_certs: Vec<PathBuf>,

    /// Additional host that may receive credentials for content; include the port if it is not 443
    ///
    /// A leading dot allows all hosts below a domain. Allow only hosts that you operate: events come
    /// from outside, and a host that an event names is not trustworthy for that reason.
    #[arg(
        long = "allow-content-host",
        global = true,
        value_name = "HOST",
        help_heading = "Global options"
    )]
    pub(crate) allow_content_hosts: Vec<String>,
}

/// Settings of the profile that the environment takes precedence over.
#[derive(Debug, Default)]
pub(crate) struct FromProfile {
    /// The profile's name.
    pub(crate) name: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) connection_string_file: Option<PathBuf>,
    pub(crate) cloud: Option<CloudName>,
}

impl Global {
    /// The profile that an option or the environment selects.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Applies the selected profile. Options and the environment take precedence.
    pub(crate) fn apply_profile(&mut self) -> Result<(), Failure> {
        if self.profile.is_none() {
            let name = std::env::var("ACS_PROFILE").ok();
            self.profile = name.filter(|name| !name.trim().is_empty());
        }
        let Some(profile) = profile::selected(self.profile_name())? else {
            return Ok(());
        };
        let output = profile.choice("output", profile.output.as_ref())?;
        self.output = self.output.or(output);
        #[cfg(feature = "entra")]
        {
            let credential = profile.choice("credential", profile.credential.as_ref())?;
            self.credential = self.credential.or(credential);
            self.token_scope = self.token_scope.take().or(profile.token_scope.clone());
        }
        let cloud = profile.choice("cloud", profile.cloud.as_ref())?;
        let custom_endpoint = self.custom_endpoint.take();
        self.custom_endpoint = custom_endpoint.or(profile.custom_endpoint);
        self.operation_timeout = self.operation_timeout.or(profile.operation_timeout);
        self.max_retries = self.max_retries.or(profile.max_retries);
        self.ca_certs.extend(profile.ca_certs);
        self.allow_content_hosts.extend(profile.allow_content_hosts);
        self.from_profile = FromProfile {
            name: Some(profile.name),
            endpoint: profile.endpoint,
            connection_string_file: profile.connection_string_file,
            cloud,
        };
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CloudName {
    /// The public Azure cloud
    Public,
    /// Azure Government (United States)
    UsGov,
    /// Azure operated by 21Vianet (China)
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
    /// Plain values and tables, for people
    #[default]
    Text,
    /// One JSON object per line, for programs
    Json,
}

#[cfg(feature = "entra")]
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum EntraCredential {
    /// `environment` if AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE is set, `managed-identity`
    /// if IDENTITY_ENDPOINT or MSI_ENDPOINT is set, and `cli` otherwise; a virtual machine sets none
    /// of these, so select `managed-identity` there
    #[default]
    Auto,
    /// The account that is signed in with `az login` or `azd auth login`
    Cli,
    /// The managed identity of this machine; AZURE_CLIENT_ID selects a user-assigned identity
    ManagedIdentity,
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID, and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE
    Environment,
}
