//! Where a queue is, and what proves the right to use it: from a URL or a connection string.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::{Host, Url};

use super::shared_key::AccountKey;
use crate::connection_string::{AccountCredential, Service, ServiceAccount};
use crate::error::{Error, ErrorKind, Result};

const LONGEST_NAME: usize = 63;

/// The address of a queue, with its SAS or account key.
#[derive(Clone)]
pub(super) struct QueueAddress {
    /// Without a query.
    url: Url,
    sas: Option<String>,
    pub(super) key: Option<AccountKey>,
}

impl QueueAddress {
    /// From the URL of a queue, with or without a SAS.
    pub(super) fn from_url(text: &str) -> Result<Self> {
        let mut url = Url::parse(text.trim()).map_err(|error| {
            invalid(format!(
                "the queue's address is not a URL ({error}); it looks like \
                 https://<account>.queue.core.windows.net/<queue>"
            ))
        })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(invalid("the queue's address is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the queue's address has a user name or password"));
        }
        let sas = url.query().map(str::to_owned);
        if sas.is_some() && !url.query_pairs().any(|(name, _)| name == "sig") {
            return Err(invalid(
                "the queue's address has a query that is no SAS: it has no `sig`",
            ));
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let address = Self {
            url,
            sas,
            key: None,
        };
        address.check()?;
        Ok(address)
    }

    /// From a connection string of the storage account and the name of a queue.
    pub(super) fn from_connection_string(text: &str, queue: &str) -> Result<Self> {
        check_name(queue)?;
        let account = ServiceAccount::parse(text, Service::Queue)?;
        let (sas, key) = match account.credential {
            AccountCredential::Sas(sas) => (Some(sas), None),
            AccountCredential::Key { account, key } => {
                (None, Some(AccountKey::new(&account, decode_key(&key)?)))
            }
        };
        Self::new(&account.endpoint, queue, sas, key)
    }

    fn new(
        endpoint: &str,
        queue: &str,
        sas: Option<String>,
        key: Option<AccountKey>,
    ) -> Result<Self> {
        let url = format!("{endpoint}/{queue}");
        let url = Url::parse(&url)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http") && url.query().is_none());
        let url = url.ok_or_else(|| {
            invalid(
                "the storage connection string has no usable address of queues; check \
                 QueueEndpoint, AccountName and EndpointSuffix",
            )
        })?;
        let address = Self { url, sas, key };
        address.check()?;
        Ok(address)
    }

    fn check(&self) -> Result<()> {
        check_name(self.name())?;
        let segments = self.url.path_segments().into_iter().flatten().count();
        let is_azure =
            matches!(self.url.host(), Some(Host::Domain(host)) if host.contains(".queue."));
        if is_azure && segments > 1 {
            return Err(invalid(
                "the queue's address has more behind the name of the queue; it looks like \
                 https://<account>.queue.core.windows.net/<queue>",
            ));
        }
        if self.sas.is_some() && !self.is_secure() {
            return Err(invalid(
                "the queue's address sends its SAS in the clear; use https (http is accepted on \
                 loopback)",
            ));
        }
        Ok(())
    }

    /// Another queue of the same account, with the same credential.
    pub(super) fn sibling(&self, name: &str) -> Result<Self> {
        check_name(name)?;
        let path = self.url.path();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let path = format!("{parent}/{name}");
        let mut sibling = self.clone();
        sibling.url.set_path(&path);
        Ok(sibling)
    }

    /// The default poison queue.
    pub(super) fn poison(&self) -> Result<Self> {
        let name = format!("{}-poison", self.name());
        if name.len() > LONGEST_NAME {
            return Err(invalid(format!(
                "the name of the poison queue, {name}, would have more than {LONGEST_NAME} \
                 characters; give a poison queue of another name"
            )));
        }
        self.sibling(&name)
    }

    pub(super) fn name(&self) -> &str {
        let mut segments = self.url.path_segments();
        let last = segments.as_mut().and_then(Iterator::last);
        last.unwrap_or_default()
    }

    /// The address without its SAS.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The address with its SAS.
    pub(super) fn signed_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(self.sas.as_deref());
        url
    }

    /// Whether the address proves the right to use the queue by itself.
    pub(super) fn is_authorized(&self) -> bool {
        self.sas.is_some() || self.key.is_some()
    }

    /// Whether this is a queue of the same account.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let account = |url: &Url| {
            let path = url.path();
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            (url.origin(), parent.to_owned())
        };
        account(&self.url) == account(&other.url)
    }

    /// Whether nobody on the way can read along.
    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
            || match self.url.host() {
                Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    }
}

/// The query may be a SAS.
impl fmt::Debug for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.as_str().fmt(f)
    }
}

fn decode_key(key: &str) -> Result<Vec<u8>> {
    BASE64_STANDARD
        .decode(key)
        .map_err(|_| invalid("AccountKey in the storage connection string is not base64"))
}

fn check_name(name: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (3..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if is_name {
        return Ok(());
    }
    let name: String = name.chars().take(LONGEST_NAME).collect();
    Err(invalid(format!(
        "{name:?} is not the name of a queue: 3 to 63 lowercase letters, digits and single hyphens"
    )))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AccountKey=c2VjcmV0";

    #[test]
    fn queues_are_found_by_url_or_connection_string() {
        for (url, expected) in [
            (
                "https://acct.queue.core.windows.net/recordings",
                "https://acct.queue.core.windows.net/recordings",
            ),
            (
                " https://acct.queue.core.windows.net/recordings/?sv=1&sig=x#y ",
                "https://acct.queue.core.windows.net/recordings",
            ),
            (
                "http://127.0.0.1:10001/devstoreaccount1/recordings?sig=x",
                "http://127.0.0.1:10001/devstoreaccount1/recordings",
            ),
        ] {
            let address = QueueAddress::from_url(url).unwrap();
            assert_eq!(address.url().as_str(), expected);
            assert_eq!(address.name(), "recordings");
            assert_eq!(address.is_authorized(), url.contains("sig="));
        }
        for (text, expected) in [
            (
                "UseDevelopmentStorage=true".to_owned(),
                "http://127.0.0.1:10001/devstoreaccount1/recordings",
            ),
            (
                "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite".to_owned(),
                "http://azurite:10001/devstoreaccount1/recordings",
            ),
            (
                format!("AccountName=acct;{KEY}"),
                "https://acct.queue.core.windows.net/recordings",
            ),
            (
                format!(
                    " DefaultEndpointsProtocol=https ; accountname=acct;{KEY};EndpointSuffix=core.example;"
                ),
                "https://acct.queue.core.example/recordings",
            ),
            (
                format!("QueueEndpoint=http://azurite:10001/a/;AccountName=a;{KEY}"),
                "http://azurite:10001/a/recordings",
            ),
            (
                "QueueEndpoint=https://acct.queue.example;SharedAccessSignature=?sv=1&sig=a%3D"
                    .to_owned(),
                "https://acct.queue.example/recordings",
            ),
        ] {
            let address = QueueAddress::from_connection_string(&text, "recordings").unwrap();
            assert_eq!(address.url().as_str(), expected, "{text}");
            assert!(address.is_authorized(), "{text}");
        }
    }

    #[test]
    fn what_names_no_queue_is_rejected_with_a_reason_and_without_secrets() {
        for (url, reason) in [
            ("recordings?sig=secret", "not a URL"),
            (
                "ftp://a.example/recordings?sig=secret",
                "neither https nor http",
            ),
            ("https://secret@a.example/recordings", "user name"),
            (
                "https://acct.queue.core.windows.net/?sig=secret",
                "not the name of a queue",
            ),
            (
                "https://acct.queue.core.windows.net/recordings/messages?sig=secret",
                "more behind",
            ),
            (
                "https://acct.queue.core.windows.net/Recordings",
                "not the name of a queue",
            ),
            (
                "https://acct.queue.core.windows.net/recordings?se=secret",
                "no `sig`",
            ),
            ("http://a.example/recordings?sig=secret", "in the clear"),
        ] {
            let error = QueueAddress::from_url(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(reason), "{url}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{url}: {error:?}");
        }
        for (text, queue, reason) in [
            ("secret", "recordings", "a part without `=`"),
            ("", "recordings", "neither QueueEndpoint nor AccountName"),
            (KEY, "recordings", "neither QueueEndpoint nor AccountName"),
            ("AccountName=acct", "recordings", "neither AccountKey"),
            (
                "AccountName=acct;AccountKey=secret!",
                "recordings",
                "not base64",
            ),
            (
                "AccountName=a b;AccountKey=c2VjcmV0",
                "recordings",
                "no usable address",
            ),
            (
                "QueueEndpoint=secret;SharedAccessSignature=sig=x",
                "recordings",
                "no usable address",
            ),
            (
                "UseDevelopmentStorage=true",
                "re",
                "not the name of a queue",
            ),
            (
                "UseDevelopmentStorage=true",
                "a/../secrets",
                "not the name of a queue",
            ),
        ] {
            let error = QueueAddress::from_connection_string(text, queue).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
            let shown = format!("{error:?}").replace("a/../secrets", "");
            assert!(!shown.contains("secret"), "{text}: {shown}");
        }
    }

    #[test]
    fn the_poison_queue_has_the_same_account_and_sas() {
        let address = QueueAddress::from_url("https://a.queue.example/recordings?sig=x").unwrap();
        let poison = address.poison().unwrap();
        let expected = "https://a.queue.example/recordings-poison?sig=x";
        assert_eq!(poison.signed_url().as_str(), expected);
        let long = format!("https://a.queue.example/{}", "q".repeat(57));
        let address = QueueAddress::from_url(&long).unwrap();
        assert!(address.poison().is_err());
    }

    #[test]
    fn neither_sas_nor_key_is_shown() {
        let address = QueueAddress::from_url("https://a.example/recordings?sig=secret").unwrap();
        assert_eq!(format!("{address:?}"), "\"https://a.example/recordings\"");
    }
}
