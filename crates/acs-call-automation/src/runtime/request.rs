//! Building and sending the requests of generated operations.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::{Body, Request, Url};
use serde::Serialize;

use super::{BoxError, Failure, ResponseValue, Transport};

/// Space to reserve for the headers of an operation, the transport and HTTP.
const HEADERS: usize = 12;

/// Characters that must be encoded in a path with several segments.
const OUTSIDE_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
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

/// Characters that must be encoded in a path segment.
const OUTSIDE_SEGMENT: &AsciiSet = &OUTSIDE_PATH.add(b'/');

/// The endpoint of a client, and what sends its requests.
#[derive(Clone, Debug)]
pub struct Connection {
    endpoint: Url,
    transport: Arc<dyn Transport>,
}

impl Connection {
    pub fn new(mut endpoint: Url, transport: Arc<dyn Transport>) -> Self {
        if !endpoint.path().ends_with('/') {
            let folder = format!("{}/", endpoint.path());
            endpoint.set_path(&folder);
        }
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        Self {
            endpoint,
            transport,
        }
    }

    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Starts a request. `operation` is the name of the method.
    pub fn request(&self, method: Method, operation: &'static str) -> RequestBuilder<'_> {
        let mut headers = HeaderMap::new();
        headers.reserve(HEADERS);
        let mut path = String::with_capacity(128);
        path.push_str(self.endpoint.path());
        RequestBuilder {
            transport: &*self.transport,
            operation,
            method,
            folder: path.len(),
            path,
            // The endpoint is parsed only once.
            url: self.endpoint.clone(),
            headers,
            body: None,
            form: None,
            failure: None,
        }
    }
}

/// The form in the body of a request.
#[derive(Debug)]
enum Form {
    /// `application/x-www-form-urlencoded`, encoded as the query of a URL.
    UrlEncoded(Box<Url>),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    is_file: bool,
    value: Bytes,
}

/// A request under construction. The first error is returned when the request is sent.
#[derive(Debug)]
pub struct RequestBuilder<'a> {
    transport: &'a dyn Transport,
    operation: &'static str,
    method: Method,
    /// The length of the path of the endpoint.
    folder: usize,
    path: String,
    url: Url,
    headers: HeaderMap,
    body: Option<Body>,
    form: Option<Form>,
    failure: Option<BoxError>,
}

impl<'a> RequestBuilder<'a> {
    /// Appends encoded text to the path.
    pub fn path(mut self, text: &'static str) -> Self {
        self.path.push_str(text);
        self
    }

    /// Appends a value to the path, which cannot begin another segment.
    pub fn segment(self, name: &'static str, value: impl Display) -> Self {
        self.encoded(name, &value.to_string(), OUTSIDE_SEGMENT)
    }

    /// Appends a value to the path that may consist of several segments.
    pub fn segments(self, name: &'static str, value: impl Display) -> Self {
        self.encoded(name, &value.to_string(), OUTSIDE_PATH)
    }

    fn encoded(mut self, name: &'static str, value: &str, outside: &'static AsciiSet) -> Self {
        if value.is_empty() {
            return self.fail(format!("`{name}` is empty"));
        }
        self.path.extend(utf8_percent_encode(value, outside));
        self
    }

    /// Adds query parameters with this name, one for each value.
    pub fn query(mut self, name: &str, values: impl IntoIterator<Item = impl Display>) -> Self {
        for value in values {
            let mut query = self.url.query_pairs_mut();
            query.append_pair(name, &value.to_string());
        }
        self
    }

    /// Sets a header if there is a value. `name` is in lower case.
    pub fn header(mut self, name: &'static str, value: Option<impl Display>) -> Self {
        let Some(value) = value else { return self };
        match HeaderValue::try_from(value.to_string()) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
                self
            }
            Err(error) => self.fail(format!("the header `{name}` is invalid: {error}")),
        }
    }

    /// States the media type of the expected response.
    pub fn accept(mut self, media_type: &'static str) -> Self {
        self.headers
            .insert(ACCEPT, HeaderValue::from_static(media_type));
        self
    }

    /// Sets a JSON body if there is one.
    pub fn json<T: Serialize + ?Sized>(self, media_type: &'static str, body: Option<&T>) -> Self {
        let Some(body) = body else { return self };
        match serde_json::to_vec(body) {
            Ok(body) => self.body(media_type, Some(body)),
            Err(error) => self.fail(error),
        }
    }

    /// Sets a body of this media type if there is one.
    pub fn body(mut self, media_type: &'static str, body: Option<impl Into<Body>>) -> Self {
        if let Some(body) = body {
            self.headers
                .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            self.body = Some(body.into());
        }
        self
    }

    /// Adds form fields with this name, one for each value.
    pub fn field(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        for value in values {
            let value = value.to_string();
            match &mut self.form {
                Some(Form::UrlEncoded(form)) => {
                    form.query_pairs_mut().append_pair(name, &value);
                }
                Some(Form::Multipart(parts)) => parts.push(Part {
                    name,
                    is_file: false,
                    value: value.into(),
                }),
                None => {}
            }
        }
        self
    }

    /// Adds files with this name to a multipart form.
    pub fn files(mut self, name: &'static str, values: impl IntoIterator<Item = Bytes>) -> Self {
        if let Some(Form::Multipart(parts)) = &mut self.form {
            parts.extend(values.into_iter().map(|value| Part {
                name,
                is_file: true,
                value,
            }));
        }
        self
    }

    /// Begins a form whose fields follow.
    pub fn form(mut self) -> Self {
        let mut empty = self.url.clone();
        empty.set_query(None);
        self.form = Some(Form::UrlEncoded(Box::new(empty)));
        self
    }

    /// Begins a multipart form whose fields follow.
    pub fn multipart(mut self) -> Self {
        self.form = Some(Form::Multipart(Vec::new()));
        self
    }

    /// Sends the request, and reads the response with `read`.
    ///
    /// The request is complete before the future exists, so that the future stays small.
    pub fn send<T>(
        self,
        read: fn(Response<Bytes>) -> Result<ResponseValue<T>, Failure>,
    ) -> impl Future<Output = Result<ResponseValue<T>, Failure>> + Send + use<'a, T> {
        let (transport, operation) = (self.transport, self.operation);
        let sent = self
            .build()
            .map(|request| transport.send(request, operation));
        async move {
            let response = sent.map_err(Failure::Request)?.await;
            read(response.map_err(Failure::Transport)?)
        }
    }

    fn build(mut self) -> Result<Request, BoxError> {
        match self.form.take() {
            None => {}
            Some(Form::UrlEncoded(form)) => {
                let encoded = form.query().unwrap_or_default().to_owned();
                self = self.body("application/x-www-form-urlencoded", Some(encoded));
            }
            Some(Form::Multipart(parts)) => {
                let (boundary, encoded) = multipart(&parts);
                let media_type = format!("multipart/form-data; boundary={boundary}");
                self = self
                    .body("multipart/form-data", Some(encoded))
                    .header("content-type", Some(media_type));
            }
        }
        if let Some(error) = self.failure {
            return Err(error);
        }
        let (folder, path) = self.path.split_at(self.folder);
        if self.url.cannot_be_a_base() {
            let text = format!("`{}` is not the scheme of an endpoint", self.url.scheme());
            return Err(text.into());
        }
        self.url.set_path(&self.path);
        // A segment `..`, even if encoded, would lead to another operation.
        if self.url.path() != self.path {
            let text = format!("`{path}` leads outside of {folder}; check the ids in it");
            return Err(text.into());
        }
        let mut request = Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body;
        Ok(request)
    }

    fn fail(mut self, error: impl Into<BoxError>) -> Self {
        self.failure.get_or_insert(error.into());
        self
    }
}

/// The values of a list in one, or nothing if there are none.
pub fn joined(values: impl IntoIterator<Item = impl Display>, separator: &str) -> Option<String> {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    (!values.is_empty()).then(|| values.join(separator))
}

/// Encodes the parts of a form with a boundary that no part contains.
fn multipart(parts: &[Part]) -> (String, Vec<u8>) {
    let contains = |boundary: &str| {
        parts.iter().any(|part| {
            let mut windows = part.value.windows(boundary.len());
            windows.any(|window| window == boundary.as_bytes())
        })
    };
    let mut boundary = "----form-data-boundary".to_owned();
    while contains(&boundary) {
        boundary.push('-');
        boundary.push_str(&parts.len().to_string());
    }
    let mut body = Vec::new();
    for part in parts {
        // Writing to a vector cannot fail.
        let _ = write!(
            body,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
            quoted(part.name)
        );
        if part.is_file {
            let _ = write!(
                body,
                "; filename=\"{}\"\r\nContent-Type: application/octet-stream",
                quoted(part.name)
            );
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.value);
        body.extend_from_slice(b"\r\n");
    }
    let _ = write!(body, "--{boundary}--\r\n");
    (boundary, body)
}

/// A name as the content of a quoted string in a header, encoded as browsers do.
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace('"', "%22")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn connection(endpoint: &str) -> Connection {
        Connection::new(endpoint.parse().unwrap(), Arc::new(reqwest::Client::new()))
    }

    fn built(endpoint: &str, fill: fn(RequestBuilder<'_>) -> RequestBuilder<'_>) -> Request {
        let connection = connection(endpoint);
        fill(connection.request(Method::POST, "test"))
            .build()
            .unwrap()
    }

    #[test]
    fn paths_are_below_the_endpoint() {
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
            let request = built(endpoint, |request| {
                request
                    .path("calls:find/")
                    .segment("id", "a/b")
                    .path(":pause")
                    .query("q", ["1 2"])
            });
            let expected = format!("{expected}calls:find/a%2Fb:pause?q=1+2");
            assert_eq!(request.url().as_str(), expected);
        }
    }

    /// Any id stays one path segment, or the request is rejected.
    #[test]
    fn ids_stay_in_their_path_segment() {
        let connection = connection("https://contoso.example/acs");
        let path = |id: &str| {
            let request = connection.request(Method::DELETE, "test");
            let request = request.path("recordings/").segment("id", id).path(":pause");
            request
                .build()
                .map(|request| request.url().path().to_owned())
        };
        let alone = |id: &str| {
            let request = connection.request(Method::DELETE, "test");
            request.path("recordings/").segment("id", id).build()
        };
        for id in ["..", ".", ""] {
            assert!(alone(id).is_err(), "{id:?}");
        }
        let hostile: String = (0..=u8::MAX).map(char::from).collect();
        for id in [
            r"..\..\identities\8:acs:x",
            "a/../b",
            "%2e%2e",
            "\t\n",
            &hostile,
        ] {
            let sent = path(id).unwrap();
            let segments: Vec<_> = sent.split('/').collect();
            assert_eq!(segments.len(), 4, "{sent}");
            let segment = segments[3].strip_suffix(":pause").unwrap();
            let decoded = percent_encoding::percent_decode_str(segment);
            assert_eq!(decoded.decode_utf8().unwrap(), id);
        }
    }

    #[test]
    fn a_value_of_several_segments_cannot_leave_the_path() {
        let request = built("https://contoso.example/acs", |request| {
            request.segments("path", "a/b c?d")
        });
        assert_eq!(request.url().path(), "/acs/a/b%20c%3Fd");
        let connection = connection("https://contoso.example/acs");
        let request = connection.request(Method::GET, "test");
        let error = request.segments("path", "../b").build().unwrap_err();
        assert!(error.to_string().contains("leads outside"), "{error}");
    }

    #[test]
    fn an_endpoint_without_a_host_is_an_error() {
        let connection = connection("mailto:contoso@example.com");
        let error = connection.request(Method::GET, "test").path("a").build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "`mailto` is not the scheme of an endpoint"
        );
    }

    #[test]
    fn forms_are_encoded() {
        let text = |request: Request| {
            let body = request.body().unwrap().as_bytes().unwrap();
            (
                request.headers()["content-type"]
                    .to_str()
                    .unwrap()
                    .to_owned(),
                String::from_utf8(body.to_owned()).unwrap(),
            )
        };
        let request = built("https://contoso.example", |request| {
            request.form().field("a", ["1&2", "ä"]).field("b", Some(3))
        });
        let (media_type, body) = text(request);
        assert_eq!(media_type, "application/x-www-form-urlencoded");
        assert_eq!(body, "a=1%262&a=%C3%A4&b=3");

        let request = built("https://contoso.example", |request| {
            let file = Bytes::from_static(b"----form-data-boundary");
            request.multipart().field("a", [1]).files("f\"", Some(file))
        });
        let (media_type, body) = text(request);
        assert_eq!(
            media_type,
            "multipart/form-data; boundary=----form-data-boundary-2"
        );
        let boundary = "------form-data-boundary-2";
        let expected = [
            boundary,
            "Content-Disposition: form-data; name=\"a\"",
            "",
            "1",
            boundary,
            "Content-Disposition: form-data; name=\"f%22\"; filename=\"f%22\"",
            "Content-Type: application/octet-stream",
            "",
            "----form-data-boundary",
            "------form-data-boundary-2--",
            "",
        ];
        assert_eq!(body, expected.join("\r\n"));
    }

    #[test]
    fn the_future_of_an_operation_is_small() {
        let connection = connection("https://contoso.example");
        let sent = connection
            .request(Method::GET, "test")
            .send(super::super::empty);
        assert!(size_of_val(&sent) <= 96, "{}", size_of_val(&sent));
    }
}
