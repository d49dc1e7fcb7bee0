//! Requests for content, and the redirects that they follow.

use http::header::{HeaderMap, LOCATION};
use http::{Method, StatusCode};
use tracing::debug;
use url::Url;

use super::denial::Denial;
use super::pipeline::{Authentication, Request};
use super::{Body, Pipeline, Response, authority};
use crate::credential::is_loopback;
use crate::error::{Error, ErrorKind, Result};

/// The maximum number of redirects of a request for content.
const MAX_REDIRECTS: usize = 5;

impl Pipeline {
    /// Sends a request for content, and follows redirects.
    ///
    /// The host and the path must be those of content, also after a redirect. Only reads follow a
    /// redirect to another host, and without credentials.
    pub(crate) async fn content(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Response> {
        self.hosts.check(&method, url)?;
        let mut url = url.clone();
        let mut authentication = Authentication::Content;
        let deadline = self.deadline();
        for _ in 0..=MAX_REDIRECTS {
            let request = Request {
                method: method.clone(),
                url: url.clone(),
                headers: headers.clone(),
                body: bytes::Bytes::new(),
            };
            let response: http::Response<Body> =
                self.run(request, authentication, deadline).await?;
            let Some(target) = redirect_target(&response, &url)? else {
                return Ok(response);
            };
            // A host that receives no credentials cannot redirect them.
            let is_trusted = matches!(authentication, Authentication::Content);
            authentication = match self.redirected(&method, &url, &target)? {
                Authentication::Content if is_trusted => Authentication::Content,
                _ => Authentication::Anonymous,
            };
            debug!(to = authority(&target), "redirected");
            url = target;
        }
        let last = authority(&url);
        let message = format!("more than {MAX_REDIRECTS} redirects, the last to {last}");
        Err(Error::new(ErrorKind::InvalidResponse, message))
    }

    /// How the request after a redirect authenticates.
    ///
    /// # Errors
    /// The request must not be sent.
    fn redirected(&self, method: &Method, from: &Url, to: &Url) -> Result<Authentication> {
        let refuse = |to: &str| {
            let message = format!("{} redirects to {to}", authority(from));
            Err(Error::new(ErrorKind::ForbiddenHost, message))
        };
        if !matches!(to.scheme(), "http" | "https") {
            return refuse(&format!("a `{}:` URL, which is not https", to.scheme()));
        }
        if from.scheme() == "https" && to.scheme() != "https" {
            return refuse("a URL that is not https");
        }
        match self.hosts.allows(method, to) {
            Ok(()) => Ok(Authentication::Content),
            // Storage may redirect to signed URLs on other hosts, which need no credentials.
            Err(Denial::Host | Denial::OwnStorage | Denial::NotEncrypted)
                if *method == Method::GET && (is_loopback(from) || !is_loopback(to)) =>
            {
                Ok(Authentication::Anonymous)
            }
            Err(denial) => {
                let from = authority(from);
                let refused = denial.into_error(method, to);
                let message = format!("{from} redirects elsewhere: {}", refused.summary());
                Err(Error::new(ErrorKind::ForbiddenHost, message).with_source(refused))
            }
        }
    }
}

/// The target of a redirect. None for any other response.
fn redirect_target<B>(response: &http::Response<B>, from: &Url) -> Result<Option<Url>> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect {
        return Ok(None);
    }
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok());
    target.map(Some).ok_or_else(|| {
        let message = format!("{} redirects without a valid location", authority(from));
        Error::new(ErrorKind::InvalidResponse, message)
    })
}
