//! Plausible ids, in the formats of the service.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use url::Url;
use uuid::Uuid;

/// The ids that an event names.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    /// The id of the call in logs.
    pub(super) correlation_id: String,
    pub(super) server_call_id: String,
    pub(super) call_connection_id: String,
    pub(super) recording_id: String,
    /// The immutable id of the resource.
    pub(super) resource: Uuid,
    /// The raw ids of two participants.
    pub(super) participants: [String; 2],
}

/// The files that an event announces.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) origin: Url,
    pub(super) chunks: usize,
}

impl Ids {
    /// New ids, in the formats of the service.
    pub(super) fn new() -> Self {
        let [connection, recording, resource] = [(); 3].map(|()| Uuid::new_v4());
        let conversation = URL_SAFE_NO_PAD.encode(Uuid::new_v4());
        let call = format!(
            "https://api.flightproxy.skype.com/api/v2/cp/conv-weu-01.conv.skype.com/conv/{conversation}?i=10-128-0-110"
        );
        let recording =
            json!({"PlatformEndpointId": connection, "ResourceSpecificId": recording}).to_string();
        Self {
            correlation_id: Uuid::new_v4().to_string(),
            server_call_id: STANDARD.encode(call),
            call_connection_id: connection.to_string(),
            recording_id: URL_SAFE_NO_PAD.encode(recording),
            resource,
            participants: [(); 2].map(|()| format!("8:acs:{resource}_{}", Uuid::new_v4())),
        }
    }
}
