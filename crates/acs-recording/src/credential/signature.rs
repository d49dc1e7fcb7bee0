//! HMAC-SHA256 request signing.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::access_key::{AccessKey, base64_of_hash};

/// The hash of an empty body, which most requests have.
const EMPTY_HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// The parts of a request that a signature covers.
#[derive(Debug)]
pub(crate) struct Signable<'a> {
    /// The method, in upper case.
    pub(crate) method: &'a str,
    /// Path and query exactly as they are sent.
    pub(crate) path_and_query: &'a str,
    /// The resource's host, with the port unless it is the scheme's default.
    pub(crate) host: &'a str,
    /// `x-ms-date`.
    pub(crate) date: &'a str,
    /// `x-ms-content-sha256`.
    pub(crate) content_hash: &'a str,
}

impl Signable<'_> {
    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self, key: &AccessKey) -> String {
        const PREFIX: &str =
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
        let Self {
            method,
            path_and_query,
            host,
            date,
            content_hash,
        } = *self;
        let signed = [
            method,
            "\n",
            path_and_query,
            "\n",
            date,
            ";",
            host,
            ";",
            content_hash,
        ];
        [PREFIX, &key.sign(&signed)].concat()
    }
}

/// The value of `x-ms-content-sha256`: the hash of the body, which may be empty.
pub(crate) fn content_hash(body: &[u8]) -> Cow<'static, str> {
    if body.is_empty() {
        return Cow::Borrowed(EMPTY_HASH);
    }
    Cow::Owned(base64_of_hash(&Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    const DATE: &str = "Tue, 01 Jul 2025 12:34:56 GMT";

    fn signature(method: &str, path_and_query: &str, date: &str, body: &str) -> String {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
            .parse()
            .unwrap();
        let header = Signable {
            method,
            path_and_query,
            host: "contoso.communication.azure.com",
            date,
            content_hash: &content_hash(body.as_bytes()),
        }
        .authorization(&key);
        let prefix = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
        header.strip_prefix(prefix).unwrap().to_owned()
    }

    /// The same requests, signed by the official Python and JavaScript clients.
    #[test]
    fn signs_as_the_official_clients() {
        let body = r#"{"callLocator":{"serverCallId":"sc","kind":"serverCallLocator"}}"#;
        assert_eq!(
            content_hash(body.as_bytes()),
            "zdPrb1K6XGJeuHC8DphlLyg5fLFhZveMarvHPfWcqPI="
        );
        let computed = BASE64_STANDARD.encode(Sha256::digest(b""));
        assert_eq!(content_hash(b""), computed);
        for (method, path, body, expected) in [
            (
                "POST",
                "/calling/recordings?api-version=2026-03-12",
                body,
                "Voa6NbYaL+0O6Uup2LlLPStJYUfRZ6MY5j0AYgR3BnY=",
            ),
            (
                "GET",
                "/calling/recordings/rid?api-version=2026-03-12",
                "",
                "Zv2uTKoxcu6gPXuZd7QYM1e9uhJJ4bAQx587ckjEd7k=",
            ),
            (
                "GET",
                "/v1/objects/0-eus-d1-abc/content/video",
                "",
                "d1Gq7GH0a4qAus589+rAsna2fFNIFfGAORZkUfjvRoc=",
            ),
            (
                "DELETE",
                "/v1/objects/0-eus-d1-abc",
                "",
                "jleunI865I1ZHgYU+M3DeAlu7tR3pWuyNldFz80rLXw=",
            ),
        ] {
            assert_eq!(
                signature(method, path, DATE, body),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn the_date_has_two_digits() {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_751_677_323);
        let date = httpdate::fmt_http_date(time);
        assert_eq!(date, "Sat, 05 Jul 2025 01:02:03 GMT");
        let path = "/calling/recordings/rid?api-version=2026-03-12";
        assert_eq!(
            signature("GET", path, &date, ""),
            "0a6yC+K6lnIJG1p52CnfbxNODhxV1LjHv51p+w/RW4o="
        );
    }
}
