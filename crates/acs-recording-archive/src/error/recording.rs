//! Errors of the recording service.

use acs_recording::ErrorKind as RecordingKind;

use super::{Error, ErrorKind};

impl From<acs_recording::Error> for Error {
    fn from(error: acs_recording::Error) -> Self {
        let kind = match error.kind() {
            RecordingKind::Authentication => ErrorKind::Authentication,
            RecordingKind::PermissionDenied => ErrorKind::PermissionDenied,
            RecordingKind::NotFound => ErrorKind::ContentNotFound,
            RecordingKind::ExpiredContent => ErrorKind::ExpiredContent,
            RecordingKind::ForbiddenHost => ErrorKind::ForbiddenHost,
            RecordingKind::OwnStorage => ErrorKind::OwnStorage,
            RecordingKind::NothingToDownload => ErrorKind::NothingToArchive,
            RecordingKind::InvalidInput => ErrorKind::InvalidInput,
            RecordingKind::CorruptContent | RecordingKind::ContentChanged => {
                ErrorKind::CorruptContent
            }
            RecordingKind::Throttled => ErrorKind::Throttled,
            RecordingKind::Service if error.status() == Some(503) => ErrorKind::Throttled,
            _ if error.is_retryable() => ErrorKind::Unavailable,
            _ => ErrorKind::InvalidResponse,
        };
        let mut converted = Self::new(kind, error.to_string());
        if let Some(wait) = error.retry_after() {
            converted = converted.with_retry_after(wait);
        }
        converted.with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_of_the_service_keep_what_decides_about_a_retry() {
        let wait = Duration::from_secs(7);
        let error = acs_recording::Error::new(RecordingKind::Service, "x").with_status(503);
        let error = Error::from(error.with_retry_after(wait));
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.retry_after(), Some(wait));
        for (kind, expected, is_retryable) in [
            (RecordingKind::Connection, ErrorKind::Unavailable, true),
            (RecordingKind::ContentNotReady, ErrorKind::Unavailable, true),
            (RecordingKind::Conflict, ErrorKind::InvalidResponse, false),
            (RecordingKind::NotFound, ErrorKind::ContentNotFound, false),
            (
                RecordingKind::CorruptContent,
                ErrorKind::CorruptContent,
                true,
            ),
        ] {
            let error = Error::from(acs_recording::Error::new(kind, "x"));
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (expected, is_retryable)
            );
        }
    }
}
