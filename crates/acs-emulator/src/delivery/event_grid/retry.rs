//! The retry schedule of events that were not accepted.

use std::time::Duration;

use http::StatusCode;

/// The maximum number of attempts.
pub(crate) const MAX_ATTEMPTS: usize = 30;
/// An event is dropped when an attempt would be due later than this after the first one.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(24 * HOUR);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The delays in seconds after the first, second, … attempt. The last delay repeats.
const DELAYS: [u64; 10] = [
    10,
    30,
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

/// The kind of receiver. Some statuses are handled differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Webhook,
    /// An Azure resource, such as a queue.
    Resource,
}

/// The consequence of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    Retry(Duration),
    Dropped,
}

/// Classifies the response to attempt number `attempt`, counted from 1. A `status` of `None` means that
/// there was no response.
pub(crate) fn classify(endpoint: Endpoint, status: Option<StatusCode>, attempt: usize) -> Verdict {
    let least = match status.map(|status| status.as_u16()) {
        Some(200..=204) => return Verdict::Delivered,
        Some(400 | 403 | 413) => return Verdict::Dropped,
        Some(401) if endpoint == Endpoint::Webhook => return Verdict::Dropped,
        Some(401 | 404) => 5 * MINUTE,
        Some(408) => 2 * MINUTE,
        Some(503) => 30,
        _ => 0,
    };
    if attempt >= MAX_ATTEMPTS {
        return Verdict::Dropped;
    }
    let step = attempt.saturating_sub(1).min(DELAYS.len() - 1);
    Verdict::Retry(Duration::from_secs(DELAYS[step].max(least)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_handled_by_the_published_rules() {
        let retry = |seconds| Verdict::Retry(Duration::from_secs(seconds));
        for (status, attempt, expected) in [
            (200, 1, Verdict::Delivered),
            (204, 30, Verdict::Delivered),
            (205, 1, retry(10)),
            (302, 1, retry(10)),
            (400, 1, Verdict::Dropped),
            (401, 1, Verdict::Dropped),
            (403, 1, Verdict::Dropped),
            (413, 1, Verdict::Dropped),
            (404, 1, retry(300)),
            (404, 5, retry(600)),
            (408, 1, retry(120)),
            (503, 1, retry(30)),
            (500, 1, retry(10)),
            (500, 2, retry(30)),
            (500, 3, retry(60)),
            (500, 9, retry(21_600)),
            (500, 10, retry(43_200)),
            (500, 29, retry(43_200)),
            (500, 30, Verdict::Dropped),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                classify(Endpoint::Webhook, Some(status), attempt),
                expected,
                "{status} {attempt}"
            );
        }
        assert_eq!(classify(Endpoint::Webhook, None, 1), retry(10));
        for (status, expected) in [
            (201, Verdict::Delivered),
            (400, Verdict::Dropped),
            (401, retry(300)),
            (403, Verdict::Dropped),
            (404, retry(300)),
            (413, Verdict::Dropped),
            (503, retry(30)),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                classify(Endpoint::Resource, Some(status), 1),
                expected,
                "{status}"
            );
        }
    }
}
