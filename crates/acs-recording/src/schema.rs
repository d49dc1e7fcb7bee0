//! JSON Schemas of what the service sends: the data of events, and metadata documents.
//!
//! They describe what this crate reads, which is more than one version of the service writes:
//! members that it does not know are allowed, and hardly any is required.

use schemars::{JsonSchema, Schema, schema_for};

use crate::event::schemas;
use crate::metadata;

/// A schema and what it is of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Named {
    /// The last part of the event type, such as `CallEnded`; or `RecordingMetadata`.
    pub name: &'static str,
    /// The schema.
    pub schema: Schema,
}

/// Every schema that this crate has, in a fixed order.
///
/// The data of callbacks is described by the service's own interface description instead.
///
/// ```
/// let schemas = acs_recording::schema::all();
/// assert!(schemas.iter().any(|schema| schema.name == "RecordingFileStatusUpdated"));
/// ```
pub fn all() -> Vec<Named> {
    let mut all = schemas::all();
    all.push(named::<metadata::Document>("RecordingMetadata"));
    all
}

pub(crate) fn named<T: JsonSchema>(name: &'static str) -> Named {
    Named {
        name,
        schema: schema_for!(T),
    }
}

/// A number, or text that is one.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[allow(dead_code, reason = "it only describes")]
pub(crate) enum Number {
    Number(f64),
    Text(#[schemars(regex(pattern = r"^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*$"))] String),
}

/// Someone: the raw id, and what is known besides.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
pub(crate) struct Identifier {
    kind: Option<String>,
    raw_id: Option<String>,
    communication_user: Option<CommunicationUser>,
    phone_number: Option<PhoneNumber>,
    microsoft_teams_user: Option<MicrosoftTeamsUser>,
    microsoft_teams_app: Option<MicrosoftTeamsApp>,
    teams_extension_user: Option<TeamsExtensionUser>,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code, reason = "it only describes")]
struct CommunicationUser {
    id: String,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct PhoneNumber {
    value: String,
    is_anonymous: Option<bool>,
    asserted_id: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct MicrosoftTeamsUser {
    user_id: String,
    is_anonymous: Option<bool>,
    cloud: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct MicrosoftTeamsApp {
    app_id: String,
    cloud: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
struct TeamsExtensionUser {
    user_id: String,
    tenant_id: String,
    resource_id: String,
    cloud: Option<String>,
}

/// The outcome of an operation, or the reason behind an event.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code, reason = "it only describes")]
pub(crate) struct ResultInformation {
    code: Option<i32>,
    sub_code: Option<i32>,
    message: Option<String>,
    sip_details: Option<Diagnostics>,
    q850_details: Option<Diagnostics>,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code, reason = "it only describes")]
struct Diagnostics {
    code: Option<i32>,
    message: Option<String>,
}
