//! `endpoint=…;accesskey=…`, as the portal shows it.

use std::str::FromStr;

use super::{AccessKey, Endpoint, InvalidAccessKey, InvalidEndpoint};
use crate::error::{Error, ErrorKind};

/// The address and an access key of a Communication Services resource, as one text:
/// `endpoint=https://<resource>.communication.azure.com/;accesskey=<base64>`.
///
/// The two parts may be in any order, and their names in any case. Spaces around names and values are
/// ignored.
///
/// It also parses from a line of an `.env` file or a script, such as `ACS="endpoint=…"`, `export
/// ACS='endpoint=…'` or `$env:ACS = "endpoint=…"`, and from a whole file with such a line.
/// Quotation marks around it, a byte order mark and comments are ignored.
///
/// ```
/// use acs_recording::ConnectionString;
///
/// let text = "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0";
/// let parsed: ConnectionString = text.parse()?;
/// assert_eq!(parsed.endpoint().to_string(), "https://contoso.communication.azure.com/");
/// # Ok::<(), acs_recording::InvalidConnectionString>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionString {
    endpoint: Endpoint,
    access_key: AccessKey,
}

impl ConnectionString {
    /// The address of the resource.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The access key.
    pub fn access_key(&self) -> &AccessKey {
        &self.access_key
    }

    pub(crate) fn into_parts(self) -> (Endpoint, AccessKey) {
        (self.endpoint, self.access_key)
    }
}

/// Why a text is not a connection string. The error never repeats a value, which may be the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConnectionString {
    /// The text is empty.
    #[error("the connection string is empty; it looks like `endpoint=https://…;accesskey=…`")]
    Empty,
    /// A part has no `=`.
    #[error(
        "part {0} of the connection string has no `=`; it looks like `endpoint=https://…;accesskey=…`"
    )]
    NoValue(usize),
    /// A part occurs twice.
    #[error("the connection string has `{0}` twice")]
    Duplicate(&'static str),
    /// A part is missing.
    #[error("the connection string has no `{0}`")]
    Missing(&'static str),
    /// A part is neither the endpoint nor the key.
    #[error("part {0} of the connection string is neither `endpoint` nor `accesskey`")]
    Unknown(usize),
    /// The text has different connection strings on several lines.
    #[error("the text contains {0} different connection strings; keep one of them")]
    Several(usize),
    /// The endpoint is invalid.
    #[error("connection string: {0}")]
    Endpoint(#[source] InvalidEndpoint),
    /// The access key is invalid.
    #[error("connection string: {0}")]
    AccessKey(#[source] InvalidAccessKey),
}

impl FromStr for ConnectionString {
    type Err = InvalidConnectionString;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parsed = Vec::new();
        let mut failure = None;
        for candidate in text.lines().filter_map(locate) {
            match split(candidate).and_then(|parts| Ok((parts, parts.parse()?))) {
                // A line may repeat another.
                Ok((parts, _)) if parsed.iter().any(|(known, _)| *known == parts) => {}
                Ok(found) => parsed.push(found),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (parsed.len(), failure) {
            (1, _) => {}
            (0, Some(error)) => return Err(error),
            // No line has both parts. They may be on separate lines.
            (0, None) => return split(locate(text).unwrap_or(text))?.parse(),
            (count, _) => return Err(InvalidConnectionString::Several(count)),
        }
        let found = parsed.pop().map(|(_, found)| found);
        found.ok_or(InvalidConnectionString::Empty)
    }
}

/// The two parts, as text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    endpoint: &'a str,
    access_key: &'a str,
}

impl Parts<'_> {
    fn parse(self) -> Result<ConnectionString, InvalidConnectionString> {
        Ok(ConnectionString {
            endpoint: self
                .endpoint
                .parse()
                .map_err(InvalidConnectionString::Endpoint)?,
            access_key: self
                .access_key
                .parse()
                .map_err(InvalidConnectionString::AccessKey)?,
        })
    }
}

fn split(text: &str) -> Result<Parts<'_>, InvalidConnectionString> {
    use InvalidConnectionString as Invalid;

    let text = text.trim_matches(is_margin);
    let text = text.strip_suffix(';').unwrap_or(text);
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    let (mut endpoint, mut access_key) = (None, None);
    for (index, part) in text.split(';').enumerate() {
        // Only the first `=` splits: keys end in `=`.
        let (name, value) = part.split_once('=').ok_or(Invalid::NoValue(index + 1))?;
        let (known, name) = match name.trim() {
            name if name.eq_ignore_ascii_case("endpoint") => (&mut endpoint, "endpoint"),
            name if name.eq_ignore_ascii_case("accesskey") => (&mut access_key, "accesskey"),
            _ => return Err(Invalid::Unknown(index + 1)),
        };
        if known.replace(value.trim_matches(is_margin)).is_some() {
            return Err(Invalid::Duplicate(name));
        }
    }
    Ok(Parts {
        endpoint: endpoint.ok_or(Invalid::Missing("endpoint"))?,
        access_key: access_key.ok_or(Invalid::Missing("accesskey"))?,
    })
}

/// The connection string in a line of a file, without what surrounds it. None if the line does not
/// have both parts.
fn locate(line: &str) -> Option<&str> {
    let line = line.trim_matches(is_margin);
    if line.starts_with('#') || line.starts_with("//") {
        return None;
    }
    let begin = name_at(line, "endpoint")?.min(name_at(line, "accesskey")?);
    let (before, text) = line.split_at(begin);
    if before.contains(';') {
        // Another part comes first, which the caller reports.
        return Some(line);
    }
    let end = match before.trim_end().chars().next_back() {
        // Neither part contains quotation marks, but each may be in some.
        Some(open @ ('"' | '\'' | '`')) => text.find(open),
        Some(open) if is_quote(open) => text.find(is_quote),
        _ => text.find(" #").or_else(|| text.find("\t#")),
    };
    let text = text.get(..end.unwrap_or(text.len()))?;
    Some(text.trim_end_matches(|letter| is_margin(letter) || matches!(letter, '\\' | ',')))
}

/// Where a part with this name begins.
fn name_at(line: &str, name: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let mut found = lower.match_indices(name).map(|(at, _)| at);
    found.find(|at| {
        let before = lower[..*at].chars().next_back();
        let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        let after = &lower[at + name.len()..];
        !before.is_some_and(is_word) && after.trim_start().starts_with('=')
    })
}

/// Characters that may surround values: white space, byte order marks and quotation marks.
fn is_margin(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{feff}' | '\0') || is_quote(letter)
}

fn is_quote(letter: char) -> bool {
    matches!(
        letter,
        '"' | '\''
            | '`'
            | '“'
            | '”'
            | '„'
            | '‟'
            | '‘'
            | '’'
            | '‚'
            | '‛'
            | '«'
            | '»'
            | '″'
            | '′'
    )
}

impl From<InvalidConnectionString> for Error {
    fn from(error: InvalidConnectionString) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "c2VjcmV0IQ==";

    #[test]
    fn accepts_what_the_portal_and_people_write() {
        for text in [
            "endpoint=https://h.example/;accesskey=c2VjcmV0IQ==",
            "accesskey=c2VjcmV0IQ==;endpoint=https://h.example/",
            "Endpoint=https://h.example;AccessKey=c2VjcmV0IQ==;",
            "  endpoint = https://h.example ; ACCESSKEY = c2VjcmV0IQ== \n",
            "\u{feff}endpoint=https://h.example;accesskey=c2VjcmV0IQ==\r\n",
            "\"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\"",
            "'endpoint=https://h.example;accesskey=c2VjcmV0IQ==';",
            "“endpoint=https://h.example;accesskey=c2VjcmV0IQ==”",
            "„endpoint=https://h.example;accesskey=c2VjcmV0IQ==“",
            "‘endpoint=https://h.example;accesskey=c2VjcmV0IQ==’",
            "endpoint=\"https://h.example\";accesskey='c2VjcmV0IQ=='",
            "ACS_CONNECTION_STRING=endpoint=https://h.example;accesskey=c2VjcmV0IQ==",
            "ACS_CONNECTION_STRING=\"endpoint=https://h.example/;accesskey=c2VjcmV0IQ==\"\r\n",
            "ACS_CONNECTION_STRING = endpoint=https://h.example;accesskey=c2VjcmV0IQ== # mine",
            "export X='endpoint=https://h.example;accesskey=c2VjcmV0IQ=='",
            "set X=endpoint=https://h.example;accesskey=c2VjcmV0IQ==",
            "set \"X=endpoint=https://h.example;accesskey=c2VjcmV0IQ==\"",
            "setx X \"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\"",
            "$env:X = \"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\" # mine",
            "  - name: X\n    value: endpoint=https://h.example;accesskey=c2VjcmV0IQ==\n",
            "{\n \"X\": \"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\",\n \"Y\": 1\n}",
            "\\\"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\\\"",
            "endpoint=https://h.example;\naccesskey=c2VjcmV0IQ==\n",
            // An `.env` file.
            "# ours\nLOG=info\nACS_ENDPOINT=https://i.example\n\
             #X=\"endpoint=https://old.example;accesskey=b2xk\"\n\
             X=\"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\"\n\
             BUS=\"Endpoint=sb://b.example/;SharedAccessKeyName=n;SharedAccessKey=b3RoZXI=\"\n\
             PUBSUB=\"Endpoint=https://p.example;AccessKey=b3RoZXI=;Version=1.0;\"\n\
             COPY='endpoint=https://h.example;accesskey=c2VjcmV0IQ=='\n",
        ] {
            let parsed = text.parse::<ConnectionString>();
            let parsed = parsed.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed.endpoint().to_string(), "https://h.example/");
            let direct: AccessKey = KEY.parse().unwrap();
            assert_eq!(parsed.access_key().sign(&["x"]), direct.sign(&["x"]));
        }
    }

    #[test]
    fn says_what_is_wrong_without_the_key() {
        use InvalidConnectionString as Invalid;
        for (text, expected) in [
            ("", Invalid::Empty),
            (";", Invalid::Empty),
            ("c2VjcmV0IQ", Invalid::NoValue(1)),
            (
                "endpoint=https://h.example;;accesskey=c2VjcmV0IQ==",
                Invalid::NoValue(2),
            ),
            ("endpoint=https://h.example", Invalid::Missing("accesskey")),
            ("accesskey=c2VjcmV0IQ==", Invalid::Missing("endpoint")),
            (
                "accesskey=c2VjcmV0IQ==;accesskey=c2VjcmV0IQ==",
                Invalid::Duplicate("accesskey"),
            ),
            (
                "endpoint=https://h.example;key=c2VjcmV0IQ==",
                Invalid::Unknown(2),
            ),
            (
                "endpoint=https://h.example;accesskey=c2VjcmV0IQ",
                Invalid::AccessKey(InvalidAccessKey::NotBase64),
            ),
            (
                "endpoint=https://h.example;accesskey=c2VjcmV0IQ c2VjcmV0IQ==",
                Invalid::AccessKey(InvalidAccessKey::Space),
            ),
            (
                "ACS='endpoint=https://h.example;accesskey=c2VjcmV0IQ%3D%3D'",
                Invalid::AccessKey(InvalidAccessKey::PercentEncoded),
            ),
            (
                "A=\"endpoint=https://h.example;accesskey=c2VjcmV0IQ==\"\n\
                 B='endpoint=https://i.example;accesskey=c2VjcmV0IQ=='",
                Invalid::Several(2),
            ),
            (
                "x=y;endpoint=https://h.example;accesskey=c2VjcmV0IQ==",
                Invalid::Unknown(1),
            ),
            (
                // That of another service.
                "Endpoint=https://h.example;AccessKey=c2VjcmV0IQ==;Version=1.0;",
                Invalid::Unknown(3),
            ),
            (
                "endpoint=h.example;accesskey=c2VjcmV0IQ==",
                Invalid::Endpoint(InvalidEndpoint::NotAUrl(
                    url::ParseError::RelativeUrlWithoutBase,
                )),
            ),
        ] {
            let error = text.parse::<ConnectionString>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            let shown = format!("{error} {error:?} {:?}", Error::from(error.clone()));
            assert!(!shown.contains("c2VjcmV0IQ"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_tell_the_key(text in ".{0,200}", key in "[A-Za-z0-9+/]{8,40}") {
            let _ = text.parse::<ConnectionString>();
            let text = format!("{text};accesskey={key}");
            if let Err(error) = text.parse::<ConnectionString>() {
                let shown = error.to_string();
                prop_assert!(!shown.contains(&key));
            }
        }
    }
}
