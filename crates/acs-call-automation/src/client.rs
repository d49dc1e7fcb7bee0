//! The shared part of all generated operations: building and sending requests, and reading
//! responses.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use progenitor_client::ResponseValue;
use reqwest::{Method, Request, RequestBuilder, Url};
use serde::de::DeserializeOwned;

use crate::{Failure, Transport};

/// Space to reserve for the headers of an operation, the transport and HTTP.
const HEADERS: usize = 12;

/// Characters that must be encoded in a path segment.
const OUTSIDE_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The client for a Communication Services resource. Each operation of the service is a method.
///
/// Cheap to clone. All requests go through a [`Transport`].
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Url,
    http: reqwest::Client,
    transport: Arc<dyn Transport>,
}

impl Client {
    /// Creates a client for the resource at `endpoint`, such as
    /// `https://contoso.communication.azure.com`.
    ///
    /// Paths are appended to the path of `endpoint`. `http` only builds requests; `transport` sends
    /// them.
    pub fn new(mut endpoint: Url, http: reqwest::Client, transport: Arc<dyn Transport>) -> Self {
        if !endpoint.path().ends_with('/') {
            let folder = format!("{}/", endpoint.path());
            endpoint.set_path(&folder);
        }
        Self {
            endpoint,
            http,
            transport,
        }
    }

    /// The URL of the resource.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Builds a request for a path below the endpoint.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        // The endpoint is parsed only once.
        let mut url = self
            .endpoint
            .join(path)
            .map_err(|error| Failure::Request(error.into()))?;
        // A segment `..`, even if encoded, would lead to another operation.
        let folder = self.endpoint.path();
        if url.path().strip_prefix(folder) != Some(path) {
            let text = format!("`{path}` leads outside of {folder}; check the ids in it");
            return Err(Failure::Request(text.into()));
        }
        url.query_pairs_mut()
            .append_pair("api-version", Self::API_VERSION);
        let mut request = Request::new(method, url);
        request.headers_mut().reserve(HEADERS);
        Ok(RequestBuilder::from_parts(self.http.clone(), request))
    }

    /// Sends a request.
    // An `async fn` would keep the request in memory while it waits.
    pub(crate) fn send<'a>(
        &'a self,
        request: Request,
        operation: &'a str,
    ) -> impl Future<Output = Result<Response<Bytes>, Failure>> + Send + 'a {
        let sent = self.transport.send(request, operation);
        async { sent.await.map_err(Failure::Transport) }
    }
}

/// Encodes a value as one path segment.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, OUTSIDE_SEGMENT).to_string()
}

/// Parses the value in a response.
pub(crate) fn value<T: DeserializeOwned>(
    response: Response<Bytes>,
) -> Result<ResponseValue<T>, Failure> {
    match serde_json::from_slice(response.body()) {
        Ok(value) => {
            let (head, _) = response.into_parts();
            Ok(ResponseValue::new(value, head.status, head.headers))
        }
        Err(source) => Err(Failure::Body {
            response: Box::new(response),
            source,
        }),
    }
}

/// A response without a value.
pub(crate) fn empty(response: Response<Bytes>) -> ResponseValue<()> {
    let (head, _) = response.into_parts();
    ResponseValue::new((), head.status, head.headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str, path: &str) -> String {
        let http = reqwest::Client::new();
        let client = Client::new(endpoint.parse().unwrap(), http.clone(), Arc::new(http));
        let request = client.request(Method::GET, path).unwrap().build().unwrap();
        request.url().to_string()
    }

    #[test]
    fn paths_are_below_the_endpoint() {
        let version = Client::API_VERSION;
        for (endpoint, expected) in [
            ("https://contoso.example", "https://contoso.example/"),
            ("https://contoso.example/?a=b#c", "https://contoso.example/"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            (
                "https://gateway.example/acs",
                "https://gateway.example/acs/",
            ),
            (
                "https://gateway.example/acs/",
                "https://gateway.example/acs/",
            ),
        ] {
            for path in ["calling/recordings", "calling/recordings/a%2Fb:pause"] {
                let expected = format!("{expected}{path}?api-version={version}");
                assert_eq!(url(endpoint, path), expected);
            }
        }
    }

    /// Any id stays one path segment, or the request is rejected.
    #[test]
    fn ids_stay_in_their_path_segment() {
        let client = |path: &str| {
            let http = reqwest::Client::new();
            let endpoint = "https://contoso.example/acs".parse().unwrap();
            let client = Client::new(endpoint, http.clone(), Arc::new(http));
            let request = client.request(Method::DELETE, path)?.build()?;
            Ok::<_, Failure>(request.url().path().to_owned())
        };
        for id in ["..", "."] {
            let path = format!("calling/recordings/{}", encode_path(id));
            let failure = client(&path).unwrap_err();
            assert!(matches!(failure, Failure::Request(_)), "{failure:?}");
        }
        let hostile: String = (0..=u8::MAX).map(char::from).collect();
        for id in [
            r"..\..\identities\8:acs:x",
            "a/../b",
            "%2e%2e",
            "\t\n",
            &hostile,
        ] {
            let path = format!("calling/recordings/{}:pause", encode_path(id));
            let sent = client(&path).unwrap();
            let segments: Vec<_> = sent.split('/').collect();
            assert_eq!(segments.len(), 5, "{sent}");
            let segment = segments[4].strip_suffix(":pause").unwrap();
            let decoded = percent_encoding::percent_decode_str(segment);
            assert_eq!(decoded.decode_utf8().unwrap(), id);
        }
    }

    #[test]
    fn an_endpoint_without_a_host_is_an_error() {
        let http = reqwest::Client::new();
        let endpoint = "mailto:contoso@example.com".parse().unwrap();
        let client = Client::new(endpoint, http.clone(), Arc::new(http));
        let failure = client.request(Method::GET, "calling").unwrap_err();
        assert!(matches!(failure, Failure::Request(_)), "{failure:?}");
    }
}
