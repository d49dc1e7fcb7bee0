//! Sockets and certificates.

#[cfg(feature = "tls")]
pub(crate) mod authority;
pub(crate) mod listeners;
#[cfg(feature = "tls")]
pub(crate) mod tls;
