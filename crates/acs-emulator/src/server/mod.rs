//! Sockets and certificates.

pub(crate) mod listeners;
#[cfg(feature = "tls")]
pub(crate) mod tls;
