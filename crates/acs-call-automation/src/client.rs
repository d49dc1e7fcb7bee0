//! What all generated operations do alike: make a request, have it sent, and read the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use progenitor_client::ResponseValue;
use reqwest::{Method, Request, RequestBuilder, Url};
use serde::de::DeserializeOwned;

use crate::{Failure, Transport};

/// Headers of an operation, of the transport, and of HTTP itself: more than this there are not.
const HEADERS: usize = 12;

/// What would not arrive as part of one segment of a path.
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

/// The client of a Communication Services resource: each operation of the service is a method.
///
/// Cheap to clone. What is sent goes through a [`Transport`].
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Url,
    http: reqwest::Client,
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client of the resource at `endpoint`, such as `https://contoso.communication.azure.com`.
    ///
    /// Paths are appended to that of `endpoint`. `http` only makes requests; it is `transport` that
    /// sends them.
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

    /// The resource's address.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// A request for a path below the endpoint.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        // The endpoint was parsed once, and is not again.
        let mut url = self
            .endpoint
            .join(path)
            .map_err(|error| Failure::Request(error.into()))?;
        // A segment `..`, which no encoding hides, would make it another operation.
        let folder = self.endpoint.path();
        if url.path().strip_prefix(folder) != Some(path) {
            let text = format!("`{path}` does not stay below {folder}; check the ids in it");
            return Err(Failure::Request(text.into()));
        }
        url.query_pairs_mut()
            .append_pair("api-version", Self::API_VERSION);
        let mut request = Request::new(method, url);
        request.headers_mut().reserve(HEADERS);
        Ok(RequestBuilder::from_parts(self.http.clone(), request))
    }

    /// Has a request sent.
    // Not an `async fn`, which would hold the request for as long as it waits.
    pub(crate) fn send<'a>(
        &'a self,
        request: Request,
        operation: &'a str,
    ) -> impl Future<Output = Result<Response<Bytes>, Failure>> + Send + 'a {
        let sent = self.transport.send(request, operation);
        async { sent.await.map_err(Failure::Transport) }
    }
}

/// A value as one segment of a path.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, OUTSIDE_SEGMENT).to_string()
}

/// The value in an answer.
pub(crate) fn value<T: DeserializeOwned>(
    answer: Response<Bytes>,
) -> Result<ResponseValue<T>, Failure> {
    match serde_json::from_slice(answer.body()) {
        Ok(value) => {
            let (head, _) = answer.into_parts();
            Ok(ResponseValue::new(value, head.status, head.headers))
        }
        Err(source) => Err(Failure::Body {
            answer: Box::new(answer),
            source,
        }),
    }
}

/// An answer that has no value.
pub(crate) fn empty(answer: Response<Bytes>) -> ResponseValue<()> {
    let (head, _) = answer.into_parts();
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

    /// Whatever an id holds, it stays one segment, or there is no request.
    #[test]
    fn ids_stay_where_they_are() {
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
