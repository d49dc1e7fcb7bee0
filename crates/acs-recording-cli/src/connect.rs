//! From options and environment to a client.

#[cfg(feature = "entra")]
use std::sync::Arc;

use acs_recording::{ConnectionString, RecordingClient, RecordingClientBuilder, RetryPolicy};
#[cfg(feature = "entra")]
use azure_core::credentials::{Secret, TokenCredential};
#[cfg(feature = "entra")]
use azure_identity as identity;

#[cfg(feature = "entra")]
use crate::cli::EntraCredential;
use crate::cli::Global;
use crate::failure::Failure;

const VARIABLE: &str = "ACS_CONNECTION_STRING";

/// The client that the options ask for. Sends nothing.
pub(crate) fn client(global: &Global) -> Result<RecordingClient, Failure> {
    let mut builder = resource(global)?;
    if let Some(limit) = global.timeout {
        builder = builder.time_limit(limit).attempt_time_limit(limit);
    }
    if let Some(retries) = global.retries {
        let attempts = retries.saturating_add(1);
        builder = builder.retry(RetryPolicy::default().max_attempts(attempts));
    }
    for host in &global.allow_hosts {
        builder = builder.allow_content_host(host);
    }
    for path in &global.ca_certs {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("--ca-cert {}: {error}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        builder = builder
            .add_root_certificate(&pem)
            .map_err(|error| wrong(&error))?;
    }
    Ok(builder.build()?)
}

fn resource(global: &Global) -> Result<RecordingClientBuilder, Failure> {
    if let Some(path) = &global.connection_string_file {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
        return from_connection_string(text.trim());
    }
    // Not by clap, which would offer it as an option, and show its value in messages.
    let text = std::env::var(VARIABLE).unwrap_or_default();
    if !text.trim().is_empty() {
        return from_connection_string(text.trim());
    }
    #[cfg(feature = "entra")]
    if let Some(endpoint) = &global.endpoint {
        let endpoint = endpoint
            .parse()
            .map_err(|error: acs_recording::InvalidEndpoint| Failure::usage(error.to_string()))?;
        let credential = credential(global.credential)?;
        return Ok(RecordingClient::builder_with_token(endpoint, credential));
    }
    let places = if cfg!(feature = "entra") {
        "set ACS_CONNECTION_STRING, or give --connection-string-file FILE, or set ACS_ENDPOINT to use Entra ID"
    } else {
        "set ACS_CONNECTION_STRING, or give --connection-string-file FILE"
    };
    Err(Failure::usage("no resource is given").advise(places))
}

fn from_connection_string(text: &str) -> Result<RecordingClientBuilder, Failure> {
    let parsed: ConnectionString =
        text.parse()
            .map_err(|error: acs_recording::InvalidConnectionString| {
                Failure::usage(error.to_string())
                    .advise("copy it from the resource's page \"Keys\" in the Azure portal")
            })?;
    Ok(RecordingClient::builder(parsed))
}

#[cfg(feature = "entra")]
fn credential(wanted: EntraCredential) -> Result<Arc<dyn TokenCredential>, Failure> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let made: azure_core::Result<Arc<dyn TokenCredential>> = match wanted {
        EntraCredential::Cli => {
            identity::DeveloperToolsCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::ManagedIdentity => {
            identity::ManagedIdentityCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::Environment if is_set("AZURE_FEDERATED_TOKEN_FILE") => {
            identity::WorkloadIdentityCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::Environment => {
            let variable = |name: &str| {
                std::env::var(name).map_err(|_| Failure::usage(format!("{name} is not set")))
            };
            identity::ClientSecretCredential::new(
                &variable("AZURE_TENANT_ID")?,
                variable("AZURE_CLIENT_ID")?,
                Secret::new(variable("AZURE_CLIENT_SECRET")?),
                None,
            )
            .map(|credential| credential as _)
        }
        EntraCredential::Auto => {
            let found = if is_set("AZURE_CLIENT_SECRET") || is_set("AZURE_FEDERATED_TOKEN_FILE") {
                EntraCredential::Environment
            } else if is_set("IDENTITY_ENDPOINT") || is_set("MSI_ENDPOINT") {
                EntraCredential::ManagedIdentity
            } else {
                EntraCredential::Cli
            };
            return credential(found);
        }
    };
    made.map_err(|error| Failure::usage(format!("no credential for Entra ID: {error}")))
}
