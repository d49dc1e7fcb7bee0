//! Identifiers of participants: raw ids, and the objects in requests and responses.

use acs_call_automation::types::{
    CommunicationCloudEnvironmentModel as Cloud, CommunicationIdentifierModel,
    CommunicationIdentifierModelKind as Kind, CommunicationUserIdentifierModel,
    MicrosoftTeamsAppIdentifierModel, MicrosoftTeamsUserIdentifierModel,
    PhoneNumberIdentifierModel,
};

use crate::service::error::ServiceError;
use crate::service::ids::is_raw_id;

/// The raw id of an identifier in a request, which may contain the raw id itself or its parts.
pub(crate) fn raw_id(identifier: &CommunicationIdentifierModel) -> Result<String, ServiceError> {
    check_values(identifier)?;
    let raw_id = if let Some(raw_id) = &identifier.raw_id {
        raw_id.clone()
    } else if let Some(user) = &identifier.communication_user {
        user.id.clone()
    } else if let Some(phone) = &identifier.phone_number {
        format!("4:{}", phone.value)
    } else if let Some(user) = &identifier.microsoft_teams_user {
        let prefix = match (user.is_anonymous, &user.cloud) {
            (Some(true), _) => "teamsvisitor",
            (_, Some(Cloud::Dod)) => "dod",
            (_, Some(Cloud::Gcch)) => "gcch",
            _ => "orgid",
        };
        format!("8:{prefix}:{}", user.user_id)
    } else if let Some(app) = &identifier.microsoft_teams_app {
        let prefix = match &app.cloud {
            Some(Cloud::Dod) => "dod",
            Some(Cloud::Gcch) => "gcch",
            _ => "orgid",
        };
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
    if is_raw_id(&raw_id) {
        Ok(raw_id)
    } else {
        Err(ServiceError::argument(format!(
            "'{raw_id}' does not identify a participant."
        )))
    }
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
        identifier.communication_user.is_some(),
        identifier.phone_number.is_some(),
        user.is_some(),
        app.is_some(),
        extension.is_some(),
    ];
    if parts.into_iter().filter(|given| *given).count() > 1 {
        let message = "An identifier must have exactly one kind.";
        return Err(ServiceError::argument(message));
    }
    Ok(())
}

/// The identifier as it appears in responses: kind, raw id and parts.
pub(crate) fn model(raw_id: &str) -> CommunicationIdentifierModel {
    let model = CommunicationIdentifierModel::default().raw_id(raw_id);
    if let Some(number) = raw_id.strip_prefix("4:") {
        let mut phone = PhoneNumberIdentifierModel::new(number);
        phone.is_anonymous = (number == "anonymous").then_some(true);
        model.phone_number(phone).kind(Kind::PhoneNumber)
    } else if let Some((cloud, is_anonymous, user_id)) = teams_user(raw_id) {
        let user = MicrosoftTeamsUserIdentifierModel::new(user_id)
            .cloud(cloud)
            .is_anonymous(is_anonymous);
        model
            .microsoft_teams_user(user)
            .kind(Kind::MicrosoftTeamsUser)
    } else if let Some(app_id) = raw_id.strip_prefix("28:orgid:") {
        let app = MicrosoftTeamsAppIdentifierModel::new(app_id).cloud(Cloud::Public);
        model.microsoft_teams_app(app).kind(Kind::MicrosoftTeamsApp)
    } else if raw_id.starts_with("8:") {
        model
            .communication_user(CommunicationUserIdentifierModel::new(raw_id))
            .kind(Kind::CommunicationUser)
    } else {
        model.kind(Kind::Unknown)
    }
}

fn teams_user(raw_id: &str) -> Option<(Cloud, bool, &str)> {
    let forms = [
        ("8:orgid:", Cloud::Public, false),
        ("8:dod:", Cloud::Dod, false),
        ("8:gcch:", Cloud::Gcch, false),
        ("8:teamsvisitor:", Cloud::Public, true),
    ];
    forms.into_iter().find_map(|(prefix, cloud, anonymous)| {
        Some((cloud, anonymous, raw_id.strip_prefix(prefix)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_ids_can_be_rebuilt_from_their_parts() {
        for id in [
            "8:acs:d9ffb7a4-2f5e-4f0e-9a2e-0c6ad1ddd5d1_00000018-7a31-4bb2-8f1d-3e3a0d00a1b2",
            "4:+4930123456",
            "8:orgid:0a1b",
            "8:gcch:0a1b",
            "8:teamsvisitor:0a1b",
            "28:orgid:0a1b",
        ] {
            let mut identifier = model(id);
            assert_eq!(raw_id(&identifier).as_deref(), Ok(id));
            if identifier.kind != Some(Kind::Unknown) {
                identifier.raw_id = None;
                assert_eq!(raw_id(&identifier).as_deref(), Ok(id));
            }
        }
    }

    #[test]
    fn malformed_raw_ids_are_refused() {
        for id in ["", "alice", "8:", "8:acs: ", "9:acs:x"] {
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
        assert!(raw_id(&user).is_ok());
        for wrong in [kind, two, cloud] {
            assert!(raw_id(&wrong).is_err(), "{wrong:?}");
        }
    }
}
