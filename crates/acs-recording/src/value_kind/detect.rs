//! The rules by which the kind of a text is detected.

use percent_encoding::percent_decode_str;
use serde_json::Value as Json;
use url::Url;
use uuid::Uuid;

use super::kind::ValueKind;

/// The kind of a text. None if it may be anything.
pub(crate) fn detect_kind(text: &str) -> Option<ValueKind> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    wrapped(text)
        .or_else(|| encoded(text))
        .or_else(|| setting(text, &lower))
        .or_else(|| address(text, &lower))
        .or_else(|| id(text, &lower))
}

/// A text in quotes or braces, JSON, a placeholder, or a shortened text.
fn wrapped(text: &str) -> Option<ValueKind> {
    const QUOTES: &[char] = &['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»'];
    if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
        return Some(ValueKind::Quoted);
    }
    if text.starts_with(['{', '[']) {
        if serde_json::from_str::<Json>(text).is_ok() || text.contains('"') {
            return Some(ValueKind::Json);
        }
        if Uuid::try_parse(text).is_ok() {
            return Some(ValueKind::Braced);
        }
    }
    if text.starts_with('<') && text.ends_with('>') || text.starts_with("{{") {
        return Some(ValueKind::Placeholder);
    }
    if text.ends_with('…') || text.ends_with("...") {
        return Some(ValueKind::Shortened);
    }
    None
}

/// A text that is encoded for another place.
fn encoded(text: &str) -> Option<ValueKind> {
    if text.contains('\\') {
        return Some(ValueKind::Escaped);
    }
    let is_encoded = text
        .as_bytes()
        .windows(3)
        .any(|part| part[0] == b'%' && part[1].is_ascii_hexdigit() && part[2].is_ascii_hexdigit());
    if is_encoded {
        let plain = percent_decode_str(text).decode_utf8_lossy();
        let lower = plain.to_ascii_lowercase();
        // If the decoded text is wrong as well, its own kind says more.
        let inner = address(&plain, &lower).or_else(|| id(&plain, &lower));
        let may_be_right = matches!(
            inner,
            None | Some(ValueKind::ServerCallId | ValueKind::RecordingId | ValueKind::Guid)
        );
        return if may_be_right {
            Some(ValueKind::PercentEncoded)
        } else {
            inner
        };
    }
    // "aHR0c", the base64 of "http", encoded again.
    text.starts_with("YUhSMG").then_some(ValueKind::Base64Twice)
}

fn setting(text: &str, lower: &str) -> Option<ValueKind> {
    let names = [
        "accesskey=",
        "accountkey=",
        "endpoint=",
        "connectionstring=",
    ];
    // In a URL they are parameters.
    let is_url = lower.starts_with("http://") || lower.starts_with("https://");
    if !is_url && names.iter().any(|name| lower.contains(name)) {
        return Some(ValueKind::ConnectionString);
    }
    let is_token = text.starts_with("eyJ") && text.matches('.').count() == 2;
    is_token.then_some(ValueKind::Token)
}

const TEAMS: &[&str] = &[
    "teams.microsoft.com",
    "teams.live.com",
    "teams.microsoft.us",
    "teams.cloud.microsoft",
];

fn url(text: &str) -> ValueKind {
    let url = Url::parse(text).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let path = url.as_ref().map(Url::path).unwrap_or_default();
    let in_teams = TEAMS.iter().any(|teams| {
        host.strip_suffix(teams)
            .is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
    });
    // The service also stores recordings below a domain of Teams.
    if path.starts_with("/v1/objects/") {
        ValueKind::ContentLocation
    } else if in_teams {
        ValueKind::TeamsLink
    } else if host.contains("portal.azure.") {
        ValueKind::PortalUrl
    } else if host.starts_with("management.") && path.starts_with("/subscriptions/") {
        ValueKind::ArmPath
    } else if host.contains("flightproxy") || path.contains("/conv/") {
        ValueKind::ConversationUrl
    } else {
        ValueKind::Url
    }
}

fn address(text: &str, lower: &str) -> Option<ValueKind> {
    if lower.contains("://") {
        return Some(url(text));
    }
    if lower.starts_with("msteams:")
        || TEAMS
            .iter()
            .any(|teams| lower.starts_with(&format!("{teams}/")))
    {
        return Some(ValueKind::TeamsLink);
    }
    if lower.starts_with("/subscriptions/")
        || lower.starts_with("subscriptions/")
        || lower.contains("/providers/microsoft.communication/")
    {
        return Some(ValueKind::ArmPath);
    }
    let paths = [
        "/recording/",
        "recording/call/",
        "/calling/",
        "calling/recordings/",
        "calling/callconnections/",
        "call/",
    ];
    if paths.iter().any(|path| lower.starts_with(path)) {
        return Some(ValueKind::Path);
    }
    is_host_name(lower).then_some(ValueKind::HostName)
}

/// Three labels or more, of which the last consists of letters.
fn is_host_name(lower: &str) -> bool {
    let labels: Vec<_> = lower.trim_end_matches('.').split('.').collect();
    let plain = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    labels.len() >= 3
        && labels.iter().all(plain)
        && labels
            .last()
            .is_some_and(|last| last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic()))
}

fn id(text: &str, lower: &str) -> Option<ValueKind> {
    if lower.starts_with("19:") || lower.contains("@thread.") {
        return Some(ValueKind::ThreadId);
    }
    if let Some((kind, rest)) = text.split_once(':')
        && (1..=2).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_digit())
        && !rest.is_empty()
    {
        return Some(ValueKind::ParticipantId);
    }
    if let Some(number) = text.strip_prefix('+')
        && number.len() >= 5
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        return Some(ValueKind::PhoneNumber);
    }
    // Every recording id begins with the base64 of `{"Plat`.
    if text.starts_with("eyJQbGF0") {
        return Some(ValueKind::RecordingId);
    }
    // Server call ids begin with the base64 of `http`.
    if text.starts_with("aHR0c") {
        return Some(ValueKind::ServerCallId);
    }
    if is_document_id(text) {
        return Some(ValueKind::DocumentId);
    }
    (text.len() == 36 && Uuid::try_parse(text).is_ok()).then_some(ValueKind::Guid)
}

/// `0-weu-d1-` and 32 hexadecimal digits.
fn is_document_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [number, region, deployment, object] = parts[..] else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(number)
        && !region.is_empty()
        && region.bytes().all(|b| b.is_ascii_lowercase())
        && deployment.strip_prefix('d').is_some_and(digits)
        && object.len() >= 24
        && object.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_detected_by_their_form() {
        use ValueKind as M;
        for (text, expected) in [
            ("", None),
            ("abc", None),
            ("MDEyMzQ1Njc4OWFiY2RlZg==", None),
            ("99400535222211121", None),
            ("a/b+c==", None),
            ("+a/b=", None),
            ("\"aHR0cHM6Ly9h\"", Some(M::Quoted)),
            ("'x", Some(M::Quoted)),
            ("{\"serverCallId\": \"x\"}", Some(M::Json)),
            ("[1]", Some(M::Json)),
            ("{29228d3e-040e-4656-a70e-890ab4e173e5}", Some(M::Braced)),
            ("<server-call-id>", Some(M::Placeholder)),
            ("aHR0cHM6Ly9h…", Some(M::Shortened)),
            ("aHR0cHM6Ly9h%3D", Some(M::PercentEncoded)),
            ("eyJQbGF0Zm9%3d", Some(M::PercentEncoded)),
            (
                "https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19",
                Some(M::TeamsLink),
            ),
            ("19%3ameeting_abc%40thread.v2", Some(M::ThreadId)),
            ("aHR0\\u002bcHM", Some(M::Escaped)),
            ("YUhSMGNITTZMeTlo", Some(M::Base64Twice)),
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                Some(M::ConnectionString),
            ),
            ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln", Some(M::Token)),
            (
                "/subscriptions/1/resourceGroups/r/providers/Microsoft.Communication/x/y",
                Some(M::ArmPath),
            ),
            (
                "https://portal.azure.com/#@t/resource/subscriptions/1",
                Some(M::PortalUrl),
            ),
            (
                "https://teams.microsoft.com/l/meetup-join/19%3ameeting_a%40thread.v2/0",
                Some(M::TeamsLink),
            ),
            ("https://teams.live.com/meet/931", Some(M::TeamsLink)),
            ("teams.microsoft.com/meet/23?p=x", Some(M::TeamsLink)),
            (
                "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-1/content/video",
                Some(M::ContentLocation),
            ),
            (
                "https://x.asyncgw.teams.microsoft.com/v1/objects/0-weu-d1-1",
                Some(M::ContentLocation),
            ),
            (
                "https://app.example/cb?to=https%3A%2F%2Fteams.microsoft.com%2F&endpoint=x",
                Some(M::Url),
            ),
            (
                "https://api.flightproxy.skype.com/api/v2/cp/x/conv/y?i=1",
                Some(M::ConversationUrl),
            ),
            ("https://contoso.communication.azure.com", Some(M::Url)),
            ("contoso.communication.azure.com", Some(M::HostName)),
            ("/recording/call/c/recordingId/r", Some(M::Path)),
            ("19:meeting_abc@thread.v2", Some(M::ThreadId)),
            ("8:acs:1b5cc06b_0000", Some(M::ParticipantId)),
            ("4:+14255550123", Some(M::ParticipantId)),
            ("+14255550123", Some(M::PhoneNumber)),
            ("aHR0cHM6Ly9h", Some(M::ServerCallId)),
            (
                "eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiIwMzAwIn0",
                Some(M::RecordingId),
            ),
            (
                "0-weu-d7-0000000000000000000000000000abc0",
                Some(M::DocumentId),
            ),
            ("29228d3e-040e-4656-a70e-890ab4e173e5", Some(M::Guid)),
        ] {
            assert_eq!(detect_kind(text), expected, "{text}");
            assert_eq!(detect_kind(&format!(" {text}\n")), expected, "{text}");
        }
    }
}
