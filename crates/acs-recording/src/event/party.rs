//! The participants in call events: an identifier alone, or together with a role.

use serde::{Deserialize, Deserializer};

use crate::identifier::CommunicationIdentifier;
use crate::models::CommunicationIdentifierModel;

/// A participant in a call event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallParty {
    /// The participant.
    pub id: CommunicationIdentifier,
    /// The role in the call, if the event has it.
    pub role: Option<String>,
    /// The name, if the event has it.
    pub name: Option<String>,
}

/// Both forms: the members of the identifier, or one member that contains them.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "CallParty"))]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    // One event type of the service writes it in lower case.
    #[serde(alias = "communicationidentifier")]
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "Option<crate::schema::types::Identifier>")
    )]
    communication_identifier: Option<CommunicationIdentifierModel>,
    role: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(
        feature = "schemars",
        schemars(with = "crate::schema::types::Identifier")
    )]
    inline: CommunicationIdentifierModel,
}

/// A participant; none if nothing identifies it.
pub(super) fn party<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<CallParty>, D::Error> {
    let wire = Option::<Wire>::deserialize(deserializer)?;
    Ok(wire.and_then(|wire| {
        let model = wire.communication_identifier.as_ref();
        let id = CommunicationIdentifier::from_model(model.unwrap_or(&wire.inline))?;
        Some(CallParty {
            id,
            role: wire.role,
            name: wire.name,
        })
    }))
}

/// The identifier of a participant.
pub(super) fn identifier<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<CommunicationIdentifier>, D::Error> {
    Ok(party(deserializer)?.map(|party| party.id))
}
