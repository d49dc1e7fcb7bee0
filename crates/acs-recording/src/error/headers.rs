//! Headers of a response that become part of its error.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// Beyond this difference the service rejects a signature for its date.
const CLOCK_MARGIN: Duration = Duration::from_secs(5 * 60);

/// The id of a call and the requests about it, within the service.
pub(super) const CHAIN_ID: &str = "x-microsoft-skype-chain-id";

/// The id of a request, within the storage front end and the identity service.
pub(super) const CORRELATION_VECTOR: &str = "ms-cv";

/// The difference to the service's clock, when it is too large for a signature.
pub(super) fn clock_skew(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let theirs = httpdate::parse_http_date(text(headers, "date")?).ok()?;
    let skew = match theirs.duration_since(now) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    (skew > CLOCK_MARGIN).then_some(skew)
}

/// The delay that a response requests: the longest one in the three headers that Azure services use.
/// Zero if the requested time has passed.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str, unit: f64| {
        let number: f64 = text(headers, name)?.trim().parse().ok()?;
        let is_delay = number.is_finite() && number >= 0.0;
        is_delay.then(|| Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
    };
    let date = || {
        let at = httpdate::parse_http_date(text(headers, "retry-after")?.trim()).ok()?;
        Some(at.duration_since(now).unwrap_or_default())
    };
    let delays = [
        number("retry-after-ms", 0.001),
        number("x-ms-retry-after-ms", 0.001),
        number("retry-after", 1.0),
        date(),
    ];
    delays.into_iter().flatten().max()
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        let past = httpdate::fmt_http_date(now - Duration::from_secs(7));
        for (name, value, wait) in [
            ("retry-after", "3", Some(3000)),
            ("retry-after", date.as_str(), Some(7000)),
            ("retry-after-ms", "250", Some(250)),
            ("x-ms-retry-after-ms", "1", Some(1)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "0", Some(0)),
            ("retry-after", past.as_str(), Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let expected = wait.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, now), expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_longest_wait_counts() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after-ms", "0".parse().unwrap());
        headers.insert("retry-after", "3".parse().unwrap());
        let wait = retry_after(&headers, SystemTime::now());
        assert_eq!(wait, Some(Duration::from_secs(3)));
        headers.insert("retry-after", "1e300".parse().unwrap());
        assert_eq!(
            retry_after(&headers, SystemTime::now()),
            Some(Duration::MAX)
        );
    }
}
