//! The `User-Agent` header.

use http::HeaderValue;

use crate::error::{Error, ErrorKind, Result};

/// The longest application id that Azure accepts.
const MAX_APPLICATION_ID: usize = 24;

/// An id of the application that uses the client, for the service's telemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationId(String);

impl ApplicationId {
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the text is empty, too long, or has a character that a user
    /// agent does not allow there.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&b);
        if (1..=MAX_APPLICATION_ID).contains(&text.len()) && text.bytes().all(is_token) {
            return Ok(Self(text.to_owned()));
        }
        let text = format!(
            "the application id is not valid: use 1 to {MAX_APPLICATION_ID} letters, digits or \
             characters of `!#$%&'*+-.^_`|~/`, without spaces"
        );
        Err(Error::new(ErrorKind::InvalidInput, text))
    }
}

/// The value of the header, by Azure's rules for telemetry: the application's id if there is one,
/// then name and version of this crate, and the platform.
pub(crate) fn user_agent(application_id: Option<&ApplicationId>) -> HeaderValue {
    const NAME: &str = concat!("acs-recording-rust/", env!("CARGO_PKG_VERSION"));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let text = match application_id {
        Some(ApplicationId(id)) => format!("{id} {NAME} ({os}; {arch})"),
        None => format!("{NAME} ({os}; {arch})"),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_id_comes_first() {
        let id = ApplicationId::new("contoso/1.2").unwrap();
        let header = user_agent(Some(&id));
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!("contoso/1.2 acs-recording-rust/{version} (");
        assert!(
            header.to_str().unwrap().starts_with(&expected),
            "{header:?}"
        );
        let header = user_agent(None);
        assert!(header.to_str().unwrap().starts_with("acs-recording-rust/"));
    }

    #[test]
    fn application_ids_of_other_forms_are_rejected() {
        for text in ["", "a b", "a\r\nx: y", "ä", "a;b", &"x".repeat(25)] {
            let error = ApplicationId::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
        assert!(ApplicationId::new(&"x".repeat(24)).is_ok());
    }
}
