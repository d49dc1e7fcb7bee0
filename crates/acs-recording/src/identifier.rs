//! Who takes part in a call.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::models::{
    CommunicationCloudEnvironmentModel as Cloud, CommunicationIdentifierModel,
    CommunicationUserIdentifierModel, MicrosoftTeamsAppIdentifierModel,
    MicrosoftTeamsUserIdentifierModel, PhoneNumberIdentifierModel,
    TeamsExtensionUserIdentifierModel,
};

/// A participant: a Communication Services user, a phone number, a Teams user or application.
///
/// It is the participant's raw id, and [`kind`](Self::kind) says what that stands for. Every text
/// is an identifier, because the service adds kinds; nothing is lost on the way.
///
/// ```
/// use acs_recording::{CommunicationIdentifier, IdentifierKind};
///
/// let caller = CommunicationIdentifier::phone_number("+14255550123");
/// assert_eq!(caller.raw_id(), "4:+14255550123");
/// assert_eq!(caller, "4:+14255550123".into());
/// assert!(matches!(caller.kind(), IdentifierKind::PhoneNumber { number: "+14255550123", .. }));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommunicationIdentifier(String);

/// What a [`CommunicationIdentifier`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifierKind<'a> {
    /// A user that was made with a Communication Services resource.
    CommunicationUser {
        /// The user's id, which is the whole raw id: `8:acs:<resource>_<user>`.
        id: &'a str,
    },
    /// A telephone.
    PhoneNumber {
        /// The number, as a rule in E.164 form (`+14255550123`), or `anonymous`.
        number: &'a str,
        /// Tells apart several legs of the same number in one call.
        asserted_id: Option<&'a str>,
    },
    /// A user of Microsoft Teams.
    MicrosoftTeamsUser {
        /// The user's Entra object id, or a visitor's id.
        user_id: &'a str,
        /// Whether the user visits without an account.
        is_anonymous: bool,
        /// The cloud of the user.
        cloud: CloudEnvironment,
    },
    /// An application in Microsoft Teams.
    MicrosoftTeamsApp {
        /// The application's id.
        app_id: &'a str,
        /// The cloud of the application.
        cloud: CloudEnvironment,
    },
    /// A Teams Phone user who answers through a Communication Services resource.
    TeamsExtensionUser {
        /// The user's Entra object id.
        user_id: &'a str,
        /// The user's tenant.
        tenant_id: &'a str,
        /// The Communication Services resource.
        resource_id: &'a str,
        /// The cloud of the user.
        cloud: CloudEnvironment,
    },
    /// Something that this version does not know.
    Unknown,
}

/// One of Microsoft's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudEnvironment {
    /// The public cloud.
    #[default]
    Public,
    /// The US Department of Defense.
    Dod,
    /// The US government's community cloud, high.
    Gcch,
}

impl CloudEnvironment {
    fn model(self) -> Cloud {
        match self {
            Self::Public => Cloud::Public,
            Self::Dod => Cloud::Dod,
            Self::Gcch => Cloud::Gcch,
        }
    }

    fn pick(cloud: Option<&Cloud>, [public, dod, gcch]: [&'static str; 3]) -> &'static str {
        match cloud {
            Some(Cloud::Dod) => dod,
            Some(Cloud::Gcch) => gcch,
            _ => public,
        }
    }
}

impl CommunicationIdentifier {
    /// The participant of a raw id, such as `8:acs:…` or `4:+14255550123`.
    pub fn new(raw_id: impl Into<String>) -> Self {
        Self(raw_id.into())
    }

    /// The telephone with this number, in E.164 form.
    pub fn phone_number(number: &str) -> Self {
        Self(format!("4:{number}"))
    }

    /// The Teams user of the public cloud with this Entra object id.
    pub fn microsoft_teams_user(user_id: &str) -> Self {
        Self(format!("8:orgid:{user_id}"))
    }

    /// The Teams application of the public cloud with this id.
    pub fn microsoft_teams_app(app_id: &str) -> Self {
        Self(format!("28:orgid:{app_id}"))
    }

    /// The text that stands for the participant everywhere in the service.
    pub fn raw_id(&self) -> &str {
        &self.0
    }

    /// What the raw id stands for.
    pub fn kind(&self) -> IdentifierKind<'_> {
        use CloudEnvironment::{Dod, Gcch, Public};
        use IdentifierKind as Kind;

        if let Some(rest) = self.0.strip_prefix("4:") {
            let (number, asserted_id) = match rest.rsplit_once('_') {
                Some((number, id)) if !number.is_empty() && !id.is_empty() => (number, Some(id)),
                _ => (rest, None),
            };
            return Kind::PhoneNumber {
                number,
                asserted_id,
            };
        }
        let mut parts = self.0.splitn(3, ':');
        let (Some(first), Some(second), Some(id)) = (parts.next(), parts.next(), parts.next())
        else {
            return Kind::Unknown;
        };
        if id.contains(':') {
            return Kind::Unknown;
        }
        let teams_user = |is_anonymous, cloud| Kind::MicrosoftTeamsUser {
            user_id: id,
            is_anonymous,
            cloud,
        };
        match (first, second) {
            ("8", "acs") => self.user(id, Public),
            ("8", "dod-acs") => self.user(id, Dod),
            ("8", "gcch-acs") => self.user(id, Gcch),
            ("8", "spool") => Kind::CommunicationUser { id: &self.0 },
            ("8", "orgid") => teams_user(false, Public),
            ("8", "dod") => teams_user(false, Dod),
            ("8", "gcch") => teams_user(false, Gcch),
            ("8", "teamsvisitor") => teams_user(true, Public),
            ("28", "orgid" | "dod" | "gcch") => Kind::MicrosoftTeamsApp {
                app_id: id,
                cloud: match second {
                    "dod" => Dod,
                    "gcch" => Gcch,
                    _ => Public,
                },
            },
            _ => Kind::Unknown,
        }
    }

    /// A Teams extension user has three ids where a communication user has two.
    fn user<'a>(&'a self, id: &'a str, cloud: CloudEnvironment) -> IdentifierKind<'a> {
        let parts: Vec<_> = id.split('_').collect();
        match parts[..] {
            [resource_id, tenant_id, user_id] => IdentifierKind::TeamsExtensionUser {
                user_id,
                tenant_id,
                resource_id,
                cloud,
            },
            _ => IdentifierKind::CommunicationUser { id: &self.0 },
        }
    }

    /// The identifier as requests carry it: the raw id, and the one member of its kind.
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
                    .cloud(cloud.model()),
            ),
            IdentifierKind::MicrosoftTeamsApp { app_id, cloud } => model.microsoft_teams_app(
                MicrosoftTeamsAppIdentifierModel::new(app_id).cloud(cloud.model()),
            ),
            IdentifierKind::TeamsExtensionUser {
                user_id,
                tenant_id,
                resource_id,
                cloud,
            } => model.teams_extension_user(
                TeamsExtensionUserIdentifierModel::new(resource_id, tenant_id, user_id)
                    .cloud(cloud.model()),
            ),
            IdentifierKind::Unknown => model,
        }
    }

    /// The identifier in an answer or event of the service; none when that is empty.
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
                CloudEnvironment::pick(user.cloud.as_ref(), ["8:orgid:", "8:dod:", "8:gcch:"])
            };
            format!("{prefix}{}", user.user_id).into()
        } else if let Some(app) = &model.microsoft_teams_app {
            let clouds = ["28:orgid:", "28:dod:", "28:gcch:"];
            let prefix = CloudEnvironment::pick(app.cloud.as_ref(), clouds);
            format!("{prefix}{}", app.app_id).into()
        } else if let Some(user) = &model.teams_extension_user {
            let clouds = ["8:acs:", "8:dod-acs:", "8:gcch-acs:"];
            let prefix = CloudEnvironment::pick(user.cloud.as_ref(), clouds);
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

impl From<&str> for CommunicationIdentifier {
    fn from(raw_id: &str) -> Self {
        Self::new(raw_id)
    }
}

impl From<String> for CommunicationIdentifier {
    fn from(raw_id: String) -> Self {
        Self(raw_id)
    }
}

impl From<&Self> for CommunicationIdentifier {
    fn from(identifier: &Self) -> Self {
        identifier.clone()
    }
}

impl FromStr for CommunicationIdentifier {
    type Err = Infallible;

    fn from_str(raw_id: &str) -> Result<Self, Self::Err> {
        Ok(raw_id.into())
    }
}

impl fmt::Display for CommunicationIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CommunicationIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommunicationIdentifier({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn raw_ids_say_what_they_are() {
        use CloudEnvironment::{Dod, Gcch, Public};
        use IdentifierKind as Kind;
        let user = |user_id, is_anonymous, cloud| Kind::MicrosoftTeamsUser {
            user_id,
            is_anonymous,
            cloud,
        };
        let app = |app_id, cloud| Kind::MicrosoftTeamsApp { app_id, cloud };
        let extension = |cloud| Kind::TeamsExtensionUser {
            user_id: "u",
            tenant_id: "t",
            resource_id: "r",
            cloud,
        };
        let phone = |number, asserted_id| Kind::PhoneNumber {
            number,
            asserted_id,
        };
        for (raw, kind) in [
            ("4:+14255550123", phone("+14255550123", None)),
            ("4:112", phone("112", None)),
            ("4:anonymous", phone("anonymous", None)),
            ("4:+1425_a:b", phone("+1425", Some("a:b"))),
            ("4:anonymous_1", phone("anonymous", Some("1"))),
            ("8:acs:r_u", Kind::CommunicationUser { id: "8:acs:r_u" }),
            (
                "8:dod-acs:r_u",
                Kind::CommunicationUser {
                    id: "8:dod-acs:r_u",
                },
            ),
            ("8:spool:x", Kind::CommunicationUser { id: "8:spool:x" }),
            ("8:acs:r_t_u", extension(Public)),
            ("8:dod-acs:r_t_u", extension(Dod)),
            ("8:gcch-acs:r_t_u", extension(Gcch)),
            ("8:orgid:x", user("x", false, Public)),
            ("8:dod:x", user("x", false, Dod)),
            ("8:gcch:x", user("x", false, Gcch)),
            ("8:teamsvisitor:x", user("x", true, Public)),
            ("28:orgid:x", app("x", Public)),
            ("28:dod:x", app("x", Dod)),
            ("28:gcch:x", app("x", Gcch)),
            ("28:x", Kind::Unknown),
            ("28:dod-global:x", Kind::Unknown),
            ("8:acs:a:b", Kind::Unknown),
            ("", Kind::Unknown),
        ] {
            assert_eq!(CommunicationIdentifier::new(raw).kind(), kind, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn every_raw_id_survives_the_wire(
            raw in prop_oneof![
                ".{0,40}",
                "(4|8|28):(\\+[0-9]{3,8}|acs|orgid|dod|gcch|teamsvisitor|spool|gcch-acs)(:[a-z_:]{0,12})?",
            ]
        ) {
            let identifier = CommunicationIdentifier::new(raw);
            let mut model = identifier.to_model();
            let parsed = CommunicationIdentifier::from_model(&model);
            prop_assert_eq!(parsed.as_ref(), Some(&identifier));
            // Old answers have no raw id; what the kind holds is enough.
            model.raw_id = None;
            let parsed = CommunicationIdentifier::from_model(&model);
            let expected = (identifier.kind() != IdentifierKind::Unknown).then_some(identifier);
            prop_assert_eq!(parsed, expected);
        }
    }
}
