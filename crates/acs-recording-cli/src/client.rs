//! Makes a client from options and the environment.

use std::path::Path;
use std::sync::Arc;

use acs_recording::{
    Cloud, ConnectionString, Endpoint, ExponentialBackoff, InvalidConnectionString,
    RecordingClient, RecordingClientBuilder, RetryPolicyExt as _,
};
#[cfg(feature = "entra")]
use azure_core::cloud::CloudConfiguration;
#[cfg(feature = "entra")]
use azure_core::credentials::{Secret, TokenCredential};
#[cfg(feature = "entra")]
use azure_core::http::{ClientOptions, Transport};
#[cfg(feature = "entra")]
use azure_identity as identity;
use clap::ValueEnum as _;

use crate::failure::Failure;
#[cfg(feature = "entra")]
use crate::options::EntraCredential;
use crate::options::{CloudName, Global};

const VARIABLE: &str = "ACS_CONNECTION_STRING";

/// Makes a client from the options. Sends no request.
pub(crate) fn client(global: &Global) -> Result<RecordingClient, Failure> {
    let mut builder = match resource(global)? {
        Resource::Keyed(resource) => RecordingClient::builder(resource),
        #[cfg(feature = "entra")]
        Resource::Named(endpoint) => {
            let cloud = chosen_cloud(global)?.or_else(|| Cloud::of_endpoint(&endpoint));
            let credential = credential(global.credential.unwrap_or_default(), cloud)?;
            RecordingClient::with_token_credential(endpoint, credential)
        }
    };
    if let Some(cloud) = chosen_cloud(global)? {
        builder = builder.cloud(cloud);
    }
    #[cfg(feature = "entra")]
    if let Some(scope) = &global.token_scope {
        builder = builder.token_scope(scope);
    }
    if let Some(address) = &global.custom_endpoint {
        let address = endpoint(address);
        let address = address.map_err(|failure| failure.context(&"--custom-endpoint"))?;
        builder = builder.custom_endpoint(address);
    }
    if let Some(timeout) = global.operation_timeout {
        builder = builder.operation_timeout(timeout).attempt_timeout(timeout);
    }
    if let Some(retries) = global.max_retries {
        let attempts = retries.saturating_add(1);
        builder = builder.retry_policy(ExponentialBackoff::default().with_attempt_limit(attempts));
    }
    for host in &global.allow_content_hosts {
        builder = builder.allow_content_host(host);
    }
    Ok(trust(builder, global)?.build()?)
}

/// The transport of the options, for requests to other hosts than those of a resource. It works
/// without a resource.
pub(crate) fn transport(global: &Global) -> Result<Arc<dyn acs_recording::Transport>, Failure> {
    // A transport knows neither the endpoint nor the credentials of its client.
    let unused = "endpoint=https://unused.communication.azure.com;accesskey=dW51c2Vk";
    let unused = unused.parse::<ConnectionString>();
    let unused = unused.map_err(|error| Failure::other(&error))?;
    let client = trust(RecordingClient::builder(unused), global)?.build()?;
    Ok(client.transport())
}

/// Trusts the certificate authorities of the options.
fn trust(
    mut builder: RecordingClientBuilder,
    global: &Global,
) -> Result<RecordingClientBuilder, Failure> {
    for path in &global.ca_certs {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("--ca-cert {}: {error}", path.display())).with_path(path)
        };
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        let text = acs_recording::text::decode(&pem);
        let pem = text.as_deref().map_or(pem.as_slice(), str::as_bytes);
        builder = builder
            .add_root_certificate(pem)
            .map_err(|error| wrong(&error))?;
    }
    Ok(builder)
}

/// The Microsoft Entra ID credential of the options, for services beside the resource.
#[cfg(feature = "entra")]
pub(crate) fn entra_credential(global: &Global) -> Result<Arc<dyn TokenCredential>, Failure> {
    credential(global.credential.unwrap_or_default(), Some(cloud(global)?))
}

/// The cloud of the options or the environment, otherwise that of the resource, otherwise the public
/// cloud.
pub(crate) fn cloud(global: &Global) -> Result<Cloud, Failure> {
    if let Some(cloud) = chosen_cloud(global)? {
        return Ok(cloud);
    }
    let of_resource = match resource(global) {
        Ok(Resource::Keyed(resource)) => Cloud::of_endpoint(resource.endpoint()),
        #[cfg(feature = "entra")]
        Ok(Resource::Named(endpoint)) => Cloud::of_endpoint(&endpoint),
        Err(_) => None,
    };
    Ok(of_resource.unwrap_or_default())
}

fn chosen_cloud(global: &Global) -> Result<Option<Cloud>, Failure> {
    if let Some(cloud) = global.cloud {
        return Ok(Some(cloud.into()));
    }
    // clap would reject an empty variable.
    let Some(name) = variable("ACS_CLOUD") else {
        return Ok(global.from_profile.cloud.map(Into::into));
    };
    let cloud = CloudName::from_str(name.trim(), true).map_err(|_| {
        Failure::usage(format!("ACS_CLOUD: `{name}` is not a cloud"))
            .hint("use public, us-gov or china")
    })?;
    Ok(Some(cloud.into()))
}

/// The resource, and how to authenticate with it.
enum Resource {
    Keyed(ConnectionString),
    #[cfg(feature = "entra")]
    Named(Endpoint),
}

/// A resource as the options, the environment or a profile name it.
pub(crate) struct ResourceInfo {
    pub(crate) endpoint: Endpoint,
    pub(crate) has_key: bool,
    /// What names the resource.
    pub(crate) source: String,
}

/// The resource and where it is named. Sends no request.
pub(crate) fn resource_info(global: &Global) -> Result<ResourceInfo, Failure> {
    let (resource, source) = find_resource(global)?;
    Ok(match resource {
        Resource::Keyed(resource) => ResourceInfo {
            endpoint: resource.endpoint().clone(),
            has_key: true,
            source,
        },
        #[cfg(feature = "entra")]
        Resource::Named(endpoint) => ResourceInfo {
            endpoint,
            has_key: false,
            source,
        },
    })
}

fn resource(global: &Global) -> Result<Resource, Failure> {
    find_resource(global).map(|(resource, _)| resource)
}

/// The resource, and what names it. Options take precedence over the environment, and the environment
/// over the profile.
fn find_resource(global: &Global) -> Result<(Resource, String), Failure> {
    #[cfg(feature = "entra")]
    if let Some(text) = &global.endpoint {
        // clap does not see a conflict between a global option before the command and one after it.
        if global.connection_string_file.is_some() {
            let text = "--connection-string-file and --endpoint name two resources";
            return Err(Failure::usage(text).hint("use only one of them"));
        }
        let endpoint = endpoint(text)?;
        return Ok((Resource::Named(endpoint), "--endpoint".to_owned()));
    }
    let in_file = |path: &Path| {
        let text = crate::files::read_text(path)?;
        from_connection_string(&text).map_err(|failure| failure.context_file(path))
    };
    if let Some(path) = &global.connection_string_file {
        return Ok((in_file(path)?, path.display().to_string()));
    }
    // clap would make it an option and show its value in messages.
    if let Some(text) = variable(VARIABLE) {
        return Ok((from_connection_string(&text)?, VARIABLE.to_owned()));
    }
    #[cfg(feature = "entra")]
    if let Some(text) = variable("ACS_ENDPOINT") {
        return Ok((Resource::Named(endpoint(&text)?), "ACS_ENDPOINT".to_owned()));
    }
    if let Some(found) = of_profile(global, in_file)? {
        let name = global.from_profile.name.as_deref().unwrap_or_default();
        return Ok((found, format!("profile `{name}`")));
    }
    let places = if cfg!(feature = "entra") {
        "set ACS_CONNECTION_STRING, pass --connection-string-file FILE, or set ACS_ENDPOINT to use Microsoft Entra ID"
    } else {
        "set ACS_CONNECTION_STRING, or pass --connection-string-file FILE"
    };
    Err(Failure::usage("no resource is given").hint(places))
}

/// The resource that the profile names.
fn of_profile(
    global: &Global,
    in_file: impl Fn(&Path) -> Result<Resource, Failure>,
) -> Result<Option<Resource>, Failure> {
    let profile = &global.from_profile;
    let found = if let Some(path) = &profile.connection_string_file {
        in_file(path).map(Some)
    } else {
        #[cfg(feature = "entra")]
        let found = profile.endpoint.as_deref().map(endpoint).transpose();
        #[cfg(feature = "entra")]
        let found = found.map(|endpoint| endpoint.map(Resource::Named));
        #[cfg(not(feature = "entra"))]
        let found = Ok(None);
        found
    };
    let name = profile.name.as_deref().unwrap_or_default();
    found.map_err(|failure| failure.context(&format_args!("profile `{name}`")))
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    (!value.trim().is_empty()).then_some(value)
}

pub(crate) fn endpoint(text: &str) -> Result<Endpoint, Failure> {
    text.trim()
        .parse()
        .map_err(|error: acs_recording::InvalidEndpoint| Failure::usage(error.to_string()))
}

fn from_connection_string(text: &str) -> Result<Resource, Failure> {
    text.parse()
        .map(Resource::Keyed)
        .map_err(|error: InvalidConnectionString| {
            let failure = Failure::usage(error.to_string());
            match error {
                // Its text says where to copy the key from.
                InvalidConnectionString::AccessKey(_) => failure,
                _ => failure
                    .hint("copy it from the page \"Keys\" of the resource in the Azure portal"),
            }
        })
}

#[cfg(feature = "entra")]
fn credential(
    wanted: EntraCredential,
    cloud: Option<Cloud>,
) -> Result<Arc<dyn TokenCredential>, Failure> {
    let is_set = |name| variable(name).is_some();
    let made: azure_core::Result<Arc<dyn TokenCredential>> = match wanted {
        EntraCredential::Cli => {
            identity::DeveloperToolsCredential::new(None).map(|credential| credential as _)
        }
        EntraCredential::ManagedIdentity => managed_identity(),
        EntraCredential::Environment if is_set("AZURE_FEDERATED_TOKEN_FILE") => {
            let mut options = identity::WorkloadIdentityCredentialOptions::default();
            options.credential_options.client_options = in_cloud(cloud);
            identity::WorkloadIdentityCredential::new(Some(options))
                .map(|credential| credential as _)
        }
        EntraCredential::Environment => client_secret(cloud)?,
        EntraCredential::Auto => {
            let found = if is_set("AZURE_CLIENT_SECRET") || is_set("AZURE_FEDERATED_TOKEN_FILE") {
                EntraCredential::Environment
            } else if is_set("IDENTITY_ENDPOINT") || is_set("MSI_ENDPOINT") {
                EntraCredential::ManagedIdentity
            } else {
                EntraCredential::Cli
            };
            return credential(found, cloud);
        }
    };
    made.map_err(|error| Failure::usage(format!("no Microsoft Entra ID credential: {error}")))
}

/// Selects the token authority of a cloud. Without a cloud, azure_identity uses AZURE_AUTHORITY_HOST
/// or the public cloud.
#[cfg(feature = "entra")]
fn in_cloud(cloud: Option<Cloud>) -> ClientOptions {
    let configuration = match cloud {
        Some(Cloud::Public) => Some(CloudConfiguration::AzurePublic),
        Some(Cloud::UsGov) => Some(CloudConfiguration::AzureGovernment),
        Some(Cloud::China) => Some(CloudConfiguration::AzureChina),
        _ => None,
    };
    ClientOptions {
        cloud: configuration.map(Arc::new),
        ..Default::default()
    }
}

/// The identity that AZURE_CLIENT_ID names, otherwise the system-assigned one.
#[cfg(feature = "entra")]
fn managed_identity() -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = identity::ManagedIdentityCredentialOptions {
        user_assigned_id: variable("AZURE_CLIENT_ID").map(identity::UserAssignedId::ClientId),
        client_options: on_this_machine()?,
    };
    identity::ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
}

/// The token endpoint of managed identities is local, so a proxy must not be used.
#[cfg(feature = "entra")]
fn on_this_machine() -> azure_core::Result<ClientOptions> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| azure_core::Error::new(azure_core::error::ErrorKind::Other, error))?;
    Ok(ClientOptions {
        transport: Some(Transport::new(Arc::new(client))),
        ..Default::default()
    })
}

#[cfg(feature = "entra")]
fn client_secret(
    cloud: Option<Cloud>,
) -> Result<azure_core::Result<Arc<dyn TokenCredential>>, Failure> {
    let needed =
        |name: &str| variable(name).ok_or_else(|| Failure::usage(format!("{name} is not set")));
    let made = identity::ClientSecretCredential::new(
        &needed("AZURE_TENANT_ID")?,
        needed("AZURE_CLIENT_ID")?,
        Secret::new(needed("AZURE_CLIENT_SECRET")?),
        Some(identity::ClientSecretCredentialOptions {
            client_options: in_cloud(cloud),
        }),
    );
    Ok(made.map(|credential| credential as _))
}
