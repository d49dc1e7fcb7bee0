//! The date of a request.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;
use parking_lot::Mutex;

/// The current time as the value of a header, which is formatted once a second.
#[derive(Debug, Default)]
pub(super) struct DateHeader(Mutex<Option<(u64, HeaderValue)>>);

impl DateHeader {
    pub(super) fn now(&self) -> HeaderValue {
        self.at(SystemTime::now())
    }

    fn at(&self, time: SystemTime) -> HeaderValue {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs();
        let mut last = self.0.lock();
        match &*last {
            Some((known, date)) if *known == second => date.clone(),
            _ => {
                let text = httpdate::fmt_http_date(UNIX_EPOCH + since);
                let date = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
                *last = Some((second, date.clone()));
                date
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_is_that_of_the_second() {
        let date = DateHeader::default();
        let at = |millis| date.at(UNIX_EPOCH + Duration::from_millis(millis));
        for (millis, expected) in [
            (1_751_677_323_000, "Sat, 05 Jul 2025 01:02:03 GMT"),
            (1_751_677_323_999, "Sat, 05 Jul 2025 01:02:03 GMT"),
            (1_751_677_324_000, "Sat, 05 Jul 2025 01:02:04 GMT"),
            // Clocks may be set back.
            (1_751_677_323_500, "Sat, 05 Jul 2025 01:02:03 GMT"),
        ] {
            assert_eq!(at(millis), expected, "{millis}");
        }
    }
}
