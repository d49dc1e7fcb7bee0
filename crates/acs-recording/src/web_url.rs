//! Web addresses that a request hands to the service.

use url::Url;

use crate::credential::is_secure;
use crate::error::{Error, ErrorKind, Result};
use crate::mistaken::{Mistaken, recognize};

/// Parses an address that the service sends requests to; `name` says in errors what it is.
pub(crate) fn parse_web_url(text: &str, name: &str) -> Result<Url> {
    let reject = |reason: &str| {
        let message = format!("the {name} {reason}");
        Err(Error::new(ErrorKind::InvalidInput, message))
    };
    match recognize(text) {
        Some(Mistaken::HostName) => return reject("is a host name: put https:// before it"),
        Some(is) if !is.is_any_url() => return reject(is.is()),
        _ => {}
    }
    match Url::parse(text) {
        Ok(url) if !is_secure(&url) => reject("is not https; http is for loopback only"),
        Ok(url) => Ok(url),
        Err(_) => reject("is not an absolute URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_rejected_by_what_they_are() {
        for (text, said) in [
            ("app.contoso.example", "put https:// before it"),
            ("\"https://app.example/x\"", "quotes"),
            ("https%3A%2F%2Fapp.example%2Fx", "not an absolute URL"),
            (
                "/subscriptions/1/resourceGroups/r",
                "Azure Resource Manager",
            ),
            ("https://portal.azure.com/#home", "Azure portal"),
            (
                "https://teams.microsoft.com/l/meetup-join/x",
                "Teams meeting",
            ),
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                "connection string",
            ),
            ("http://app.example/x", "not https"),
            ("/relative", "not an absolute URL"),
            ("", "not an absolute URL"),
        ] {
            let error = parse_web_url(text, "state callback").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(said), "{text}: {error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
        for text in [
            "https://app.example/x?to=https%3A%2F%2Fteams.microsoft.com%2F&code=a%2Bb",
            "https://app.example/v1/objects/x",
            "http://127.0.0.1:8080/x",
        ] {
            parse_web_url(text, "state callback").unwrap();
        }
    }
}
