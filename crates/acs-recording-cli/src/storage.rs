//! Queues and storage accounts that the command line names.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use acs_recording_archive::{StorageQueue, StorageQueueBuilder};

#[cfg(feature = "entra")]
use crate::client::entra_credential;
use crate::failure::Failure;
use crate::files::read_text;
use crate::options::Global;

const QUEUE_VARIABLE: &str = "ACS_QUEUE_CONNECTION_STRING";

/// A URL, a name or a path. A URL may have a SAS, which is not shown.
#[derive(Clone)]
pub(crate) struct Location(pub(crate) String);

impl Location {
    pub(crate) fn is_url(&self) -> bool {
        self.0.contains("://")
    }

    /// Without what may be a secret.
    pub(crate) fn without_secrets(&self) -> &str {
        let end = self.0.find('?').filter(|_| self.is_url());
        &self.0[..end.unwrap_or(self.0.len())]
    }

    pub(crate) fn has_sas(&self) -> bool {
        self.is_url() && self.0.contains('?')
    }
}

impl FromStr for Location {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.without_secrets().fmt(f)
    }
}

/// The queue of an option: a URL, or a name in the account of a connection string. Sends no request.
pub(crate) fn queue_builder(
    option: &str,
    queue: &Location,
    file: Option<&Path>,
    global: &Global,
) -> Result<StorageQueueBuilder, Failure> {
    let mut builder = if queue.is_url() {
        if let Some(file) = file {
            let text = format!("{option} is a URL, and a storage connection string is given, too");
            return Err(Failure::usage(text)
                .with_path(file)
                .hint("give the name of the queue, or omit the connection string"));
        }
        at_url(queue, global)?
    } else {
        let text = connection_string(file, QUEUE_VARIABLE)?.ok_or_else(|| {
            Failure::usage(format!("{option} {} names no storage account", queue.0)).hint(
                "give its URL, such as https://ACCOUNT.queue.core.windows.net/QUEUE, or set \
                 ACS_QUEUE_CONNECTION_STRING",
            )
        })?;
        StorageQueue::builder_from_connection_string(&text, &queue.0)?
    };
    for pem in root_certificates(global)? {
        builder = builder.add_root_certificate(&pem)?;
    }
    Ok(builder)
}

/// A storage connection string from a file, or else from the environment.
pub(crate) fn connection_string(
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<String>, Failure> {
    match file {
        Some(file) => read_text(file).map(|text| Some(text.trim().to_owned())),
        None => Ok(std::env::var(variable)
            .ok()
            .filter(|text| !text.trim().is_empty())),
    }
}

pub(crate) fn root_certificates(global: &Global) -> Result<Vec<Vec<u8>>, Failure> {
    let files = global.ca_certs.iter();
    let read = files.map(|path| std::fs::read(path).map_err(|error| Failure::file(path, &error)));
    read.collect()
}

/// The queue at a URL.
#[cfg(feature = "entra")]
fn at_url(queue: &Location, global: &Global) -> Result<StorageQueueBuilder, Failure> {
    let credential = if queue.has_sas() {
        None
    } else {
        Some(entra_credential(global)?)
    };
    Ok(StorageQueue::builder(&queue.0, credential)?)
}

#[cfg(not(feature = "entra"))]
fn at_url(queue: &Location, _: &Global) -> Result<StorageQueueBuilder, Failure> {
    Ok(StorageQueue::builder(&queue.0, None)?)
}
