//! The operations that faults can apply to.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// A kind of request, or of message that the emulator sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Operation {
    /// Every request, including those that match no other operation.
    Any,
    /// Creating a call.
    CreateCall,
    /// Answering a call.
    AnswerCall,
    /// Connecting to a call.
    ConnectCall,
    /// The state of a call connection.
    GetCall,
    /// Leaving a call.
    HangUp,
    /// Ending a call for everybody.
    Terminate,
    /// Listing participants.
    ListParticipants,
    /// One participant.
    GetParticipant,
    /// Adding a participant.
    AddParticipant,
    /// Removing a participant.
    RemoveParticipant,
    /// Muting participants.
    MuteParticipants,
    /// Starting a recording.
    Start,
    /// The state of a recording.
    State,
    /// Pausing a recording.
    Pause,
    /// Resuming a recording.
    Resume,
    /// Stopping a recording.
    Stop,
    /// Reading media.
    Content,
    /// Reading a metadata document.
    Metadata,
    /// Deleting stored content.
    Delete,
    /// An Event Grid event to a subscriber. Its target is part of its subject.
    Event,
}

impl Operation {
    /// The operation of a request; [`Operation::Any`] if it matches no other.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy();
        Self::known(method, &path).unwrap_or(Self::Any)
    }

    fn known(method: &Method, path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/calling/recordings") {
            return Self::recording(method, rest);
        }
        if let Some(rest) = path.strip_prefix("/calling/callConnections") {
            return Self::connection(method, rest);
        }
        let object = path.strip_prefix("/v1/objects/")?;
        match *method {
            Method::DELETE => Some(Self::Delete),
            Method::GET | Method::HEAD if object.ends_with("/content/acsmetadata") => {
                Some(Self::Metadata)
            }
            Method::GET | Method::HEAD => Some(Self::Content),
            _ => None,
        }
    }

    fn recording(method: &Method, rest: &str) -> Option<Self> {
        match *method {
            Method::POST if rest.is_empty() => Some(Self::Start),
            Method::POST if rest.ends_with(":pause") => Some(Self::Pause),
            Method::POST if rest.ends_with(":resume") => Some(Self::Resume),
            Method::GET => Some(Self::State),
            Method::DELETE => Some(Self::Stop),
            _ => None,
        }
    }

    fn connection(method: &Method, rest: &str) -> Option<Self> {
        let participants = rest.split_once("/participants").map(|(_, rest)| rest);
        match (method, participants) {
            (&Method::GET, Some("")) => Some(Self::ListParticipants),
            (&Method::GET, Some(_)) => Some(Self::GetParticipant),
            (&Method::POST, Some(":add")) => Some(Self::AddParticipant),
            (&Method::POST, Some(":remove")) => Some(Self::RemoveParticipant),
            (&Method::POST, Some(":mute")) => Some(Self::MuteParticipants),
            (&Method::GET, None) => Some(Self::GetCall),
            (&Method::DELETE, None) => Some(Self::HangUp),
            (&Method::POST, None) => match rest {
                "" => Some(Self::CreateCall),
                ":answer" => Some(Self::AnswerCall),
                ":connect" => Some(Self::ConnectCall),
                _ if rest.ends_with(":terminate") => Some(Self::Terminate),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_mapped_to_operations() {
        use Operation as O;
        for (request, expected) in [
            ("POST /calling/recordings", O::Start),
            ("GET /calling/recordings/r", O::State),
            ("POST /calling/recordings/r:pause", O::Pause),
            ("POST /calling/recordings/r:resume", O::Resume),
            ("POST /calling/recordings/r%3Aresume", O::Resume),
            ("DELETE /calling/recordings/r", O::Stop),
            ("PUT /calling/recordings/r", O::Any),
            ("POST /calling/callConnections", O::CreateCall),
            ("POST /calling/callConnections:answer", O::AnswerCall),
            ("POST /calling/callConnections:connect", O::ConnectCall),
            ("GET /calling/callConnections/c", O::GetCall),
            ("DELETE /calling/callConnections/c", O::HangUp),
            ("POST /calling/callConnections/c:terminate", O::Terminate),
            ("POST /calling/callConnections/c:play", O::Any),
            (
                "GET /calling/callConnections/c/participants",
                O::ListParticipants,
            ),
            (
                "GET /calling/callConnections/c/participants/p",
                O::GetParticipant,
            ),
            (
                "POST /calling/callConnections/c/participants:add",
                O::AddParticipant,
            ),
            (
                "POST /calling/callConnections/c/participants:remove",
                O::RemoveParticipant,
            ),
            (
                "POST /calling/callConnections/c/participants:mute",
                O::MuteParticipants,
            ),
            ("GET /v1/objects/d/content/video", O::Content),
            ("GET /v1/objects/d/content/acsmetadata", O::Metadata),
            ("DELETE /v1/objects/d", O::Delete),
            ("GET /else", O::Any),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(O::of(&method, path), expected, "{request}");
        }
    }
}
