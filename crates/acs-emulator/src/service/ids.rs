//! Ids in the formats that the service uses.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// The conversation service that the ids of real calls refer to.
const CONVERSATION: &str =
    "https://api.flightproxy.skype.com/api/v2/cp/conv-emulator-01-aks.conv.skype.com/conv/";

/// Ticks of 100 ns between 0001-01-01 and 1970-01-01.
const TICKS_TO_UNIX_EPOCH: i128 = 621_355_968_000_000_000;

/// The source of ids after a seed has been set.
static SEEDED: Mutex<Option<fastrand::Rng>> = Mutex::new(None);

/// Makes ids and access keys reproducible: a program that makes the same calls in the same order
/// gets the same ids on every run. Ids of events and traces stay random.
/// The seed applies to all emulators in the process that are started afterwards. It is meant for
/// programs with one emulator, not for tests that run concurrently.
pub fn seed_ids(seed: u64) {
    *SEEDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(fastrand::Rng::with_seed(seed));
}

/// A new id for an object that lasts.
pub(crate) fn new_id() -> Uuid {
    let mut seeded = SEEDED.lock().unwrap_or_else(PoisonError::into_inner);
    match seeded.as_mut() {
        Some(seeded) => Builder::from_random_bytes(seeded.u128(..).to_le_bytes()).into_uuid(),
        None => Uuid::new_v4(),
    }
}

/// A random id that does not depend on the seed, for events and traces.
pub(crate) fn random_id() -> String {
    Uuid::new_v4().to_string()
}

/// The id of a call: base64 of a URL. Like real ids, it contains a `/` and ends in `=`, which
/// clients must handle correctly.
pub(crate) fn server_call_id(now: Timestamp) -> String {
    let conversation = URL_SAFE_NO_PAD.encode(new_id());
    let ticks = now.as_nanosecond() / 100 + TICKS_TO_UNIX_EPOCH;
    STANDARD.encode(format!(
        "{CONVERSATION}{conversation}?i=10-128-0-110&e={ticks:018}"
    ))
}

/// Whether `id` has the format of a call id.
pub(crate) fn is_server_call_id(id: &str) -> bool {
    STANDARD
        .decode(id)
        .is_ok_and(|url| url.starts_with(b"https://") && url.is_ascii())
}

/// The id of a recording. It contains the id of the recorder's connection and that of the
/// recording.
pub(crate) fn recording_id(endpoint: &str) -> String {
    let resource = new_id();
    URL_SAFE_NO_PAD.encode(format!(
        r#"{{"PlatformEndpointId":"{endpoint}","ResourceSpecificId":"{resource}"}}"#
    ))
}

/// The id of a stored chunk.
pub(crate) fn document_id() -> String {
    format!("0-weu-d1-{}", new_id().simple())
}

/// Whether `id` has the format of a chunk id.
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
    format!("8:acs:{resource}_{}", new_id())
}

/// Whether `text` has the format of a raw id.
pub(crate) fn is_raw_id(text: &str) -> bool {
    ["4:", "8:", "28:"].iter().any(|kind| {
        text.strip_prefix(kind).is_some_and(|rest| {
            !rest.is_empty() && !rest.ends_with(':') && !rest.contains(char::is_whitespace)
        })
    })
}

/// A trace id, which the content store includes in some responses.
pub(crate) fn content_trace() -> String {
    format!("{}.0", STANDARD.encode(Uuid::new_v4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_padded_base64_of_a_url() {
        let id = server_call_id(Timestamp::constant(1_767_225_600, 0));
        assert!(is_server_call_id(&id));
        assert!(id.ends_with('=') && id.contains('/'), "{id}");
        let url = String::from_utf8(STANDARD.decode(&id).unwrap()).unwrap();
        assert!(url.ends_with("e=639028224000000000"), "{url}");
        assert_ne!(id, server_call_id(Timestamp::constant(1_767_225_600, 0)));
    }

    #[test]
    fn other_text_is_not_a_call_id() {
        for text in ["", "sc", "1f0ac1c5-9f4e-4c56-9e3c-0a3d3c1f8d11", "Zm9v"] {
            assert!(!is_server_call_id(text), "{text}");
        }
    }

    #[test]
    fn recording_ids_contain_their_endpoint() {
        let endpoint = new_id().to_string();
        let id = recording_id(&endpoint);
        assert_eq!(id.len(), 162);
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap();
        let prefix = format!(r#"{{"PlatformEndpointId":"{endpoint}","ResourceSpecificId":""#);
        assert!(text.starts_with(&prefix), "{text}");
        assert_eq!(text.matches(&endpoint).count(), 1);
    }

    #[test]
    fn other_text_is_not_a_document_id() {
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
