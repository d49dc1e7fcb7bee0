//! What identifies one version of content.

use http::HeaderValue;

/// The size and the validators of one version of content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EntityIdentity {
    /// The size in bytes.
    pub(super) total: Option<u64>,
    pub(super) etag: Option<String>,
    /// `Last-Modified`, in seconds since 1970.
    pub(super) last_modified: Option<u64>,
}

/// Whether a later response is about the same version of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentityMatch {
    Same,
    Different,
    /// The response does not say enough.
    Unknown,
}

impl EntityIdentity {
    /// Compares validators if the first response had one, and sizes otherwise.
    ///
    /// Equal strong entity tags prove that the version is the same. Weak ones and times only do not
    /// contradict it, which has to suffice where nothing better exists.
    pub(super) fn compare(&self, other: &Self) -> IdentityMatch {
        if differ(self.total.as_ref(), other.total.as_ref())
            || differ(self.etag.as_ref(), other.etag.as_ref())
        {
            return IdentityMatch::Different;
        }
        let is_proven = self.if_range().is_some() && other.etag.is_some();
        if !is_proven && differ(self.last_modified.as_ref(), other.last_modified.as_ref()) {
            return IdentityMatch::Different;
        }
        let is_repeated = match (&self.etag, self.last_modified) {
            (Some(_), _) => other.etag.is_some(),
            // A time is too weak to do without the size.
            (None, Some(_)) => {
                other.last_modified.is_some() && self.total.is_some() == other.total.is_some()
            }
            (None, None) => self.total.is_some() && other.total.is_some(),
        };
        if is_repeated {
            IdentityMatch::Same
        } else {
            IdentityMatch::Unknown
        }
    }

    /// Whether a later response can be compared at all.
    pub(super) fn is_known(&self) -> bool {
        self.total.is_some() || self.has_validator()
    }

    /// Whether there is an entity tag or a time. Without either, content itself must be compared.
    pub(super) fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// The value of `If-Range`, which only accepts strong validators.
    pub(super) fn if_range(&self) -> Option<HeaderValue> {
        let etag = self.etag.as_deref().filter(|etag| etag.starts_with('"'))?;
        HeaderValue::try_from(etag).ok()
    }
}

/// Whether both are known and differ.
fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(total: Option<u64>, tag: Option<&str>, modified: Option<u64>) -> EntityIdentity {
        EntityIdentity {
            total,
            etag: tag.map(str::to_owned),
            last_modified: modified,
        }
    }

    #[test]
    fn validators_take_precedence_over_sizes() {
        let (strong, weak) = (Some("\"1\""), Some("W/\"1\""));
        let all = Some(9);
        for (first, other, expected) in [
            (
                identity(all, strong, None),
                identity(all, strong, None),
                IdentityMatch::Same,
            ),
            (
                identity(all, strong, Some(1)),
                identity(None, strong, Some(2)),
                IdentityMatch::Same,
            ),
            (
                identity(all, strong, None),
                identity(all, Some("\"2\""), None),
                IdentityMatch::Different,
            ),
            (
                identity(all, strong, Some(1)),
                identity(all, None, Some(1)),
                IdentityMatch::Unknown,
            ),
            (
                identity(all, weak, Some(1)),
                identity(all, weak, Some(2)),
                IdentityMatch::Different,
            ),
            (
                identity(all, weak, Some(1)),
                identity(all, weak, Some(1)),
                IdentityMatch::Same,
            ),
            (
                identity(all, None, Some(1)),
                identity(all, None, Some(2)),
                IdentityMatch::Different,
            ),
            (
                identity(all, None, Some(1)),
                identity(all, None, Some(1)),
                IdentityMatch::Same,
            ),
            (
                identity(all, None, Some(1)),
                identity(all, strong, None),
                IdentityMatch::Unknown,
            ),
            (
                identity(all, None, Some(1)),
                identity(None, None, Some(1)),
                IdentityMatch::Unknown,
            ),
            (
                identity(None, None, Some(1)),
                identity(None, None, Some(1)),
                IdentityMatch::Same,
            ),
            (
                identity(all, None, None),
                identity(all, strong, Some(1)),
                IdentityMatch::Same,
            ),
            (
                identity(all, None, None),
                identity(Some(8), None, None),
                IdentityMatch::Different,
            ),
            (
                identity(all, strong, None),
                identity(Some(8), strong, None),
                IdentityMatch::Different,
            ),
            (
                identity(all, None, None),
                identity(None, None, None),
                IdentityMatch::Unknown,
            ),
            (
                identity(None, None, None),
                identity(None, None, None),
                IdentityMatch::Unknown,
            ),
        ] {
            assert_eq!(first.compare(&other), expected, "{first:?} {other:?}");
        }
    }

    #[test]
    fn only_a_strong_etag_is_sent_in_if_range() {
        assert!(identity(None, Some("\"1\""), None).if_range().is_some());
        for tag in [Some("W/\"1\""), Some("1"), None] {
            assert_eq!(identity(None, tag, Some(1)).if_range(), None, "{tag:?}");
        }
    }
}
