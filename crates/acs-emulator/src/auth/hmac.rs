//! Verification of HMAC-SHA256 signatures. This is the server's implementation. It shares no code
//! with any client, so that a mistake on either side shows up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// The scheme and the only header order that the service accepts.
const PREFIX: &str = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
/// The maximum difference between the date of a signature and the service's time.
const MARGIN: SignedDuration = SignedDuration::from_secs(5 * 60);

/// The reason why authentication failed. The text is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("The request has no usable '{0}' header.")]
    Header(&'static str),
    #[error("The header 'x-ms-content-sha256' differs from generated content hash.")]
    ContentHash,
    #[error(
        "The date in 'x-ms-date' is off by a difference greater than the allowed margin of 5 minutes."
    )]
    Skew,
    #[error("Denied by the resource provider: the signature does not match the request.")]
    Signature,
    #[error("The request does not name a host of the resource.")]
    Host,
    #[error("The token is not valid for this resource.")]
    Token,
}

impl Denied {
    /// The error code in the response.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Token => "7501",
            _ => "Denied",
        }
    }
}

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) verb: &'a str,
    /// The path exactly as received, including the query if the query is signed.
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// The text that must be signed, if the request has the headers that are in it.
    pub(crate) fn string_to_sign(&self) -> Option<String> {
        let date = header(self.headers, "x-ms-date").ok()?;
        let hash = header(self.headers, "x-ms-content-sha256").ok()?;
        let Self {
            verb, path, host, ..
        } = self;
        Some(format!("{verb}\n{path}\n{date};{host};{hash}"))
    }

    /// The date of the request minus `now`.
    pub(crate) fn skew(&self, now: Timestamp) -> Option<SignedDuration> {
        let date = header(self.headers, "x-ms-date").ok()?;
        Some(parse_date(date)?.duration_since(now))
    }
}

/// Checks that `request` was signed with one of `keys`, at most five minutes before or after `now`.
/// Returns the index of the key.
pub(crate) fn check(
    request: Signed<'_>,
    keys: &[impl AsRef<[u8]>],
    now: Timestamp,
) -> Result<usize, Denied> {
    let authorization = header(request.headers, "authorization")?;
    let signature = authorization
        .strip_prefix(PREFIX)
        .and_then(|signature| STANDARD.decode(signature).ok())
        .ok_or(Denied::Header("authorization"))?;
    let date = header(request.headers, "x-ms-date")?;
    let hash = header(request.headers, "x-ms-content-sha256")?;

    let instant = parse_date(date).ok_or(Denied::Header("x-ms-date"))?;
    if now.duration_since(instant).abs() > MARGIN {
        return Err(Denied::Skew);
    }
    if hash != STANDARD.encode(Sha256::digest(request.body)) {
        return Err(Denied::ContentHash);
    }

    let text = request.string_to_sign().unwrap_or_default();
    let matching = keys.iter().position(|key| {
        Hmac::<Sha256>::new_from_slice(key.as_ref()).is_ok_and(|mut mac| {
            mac.update(text.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    });
    matching.ok_or(Denied::Signature)
}

fn parse_date(date: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(date).ok()?;
    Timestamp::try_from(date).ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Denied> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Denied::Header(name)),
        _ => Err(Denied::Header(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const KEY: &[&[u8]] = &[b"another key", b"0123456789abcdef0123456789abcdef"];
    const DATE: &str = "Tue, 01 Jul 2025 12:34:56 GMT";
    const NOW: Timestamp = Timestamp::constant(1_751_373_296, 0);
    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const STATE: &str = "/calling/recordings/rid?api-version=2026-03-12";
    const STATE_SIGNATURE: &str = "Zv2uTKoxcu6gPXuZd7QYM1e9uhJJ4bAQx587ckjEd7k=";

    fn headers(signature: &str, hash: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let authorization = format!("{PREFIX}{signature}");
        for (name, value) in [
            ("authorization", authorization.as_str()),
            ("x-ms-date", DATE),
            ("x-ms-content-sha256", hash),
        ] {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn signed<'a>(
        verb: &'a str,
        path: &'a str,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Signed<'a> {
        Signed {
            verb,
            path,
            host: "contoso.communication.azure.com",
            headers,
            body,
        }
    }

    #[test]
    fn signatures_of_the_official_clients_are_accepted() {
        let body = br#"{"callLocator":{"serverCallId":"sc","kind":"serverCallLocator"}}"#;
        let start = headers(
            "Voa6NbYaL+0O6Uup2LlLPStJYUfRZ6MY5j0AYgR3BnY=",
            "zdPrb1K6XGJeuHC8DphlLyg5fLFhZveMarvHPfWcqPI=",
        );
        let path = "/calling/recordings?api-version=2026-03-12";
        assert_eq!(check(signed("POST", path, &start, body), KEY, NOW), Ok(1));

        let state = headers(STATE_SIGNATURE, EMPTY);
        assert_eq!(check(signed("GET", STATE, &state, b""), KEY, NOW), Ok(1));

        let content = headers("d1Gq7GH0a4qAus589+rAsna2fFNIFfGAORZkUfjvRoc=", EMPTY);
        let path = "/v1/objects/0-eus-d1-abc/content/video";
        assert_eq!(check(signed("GET", path, &content, b""), KEY, NOW), Ok(1));
    }

    #[test]
    fn changed_requests_are_denied() {
        let good = headers(STATE_SIGNATURE, EMPTY);
        let request = signed("GET", STATE, &good, b"");
        for changed in [
            Signed {
                verb: "DELETE",
                ..request
            },
            Signed {
                path: "/calling/recordings/rid",
                ..request
            },
            Signed {
                host: "contoso.communication.azure.com:443",
                ..request
            },
        ] {
            assert_eq!(
                check(changed, KEY, NOW),
                Err(Denied::Signature),
                "{changed:?}"
            );
        }
        assert_eq!(check(request, &KEY[..1], NOW), Err(Denied::Signature));
        let body = Signed {
            body: b"{}",
            ..request
        };
        assert_eq!(check(body, KEY, NOW), Err(Denied::ContentHash));
    }

    #[test]
    fn signatures_may_be_five_minutes_early_or_late() {
        let headers = headers(STATE_SIGNATURE, EMPTY);
        let request = signed("GET", STATE, &headers, b"");
        for (seconds, expected) in [
            (300, Ok(1)),
            (-300, Ok(1)),
            (301, Err(Denied::Skew)),
            (-301, Err(Denied::Skew)),
        ] {
            let now = NOW.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            assert_eq!(check(request, KEY, now), expected, "{seconds}");
        }
    }

    #[test]
    fn missing_and_garbled_headers_are_denied() {
        let good = headers(STATE_SIGNATURE, EMPTY);
        for name in ["authorization", "x-ms-date", "x-ms-content-sha256"] {
            let mut missing = good.clone();
            missing.remove(name);
            let got = check(signed("GET", STATE, &missing, b""), KEY, NOW);
            assert_eq!(got, Err(Denied::Header(name)));
        }
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("authorization", "HMAC-SHA256 Signature=abc"),
            ("x-ms-date", "2025-07-01T12:34:56Z"),
        ] {
            let mut garbled = good.clone();
            garbled.insert(name, HeaderValue::from_static(value));
            let got = check(signed("GET", STATE, &garbled, b""), KEY, NOW);
            assert!(matches!(got, Err(Denied::Header(_))), "{name}: {value}");
        }
        let mut twice = good.clone();
        twice.append("x-ms-date", HeaderValue::from_static(DATE));
        let got = check(signed("GET", STATE, &twice, b""), KEY, NOW);
        assert_eq!(got, Err(Denied::Header("x-ms-date")));
    }
}
