//! What becomes of an event whose handling ended with an error.

use super::{Error, ErrorKind};

/// What becomes of an event whose handling ended with an error: the one table that webhooks,
/// spools and the command line go by.
///
/// | kind of the error | disposition | why |
/// |---|---|---|
/// | [`OwnStorage`](ErrorKind::OwnStorage) | note | the files are with the caller already |
/// | [`NothingToDownload`](ErrorKind::NothingToDownload) | note | there is no file |
/// | [`NotFound`](ErrorKind::NotFound), [`ExpiredContent`](ErrorKind::ExpiredContent) | note | the content is gone for good |
/// | [`ForbiddenHost`](ErrorKind::ForbiddenHost), [`InvalidInput`](ErrorKind::InvalidInput) | note | the event says the same the next time |
/// | [`Connection`](ErrorKind::Connection), [`Timeout`](ErrorKind::Timeout), [`Throttled`](ErrorKind::Throttled), [`Service`](ErrorKind::Service), [`ContentNotReady`](ErrorKind::ContentNotReady) | retry | it passes |
/// | [`CorruptContent`](ErrorKind::CorruptContent), [`ContentChanged`](ErrorKind::ContentChanged), [`InvalidResponse`](ErrorKind::InvalidResponse) | retry | another attempt may bring the content itself |
/// | [`Authentication`](ErrorKind::Authentication), [`PermissionDenied`](ErrorKind::PermissionDenied), [`Conflict`](ErrorKind::Conflict), [`InvalidRequest`](ErrorKind::InvalidRequest), [`File`](ErrorKind::Io) | retry | somebody can mend it while the service keeps the content |
///
/// A [`Webhook`](crate::webhook::Webhook) answers 200 for a noted event and 503 for one to retry. A
/// [`Spool`](crate::spool::Spool) keeps noted events in a folder of their own and tries the others
/// until the content has expired. It notes content that is not found only when the event is 15
/// minutes old.
#[cfg_attr(
    not(feature = "webhook"),
    allow(rustdoc::broken_intra_doc_links, reason = "webhooks are a feature")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// The same event may be handled later. It must come again, or be kept for another attempt.
    Retry,
    /// No later attempt can end differently. It is told once, and must not come again.
    Note,
}

impl Disposition {
    /// What becomes of an event whose handling ended with this error.
    pub fn of(error: &Error) -> Self {
        // Without a wildcard, so that nobody adds a kind without a decision.
        match error.kind() {
            ErrorKind::OwnStorage
            | ErrorKind::NothingToDownload
            | ErrorKind::NotFound
            | ErrorKind::ExpiredContent
            | ErrorKind::ForbiddenHost
            | ErrorKind::InvalidInput => Self::Note,
            ErrorKind::Connection
            | ErrorKind::Timeout
            | ErrorKind::Throttled
            | ErrorKind::Service
            | ErrorKind::ContentNotReady
            | ErrorKind::CorruptContent
            | ErrorKind::ContentChanged
            | ErrorKind::InvalidResponse
            | ErrorKind::Authentication
            | ErrorKind::PermissionDenied
            | ErrorKind::Conflict
            | ErrorKind::InvalidRequest
            | ErrorKind::Io => Self::Retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_retried_and_what_does_not_is_noted() {
        for (kind, expected) in [
            (ErrorKind::OwnStorage, Disposition::Note),
            (ErrorKind::NothingToDownload, Disposition::Note),
            (ErrorKind::NotFound, Disposition::Note),
            (ErrorKind::ExpiredContent, Disposition::Note),
            (ErrorKind::ForbiddenHost, Disposition::Note),
            (ErrorKind::InvalidInput, Disposition::Note),
            (ErrorKind::Connection, Disposition::Retry),
            (ErrorKind::Timeout, Disposition::Retry),
            (ErrorKind::Throttled, Disposition::Retry),
            (ErrorKind::Service, Disposition::Retry),
            (ErrorKind::ContentNotReady, Disposition::Retry),
            (ErrorKind::CorruptContent, Disposition::Retry),
            (ErrorKind::Authentication, Disposition::Retry),
            (ErrorKind::PermissionDenied, Disposition::Retry),
            (ErrorKind::Io, Disposition::Retry),
        ] {
            let error = Error::new(kind, "x");
            assert_eq!(Disposition::of(&error), expected, "{kind:?}");
        }
    }
}
