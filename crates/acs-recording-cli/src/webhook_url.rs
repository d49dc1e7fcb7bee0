//! The URL of a webhook.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The URL of a webhook. Its query may contain a secret and is not shown.
#[derive(Clone)]
pub(crate) struct WebhookUrl(Url);

impl FromStr for WebhookUrl {
    type Err = String;

    /// The text is not in the error, because it may contain a secret.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|error| format!("not a URL: {error}"))?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback => Ok(Self(url)),
            "http" => Err("http is accepted on loopback only; use https".to_owned()),
            _ => Err("the URL of a webhook begins with https://".to_owned()),
        }
    }
}

impl WebhookUrl {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Whether the webhook runs on this machine.
    pub(crate) fn is_local(&self) -> bool {
        // The parser accepts http on loopback only.
        self.0.scheme() == "http" || matches!(self.0.host_str(), Some("localhost" | "127.0.0.1"))
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // They fail for URLs without a host, which the parser rejects.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.fmt(f)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_https_or_local_and_their_secrets_are_not_shown() {
        for (text, accepted) in [
            ("https://app.example/events?code=s3cret", true),
            ("http://127.0.0.1:8080/events?code=s3cret", true),
            ("http://[::1]/s", true),
            ("http://user:s3cret@localhost:1/events#s3cret", true),
            ("http://app.example/events?code=s3cret", false),
            ("ftp://127.0.0.1/s3cret", false),
            ("events?code=s3cret", false),
            ("", false),
        ] {
            match text.parse::<WebhookUrl>() {
                Ok(url) => {
                    assert!(accepted, "{text}");
                    let shown = format!("{url} {url:?}");
                    assert!(!shown.contains("s3cret"), "{shown}");
                }
                Err(error) => {
                    assert!(!accepted, "{text}: {error}");
                    assert!(!error.contains("s3cret"), "{error}");
                }
            }
        }
    }
}
