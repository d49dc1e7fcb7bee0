//! The ids of the service, each a type of its own, because mixing them up is the usual mistake.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// Why text is no id of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is no {kind}: {reason}")]
pub struct InvalidId {
    kind: &'static str,
    id: String,
    reason: &'static str,
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string())
    }
}

/// Longer than every id of the service, which are below 400 bytes.
const MAX_LENGTH: usize = 2048;

/// What every id of the service is: visible ASCII without spaces.
fn check_text(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("it is empty");
    }
    if id.len() > MAX_LENGTH {
        return Err("it is longer than 2048 bytes");
    }
    // Without an end on the way, many bytes are looked at together.
    let graphic = id
        .bytes()
        .fold(true, |all, byte| all & byte.is_ascii_graphic());
    if !graphic {
        return Err("it has spaces or characters that no id has");
    }
    Ok(())
}

fn check_guid(id: &str) -> Result<(), &'static str> {
    match Uuid::try_parse(id) {
        Ok(_) if id.len() == 36 => Ok(()),
        _ => Err("it is no GUID"),
    }
}

fn check_server_call_id(id: &str) -> Result<(), &'static str> {
    check_text(id)?;
    if check_guid(id).is_ok() {
        return Err(
            "it is a GUID, as call connection ids, group call ids and correlation ids are; a \
             server call id is a longer base64 text, found as `serverCallId` in CallConnected \
             and in the answer to answering a call",
        );
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text of an id.
            ///
            /// # Errors
            /// The text cannot be such an id; the error says why.
            pub fn new(id: impl Into<String>) -> Result<Self, InvalidId> {
                let id = id.into();
                match $check(&id) {
                    Ok(()) => Ok(Self(id)),
                    Err(reason) => Err(InvalidId { kind: $kind, id: shorten(id), reason }),
                }
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
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
    /// The id of a call as a whole, which all participants share.
    ///
    /// It comes in the `CallConnected` event, in the answer to answering a call, in `IncomingCall`
    /// and from the calling SDK of a browser or phone. It is base64 text of about 180 characters;
    /// the answer to *creating* a call has none yet while the call connects.
    ServerCallId, "server call id", check_server_call_id
}

id! {
    /// The id of a group call, a GUID that the application chose.
    GroupCallId, "group call id", check_guid
}

id! {
    /// The id of a room.
    RoomId, "room id", check_text
}

id! {
    /// The id of the application's own leg of a call, from creating, answering or joining it.
    CallConnectionId, "call connection id", check_text
}

id! {
    /// The id of a recording, from starting it. Recordings cannot be listed, so keep it.
    RecordingId, "recording id", check_text
}

id! {
    /// The id of one stored chunk of a recording.
    DocumentId, "document id", check_text
}

/// The beginning of text that is too long for an error.
fn shorten(id: String) -> String {
    match id.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_no_server_call_id() {
        let error = ServerCallId::new("03009180-1d91-4ed5-9d5a-991a2f4f5e03").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("call connection id") && error.contains("CallConnected"),
            "{error}"
        );
    }

    #[test]
    fn ids_are_checked_and_kept_as_they_are() {
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
    fn serde_checks_too() {
        assert!(serde_json::from_str::<RecordingId>("\"\"").is_err());
        let id: RecordingId = serde_json::from_str("\"abc\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"abc\"");
    }
}
