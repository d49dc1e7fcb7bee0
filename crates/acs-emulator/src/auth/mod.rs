//! Access keys, signatures and tokens.

pub(crate) mod hmac;
pub(crate) mod keys;
pub(crate) mod tokens;
