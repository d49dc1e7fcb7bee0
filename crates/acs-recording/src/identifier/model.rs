//! Conversion between identifiers and the model of the service.

use std::borrow::Cow;

use super::{CloudEnvironment, CommunicationIdentifier, IdentifierKind};
use crate::models::{
    CommunicationCloudEnvironmentModel, CommunicationIdentifierModel,
    CommunicationUserIdentifierModel, MicrosoftTeamsAppIdentifierModel,
    MicrosoftTeamsUserIdentifierModel, PhoneNumberIdentifierModel,
    TeamsExtensionUserIdentifierModel,
};

impl CommunicationIdentifier {
    /// Converts into the model of requests: the raw id, and the member for its kind.
    pub fn to_model(&self) -> CommunicationIdentifierModel {
        let model = CommunicationIdentifierModel::default().raw_id(&self.0);
        match self.kind() {
            IdentifierKind::CommunicationUser { id } => {
                model.communication_user(CommunicationUserIdentifierModel::new(id))
            }
            IdentifierKind::PhoneNumber {
                number,
                asserted_id,
            } => {
                let mut phone = PhoneNumberIdentifierModel::new(number);
                phone.is_anonymous = (number == "anonymous").then_some(true);
                phone.asserted_id = asserted_id.map(str::to_owned);
                model.phone_number(phone)
            }
            IdentifierKind::MicrosoftTeamsUser {
                user_id,
                is_anonymous,
                cloud,
            } => model.microsoft_teams_user(
                MicrosoftTeamsUserIdentifierModel::new(user_id)
                    .is_anonymous(is_anonymous)
                    .cloud(cloud_model(cloud)),
            ),
            IdentifierKind::MicrosoftTeamsApp { app_id, cloud } => model.microsoft_teams_app(
                MicrosoftTeamsAppIdentifierModel::new(app_id).cloud(cloud_model(cloud)),
            ),
            IdentifierKind::TeamsExtensionUser {
                user_id,
                tenant_id,
                resource_id,
                cloud,
            } => model.teams_extension_user(
                TeamsExtensionUserIdentifierModel::new(resource_id, tenant_id, user_id)
                    .cloud(cloud_model(cloud)),
            ),
            IdentifierKind::Unknown => model,
        }
    }

    /// Converts from the model of responses and events. `None` if it is empty.
    pub fn from_model(model: &CommunicationIdentifierModel) -> Option<Self> {
        let raw_id: Cow<'_, str> = if let Some(raw_id) = &model.raw_id {
            raw_id.into()
        } else if let Some(user) = &model.communication_user {
            (&user.id).into()
        } else if let Some(phone) = &model.phone_number {
            match &phone.asserted_id {
                Some(id) => format!("4:{}_{id}", phone.value).into(),
                None => format!("4:{}", phone.value).into(),
            }
        } else if let Some(user) = &model.microsoft_teams_user {
            let prefix = if user.is_anonymous == Some(true) {
                "8:teamsvisitor:"
            } else {
                prefix_of(user.cloud.as_ref(), ["8:orgid:", "8:dod:", "8:gcch:"])
            };
            format!("{prefix}{}", user.user_id).into()
        } else if let Some(app) = &model.microsoft_teams_app {
            let clouds = ["28:orgid:", "28:dod:", "28:gcch:"];
            let prefix = prefix_of(app.cloud.as_ref(), clouds);
            format!("{prefix}{}", app.app_id).into()
        } else if let Some(user) = &model.teams_extension_user {
            let clouds = ["8:acs:", "8:dod-acs:", "8:gcch-acs:"];
            let prefix = prefix_of(user.cloud.as_ref(), clouds);
            format!(
                "{prefix}{}_{}_{}",
                user.resource_id, user.tenant_id, user.user_id
            )
            .into()
        } else {
            return None;
        };
        Some(Self(raw_id.into_owned()))
    }
}

fn cloud_model(cloud: CloudEnvironment) -> CommunicationCloudEnvironmentModel {
    match cloud {
        CloudEnvironment::Public => CommunicationCloudEnvironmentModel::Public,
        CloudEnvironment::Dod => CommunicationCloudEnvironmentModel::Dod,
        CloudEnvironment::Gcch => CommunicationCloudEnvironmentModel::Gcch,
    }
}

/// The prefix of raw ids in a cloud.
fn prefix_of(
    cloud: Option<&CommunicationCloudEnvironmentModel>,
    [public, dod, gcch]: [&'static str; 3],
) -> &'static str {
    match cloud {
        Some(CommunicationCloudEnvironmentModel::Dod) => dod,
        Some(CommunicationCloudEnvironmentModel::Gcch) => gcch,
        _ => public,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_raw_id_survives_the_model(
            raw in prop_oneof![
                ".{0,40}",
                "(4|8|28):(\\+[0-9]{3,8}|acs|orgid|dod|gcch|teamsvisitor|spool|gcch-acs)(:[a-z_:]{0,12})?",
            ]
        ) {
            let identifier = CommunicationIdentifier::new(raw);
            let mut model = identifier.to_model();
            let parsed = CommunicationIdentifier::from_model(&model);
            prop_assert_eq!(parsed.as_ref(), Some(&identifier));
            // Old responses have no raw id. The member for the kind is enough.
            model.raw_id = None;
            let parsed = CommunicationIdentifier::from_model(&model);
            let expected = (identifier.kind() != IdentifierKind::Unknown).then_some(identifier);
            prop_assert_eq!(parsed, expected);
        }
    }
}
