//! The built-in transport: HTTPS with reqwest, and which requests go through a proxy.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, Method};
use reqwest::Client;
use url::Url;

use super::http_options::HttpOptions;
use super::{Body, Response, Transport, TransportError, TransportErrorKind, TransportFuture};
use crate::credential::is_loopback;
use crate::error::{Error, ErrorKind, Result};

/// A client that goes through the proxy, and one that does not.
///
/// Requests to loopback bypass the proxy, which would send them to its own machine, and would receive
/// credentials unencrypted. Each client is created when it is first needed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClients(Arc<Inner>);

struct Inner {
    options: HttpOptions,
    proxied: OnceLock<Client>,
    direct: OnceLock<Client>,
}

impl HttpClients {
    /// Clients with these options. The one for `first` is created immediately, so that invalid options
    /// are reported.
    pub(crate) fn new(options: HttpOptions, first: &Url) -> Result<Self> {
        options.check()?;
        let clients = Self(Arc::new(Inner {
            options,
            proxied: OnceLock::new(),
            direct: OnceLock::new(),
        }));
        match clients.client(first) {
            Ok(_) => Ok(clients),
            Err(error) => Err(cannot_be_set_up(error)),
        }
    }

    /// A client of the caller's own, for all requests.
    #[cfg(feature = "unstable-reqwest")]
    pub(crate) fn with_client(client: &Client) -> Self {
        Self(Arc::new(Inner {
            options: HttpOptions::default(),
            proxied: OnceLock::from(client.clone()),
            direct: OnceLock::from(client.clone()),
        }))
    }

    /// The client that sends requests to a URL.
    fn client(&self, url: &Url) -> reqwest::Result<&Client> {
        let inner = &*self.0;
        let is_direct = is_loopback(url);
        let client = if is_direct {
            &inner.direct
        } else {
            &inner.proxied
        };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let built = inner.options.client(is_direct).build()?;
        Ok(client.get_or_init(|| built))
    }

    /// Sends a request once.
    pub(super) async fn execute(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, TransportError> {
        let client = self.client(url).map_err(|error| {
            let text = "the HTTP client cannot be set up";
            TransportError::new(TransportErrorKind::Request, text).with_source(error)
        })?;
        let mut request = reqwest::Request::new(method, url.clone());
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        match client.execute(request).await {
            Ok(mut response) => {
                let mut head = http::Response::new(());
                *head.status_mut() = response.status();
                *head.version_mut() = response.version();
                *head.headers_mut() = std::mem::take(response.headers_mut());
                let body = response.bytes_stream().map_err(transport_error);
                Ok(head.map(|()| Body::from_stream(body)))
            }
            Err(error) => {
                let error = transport_error(error);
                let is_connect = error.kind() == TransportErrorKind::Connect;
                match self.0.options.used_proxy(url).filter(|_| is_connect) {
                    Some(proxy) => Err(error.with_proxy(proxy)),
                    None => Err(error),
                }
            }
        }
    }
}

impl Transport for HttpClients {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let url = Url::parse(&head.uri.to_string()).map_err(|error| {
                let text = "the URL is not valid";
                TransportError::new(TransportErrorKind::Request, text).with_source(error)
            })?;
            self.execute(head.method, &url, head.headers, body).await
        })
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

fn cannot_be_set_up(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::InvalidInput, "the HTTP client cannot be set up").with_source(error)
}

/// Converts an error of reqwest, without the URL, which may contain secrets.
fn transport_error(error: reqwest::Error) -> TransportError {
    let kind = if is_untrusted(&error) {
        TransportErrorKind::Untrusted
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else if error.is_builder() {
        TransportErrorKind::Request
    } else {
        TransportErrorKind::Interrupted
    };
    let error = error.without_url();
    TransportError::new(kind, error.to_string()).with_source(error)
}

/// Whether the certificate of the server was rejected.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(at) = cause {
        if let Some(error) = at.downcast_ref::<rustls::Error>() {
            return matches!(error, rustls::Error::InvalidCertificate(_));
        }
        // The source of an I/O error is not the error that it wraps, but the source of that.
        let wrapped = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => at.source(),
        };
    }
    false
}
