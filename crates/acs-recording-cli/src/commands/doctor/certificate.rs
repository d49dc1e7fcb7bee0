//! What a person wants to know of a certificate: names and validity. It is not verified here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A certificate that a server presented.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) not_after: Option<Timestamp>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag of the version, which old certificates do not have.
const VERSION: u8 = 0xa0;

/// The object ids of the names that are shown, the most telling one first.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

impl Certificate {
    /// Reads a certificate in DER. `None` if it is none.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (mut certificate, _) = element(der, SEQUENCE)?;
        let mut body = take(&mut certificate, SEQUENCE)?;
        if body.first() == Some(&VERSION) {
            take(&mut body, VERSION)?;
        }
        // The serial number and the algorithm.
        take_any(&mut body)?;
        take(&mut body, SEQUENCE)?;
        let issuer = take(&mut body, SEQUENCE)?;
        let mut validity = take(&mut body, SEQUENCE)?;
        let subject = take(&mut body, SEQUENCE)?;
        take_any(&mut validity)?;
        let (tag, not_after) = take_any(&mut validity)?;
        Some(Self {
            subject: name(subject).unwrap_or_default(),
            issuer: name(issuer).unwrap_or_default(),
            not_after: time(tag, not_after),
        })
    }
}

/// The common name, or else the organization.
fn name(names: &[u8]) -> Option<String> {
    [COMMON_NAME, ORGANIZATION].into_iter().find_map(|wanted| {
        let mut names = names;
        while let Some(mut set) = take(&mut names, SET) {
            let mut pair = take(&mut set, SEQUENCE)?;
            let id = take(&mut pair, OBJECT_ID)?;
            let (_, value) = take_any(&mut pair)?;
            if id == wanted {
                return Some(String::from_utf8_lossy(value).into_owned());
            }
        }
        None
    })
}

/// `YYMMDDhhmmssZ`, with four digits for the year from 2050.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    let digits = text.strip_suffix('Z')?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let time = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        small(12)?,
        0,
    );
    Some(time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Removes the first element, which must have this tag, and returns its content.
fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (content, rest) = element(bytes, tag)?;
    *bytes = rest;
    Some(content)
}

/// Removes the first element, and returns its tag and content.
fn take_any<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let tag = *bytes.first()?;
    Some((tag, take(bytes, tag)?))
}

/// The content of the first element, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        let length = digits
            .iter()
            .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (found == tag).then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj "/O=Contoso/CN=a.example"
    /// -days 3650`.
    const TEXT: &str = include_str!("certificate.pem");

    fn der() -> Vec<u8> {
        let lines = TEXT.lines().filter(|line| !line.starts_with('-'));
        STANDARD.decode(lines.collect::<String>()).unwrap()
    }

    #[test]
    fn names_and_validity_are_read() {
        let expected = Certificate {
            subject: "a.example".to_owned(),
            issuer: "a.example".to_owned(),
            not_after: Some("2036-11-22T20:31:39Z".parse().unwrap()),
        };
        assert_eq!(Certificate::read(&der()), Some(expected));
    }

    #[test]
    fn no_part_of_a_certificate_leads_to_a_panic() {
        let der = der();
        for end in 0..der.len() {
            assert_eq!(Certificate::read(&der[..end]), None);
        }
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 0xff;
            let _ = Certificate::read(&changed);
        }
    }
}
