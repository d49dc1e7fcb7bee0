//! What generated clients have in common: building and sending requests, and reading responses.
//!
//! The generated code names this module, and nothing else of the crate.

mod failure;
mod open_enum;
mod request;
mod response;
mod transport;

pub use failure::Failure;
pub use request::{Connection, joined};
pub use response::{ResponseValue, binary, empty, json, text};
pub use transport::{
    BodyError, BoxError, DEFAULT_BODY_LIMIT, Transport, TransportFuture, read_body, with_body,
};

pub(crate) use open_enum::open_enum;
