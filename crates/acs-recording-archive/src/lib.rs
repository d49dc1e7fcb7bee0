//! Archives recordings of Azure Communication Services: any number of workers, on any number of
//! machines, copy them from the service into your own object store.

mod error;
pub mod queue;

pub use error::{Error, ErrorKind, Result};
pub use queue::{EventQueue, InMemoryQueue, Message};
