//! An access token, and when it has to be renewed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::AccessToken;
use tokio::time::Instant;

/// A token this close to its end is renewed while it still works; one that does not last twice as
/// long, in the second half of its life.
const RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);

/// A token that says it lasts longer is replaced all the same.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The least pause before the next renewal, so that credentials that keep giving the same token are
/// not asked without a pause.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// A token, as the value of a header.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: Arc<str>,
    /// When it expires, by the clock that its expiry was told in.
    expires_on: SystemTime,
    /// The same by a clock that nobody sets, but that may stand still while the machine sleeps.
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
