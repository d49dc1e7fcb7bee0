//! The participants of calls.

mod model;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A participant: a Communication Services user, a phone number, a Teams user or application.
///
/// It holds the raw id of the participant, which [`kind`](Self::kind) interprets. Every text is a valid
/// identifier, because the service may add kinds.
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

/// The kind of a [`CommunicationIdentifier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifierKind<'a> {
    /// A user of a Communication Services resource.
    CommunicationUser {
        /// The user's id, which is the complete raw id: `8:acs:<resource>_<user>`.
        id: &'a str,
    },
    /// A phone number.
    PhoneNumber {
        /// The number, usually in E.164 format (`+14255550123`), or `anonymous`.
        number: &'a str,
        /// Distinguishes several legs of the same number in one call.
        asserted_id: Option<&'a str>,
    },
    /// A user of Microsoft Teams.
    MicrosoftTeamsUser {
        /// The user's Microsoft Entra object id, or the id of a visitor.
        user_id: &'a str,
        /// Whether the user is a visitor without an account.
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
    /// A Teams Phone user of a Communication Services resource.
    TeamsExtensionUser {
        /// The user's Microsoft Entra object id.
        user_id: &'a str,
        /// The user's tenant.
        tenant_id: &'a str,
        /// The Communication Services resource.
        resource_id: &'a str,
        /// The cloud of the user.
        cloud: CloudEnvironment,
    },
    /// A kind that this version does not know.
    Unknown,
}

/// The cloud of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudEnvironment {
    /// The public cloud.
    #[default]
    Public,
    /// The US Department of Defense.
    Dod,
    /// The US government community cloud (GCC High).
    Gcch,
}

impl CommunicationIdentifier {
    /// The participant with this raw id, such as `8:acs:…` or `4:+14255550123`.
    pub fn new(raw_id: impl Into<String>) -> Self {
        Self(raw_id.into())
    }

    /// The phone number, in E.164 format.
    pub fn phone_number(number: &str) -> Self {
        Self(format!("4:{number}"))
    }

    /// The Teams user with this Microsoft Entra object id, in the public cloud.
    pub fn microsoft_teams_user(user_id: &str) -> Self {
        Self(format!("8:orgid:{user_id}"))
    }

    /// The Teams application with this id, in the public cloud.
    pub fn microsoft_teams_app(app_id: &str) -> Self {
        Self(format!("28:orgid:{app_id}"))
    }

    /// The text that identifies the participant throughout the service.
    pub fn raw_id(&self) -> &str {
        &self.0
    }

    /// The kind of participant, from the form of the raw id.
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
    use super::*;

    #[test]
    fn the_kind_follows_from_the_raw_id() {
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
}
