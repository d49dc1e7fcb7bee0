//! `archive setup`: prints what to do on Azure, and does nothing.

mod resource;

use acs_recording::Endpoint;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::resource::{AcsResource, Blobs, Queue};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::storage::Location;

const COMMANDS: &str = include_str!("commands.sh");
const KUBERNETES: &str = include_str!("kubernetes.yaml");
const CONTAINER_APP: &str = include_str!("container-app.yaml");
/// The scaler runs one replica for so many messages, as many as a worker handles.
const CONCURRENCY: &str = "4";

/// Prints the commands and manifests that set up queue, events, roles and workers; runs nothing
///
/// The commands are for the Azure CLI: queues, the system topic of the resource, the event subscription
/// that delivers the one event type into the queue with a managed identity, the dead-letter container,
/// and the roles of topic and workers. The manifests run workers on Kubernetes with a KEDA scaler, or on
/// Azure Container Apps.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording archive setup \\
    --resource /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/communicationServices/NAME \\
    --queue https://acct.queue.core.windows.net/recordings \\
    --to https://acct.blob.core.windows.net/archive > setup.sh

Without --print, the manifests follow the commands as files that the script writes.

JSON: {\"commands\", \"kubernetes\", \"container_app\"}")]
pub(crate) struct Setup {
    /// Azure resource id of the Communication Services resource
    #[arg(long, value_name = "ID")]
    resource: AcsResource,

    /// Queue to deliver to: https://ACCOUNT.queue.core.windows.net/QUEUE
    #[arg(long, value_name = "URL")]
    queue: Location,

    /// Object store of the archive, as for `archive run`
    #[arg(long, value_name = "URL")]
    to: Location,

    /// Time to live of messages in seconds; -1 keeps them for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = -1,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1..=i64::from(i32::MAX))
    )]
    message_ttl: i64,

    /// Container for events that Event Grid cannot deliver
    #[arg(long, value_name = "NAME", default_value = "recording-dead-letters", value_parser = resource::container_name)]
    dead_letters: String,

    /// Prints only this part
    #[arg(long, value_enum, value_name = "PART")]
    print: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Commands for the Azure CLI
    Commands,
    /// Deployment and KEDA scaler for Kubernetes
    Kubernetes,
    /// App for Azure Container Apps
    ContainerApp,
}

pub(super) fn setup(options: &Setup, global: &Global, out: &Output) -> Result<(), Failure> {
    if options.message_ttl == 0 {
        return Err(
            Failure::usage("--message-ttl: 0 lets messages expire at once")
                .hint("use -1, or a number of seconds"),
        );
    }
    let queue = Queue::from_url(&options.queue.0).map_err(Failure::usage)?;
    let store = options.to.without_secrets();
    // It goes into commands of a shell.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/._-".contains(c);
    if store.is_empty() || !store.chars().all(is_plain) {
        let text =
            "--to: the place has characters that a container, bucket or prefix must not have";
        return Err(Failure::usage(text).hint("use letters, digits, `.`, `_`, `-` and `/`"));
    }
    let blobs = Blobs::from_url(store);
    let topic = format!("{}-events", options.resource.name);
    let values = [
        ("subscription", options.resource.subscription.clone()),
        ("acs_id", options.resource.id()),
        ("group", options.resource.group.clone()),
        ("topic", topic),
        ("identity", format!("{}-archive", options.resource.name)),
        ("endpoint", endpoint(options, global)?),
        ("account", queue.account.clone()),
        ("queue", queue.name.clone()),
        ("queue_url", queue.url()),
        ("store_url", store.to_owned()),
        ("dead_letters", options.dead_letters.clone()),
        ("ttl", options.message_ttl.to_string()),
        ("expiry", expiry(options.message_ttl)),
        ("container", create_container(blobs.as_ref())),
        ("store_role", store_role(blobs.as_ref(), store, &queue)),
        ("concurrency", CONCURRENCY.to_owned()),
    ];
    let filled = |template: &str| {
        let replaced = values
            .iter()
            .fold(template.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{{{name}}}}}"), value)
            });
        replaced.trim_end().to_owned()
    };
    let (commands, kubernetes) = (filled(COMMANDS), filled(KUBERNETES));
    let container_app = filled(CONTAINER_APP);
    let text = match options.print {
        Some(Part::Commands) => commands.clone(),
        Some(Part::Kubernetes) => kubernetes.clone(),
        Some(Part::ContainerApp) => container_app.clone(),
        None => format!(
            "{commands}\n\n# 6. Manifests of the workers; one of them is enough.\n{}\n{}",
            written("kubernetes.yaml", &kubernetes),
            written("container-app.yaml", &container_app),
        ),
    };
    let json = json!({
        "commands": commands,
        "kubernetes": kubernetes,
        "container_app": container_app,
    });
    out.result(&text, &json)
}

/// A command of the shell that writes a file.
fn written(name: &str, text: &str) -> String {
    format!("cat > {name} <<'YAML'\n{text}\nYAML")
}

/// The endpoint of --endpoint, or else that of a resource without a region in its name.
fn endpoint(options: &Setup, global: &Global) -> Result<String, Failure> {
    let default = || format!("https://{}.communication.azure.com", options.resource.name);
    let text = given_endpoint(global).map_or_else(default, str::to_owned);
    let text = text.trim().trim_end_matches('/');
    let checked: Result<Endpoint, _> = text.parse();
    checked.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(text.to_owned())
}

#[cfg(feature = "entra")]
fn given_endpoint(global: &Global) -> Option<&str> {
    global.endpoint.as_deref()
}

#[cfg(not(feature = "entra"))]
fn given_endpoint(_: &Global) -> Option<&str> {
    None
}

fn expiry(seconds: i64) -> String {
    match seconds {
        -1 => "never expire".to_owned(),
        _ => format!("expire after {seconds} seconds"),
    }
}

fn create_container(blobs: Option<&Blobs>) -> String {
    match blobs {
        Some(blobs) => format!(
            "az storage container create --account-name {} --auth-mode login --name {}\n",
            blobs.account, blobs.container
        ),
        None => String::new(),
    }
}

fn store_role(blobs: Option<&Blobs>, store: &str, queue: &Queue) -> String {
    let Some(blobs) = blobs else {
        return format!(
            "# The archive {store} is not on Azure: give the workers access to it there.\n"
        );
    };
    let (lookup, id) = if blobs.account == queue.account {
        (String::new(), "$STORAGE_ID")
    } else {
        let query = format!("[?name=='{}'].id | [0]", blobs.account);
        let lookup = format!(
            "STORE_ID=$(az storage account list --subscription \"$SUBSCRIPTION\" --query \"{query}\" \
             --output tsv)\n"
        );
        (lookup, "$STORE_ID")
    };
    format!(
        "{lookup}az role assignment create --assignee-object-id \"$WORKER_PRINCIPAL\" \\\n  \
         --assignee-principal-type ServicePrincipal --role \"Storage Blob Data Contributor\" \\\n  \
         --scope \"{id}/blobServices/default/containers/{}\"\n",
        blobs.container
    )
}
