//! Where the queue and the store are, and what gives access to them.

use std::fmt;
use std::path::PathBuf;

use acs_recording_archive::{Archive, Catalogue, Layout, OwnStorage, StorageQueue, StoreBuilder};
use clap::{Args, ValueEnum};

use crate::client::client;
#[cfg(feature = "entra")]
use crate::client::entra_credential;
use crate::failure::Failure;
use crate::options::Global;
use crate::storage::{Location, connection_string, queue_builder, root_certificates};

const STORE_VARIABLE: &str = "ACS_STORE_CONNECTION_STRING";

/// The queue, and what gives access to it.
#[derive(Debug, Args)]
pub(super) struct QueueOptions {
    /// Queue that Event Grid delivers to: its URL, or its name in the account of a storage connection
    /// string
    ///
    /// A URL with a SAS needs no other credential. For a URL without one, the command signs in with
    /// Microsoft Entra ID (--credential). The variable keeps a SAS out of the list of processes.
    #[arg(
        long,
        value_name = "URL|NAME",
        env = "ACS_ARCHIVE_QUEUE",
        hide_env_values = true
    )]
    queue: Location,

    /// File with the connection string of the storage account of the queue, to use instead of
    /// ACS_QUEUE_CONNECTION_STRING; UseDevelopmentStorage=true is Azurite
    #[arg(long, value_name = "FILE")]
    queue_connection_string_file: Option<PathBuf>,

    /// Queue for messages that can never be handled [default: the name of the queue with -poison]
    #[arg(long, value_name = "URL|NAME")]
    poison_queue: Option<Location>,
}

impl QueueOptions {
    /// Opens the queue. Sends no request.
    pub(super) fn open(&self, global: &Global) -> Result<StorageQueue, Failure> {
        let file = self.queue_connection_string_file.as_deref();
        let mut builder = queue_builder("--queue", &self.queue, file, global)?;
        if let Some(poison) = &self.poison_queue {
            builder = builder.poison_queue(&poison.0)?;
        }
        Ok(builder.build()?)
    }
}

/// The store, and what gives access to it.
#[derive(Debug, Args)]
pub(super) struct StoreOptions {
    /// Object store of the archive, with a prefix if wanted: az://CONTAINER/PREFIX,
    /// https://ACCOUNT.blob.core.windows.net/CONTAINER, s3://BUCKET, gs://BUCKET, or a folder
    ///
    /// A URL of Azure may have a SAS. Without any credential in the URL, in the environment or in
    /// --store-option, the command signs in to Azure with Microsoft Entra ID (--credential).
    #[arg(
        long,
        value_name = "URL|DIR",
        env = "ACS_ARCHIVE_STORE",
        hide_env_values = true
    )]
    pub(super) to: Location,

    /// Option of the store, by the name of its environment variable in lower case, such as
    /// azure_storage_account_name=acct or aws_region=eu-west-1
    ///
    /// Can be repeated, and takes precedence over the environment: AZURE_…, AWS_… and GOOGLE_….
    /// Secrets belong in the environment, because other users of the machine can read arguments.
    #[arg(long = "store-option", value_name = "NAME=VALUE", value_parser = store_option)]
    options: Vec<StoreOption>,

    /// File with the connection string of an Azure storage account for az://CONTAINER/PREFIX, to use
    /// instead of ACS_STORE_CONNECTION_STRING
    #[arg(long, value_name = "FILE")]
    store_connection_string_file: Option<PathBuf>,

    /// Names of objects, of {yyyy} {mm} {dd} {call} {recording} {index} {document} {ext}
    ///
    /// All workers of an archive, and `list` and `verify`, need the same layout.
    #[arg(long, value_name = "TEMPLATE", default_value_t)]
    pub(super) layout: Layout,
}

/// An option of the store. Its value may be a secret.
#[derive(Clone)]
struct StoreOption {
    name: String,
    value: String,
}

impl fmt::Debug for StoreOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

fn store_option(text: &str) -> Result<StoreOption, String> {
    // The text is not repeated by this message, and clap shows it, so that a secret without a name
    // shows in the terminal of whoever typed it and nowhere else.
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok(StoreOption {
        name: name.trim().to_owned(),
        value: value.to_owned(),
    })
}

impl StoreOptions {
    /// The store with all its options. Sends no request.
    fn builder(&self, global: &Global) -> Result<StoreBuilder, Failure> {
        let file = self.store_connection_string_file.as_ref();
        let place = self.to.0.strip_prefix("az://");
        let text = match place {
            Some(_) => connection_string(file.map(PathBuf::as_path), STORE_VARIABLE)?,
            None if file.is_some() => {
                let text = "a storage connection string is for --to az://CONTAINER/PREFIX";
                return Err(Failure::usage(text));
            }
            None => None,
        };
        let mut builder = match (text, place) {
            (Some(text), Some(place)) => StoreBuilder::from_connection_string(&text, place)?,
            _ => self.by_url(global)?,
        };
        for option in &self.options {
            builder = builder.option(&option.name, &option.value);
        }
        for pem in root_certificates(global)? {
            builder = builder.add_root_certificate(&pem);
        }
        Ok(builder)
    }

    fn by_url(&self, global: &Global) -> Result<StoreBuilder, Failure> {
        let builder = StoreBuilder::new(&self.to.0)?.environment();
        let place = &self.to.0;
        let is_azure = place.starts_with("az://") || place.starts_with("https://");
        if is_azure && !self.to.has_sas() && !self.has_own_credential() {
            return with_credential(builder, global);
        }
        Ok(builder)
    }

    /// Whether an option or a variable is a credential of Azure Storage.
    fn has_own_credential(&self) -> bool {
        let mut options = self.options.iter();
        let mut variables = std::env::vars_os();
        options.any(|option| is_credential(&option.name.to_ascii_lowercase()))
            || variables.any(|(name, value)| {
                let name = name.to_str().map(str::to_ascii_lowercase);
                let is_storage = |name: &String| name.starts_with("azure_storage_");
                !value.is_empty()
                    && name.is_some_and(|name| is_storage(&name) && is_credential(&name))
            })
    }

    /// What is in the archive.
    pub(super) fn catalogue(&self, global: &Global) -> Result<Catalogue, Failure> {
        let store = self.builder(global)?.create_folder(false).build()?;
        Ok(Catalogue::new(store).layout(self.layout.clone()))
    }
}

/// Whether this is the name of an option that gives access, or makes a credential unnecessary.
fn is_credential(name: &str) -> bool {
    let ends = ["_key", "_token", "skip_signature", "use_emulator"];
    ends.iter().any(|end| name.ends_with(end))
}

/// How recordings get into the archive.
#[derive(Debug, Args)]
pub(super) struct ArchiveOptions {
    #[command(flatten)]
    pub(super) store: StoreOptions,

    /// Deletes each recording from the service after all its chunks have their receipts
    #[arg(long)]
    delete: bool,

    /// What to do with recordings that the service wrote into your own storage account
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    own_storage: OwnStoragePolicy,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum OwnStoragePolicy {
    /// Write a receipt that says where the recording is, and copy nothing
    #[default]
    Record,
    /// Fail; a worker moves the message to the poison queue
    Reject,
}

impl ArchiveOptions {
    /// Opens the store, and makes the archive. Sends no request.
    pub(super) fn open(&self, global: &Global) -> Result<Archive, Failure> {
        let store = self.store.builder(global)?.build()?;
        let mut archive = Archive::builder(client(global)?, store)
            .layout(self.store.layout.clone())
            .own_storage(match self.own_storage {
                OwnStoragePolicy::Record => OwnStorage::Record,
                OwnStoragePolicy::Reject => OwnStorage::Reject,
            });
        if self.delete {
            archive = archive.delete_at_service();
        }
        Ok(archive.build()?)
    }
}

#[cfg(feature = "entra")]
fn with_credential(builder: StoreBuilder, global: &Global) -> Result<StoreBuilder, Failure> {
    Ok(builder.credential(entra_credential(global)?))
}

/// The store says what it needs instead.
#[cfg(not(feature = "entra"))]
#[allow(clippy::unnecessary_wraps, reason = "as with Microsoft Entra ID")]
fn with_credential(builder: StoreBuilder, _: &Global) -> Result<StoreBuilder, Failure> {
    Ok(builder)
}
