//! Path segments.

/// Splits `id:action`, which is the last path segment of most actions.
pub(super) fn split_action(segment: &str) -> (&str, &str) {
    segment.rsplit_once(':').unwrap_or((segment, ""))
}
