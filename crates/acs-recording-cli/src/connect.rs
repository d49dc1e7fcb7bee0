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
        let text = acs_recording::text::decode(&pem);
        let pem = text.as_deref().map_or(pem.as_slice(), str::as_bytes);
        builder = builder
            .add_root_certificate(pem)
            .map_err(|error| wrong(&error))?;
    }
    Ok(builder.build()?)
}

/// What the command line says goes before the environment.
fn resource(global: &Global) -> Result<RecordingClientBuilder, Failure> {
    #[cfg(feature = "entra")]
    if let Some(endpoint) = &global.endpoint {
        // Not by clap, which sees no conflict when one stands before the command and one behind.
        if global.connection_string_file.is_some() {
            let text = "--connection-string-file and --endpoint name two resources";
            return Err(Failure::usage(text).advise("give one of them"));
        }
        return with_token(endpoint, global.credential);
    }
    if let Some(path) = &global.connection_string_file {
        let text = crate::files::read_text(path)?;
        return from_connection_string(&text).map_err(|failure| failure.about(&path.display()));
    }
    // Not by clap, which would offer it as an option, and show its value in messages.
    if let Some(text) = variable(VARIABLE) {
        return from_connection_string(&text);
    }
    #[cfg(feature = "entra")]
    if let Some(endpoint) = variable("ACS_ENDPOINT") {
        return with_token(&endpoint, global.credential);
    }
    let places = if cfg!(feature = "entra") {
        "set ACS_CONNECTION_STRING, or give --connection-string-file FILE, or set ACS_ENDPOINT to use Entra ID"
    } else {
        "set ACS_CONNECTION_STRING, or give --connection-string-file FILE"
    };
    Err(Failure::usage("no resource is given").advise(places))
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    (!value.trim().is_empty()).then_some(value)
}

#[cfg(feature = "entra")]
fn with_token(endpoint: &str, wanted: EntraCredential) -> Result<RecordingClientBuilder, Failure> {
    let endpoint = endpoint
        .trim()
        .parse()
        .map_err(|error: acs_recording::InvalidEndpoint| Failure::usage(error.to_string()))?;
    let credential = credential(wanted)?;
    Ok(RecordingClient::builder_with_token(endpoint, credential))
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
    let is_set = |name| variable(name).is_some();
    let made: azure_core::Result<Arc<dyn TokenCredential>> = match wanted {
        EntraCredential::Cli => {
            identity::DeveloperToolsCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::ManagedIdentity => managed_identity(),
        EntraCredential::Environment if is_set("AZURE_FEDERATED_TOKEN_FILE") => {
            identity::WorkloadIdentityCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::Environment => client_secret()?,
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

/// The identity that AZURE_CLIENT_ID names, or else the machine's own.
#[cfg(feature = "entra")]
fn managed_identity() -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = identity::ManagedIdentityCredentialOptions {
        user_assigned_id: variable("AZURE_CLIENT_ID").map(identity::UserAssignedId::ClientId),
        ..Default::default()
    };
    identity::ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
}

#[cfg(feature = "entra")]
fn client_secret() -> Result<azure_core::Result<Arc<dyn TokenCredential>>, Failure> {
    let needed =
        |name: &str| variable(name).ok_or_else(|| Failure::usage(format!("{name} is not set")));
    let made = identity::ClientSecretCredential::new(
        &needed("AZURE_TENANT_ID")?,
        needed("AZURE_CLIENT_ID")?,
        Secret::new(needed("AZURE_CLIENT_SECRET")?),
        None,
    );
    Ok(made.map(|credential| credential as _))
}
