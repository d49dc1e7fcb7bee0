//! Delivery to a queue of Azure Storage. Each event is one message that contains its JSON in
//! base64.
//!
//! This sends the one request that it needs without a client library. A library would add
//! `azure_core` to every build of the emulator. It would also retry on its own, which conflicts
//! with the published retry schedule.

use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use sha2::Sha256;
use url::Url;

use crate::redact::without_secrets;
use crate::service::url_policy::UrlPolicy;

const VERSION: &str = "2021-12-02";
const X_MS_DATE: HeaderName = HeaderName::from_static("x-ms-date");
const X_MS_VERSION: HeaderName = HeaderName::from_static("x-ms-version");
/// The account that every local storage emulator has. Its name and key are public.
const DEVELOPMENT_STORAGE: &str = "AccountName=devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\
    QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1";

/// The address of a queue, with a credential for it.
#[derive(Clone)]
pub(crate) struct StorageQueue {
    /// The URL of the queue, without a query.
    url: Url,
    credential: Credential,
}

#[derive(Clone)]
enum Credential {
    /// A SAS (a query string).
    Sas(String),
    SharedKey {
        account: String,
        key: Vec<u8>,
    },
}

impl StorageQueue {
    /// Creates a queue from its URL with a SAS, or from its name and a connection string of the
    /// account.
    pub(super) fn new(
        queue: &str,
        connection_string: Option<&str>,
        urls: UrlPolicy,
    ) -> Result<Self, String> {
        let is_url = queue.contains("://");
        let found = match connection_string {
            Some(_) if is_url => {
                return Err(
                    "give the name of the queue, not its URL, together with a connection string"
                        .to_owned(),
                );
            }
            Some(text) => Self::from_connection_string(text, queue)?,
            None if is_url => Self::from_url(queue)?,
            None => {
                return Err(
                    "give the URL of the queue with a SAS, or its name and a connection string"
                        .to_owned(),
                );
            }
        };
        urls.check(found.url.as_str())?;
        let name = found
            .url
            .path_segments()
            .and_then(|mut path| path.next_back());
        check_name(name.unwrap_or_default())?;
        Ok(found)
    }

    fn from_url(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| format!("not an absolute URL ({error})"))?;
        let sas = url.query().unwrap_or_default().to_owned();
        if !url.query_pairs().any(|(name, _)| name == "sig") {
            return Err("the URL has no SAS (`?sv=…&sig=…`), which the queue requires".to_owned());
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self {
            url,
            credential: Credential::Sas(sas),
        })
    }

    fn from_connection_string(text: &str, queue: &str) -> Result<Self, String> {
        let settings = Settings::parse(text)?;
        if settings.value("UseDevelopmentStorage") == Some("true") {
            return Self::from_connection_string(DEVELOPMENT_STORAGE, queue);
        }
        let account = settings.value("AccountName");
        let endpoint = match (settings.value("QueueEndpoint"), account) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Some(account)) => {
                let scheme = settings.value("DefaultEndpointsProtocol");
                let suffix = settings.value("EndpointSuffix");
                format!(
                    "{}://{account}.queue.{}",
                    scheme.unwrap_or("https"),
                    suffix.unwrap_or("core.windows.net"),
                )
            }
            (None, None) => {
                return Err(
                    "the connection string has neither QueueEndpoint nor AccountName".to_owned(),
                );
            }
        };
        let credential = if let Some(sas) = settings.value("SharedAccessSignature") {
            Credential::Sas(sas.trim_start_matches('?').to_owned())
        } else if let (Some(account), Some(key)) = (account, settings.value("AccountKey")) {
            let key = STANDARD.decode(key);
            Credential::SharedKey {
                account: account.to_owned(),
                key: key.map_err(|_| "AccountKey in the connection string is not base64")?,
            }
        } else {
            return Err(
                "the connection string has neither AccountKey with AccountName nor \
                 SharedAccessSignature"
                    .to_owned(),
            );
        };
        let url = format!("{}/{queue}", endpoint.trim_end_matches('/'));
        let url = Url::parse(&url)
            .map_err(|error| format!("QueueEndpoint is not an absolute URL ({error})"))?;
        Ok(Self { url, credential })
    }

    /// The URL of the queue for use in logs.
    pub(crate) fn address(&self) -> String {
        without_secrets(self.url.as_str()).into_owned()
    }

    /// The request that adds a message to the queue. `body` is created by [`message`].
    pub(super) fn put(&self, client: &reqwest::Client, body: Bytes) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/messages", self.url.path()));
        let date = httpdate::fmt_http_date(SystemTime::now());
        let signature = match &self.credential {
            Credential::Sas(sas) => {
                url.set_query(Some(sas));
                None
            }
            Credential::SharedKey { account, key } => {
                Some(sign(account, key, &url, body.len(), &date))
            }
        };
        let mut request = client
            .post(url)
            .header(X_MS_DATE, date)
            .header(X_MS_VERSION, VERSION)
            .body(body);
        if let Some(signature) = signature
            && let Ok(mut value) = HeaderValue::try_from(signature)
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
    }
}

impl fmt::Debug for StorageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StorageQueue")
            .field(&self.address())
            .finish()
    }
}

/// The body of a request that adds this event to a queue.
pub(super) fn message(event: &str) -> Bytes {
    let text = STANDARD.encode(event);
    Bytes::from(format!(
        "<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    ))
}

/// The reason why a queue rejected a message, and what to do about it.
pub(super) fn reason(response: &reqwest::Response) -> String {
    let advice = match response.status() {
        StatusCode::NOT_FOUND => "the queue does not exist: create it",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "the storage account rejects the credential: check the key, or that the SAS permits `a` \
             (add) and has not expired"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the event exceeds the message size of 64 KiB",
        _ => "the queue rejected the message",
    };
    let code = response.headers().get("x-ms-error-code");
    match code.and_then(|code| code.to_str().ok()) {
        Some(code) => format!("{advice} ({code})"),
        None => advice.to_owned(),
    }
}

/// The settings of a connection string. Names are not case-sensitive.
struct Settings<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Settings<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let members = text.split(';').map(str::trim);
        let members = members.filter(|member| !member.is_empty()).map(|member| {
            // The error does not contain the text of the member, which may be a key.
            let pair = member.split_once('=');
            pair.ok_or_else(|| "the connection string has a part without '='".to_owned())
        });
        members.collect::<Result<_, _>>().map(Self)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter();
        let (_, value) = members.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (3..=63).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if is_name {
        return Ok(());
    }
    Err(format!(
        "'{name}' is not a valid queue name: use 3 to 63 lowercase letters, digits and single dashes"
    ))
}

/// The `Authorization` header for a `POST` with exactly these headers, signed with the account key.
fn sign(account: &str, key: &[u8], url: &Url, length: usize, date: &str) -> String {
    let text = format!(
        "POST\n\n\n{length}\n\n\n\n\n\n\n\n\n\
         {X_MS_DATE}:{date}\n{X_MS_VERSION}:{VERSION}\n/{account}{}",
        url.path()
    );
    // HMAC accepts keys of any length.
    let signature = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    format!("SharedKey {account}:{}", signature.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "bm90IGEgc2VjcmV0IGF0IGFsbA==";

    fn queue(queue: &str, connection_string: Option<&str>) -> Result<StorageQueue, String> {
        StorageQueue::new(queue, connection_string, UrlPolicy::default())
    }

    #[test]
    fn queues_are_given_by_url_or_connection_string() {
        let of_account = format!("AccountName=acct;AccountKey={KEY}");
        let of_suffix = format!(
            "DefaultEndpointsProtocol=https;EndpointSuffix=core.example;accountname=acct;AccountKey={KEY};"
        );
        let of_endpoint =
            "QueueEndpoint=https://acct.queue.example/;SharedAccessSignature=sv=1&sig=a%3D";
        for (name, connection_string, expected) in [
            (
                "https://acct.queue.core.windows.net/events?sv=1&sig=x",
                None,
                "https://acct.queue.core.windows.net/events",
            ),
            (
                "http://127.0.0.1:10001/devstoreaccount1/events/?sig=x",
                None,
                "http://127.0.0.1:10001/devstoreaccount1/events",
            ),
            (
                "events",
                Some("UseDevelopmentStorage=true"),
                "http://127.0.0.1:10001/devstoreaccount1/events",
            ),
            (
                "events",
                Some(of_account.as_str()),
                "https://acct.queue.core.windows.net/events",
            ),
            (
                "events",
                Some(of_suffix.as_str()),
                "https://acct.queue.core.example/events",
            ),
            (
                "events",
                Some(of_endpoint),
                "https://acct.queue.example/events",
            ),
        ] {
            let queue = queue(name, connection_string).unwrap();
            assert_eq!(queue.address(), expected);
        }
    }

    #[test]
    fn invalid_queues_are_rejected_with_a_reason() {
        let account = "AccountName=acct;AccountKey=c2VjcmV0";
        for (name, connection_string, reason) in [
            ("events", None, "give the URL of the queue with a SAS"),
            ("https://a.example/events", None, "has no SAS"),
            (
                "https://a.example/?sig=secret",
                None,
                "not a valid queue name",
            ),
            (
                "https://a.example/Events?sig=secret",
                None,
                "not a valid queue name",
            ),
            ("http://a.example/events?sig=secret", None, "use https"),
            ("https://?sig=secret", None, "not an absolute URL"),
            (
                "https://a.example/events?sig=secret",
                Some(account),
                "give the name of the queue",
            ),
            ("a/events", Some("AccountName=acct"), "neither AccountKey"),
            ("ev--ents", Some(account), "not a valid queue name"),
            ("events", Some("secret"), "without '='"),
            (
                "events",
                Some("AccountKey=c2VjcmV0"),
                "neither QueueEndpoint nor AccountName",
            ),
            (
                "events",
                Some("AccountName=acct;AccountKey=secret!"),
                "not base64",
            ),
            (
                "events",
                Some("QueueEndpoint=secret;SharedAccessSignature=sig=x"),
                "not an absolute URL",
            ),
        ] {
            let error = queue(name, connection_string).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
            assert!(!error.contains("secret"), "{name}: {error}");
        }
    }

    #[test]
    fn rejections_of_a_queue_are_explained() {
        for (status, code, expected) in [
            (404, "QueueNotFound", "create it (QueueNotFound)"),
            (403, "AuthenticationFailed", "rejects the credential"),
            (
                413,
                "RequestBodyTooLarge",
                "exceeds the message size of 64 KiB",
            ),
            (503, "ServerBusy", "(ServerBusy)"),
        ] {
            let response = http::Response::builder()
                .status(status)
                .header("x-ms-error-code", code)
                .body("")
                .unwrap();
            let reason = reason(&response.into());
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let by_url = queue("https://u:secret@a.example/events?sig=secret", None).unwrap();
        let by_key = queue("events", Some("AccountName=acct;AccountKey=c2VjcmV0")).unwrap();
        for queue in [by_url, by_key] {
            let shown = format!("{queue:?}");
            assert!(!shown.contains("secret"), "{shown}");
            assert!(!shown.contains("c2VjcmV0"), "{shown}");
            let request = queue.put(&reqwest::Client::new(), message("{}"));
            let request = request.build().unwrap();
            assert!(!format!("{:?}", request.headers()).contains("SharedKey acct:"));
        }
    }
}
