//! The subject of recording events, which is where their ids are.

/// The value after `key` in a path of keys and values.
///
/// The service has written four layouts so far, all of them `/recording/` and then some of
/// `call/{id}`, `serverCallId/{id}` and `recordingId/{id}`. Ids are inserted as they are; the
/// base64 of a server call id may contain `/`, so a value goes on to the next known key.
pub(super) fn value(subject: &str, key: &str) -> Option<String> {
    const KEYS: [&str; 3] = ["call", "serverCallId", "recordingId"];
    let rest = subject.trim_start_matches('/');
    let rest = rest.strip_prefix("recording/")?;
    let mut parts = rest.split('/');
    parts.find(|part| *part == key)?;
    let value: Vec<_> = parts.take_while(|part| !KEYS.contains(part)).collect();
    let value = value.join("/");
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn finds_ids_in_every_layout() {
        for (subject, call, server, recording) in [
            ("/recording/call/c", Some("c"), None, None),
            (
                "/recording/call/c/recordingId/r",
                Some("c"),
                None,
                Some("r"),
            ),
            (
                "/recording/call/c/serverCallId/s=",
                Some("c"),
                Some("s="),
                None,
            ),
            (
                "recording/call/c/serverCallId/a/b+=/recordingId/r",
                Some("c"),
                Some("a/b+="),
                Some("r"),
            ),
            ("/caller/call/recipient/x", None, None, None),
            ("", None, None, None),
            ("/recording/call/", None, None, None),
        ] {
            assert_eq!(value(subject, "call").as_deref(), call, "{subject}");
            assert_eq!(
                value(subject, "serverCallId").as_deref(),
                server,
                "{subject}"
            );
            assert_eq!(
                value(subject, "recordingId").as_deref(),
                recording,
                "{subject}"
            );
        }
    }
}
