//! The ids of the service. Each is a type of its own, because mixing them up is a common mistake.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::format::shorten;
use crate::lenient::Received;
use crate::value_kind::{ValueKind, detect_kind};

/// The text is not an id of the requested kind.
///
/// The message describes the text if it is certainly something else, and repeats it unless it may
/// contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} is not a {kind}: it {reason}")]
pub struct InvalidId {
    kind: &'static str,
    /// The text in quotes, shortened.
    id: String,
    reason: String,
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

/// The ids of the service have fewer than 400 bytes.
const MAX_LENGTH: usize = 2048;

/// The rules for one kind of id.
struct IdKind {
    name: &'static str,
    /// Where to find such an id.
    found: &'static str,
    /// The kind of value that certainly is such an id.
    own: Option<ValueKind>,
    /// Whether these ids are GUIDs: always, never, or sometimes.
    guid: Option<bool>,
}

/// Checks what all ids have in common: visible ASCII without spaces.
fn check_text(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("is empty");
    }
    if id.len() > MAX_LENGTH {
        return Err("is longer than 2048 bytes");
    }
    // Without an early exit, this is vectorized.
    let graphic = id
        .bytes()
        .fold(true, |all, byte| all & byte.is_ascii_graphic());
    if !graphic {
        return Err("contains spaces or characters that no id contains");
    }
    Ok(())
}

impl IdKind {
    /// Checks an id from the service, which may change the form of its ids.
    fn check_received(&self, id: &str) -> Result<(), &'static str> {
        check_text(id)?;
        let is_guid = id.len() == 36 && Uuid::try_parse(id).is_ok();
        match self.guid {
            Some(true) if !is_guid => Err("is not a GUID"),
            // Old events contain the id of the call in logs here.
            Some(false) if is_guid => Err("is a GUID"),
            _ => Ok(()),
        }
    }

    /// Checks an id from the caller, which is rejected if it certainly is something else.
    fn check(&self, id: &str) -> Result<(), InvalidId> {
        let invalid = |reason: String, is_secret: bool| InvalidId {
            kind: self.name,
            id: if is_secret {
                "the text".to_owned()
            } else {
                format!("{:?}", shorten(id, 80))
            },
            reason,
        };
        let detected = detect_kind(id);
        if let Some(kind) = detected
            && detected != self.own
        {
            let reason = match kind {
                _ if kind.has_advice() => kind.description().to_owned(),
                ValueKind::Guid => format!(
                    "is a GUID, like call connection ids, group call ids and correlation ids; {}",
                    self.found
                ),
                _ => format!("{}; {}", kind.description(), self.found),
            };
            return Err(invalid(reason, kind.may_be_secret()));
        }
        check_text(id).map_err(|reason| invalid(reason.to_owned(), false))?;
        if self.guid == Some(true) && detected.is_none() {
            let reason = format!("is not a GUID; {}", self.found);
            return Err(invalid(reason, false));
        }
        Ok(())
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        ///
        /// [`new`](Self::new) rejects text that certainly is something else. `Deserialize` accepts
        /// what the service sends, and rejects only what cannot be an id.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(into = "String")]
        pub struct $name(String);

        impl $name {
            const KIND: IdKind = $kind;

            /// An id from its text.
            ///
            /// # Errors
            /// The text cannot be such an id. If possible, the error says what it is, and what to
            /// pass instead.
            pub fn new(id: impl Into<String>) -> Result<Self, InvalidId> {
                let id = id.into();
                Self::KIND.check(&id)?;
                Ok(Self(id))
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Received for $name {
            fn received(id: String) -> Option<Self> {
                Self::KIND.check_received(&id).is_ok().then_some(Self(id))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let id = String::deserialize(deserializer)?;
                Self::KIND.check_received(&id).map_err(|reason| {
                    D::Error::custom(format!("the {} {reason}", Self::KIND.name))
                })?;
                Ok(Self(id))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(id: &str) -> Result<Self, Self::Err> {
                Self::new(id)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(id: String) -> Result<Self, Self::Error> {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// The id of a call, which all its participants share.
    ///
    /// It is in the `CallConnected` and `IncomingCall` events, in the response to answering a call, and
    /// in the calling SDK of a browser or phone. It is base64 text of about 180 characters. The response
    /// to *creating* a call does not have it while the call connects.
    ServerCallId, IdKind {
        name: "server call id",
        found: "a server call id is a longer base64 text, the `serverCallId` of CallConnected and of \
                the response to answering a call",
        own: Some(ValueKind::ServerCallId),
        guid: Some(false),
    }
}

id! {
    /// The id of a group call, a GUID that the application chose.
    GroupCallId, IdKind {
        name: "group call id",
        found: "a group call id is the GUID that the application has chosen for the call",
        own: Some(ValueKind::Guid),
        guid: Some(true),
    }
}

id! {
    /// The id of a room.
    RoomId, IdKind {
        name: "room id",
        found: "a room id is in the response to creating the room, such as 99400535222211121",
        own: None,
        guid: None,
    }
}

id! {
    /// The id of the application's own leg of a call, from creating, answering or joining it.
    CallConnectionId, IdKind {
        name: "call connection id",
        found: "a call connection id is the GUID `callConnectionId` of CallConnected and of the \
                response to creating or answering a call",
        own: Some(ValueKind::Guid),
        guid: None,
    }
}

id! {
    /// The id of a recording, from its start. Store it, because recordings cannot be listed.
    RecordingId, IdKind {
        name: "recording id",
        found: "a recording id is in the response to the start of the recording, and `recordingId` in \
                its events",
        own: Some(ValueKind::RecordingId),
        guid: None,
    }
}

id! {
    /// The id of a stored chunk of a recording.
    DocumentId, IdKind {
        name: "document id",
        found: "a document id is the `documentId` of a chunk in RecordingFileStatusUpdated",
        own: Some(ValueKind::DocumentId),
        guid: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_not_a_server_call_id() {
        let error = ServerCallId::new("03009180-1d91-4ed5-9d5a-991a2f4f5e03").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("call connection id") && error.contains("CallConnected"),
            "{error}"
        );
    }

    #[test]
    fn ids_are_checked_and_unchanged() {
        assert_eq!(RecordingId::new("eyJQ_-").unwrap().to_string(), "eyJQ_-");
        assert!(ServerCallId::new("aHR0cHM6Ly9h=").is_ok());
        assert!(GroupCallId::new("29228d3e-040e-4656-a70e-890ab4e173e5").is_ok());
        for id in ["", "a b", "a\n", "ä", &"x".repeat(3000)] {
            assert!(RecordingId::new(id).is_err(), "{id}");
            assert!(ServerCallId::new(id).is_err(), "{id}");
        }
        assert!(GroupCallId::new("29228d3e040e4656a70e890ab4e173e5").is_err());
        assert!(
            RecordingId::new("x y".repeat(900))
                .unwrap_err()
                .to_string()
                .len()
                < 300
        );
    }

    #[test]
    fn errors_describe_the_wrong_value() {
        let guid = "29228d3e-040e-4656-a70e-890ab4e173e5";
        let recording = "eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiIwMzAwIn0";
        let call = "aHR0cHM6Ly9hcGkuZmxpZ2h0cHJveHkuZXhhbXBsZS9jb252L3h5eg==";
        let link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_a%40thread.v2/0";
        for (id, said) in [
            ("aHR0cHM6Ly9h%3D", "percent-encoded"),
            ("\"aHR0cHM6Ly9h\"", "in quotes"),
            ("https://api.example/x", "a URL"),
            (link, "Teams meeting"),
            ("19:meeting_abc@thread.v2", "thread id"),
            (recording, "a recording id"),
            ("{\"serverCallId\":\"x\"}", "JSON"),
            ("8:acs:alice", "participant"),
            (guid, "a GUID"),
            ("aHR0 cHM6", "spaces"),
        ] {
            let error = ServerCallId::new(id).unwrap_err().to_string();
            assert!(error.contains("not a server call id"), "{error}");
            assert!(error.contains(said), "{id}: {error}");
        }
        for (id, said) in [
            (call, "a server call id"),
            (
                "https://eu-storage.asm.skype.com/v1/objects/o",
                "recorded content",
            ),
            ("eyJQbGF0%3D", "percent-encoded"),
            (guid, "a GUID"),
            ("0-weu-d7-0000000000000000000000000000abc0", "document id"),
            ("<recording-id>", "placeholder"),
        ] {
            let error = RecordingId::new(id).unwrap_err().to_string();
            assert!(error.contains(said), "{id}: {error}");
        }
        for id in [call, recording, link, "\"c\""] {
            CallConnectionId::new(id).unwrap_err();
            RoomId::new(id).unwrap_err();
            GroupCallId::new(id).unwrap_err();
        }
        assert!(ServerCallId::new(call).is_ok() && RecordingId::new(recording).is_ok());
        assert!(CallConnectionId::new(guid).is_ok());
    }

    #[test]
    fn errors_repeat_no_secrets() {
        let secret = "endpoint=https://a.example/;accesskey=c2VjcmV0";
        let error = RecordingId::new(secret).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("connection string") && !shown.contains("c2VjcmV0"),
            "{shown}"
        );
    }

    #[test]
    fn ids_of_the_service_are_accepted() {
        let guid = "\"29228d3e-040e-4656-a70e-890ab4e173e5\"";
        assert!(serde_json::from_str::<ServerCallId>(guid).is_err());
        assert!(serde_json::from_str::<RecordingId>(guid).is_ok());
        assert!(ServerCallId::received("https://x.example/conv".to_owned()).is_some());
        assert!(RecordingId::received("a b".to_owned()).is_none());
    }

    #[test]
    fn deserializing_checks_ids() {
        assert!(serde_json::from_str::<RecordingId>("\"\"").is_err());
        let id: RecordingId = serde_json::from_str("\"abc\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"abc\"");
    }
}
