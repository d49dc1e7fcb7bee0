//! The paths of recorded content.

use http::Method;
use url::Url;

/// Longer than every id and name of the service, which have about 50 characters.
const LONGEST_SEGMENT: usize = 256;

/// The path of a stored object, `/v1/objects/{id}`, or of content in it,
/// `/v1/objects/{id}/content/{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath<'a> {
    pub(crate) id: &'a str,
    /// None for the object as a whole.
    pub(crate) name: Option<&'a str>,
}

impl<'a> ObjectPath<'a> {
    /// Parses the path of a URL. None if it has another form.
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

    /// Whether the path can be used with the method. All parts of an object can be read. Only whole
    /// objects can be deleted, for which some events use the name `deletedata`.
    pub(super) fn allows(self, method: &Method) -> bool {
        match *method {
            Method::GET => true,
            Method::DELETE => matches!(self.name, None | Some("deletedata")),
            _ => false,
        }
    }
}

/// Whether all servers read a segment in the same way.
fn is_plain(segment: &str) -> bool {
    (1..=LONGEST_SEGMENT).contains(&segment.len())
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
        && !segment.bytes().all(|b| b == b'.')
}
