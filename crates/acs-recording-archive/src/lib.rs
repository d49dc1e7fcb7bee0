//! Archives recordings of Azure Communication Services: any number of workers, on any number of
//! machines, copy them from the service into your own object store.
//!
//! Event Grid puts the event of a recording into a queue. A [`Worker`] receives it, streams media and
//! metadata from the service into the store of an [`Archive`], verifies them, writes a [`Receipt`],
//! deletes the service's copies if that is wished, and removes the message. It may die at any moment:
//! the message leaves the queue only when every chunk has its receipt.
//!
//! ```no_run
//! use acs_recording::RecordingClient;
//! use acs_recording_archive::{Archive, StorageQueue, StoreBuilder, Worker};
//!
//! # async fn run(connection_string: &str, storage: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = RecordingClient::from_connection_string(connection_string)?;
//! let store = StoreBuilder::new("https://contoso.blob.core.windows.net/recordings")?
//!     .environment()
//!     .build()?;
//! let archive = Archive::builder(client, store)
//!     .layout("{yyyy}/{mm}/{dd}/{call}/{recording}/{index}.{document}.{ext}".parse()?)
//!     .delete_at_service()
//!     .build()?;
//!
//! let queue = StorageQueue::from_connection_string(storage, "recordings")?;
//! let summary = Worker::new(archive, queue).concurrency(4).drain().await?;
//! println!("{} recordings", summary.archived);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Archive::store`] stores one recording and needs no queue.
//! - [`Catalogue`] lists what is archived and verifies it.
//! - [`StorageQueue`] is a queue of Azure Storage; [`EventQueue`] is what a worker needs of any other.
//! - [`StoreBuilder`] opens a store by its URL; any [`object_store::ObjectStore`] does.
//!
//! Spans of the crate `tracing` name the recording, the call and the attempt, and no secret. Metrics
//! go to the facade of the crate `metrics`; the README of this crate lists them.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `azure` (default) | Azure Blob Storage |
//! | `fs` (default) | a local folder |
//! | `aws` | Amazon S3 and what speaks its protocol |
//! | `gcp` | Google Cloud Storage |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod archive;
mod connection_string;
mod error;
mod layout;
mod message;
mod metrics;
mod queue;
mod receipt;
mod steps;
mod store;
mod worker;

pub use archive::{
    Archive, ArchiveBuilder, Archived, ArchivedChunk, Catalogue, Depth, Entries, Entry, Finding,
    ListReceipts, OwnStorage, Progress, StoreRecording, Verification,
};
pub use error::{Error, ErrorKind, Result};
pub use layout::Layout;
pub use queue::{
    EventQueue, InMemoryQueue, Message, PoisonQueue, StorageQueue, StorageQueueBuilder,
};
pub use receipt::Receipt;
pub use store::StoreBuilder;
pub use worker::{Activity, Outcome, Summary, Update, Worker};

// Unit tests and integration tests share `tests/common`, which names the crate.
#[cfg(test)]
extern crate self as acs_recording_archive;

/// The examples in the README are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
