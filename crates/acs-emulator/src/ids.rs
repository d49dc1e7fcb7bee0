//! Ids in the forms that the service uses.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// The conversation service that real ids of calls point to.
const CONVERSATION: &str =
    "https://api.flightproxy.skype.com/api/v2/cp/conv-emulator-01-aks.conv.skype.com/conv/";

/// Ticks of 100 ns between 0001-01-01 and 1970-01-01.
const TICKS_TO_UNIX_EPOCH: i128 = 621_355_968_000_000_000;

/// Where ids come from once a program has set a seed.
static SEEDED: Mutex<Option<fastrand::Rng>> = Mutex::new(None);

/// Makes ids and access keys the same on every run of a program that does the same in the same
/// order. What is of no consequence stays random, such as ids of events and traces.
///
/// It holds for all emulators of the process that start afterwards, so it is for programs with one
/// emulator and not for tests that run beside each other.
pub fn seed_ids(seed: u64) {
    *SEEDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(fastrand::Rng::with_seed(seed));
}

/// A new id of something that lasts.
pub(crate) fn fresh() -> Uuid {
    let mut seeded = SEEDED.lock().unwrap_or_else(PoisonError::into_inner);
    match seeded.as_mut() {
        Some(seeded) => Builder::from_random_bytes(seeded.u128(..).to_le_bytes()).into_uuid(),
        None => Uuid::new_v4(),
    }
}

pub(crate) fn guid() -> String {
    fresh().to_string()
}

/// An id of no consequence.
pub(crate) fn passing() -> String {
    Uuid::new_v4().to_string()
}

/// The id of a call: base64 of a URL. As in real ids there is a `/` in it and an `=` at its end,
/// which is what clients stumble over.
pub(crate) fn server_call_id(now: Timestamp) -> String {
    let conversation = URL_SAFE_NO_PAD.encode(fresh());
    let ticks = now.as_nanosecond() / 100 + TICKS_TO_UNIX_EPOCH;
    STANDARD.encode(format!(
        "{CONVERSATION}{conversation}?i=10-128-0-110&e={ticks:018}"
    ))
}

/// Whether `id` can be the id of some call.
pub(crate) fn is_server_call_id(id: &str) -> bool {
    STANDARD
        .decode(id)
        .is_ok_and(|url| url.starts_with(b"https://") && url.is_ascii())
}

/// The id of a recording, which names the connection that records and the recording itself.
pub(crate) fn recording_id(endpoint: &str) -> String {
    let resource = guid();
    URL_SAFE_NO_PAD.encode(format!(
        r#"{{"PlatformEndpointId":"{endpoint}","ResourceSpecificId":"{resource}"}}"#
    ))
}

/// The id of one stored chunk.
pub(crate) fn document_id() -> String {
    format!("0-weu-d1-{}", fresh().simple())
}

/// Whether `id` can be the id of some stored chunk.
pub(crate) fn is_document_id(id: &str) -> bool {
    let mut parts = id.splitn(4, '-');
    let (Some("0"), Some(region), Some(deployment), Some(object)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let number = deployment.strip_prefix('d').unwrap_or_default();
    !region.is_empty()
        && region.bytes().all(|byte| byte.is_ascii_lowercase())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && object.len() == 32
        && object
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The raw id of a new Communication Services user of a resource.
pub(crate) fn user(resource: Uuid) -> String {
    format!("8:acs:{resource}_{}", fresh())
}

/// A trace id as the content store sends it with some answers.
pub(crate) fn content_trace() -> String {
    format!("{}.0", STANDARD.encode(Uuid::new_v4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_calls_are_padded_base64_of_a_url() {
        let id = server_call_id(Timestamp::constant(1_767_225_600, 0));
        assert!(is_server_call_id(&id));
        assert!(id.ends_with('=') && id.contains('/'), "{id}");
        let url = String::from_utf8(STANDARD.decode(&id).unwrap()).unwrap();
        assert!(url.ends_with("e=639028224000000000"), "{url}");
        assert_ne!(id, server_call_id(Timestamp::constant(1_767_225_600, 0)));
    }

    #[test]
    fn other_text_is_no_id_of_a_call() {
        for text in ["", "sc", "1f0ac1c5-9f4e-4c56-9e3c-0a3d3c1f8d11", "Zm9v"] {
            assert!(!is_server_call_id(text), "{text}");
        }
    }

    #[test]
    fn ids_of_recordings_name_their_endpoint() {
        let endpoint = guid();
        let id = recording_id(&endpoint);
        assert_eq!(id.len(), 162);
        let json: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap();
        assert_eq!(json["PlatformEndpointId"], endpoint);
        assert_ne!(json["ResourceSpecificId"], endpoint);
    }

    #[test]
    fn document_ids_are_told_from_other_text() {
        assert!(is_document_id(&document_id()));
        for text in [
            "",
            "0-eus-d2",
            "0-eus-d2-3cca2175891f21c6c9a5975a12c01",
            "0-eus-d-3cca2175891f21c6c9a5975a12c0141c",
            "0-EUS-d2-3cca2175891f21c6c9a5975a12c0141c",
            "1-eus-d2-3cca2175891f21c6c9a5975a12c0141c",
            "0-eus-d2-3cca2175891f21c6c9a5975a12c0141g",
        ] {
            assert!(!is_document_id(text), "{text}");
        }
    }
}
