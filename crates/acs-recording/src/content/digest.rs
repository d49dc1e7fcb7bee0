//! Computing checksums of content, and comparing them with the digest that the server announced.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::content_hash::ContentHash;
use crate::error::{Error, ErrorKind, Result};

/// The SHA-256 of the complete content, if the response has a `Repr-Digest` (RFC 9530).
///
/// It describes the complete content, also in the response to a request for a range of it. A digest
/// that cannot be read counts as missing.
pub(super) fn expected_sha256(headers: &HeaderMap) -> Option<ContentHash> {
    let header = headers.get("repr-digest")?.to_str().ok()?;
    header.split(',').find_map(|member| {
        let (name, value) = member.trim().split_once('=')?;
        let is_sha256 = name.trim().eq_ignore_ascii_case("sha-256");
        is_sha256.then(|| decode_base64(value.trim().trim_matches(':')))?
    })
}

fn decode_base64(text: &str) -> Option<ContentHash> {
    let bytes = BASE64_STANDARD.decode(text.trim()).ok()?;
    Some(ContentHash::from_bytes(bytes.try_into().ok()?))
}

/// Computes the SHA-256 that the caller requested or the server announced.
#[derive(Clone, Debug, Default)]
pub(super) struct Hasher {
    sha256: Option<Sha256>,
    expected: Option<ContentHash>,
}

impl Hasher {
    /// A hasher that computes something only if the checksum is requested or expected.
    pub(super) fn new(expected: Option<ContentHash>, is_requested: bool) -> Self {
        let is_needed = is_requested || expected.is_some();
        Self {
            sha256: is_needed.then(Sha256::new),
            expected,
        }
    }

    /// A hasher for comparing two byte sequences.
    pub(super) fn for_comparison() -> Self {
        Self::new(None, true)
    }

    /// Updates the checksum with the rest of a file.
    pub(super) fn update_from(&mut self, mut file: impl io::Read) -> io::Result<()> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The SHA-256 of a file.
    pub(super) fn of_file(file: impl io::Read) -> io::Result<ContentHash> {
        let mut hasher = Self::for_comparison();
        hasher.update_from(file)?;
        let sha256 = hasher.sha256.unwrap_or_default().finalize();
        Ok(ContentHash::from_bytes(sha256.into()))
    }

    /// The SHA-256 of a text.
    pub(super) fn of_text(text: &str) -> ContentHash {
        ContentHash::from_bytes(Sha256::digest(text).into())
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_idle(&self) -> bool {
        self.sha256.is_none()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// The SHA-256, if it was requested or announced.
    ///
    /// # Errors
    /// [`ErrorKind::CorruptContent`] if it differs from the announced one.
    pub(super) fn finish(self) -> Result<Option<ContentHash>> {
        let sha256 = self
            .sha256
            .map(|hasher| ContentHash::from_bytes(hasher.finalize().into()));
        if self.expected.is_some() && self.expected != sha256 {
            return Err(Error::new(
                ErrorKind::CorruptContent,
                "the content does not match the SHA-256 that the server announced",
            ));
        }
        Ok(sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let pair = (name.parse().unwrap(), value.parse().unwrap());
        std::iter::once(pair).collect()
    }

    fn check(headers: &HeaderMap, bytes: &[u8]) -> Result<Option<ContentHash>> {
        let mut hasher = Hasher::new(expected_sha256(headers), false);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn the_announced_digest_is_compared() {
        for value in [
            format!("sha-512=:AAAA:, sha-256=:{SHA256}:"),
            format!("SHA-256=:{SHA256}:"),
        ] {
            let headers = headers("repr-digest", &value);
            assert!(check(&headers, b"abc").unwrap().is_some(), "{value}");
            let error = check(&headers, b"abd").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptContent, "{value}");
        }
        for value in ["", "sha-256", "sha-256=:x:", "sha-256=", "=", "md5=:AAAA:"] {
            assert_eq!(
                expected_sha256(&headers("repr-digest", value)),
                None,
                "{value}"
            );
        }
        // The digest of one body says nothing about the complete content.
        let headers = headers("content-digest", &format!("sha-256=:{SHA256}:"));
        assert_eq!(check(&headers, b"abd").unwrap(), None);
    }

    #[test]
    fn a_requested_checksum_is_computed() {
        let mut hasher = Hasher::new(None, true);
        hasher.update(b"abc");
        assert_eq!(
            hasher.finish().unwrap().unwrap().to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
