//! Checksums of content.

use std::str::FromStr;
use std::{fmt, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// A SHA-256 checksum; `Display` writes it as `sha256sum` does, and serde as that text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The checksum's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Text is not a SHA-256 checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 checksum is 64 hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidContentHash;

impl FromStr for ContentHash {
    type Err = InvalidContentHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(InvalidContentHash);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = match pair {
                [high, low] => digit(*high).zip(digit(*low)),
                _ => None,
            };
            let value = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            *byte = value.ok_or(InvalidContentHash)?;
        }
        Ok(Self(bytes))
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for ContentHash {
    type Error = InvalidContentHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// The checksums that an answer announces for the whole content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) md5: Option<[u8; 16]>,
}

/// What stands for no checksum in a journal.
const NONE: &str = "-";

/// In two words, as a journal has them.
impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |bytes: Option<&[u8]>| {
            bytes.map_or_else(|| NONE.to_owned(), |bytes| BASE64_STANDARD.encode(bytes))
        };
        let sha256 = word(self.sha256.as_ref().map(<[u8; 32]>::as_slice));
        let md5 = word(self.md5.as_ref().map(<[u8; 16]>::as_slice));
        write!(f, "{sha256} {md5}")
    }
}

impl Announced {
    /// Whether it tells nothing.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Reads the headers of an answer, which may hold all of the content or a part.
    pub(super) fn read(headers: &HeaderMap, is_whole: bool) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        // Of the content as such, and of this body alone.
        let sha256 = text("repr-digest").and_then(sha256_in);
        let sha256 = sha256.or_else(|| text("digest").and_then(sha256_in));
        let body = is_whole.then(|| text("content-digest").and_then(sha256_in));
        let md5 = text("x-ms-blob-content-md5").and_then(decode);
        let body_md5 = is_whole.then(|| text("content-md5").and_then(decode));
        Self {
            sha256: sha256.or(body.flatten()),
            md5: md5.or(body_md5.flatten()),
        }
    }

    /// Reads two words of a journal; tells what follows them.
    pub(super) fn parse(text: &str) -> Option<(Self, &str)> {
        let (sha256, rest) = text.split_once(' ')?;
        let (md5, rest) = rest.split_once(' ')?;
        let announced = Self {
            sha256: decode(sha256),
            md5: decode(md5),
        };
        let sound = |word, is_some| word == NONE || is_some;
        let sound =
            sound(sha256, announced.sha256.is_some()) && sound(md5, announced.md5.is_some());
        sound.then_some((announced, rest))
    }

    /// These, and what only the others have.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            sha256: self.sha256.or(others.sha256),
            md5: self.md5.or(others.md5),
        }
    }
}

/// The `sha-256` member of a digest header, in the form of RFC 9530 or of RFC 3230.
fn sha256_in(header: &str) -> Option<[u8; 32]> {
    header.split(',').find_map(|member| {
        let (name, value) = member.trim().split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("sha-256");
        is_it.then(|| decode(value.trim().trim_matches(':')))?
    })
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64_STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

/// Computes what is asked for and what can be compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Hasher {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    announced: Announced,
}

impl Hasher {
    pub(super) fn new(announced: Announced, wants_sha256: bool) -> Self {
        let sha256 = wants_sha256 || announced.sha256.is_some();
        Self {
            sha256: sha256.then(Sha256::new),
            md5: announced.md5.map(|_| Md5::new()),
            announced,
        }
    }

    /// One that tells whether two things are the same.
    pub(super) fn for_comparison() -> Self {
        Self::new(Announced::default(), true)
    }

    /// Takes in the rest of a file.
    pub(super) fn update_from(&mut self, mut file: impl io::Read) -> io::Result<()> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The SHA-256 of a file.
    pub(super) fn of_file(file: impl io::Read) -> io::Result<ContentHash> {
        let mut hasher = Self::for_comparison();
        hasher.update_from(file)?;
        let sha256 = hasher.sha256.unwrap_or_default().finalize();
        Ok(ContentHash(sha256.into()))
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_idle(&self) -> bool {
        self.sha256.is_none() && self.md5.is_none()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// The SHA-256, if it was asked for or announced.
    ///
    /// # Errors
    /// [`ErrorKind::CorruptContent`] if an announced checksum is another.
    pub(super) fn finish(self) -> Result<Option<ContentHash>> {
        let sha256 = self.sha256.map(|hasher| hasher.finalize().into());
        let md5 = self.md5.map(|hasher| hasher.finalize().into());
        let differs = |name: &str| {
            let text = format!("the content does not have the {name} that the server announced");
            Err(Error::new(ErrorKind::CorruptContent, text))
        };
        if self.announced.sha256.is_some() && self.announced.sha256 != sha256 {
            return differs("SHA-256");
        }
        if self.announced.md5.is_some() && self.announced.md5 != md5 {
            return differs("MD5");
        }
        Ok(sha256.map(ContentHash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";

    fn headers(list: &[(&'static str, String)]) -> HeaderMap {
        let pairs = list
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect()
    }

    fn check(headers: &HeaderMap, is_whole: bool, bytes: &[u8]) -> Result<Option<ContentHash>> {
        let mut hasher = Hasher::new(Announced::read(headers, is_whole), false);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn announced_checksums_are_compared() {
        for (name, value) in [
            ("repr-digest", format!("sha-512=:AAAA:, sha-256=:{SHA}:")),
            ("digest", format!("SHA-256={SHA}")),
            ("content-digest", format!("sha-256=:{SHA}:")),
            ("content-md5", MD5.to_owned()),
            ("x-ms-blob-content-md5", MD5.to_owned()),
        ] {
            let headers = headers(&[(name, value)]);
            assert!(check(&headers, true, b"abc").is_ok(), "{name}");
            let error = check(&headers, true, b"abd").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptContent, "{name}");
            let of_the_body = name.starts_with("content-");
            assert_eq!(check(&headers, false, b"x").is_ok(), of_the_body, "{name}");
        }
        for nonsense in ["", "sha-256", "sha-256=:x:", "sha-256=", "=", "md5=:AAAA:"] {
            let headers = headers(&[("repr-digest", nonsense.to_owned())]);
            assert_eq!(
                Announced::read(&headers, true),
                Announced::default(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_checksum_is_read_as_it_is_shown() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash: ContentHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace('b', "g")] {
            assert!(wrong.parse::<ContentHash>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_checksum_is_shown_as_usual() {
        let mut hasher = Hasher::new(Announced::default(), true);
        hasher.update(b"abc");
        assert_eq!(
            hasher.finish().unwrap().unwrap().to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
