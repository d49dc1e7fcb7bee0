//! Archives recordings of Azure Communication Services: any number of workers, on any number of
//! machines, copy them from the service into your own object store.

mod archive;
mod error;
mod layout;
mod message;
mod metrics;
pub mod queue;
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
