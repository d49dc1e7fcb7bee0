//! The paths of recorded content.

use http::Method;
use url::Url;

/// Longer than every id and name of the service, which have about 50 characters.
const LONGEST_SEGMENT: usize = 256;

/// What locations of content name: `/v1/objects/{id}`, and `/content/{name}` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath<'a> {
    pub(crate) id: &'a str,
    /// None if it is the object as a whole.
    pub(crate) name: Option<&'a str>,
}

impl<'a> ObjectPath<'a> {
    /// Reads the path of a URL; none if it is any other than those two, however they are written.
    pub(crate) fn of(url: &'a Url) -> Option<Self> {
        let rest = url.path().strip_prefix("/v1/objects/")?;
        let mut segments = rest.split('/');
        let id = segments.next().filter(|id| is_plain(id))?;
        let name = match (segments.next(), segments.next(), segments.next()) {
            (None, ..) => None,
            (Some("content"), Some(name), None) if is_plain(name) => Some(name),
            _ => return None,
        };
        Some(Self { id, name })
    }

    /// Whether this is what the method is for. Anything of an object is read, and objects are
    /// deleted as a whole, for which some events name `content/deletedata`.
    pub(super) fn suits(self, method: &Method) -> bool {
        match *method {
            Method::GET => true,
            Method::DELETE => matches!(self.name, None | Some("deletedata")),
            _ => false,
        }
    }
}

/// Whether nothing in a segment means something else to whoever decodes it.
fn is_plain(segment: &str) -> bool {
    (1..=LONGEST_SEGMENT).contains(&segment.len())
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
        && !segment.bytes().all(|b| b == b'.')
}
