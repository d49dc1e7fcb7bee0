//! Identifiers of participants: raw ids, and the objects in requests and responses.

use acs_call_automation::types::{
    CommunicationCloudEnvironmentModel as Cloud, CommunicationIdentifierModel,
    CommunicationIdentifierModelKind as Kind, CommunicationUserIdentifierModel,
    MicrosoftTeamsAppIdentifierModel, MicrosoftTeamsUserIdentifierModel,
    PhoneNumberIdentifierModel, TeamsExtensionUserIdentifierModel,
};

use crate::service::error::ServiceError;
use crate::service::ids::is_raw_id;

/// The number of a caller who withholds it.
const ANONYMOUS: &str = "anonymous";

/// The raw id of an identifier in a request, which may contain the raw id itself or its parts.
pub(crate) fn raw_id(identifier: &CommunicationIdentifierModel) -> Result<String, ServiceError> {
    check_values(identifier)?;
    let raw_id = if let Some(raw_id) = &identifier.raw_id {
        raw_id.clone()
    } else if let Some(user) = &identifier.communication_user {
        user.id.clone()
    } else if let Some(phone) = &identifier.phone_number {
        phone_number(phone)
    } else if let Some(user) = &identifier.microsoft_teams_user {
        let prefix = match (user.is_anonymous, &user.cloud) {
            (Some(true), _) => "teamsvisitor",
            (_, cloud) => cloud_prefix(cloud.as_ref()),
        };
        format!("8:{prefix}:{}", user.user_id)
    } else if let Some(app) = &identifier.microsoft_teams_app {
        let prefix = cloud_prefix(app.cloud.as_ref());
        format!("28:{prefix}:{}", app.app_id)
    } else if let Some(user) = &identifier.teams_extension_user {
        let prefix = match &user.cloud {
            Some(Cloud::Dod) => "dod-acs",
            Some(Cloud::Gcch) => "gcch-acs",
            _ => "acs",
        };
        format!(
            "8:{prefix}:{}_{}_{}",
            user.resource_id, user.tenant_id, user.user_id
        )
    } else {
        String::new()
    };
    checked_raw_id(raw_id)
}

/// Returns the text if it has the format of a raw id.
pub(crate) fn checked_raw_id(text: String) -> Result<String, ServiceError> {
    if is_raw_id(&text) {
        Ok(text)
    } else {
        Err(ServiceError::argument(format!(
            "'{text}' does not identify a participant."
        )))
    }
}

/// Whether this is a Communication Services user, in any cloud.
pub(crate) fn is_communication_user(raw_id: &str) -> bool {
    model(raw_id).kind == Some(Kind::CommunicationUser)
}

fn cloud_prefix(cloud: Option<&Cloud>) -> &'static str {
    match cloud {
        Some(Cloud::Dod) => "dod",
        Some(Cloud::Gcch) => "gcch",
        _ => "orgid",
    }
}

fn phone_number(phone: &PhoneNumberIdentifierModel) -> String {
    if phone.is_anonymous == Some(true) {
        return format!("4:{ANONYMOUS}");
    }
    let value = &phone.value;
    match phone.asserted_id.as_deref() {
        Some(id) if !id.is_empty() && asserted_id(value) != Some(id) => format!("4:{value}_{id}"),
        _ => format!("4:{value}"),
    }
}

/// The asserted id at the end of a phone number.
fn asserted_id(number: &str) -> Option<&str> {
    let (_, id) = number.rsplit_once('_')?;
    (!id.is_empty()).then_some(id)
}

/// Refuses values outside of the published lists, and identifiers of several kinds.
fn check_values(identifier: &CommunicationIdentifierModel) -> Result<(), ServiceError> {
    if let Some(Kind::UnknownValue(kind)) = &identifier.kind {
        let message = format!("'{kind}' is not a known kind of identifier.");
        return Err(ServiceError::argument(message));
    }
    let user = identifier.microsoft_teams_user.as_ref();
    let app = identifier.microsoft_teams_app.as_ref();
    let extension = identifier.teams_extension_user.as_ref();
    let clouds = [
        user.and_then(|user| user.cloud.as_ref()),
        app.and_then(|app| app.cloud.as_ref()),
        extension.and_then(|user| user.cloud.as_ref()),
    ];
    for cloud in clouds.into_iter().flatten() {
        if let Cloud::UnknownValue(cloud) = cloud {
            return Err(ServiceError::argument(format!(
                "'{cloud}' is not a known cloud."
            )));
        }
    }
    let parts = [
        (
            Kind::CommunicationUser,
            identifier.communication_user.is_some(),
        ),
        (Kind::PhoneNumber, identifier.phone_number.is_some()),
        (Kind::MicrosoftTeamsUser, user.is_some()),
        (Kind::MicrosoftTeamsApp, app.is_some()),
        (Kind::TeamsExtensionUser, extension.is_some()),
    ];
    let mut given = parts
        .into_iter()
        .filter_map(|(kind, given)| given.then_some(kind));
    let (part, another) = (given.next(), given.next());
    if another.is_some() {
        let message = "An identifier must have exactly one kind.";
        return Err(ServiceError::argument(message));
    }
    if let (Some(kind), Some(part)) = (&identifier.kind, part)
        && *kind != part
        && *kind != Kind::Unknown
    {
        return Err(ServiceError::argument(format!(
            "The identifier has the kind '{kind}' but the members of '{part}'."
        )));
    }
    Ok(())
}

/// The identifier as it appears in responses: kind, raw id and parts.
pub(crate) fn model(raw_id: &str) -> CommunicationIdentifierModel {
    let model = CommunicationIdentifierModel::default().raw_id(raw_id);
    if let Some(number) = raw_id.strip_prefix("4:") {
        let mut phone = PhoneNumberIdentifierModel::new(number);
        if number == ANONYMOUS {
            phone.is_anonymous = Some(true);
        } else {
            phone.asserted_id = asserted_id(number).map(str::to_owned);
        }
        return model.phone_number(phone).kind(Kind::PhoneNumber);
    }
    let mut segments = raw_id.split(':');
    let (Some(scope), Some(prefix), Some(id), None) = (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ) else {
        return model.kind(Kind::Unknown);
    };
    let teams_user = |cloud, is_anonymous| {
        let user = MicrosoftTeamsUserIdentifierModel::new(id)
            .cloud(cloud)
            .is_anonymous(is_anonymous);
        model
            .clone()
            .microsoft_teams_user(user)
            .kind(Kind::MicrosoftTeamsUser)
    };
    let teams_app = |cloud| {
        let app = MicrosoftTeamsAppIdentifierModel::new(id).cloud(cloud);
        model
            .clone()
            .microsoft_teams_app(app)
            .kind(Kind::MicrosoftTeamsApp)
    };
    match (scope, prefix) {
        ("8", "acs") => communication_user(model, raw_id, id, Cloud::Public),
        ("8", "dod-acs") => communication_user(model, raw_id, id, Cloud::Dod),
        ("8", "gcch-acs") => communication_user(model, raw_id, id, Cloud::Gcch),
        ("8", "spool") => model
            .communication_user(CommunicationUserIdentifierModel::new(raw_id))
            .kind(Kind::CommunicationUser),
        ("8", "orgid") => teams_user(Cloud::Public, false),
        ("8", "dod") => teams_user(Cloud::Dod, false),
        ("8", "gcch") => teams_user(Cloud::Gcch, false),
        ("8", "teamsvisitor") => teams_user(Cloud::Public, true),
        ("28", "orgid") => teams_app(Cloud::Public),
        ("28", "dod") => teams_app(Cloud::Dod),
        ("28", "gcch") => teams_app(Cloud::Gcch),
        _ => model.kind(Kind::Unknown),
    }
}

/// A Communication Services user, or a Teams user whose id has three parts: resource, tenant and
/// user.
fn communication_user(
    model: CommunicationIdentifierModel,
    raw_id: &str,
    id: &str,
    cloud: Cloud,
) -> CommunicationIdentifierModel {
    let parts: Vec<_> = id.split('_').collect();
    if let [resource, tenant, user] = parts.as_slice() {
        let user = TeamsExtensionUserIdentifierModel::new(*resource, *tenant, *user).cloud(cloud);
        return model
            .teams_extension_user(user)
            .kind(Kind::TeamsExtensionUser);
    }
    model
        .communication_user(CommunicationUserIdentifierModel::new(raw_id))
        .kind(Kind::CommunicationUser)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::too_many_lines, reason = "one table of all kinds")]
    #[test]
    fn raw_ids_have_a_kind_and_can_be_rebuilt_from_their_parts() {
        for (id, kind, member, parts) in [
            (
                "8:acs:r_u",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:acs:r_u"}),
            ),
            (
                "8:acs:u",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:acs:u"}),
            ),
            (
                "8:acs:a_b_c_d",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:acs:a_b_c_d"}),
            ),
            (
                "8:dod-acs:r_u",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:dod-acs:r_u"}),
            ),
            (
                "8:gcch-acs:r_u",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:gcch-acs:r_u"}),
            ),
            (
                "8:spool:a_b_c",
                "communicationUser",
                "communicationUser",
                json!({"id": "8:spool:a_b_c"}),
            ),
            (
                "8:acs:r_t_u",
                "teamsExtensionUser",
                "teamsExtensionUser",
                json!({"resourceId": "r", "tenantId": "t", "userId": "u", "cloud": "public"}),
            ),
            (
                "8:dod-acs:r_t_u",
                "teamsExtensionUser",
                "teamsExtensionUser",
                json!({"resourceId": "r", "tenantId": "t", "userId": "u", "cloud": "dod"}),
            ),
            (
                "8:gcch-acs:r_t_u",
                "teamsExtensionUser",
                "teamsExtensionUser",
                json!({"resourceId": "r", "tenantId": "t", "userId": "u", "cloud": "gcch"}),
            ),
            (
                "4:+4930123456",
                "phoneNumber",
                "phoneNumber",
                json!({"value": "+4930123456"}),
            ),
            (
                "4:112",
                "phoneNumber",
                "phoneNumber",
                json!({"value": "112"}),
            ),
            (
                "4:+49_a1",
                "phoneNumber",
                "phoneNumber",
                json!({"value": "+49_a1", "assertedId": "a1"}),
            ),
            (
                "4:anonymous",
                "phoneNumber",
                "phoneNumber",
                json!({"value": "anonymous", "isAnonymous": true}),
            ),
            (
                "8:orgid:u",
                "microsoftTeamsUser",
                "microsoftTeamsUser",
                json!({"userId": "u", "cloud": "public", "isAnonymous": false}),
            ),
            (
                "8:dod:u",
                "microsoftTeamsUser",
                "microsoftTeamsUser",
                json!({"userId": "u", "cloud": "dod", "isAnonymous": false}),
            ),
            (
                "8:gcch:u",
                "microsoftTeamsUser",
                "microsoftTeamsUser",
                json!({"userId": "u", "cloud": "gcch", "isAnonymous": false}),
            ),
            (
                "8:teamsvisitor:u",
                "microsoftTeamsUser",
                "microsoftTeamsUser",
                json!({"userId": "u", "cloud": "public", "isAnonymous": true}),
            ),
            (
                "28:orgid:b",
                "microsoftTeamsApp",
                "microsoftTeamsApp",
                json!({"appId": "b", "cloud": "public"}),
            ),
            (
                "28:dod:b",
                "microsoftTeamsApp",
                "microsoftTeamsApp",
                json!({"appId": "b", "cloud": "dod"}),
            ),
            (
                "28:gcch:b",
                "microsoftTeamsApp",
                "microsoftTeamsApp",
                json!({"appId": "b", "cloud": "gcch"}),
            ),
            ("28:b", "unknown", "rawId", json!("28:b")),
            (
                "28:dod-global:b",
                "unknown",
                "rawId",
                json!("28:dod-global:b"),
            ),
            ("8:acs:a:b", "unknown", "rawId", json!("8:acs:a:b")),
            ("8:live:u", "unknown", "rawId", json!("8:live:u")),
        ] {
            let mut identifier = model(id);
            let json = serde_json::to_value(&identifier).unwrap();
            assert_eq!(json["rawId"], id);
            assert_eq!(json["kind"], kind, "{id}");
            assert_eq!(json[member], parts, "{id}");
            assert_eq!(raw_id(&identifier).as_deref(), Ok(id));
            if identifier.kind != Some(Kind::Unknown) {
                identifier.raw_id = None;
                assert_eq!(raw_id(&identifier).as_deref(), Ok(id));
            }
        }
    }

    #[test]
    fn phone_numbers_keep_their_asserted_id() {
        let given = |phone: serde_json::Value| {
            let identifier = json!({"kind": "phoneNumber", "phoneNumber": phone});
            raw_id(&serde_json::from_value(identifier).unwrap()).unwrap()
        };
        for (phone, expected) in [
            (json!({"value": "+49", "assertedId": "a1"}), "4:+49_a1"),
            (json!({"value": "+49_a1", "assertedId": "a1"}), "4:+49_a1"),
            (json!({"value": "+49", "isAnonymous": false}), "4:+49"),
            (
                json!({"value": "anonymous", "isAnonymous": true}),
                "4:anonymous",
            ),
        ] {
            assert_eq!(given(phone), expected);
        }
    }

    #[test]
    fn malformed_raw_ids_are_refused() {
        for id in ["", "alice", "8:", "8:acs:", "8:acs: ", "9:acs:x"] {
            let identifier = CommunicationIdentifierModel::default().raw_id(id);
            assert!(raw_id(&identifier).is_err(), "{id}");
        }
        assert!(raw_id(&CommunicationIdentifierModel::default()).is_err());
    }

    #[test]
    fn unknown_and_ambiguous_values_are_refused() {
        let user = model("8:acs:a");
        let mut kind = user.clone();
        kind.kind = Some(Kind::UnknownValue("robot".to_owned()));
        let mut two = user.clone();
        two.phone_number = model("4:+4930123456").phone_number;
        let mut cloud = model("8:orgid:0a1b");
        if let Some(user) = &mut cloud.microsoft_teams_user {
            user.cloud = Some(Cloud::UnknownValue("nimbus".to_owned()));
        }
        let mut contradictory = model("8:orgid:0a1b");
        contradictory.kind = Some(Kind::PhoneNumber);
        assert!(raw_id(&user).is_ok());
        for wrong in [kind, two, cloud, contradictory] {
            assert!(raw_id(&wrong).is_err(), "{wrong:?}");
        }
    }
}
