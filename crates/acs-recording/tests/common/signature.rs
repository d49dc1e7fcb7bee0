//! Signatures with an access key, independent of the crate, for requests of other HTTP clients.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The headers that authenticate a request.
pub struct Signature {
    pub date: String,
    pub content_hash: String,
    pub authorization: String,
}

/// Signs a request with the base64 of an access key.
pub fn sign(
    key: &str,
    method: &str,
    path_and_query: &str,
    host: &str,
    time: SystemTime,
    body: &[u8],
) -> Signature {
    let date = httpdate::fmt_http_date(time);
    let content_hash = BASE64_STANDARD.encode(Sha256::digest(body));
    let key = BASE64_STANDARD.decode(key).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{method}\n{path_and_query}\n{date};{host};{content_hash}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    Signature {
        authorization: format!(
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
        ),
        date,
        content_hash,
    }
}
