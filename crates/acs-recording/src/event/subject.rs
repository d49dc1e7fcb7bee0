//! The ids in the subject of an event. Some of them are not in the data.

/// The ids in a subject, as text.
///
/// Ids are not encoded. The base64 of a server call id may contain `/`, so a value extends to the next
/// known key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    /// The id of the call in logs and metadata.
    pub call: Option<&'a str>,
    pub server_call_id: Option<&'a str>,
    pub recording_id: Option<&'a str>,
    pub call_connection_id: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// Reads the subjects of the service: four layouts for files (`/recording/` and then some of
    /// `call/{id}`, `serverCallId/{id}` and `recordingId/{id}`), two for recording states
    /// (`calling/recordings/{server call}/{recording}`, with and without `recordingId/` between the
    /// ids and the event's name at the end), one for callbacks, and one for calls.
    pub(super) fn parse(subject: &'a str) -> Self {
        let subject = subject.trim_start_matches('/');
        if let Some(rest) = subject.strip_prefix("recording/") {
            Self::of_file(rest)
        } else if let Some(rest) = subject.strip_prefix("calling/recordings/") {
            Self::of_state(rest)
        } else if let Some(rest) = subject.strip_prefix("calling/callConnections/") {
            Self {
                call_connection_id: non_empty(rest.split('/').next().unwrap_or_default()),
                ..Self::default()
            }
        } else if let Some(rest) = subject.strip_prefix("call/") {
            let end = ["/startedBy/", "/participant/"]
                .iter()
                .filter_map(|key| rest.find(key))
                .min();
            Self {
                server_call_id: non_empty(&rest[..end.unwrap_or(rest.len())]),
                ..Self::default()
            }
        } else {
            Self::default()
        }
    }

    /// Reads keys and the values between them, in one pass because every file event has this subject.
    fn of_file(path: &'a str) -> Self {
        let mut found = [None; 3];
        // The key whose value is being read, and its start.
        let mut open: Option<(usize, usize)> = None;
        let mut at = 0;
        let slashes = memchr::memchr_iter(b'/', path.as_bytes());
        for end in slashes.chain([path.len()]) {
            let part = path.get(at..end).unwrap_or_default();
            let next = end + 1;
            let keys = ["call", "serverCallId", "recordingId"];
            if let Some(key) = keys.iter().position(|key| *key == part) {
                if let Some((key, begin)) = open {
                    found[key].get_or_insert(path.get(begin..at - 1).unwrap_or_default());
                }
                open = Some((key, next));
            }
            at = next;
        }
        if let Some((key, begin)) = open {
            found[key].get_or_insert(path.get(begin..).unwrap_or_default());
        }
        let [call, server_call_id, recording_id] = found.map(|value| value.and_then(non_empty));
        Self {
            call,
            server_call_id,
            recording_id,
            call_connection_id: None,
        }
    }

    fn of_state(rest: &'a str) -> Self {
        let rest = rest.strip_suffix("/RecordingStateChanged").unwrap_or(rest);
        // A recording id is base64url and has no `/`.
        let (server_call, recording) = rest.rsplit_once('/').unwrap_or((rest, ""));
        Self {
            server_call_id: non_empty(
                server_call
                    .strip_suffix("/recordingId")
                    .unwrap_or(server_call),
            ),
            recording_id: non_empty(recording),
            ..Self::default()
        }
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_every_layout() {
        for (subject, call, server, recording, connection) in [
            ("/recording/call/c", "c", "", "", ""),
            ("/recording/call/c/recordingId/r", "c", "", "r", ""),
            ("/recording/call/c/serverCallId/s=", "c", "s=", "", ""),
            (
                "recording/call/c/serverCallId/a/b+=/recordingId/r",
                "c",
                "a/b+=",
                "r",
                "",
            ),
            (
                "calling/recordings/a/b==/recordingId/r",
                "",
                "a/b==",
                "r",
                "",
            ),
            (
                "calling/recordings/s/recordingId/r/RecordingStateChanged",
                "",
                "s",
                "r",
                "",
            ),
            (
                "calling/recordings/a/b==/r/RecordingStateChanged",
                "",
                "a/b==",
                "r",
                "",
            ),
            ("calling/callConnections/cc", "", "", "", "cc"),
            ("call/a/b=", "", "a/b=", "", ""),
            ("call/s/startedBy/8:acs:u", "", "s", "", ""),
            ("call/a/b/participant/4:+1", "", "a/b", "", ""),
            ("/caller/call/recipient/x", "", "", "", ""),
            ("", "", "", "", ""),
            ("/recording/call/", "", "", "", ""),
            ("/recording/call/serverCallId/s", "", "s", "", ""),
            ("/recording/call/c/call/d/recordingId/r", "c", "", "r", ""),
            ("calling/recordings/", "", "", "", ""),
            ("calling/callConnections/", "", "", "", ""),
        ] {
            assert_eq!(
                Subject::parse(subject),
                Subject {
                    call: non_empty(call),
                    server_call_id: non_empty(server),
                    recording_id: non_empty(recording),
                    call_connection_id: non_empty(connection),
                },
                "{subject}"
            );
        }
    }
}
