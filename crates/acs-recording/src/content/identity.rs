//! What tells one version of content from another.

use http::HeaderValue;

/// What tells content from other content at the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its size in bytes.
    pub(super) total: Option<u64>,
    /// Its entity tag.
    pub(super) tag: Option<String>,
    /// When it was last modified, in seconds since 1970.
    pub(super) modified: Option<u64>,
}

/// What another answer says about being about the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    Other,
    /// Too little to tell.
    Unsaid,
}

impl Identity {
    /// Compares validators if the first answer had one, and sizes otherwise.
    ///
    /// Equal strong tags prove that it is the same. Weak ones and times do not contradict it, which
    /// has to do where there is nothing better.
    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        if differ(self.total.as_ref(), other.total.as_ref())
            || differ(self.tag.as_ref(), other.tag.as_ref())
        {
            return Likeness::Other;
        }
        let is_proven = self.strong_tag().is_some() && other.tag.is_some();
        if !is_proven && differ(self.modified.as_ref(), other.modified.as_ref()) {
            return Likeness::Other;
        }
        let is_repeated = match (&self.tag, self.modified) {
            (Some(_), _) => other.tag.is_some(),
            // A time is too weak to do without the size.
            (None, Some(_)) => {
                other.modified.is_some() && self.total.is_some() == other.total.is_some()
            }
            (None, None) => self.total.is_some() && other.total.is_some(),
        };
        if is_repeated {
            Likeness::Same
        } else {
            Likeness::Unsaid
        }
    }

    /// Whether another answer can be told from one about other content.
    pub(super) fn is_known(&self) -> bool {
        self.total.is_some() || self.has_validator()
    }

    /// Whether there is more than the size, so that content need not be compared.
    pub(super) fn has_validator(&self) -> bool {
        self.tag.is_some() || self.modified.is_some()
    }

    /// The tag for `If-Range`, which only takes strong validators.
    pub(super) fn strong_tag(&self) -> Option<HeaderValue> {
        let tag = self.tag.as_deref().filter(|tag| tag.starts_with('"'))?;
        HeaderValue::try_from(tag).ok()
    }
}

/// Whether both are known and are not the same.
fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(total: Option<u64>, tag: Option<&str>, modified: Option<u64>) -> Identity {
        Identity {
            total,
            tag: tag.map(str::to_owned),
            modified,
        }
    }

    #[test]
    fn validators_decide_and_then_sizes() {
        let (strong, weak) = (Some("\"1\""), Some("W/\"1\""));
        let all = Some(9);
        for (pinned, other, expected) in [
            (of(all, strong, None), of(all, strong, None), Likeness::Same),
            (
                of(all, strong, Some(1)),
                of(None, strong, Some(2)),
                Likeness::Same,
            ),
            (
                of(all, strong, None),
                of(all, Some("\"2\""), None),
                Likeness::Other,
            ),
            (
                of(all, strong, Some(1)),
                of(all, None, Some(1)),
                Likeness::Unsaid,
            ),
            (
                of(all, weak, Some(1)),
                of(all, weak, Some(2)),
                Likeness::Other,
            ),
            (
                of(all, weak, Some(1)),
                of(all, weak, Some(1)),
                Likeness::Same,
            ),
            (
                of(all, None, Some(1)),
                of(all, None, Some(2)),
                Likeness::Other,
            ),
            (
                of(all, None, Some(1)),
                of(all, None, Some(1)),
                Likeness::Same,
            ),
            (
                of(all, None, Some(1)),
                of(all, strong, None),
                Likeness::Unsaid,
            ),
            (
                of(all, None, Some(1)),
                of(None, None, Some(1)),
                Likeness::Unsaid,
            ),
            (
                of(None, None, Some(1)),
                of(None, None, Some(1)),
                Likeness::Same,
            ),
            (
                of(all, None, None),
                of(all, strong, Some(1)),
                Likeness::Same,
            ),
            (
                of(all, None, None),
                of(Some(8), None, None),
                Likeness::Other,
            ),
            (
                of(all, strong, None),
                of(Some(8), strong, None),
                Likeness::Other,
            ),
            (of(all, None, None), of(None, None, None), Likeness::Unsaid),
            (of(None, None, None), of(None, None, None), Likeness::Unsaid),
        ] {
            assert_eq!(pinned.likeness(&other), expected, "{pinned:?} {other:?}");
        }
    }

    #[test]
    fn only_a_strong_tag_is_asked_with() {
        assert!(of(None, Some("\"1\""), None).strong_tag().is_some());
        for tag in [Some("W/\"1\""), Some("1"), None] {
            assert_eq!(of(None, tag, Some(1)).strong_tag(), None, "{tag:?}");
        }
    }
}
