//! An access token, and when it has to be renewed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::AccessToken;
use tokio::time::Instant;

/// How long before its expiry a token is renewed, or half of its remaining lifetime if that is shorter.
const RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);

/// A token is renewed after this time, even if it expires later.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The minimum interval of renewals, so that a credential that always returns the same token is not
/// called in a loop.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// A token, as the value of a header.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: Arc<str>,
    /// When it expires, by the system clock.
    expires_on: SystemTime,
    /// The same by the monotonic clock, which may stop while the machine sleeps.
    expires: Instant,
    pub(super) renew: Instant,
}

impl Token {
    pub(super) fn new(token: &AccessToken) -> Self {
        let end = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
        let expires_on = UNIX_EPOCH + Duration::from_secs(end);
        let remaining = expires_on.duration_since(SystemTime::now());
        let remaining = remaining.unwrap_or_default().min(MAX_AGE);
        let now = Instant::now();
        let ahead = RENEW_AHEAD.min(remaining / 2);
        Self {
            header: format!("Bearer {}", token.token.secret()).into(),
            expires_on,
            expires: now + remaining,
            renew: now + remaining.saturating_sub(ahead).max(MIN_RENEWAL_INTERVAL),
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        Instant::now() < self.expires && SystemTime::now() < self.expires_on
    }
}
