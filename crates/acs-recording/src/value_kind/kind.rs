//! The kinds of values, and how errors describe them.

/// What a text certainly is, or how it was changed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Quoted,
    Braced,
    PercentEncoded,
    Escaped,
    Base64Twice,
    Placeholder,
    Shortened,
    Json,
    ConnectionString,
    Token,
    ArmPath,
    PortalUrl,
    TeamsLink,
    ContentLocation,
    ConversationUrl,
    Url,
    Path,
    HostName,
    ThreadId,
    ParticipantId,
    PhoneNumber,
    ServerCallId,
    RecordingId,
    DocumentId,
    Guid,
}

impl ValueKind {
    /// The description of the text, to follow "it".
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Quoted => "is in quotes; pass it without them",
            Self::Braced => "is in braces; pass it without them",
            Self::PercentEncoded => {
                "is percent-encoded, as in the path of a URL; decode it, with `=` for `%3D`"
            }
            Self::Escaped => {
                "contains the escapes of a JSON string; pass it as a JSON parser reads it, without \
                 backslashes"
            }
            Self::Base64Twice => "is base64-encoded twice; decode it once",
            Self::Placeholder => "is a placeholder; replace it with the value",
            Self::Shortened => "is shortened; pass all of it",
            Self::Json => "is JSON; pass the value of one member",
            Self::ConnectionString => "is a connection string",
            Self::Token => "is a signed token, such as an incoming call context",
            Self::ArmPath => "is the resource's path in Azure Resource Manager",
            Self::PortalUrl => "is a URL of the Azure portal",
            Self::TeamsLink => "is a link to a Teams meeting",
            Self::ContentLocation => "is the location of recorded content",
            Self::ConversationUrl => {
                "is the URL inside of a server call id, which is passed in base64"
            }
            Self::Url => "is a URL",
            Self::Path => "is a path, such as the subject of an event",
            Self::HostName => "is a host name",
            Self::ThreadId => "is the thread id of a Teams meeting",
            Self::ParticipantId => "is the identifier of a participant",
            Self::PhoneNumber => "is a phone number",
            Self::ServerCallId => "is a server call id",
            Self::RecordingId => "is a recording id",
            Self::DocumentId => "is the document id of a stored chunk",
            Self::Guid => "is a GUID",
        }
    }

    /// Whether the [description](Self::description) says what to do.
    pub(crate) fn has_advice(self) -> bool {
        matches!(
            self,
            Self::Quoted
                | Self::Braced
                | Self::PercentEncoded
                | Self::Escaped
                | Self::Base64Twice
                | Self::Placeholder
                | Self::Shortened
        )
    }

    /// Whether it may be a URL of the caller's own.
    pub(crate) fn is_any_url(self) -> bool {
        matches!(
            self,
            Self::Url | Self::ContentLocation | Self::ConversationUrl
        )
    }

    /// Whether the text may contain a secret, so that no error repeats it.
    pub(crate) fn may_be_secret(self) -> bool {
        matches!(
            self,
            Self::ConnectionString
                | Self::Token
                | Self::Json
                | Self::Url
                | Self::TeamsLink
                | Self::ContentLocation
        )
    }
}
