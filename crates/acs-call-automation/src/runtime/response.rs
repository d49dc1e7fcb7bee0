//! The results of operations.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::Failure;

/// The value of a successful response, with its status and headers.
pub struct ResponseValue<T> {
    value: T,
    status: StatusCode,
    headers: HeaderMap,
}

impl<T> ResponseValue<T> {
    /// Creates a response, for tests of code that reads one.
    pub fn new(value: T, status: StatusCode, headers: HeaderMap) -> Self {
        Self {
            value,
            status,
            headers,
        }
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Replaces the value.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> ResponseValue<U> {
        ResponseValue {
            value: change(self.value),
            status: self.status,
            headers: self.headers,
        }
    }
}

impl<T> Deref for ResponseValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for ResponseValue<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> AsRef<T> for ResponseValue<T> {
    fn as_ref(&self) -> &T {
        &self.value
    }
}

/// Shows the value only, because headers may contain secrets.
impl<T: fmt::Debug> fmt::Debug for ResponseValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// Reads a response with a JSON body.
pub fn json<T: DeserializeOwned>(response: Response<Bytes>) -> Result<ResponseValue<T>, Failure> {
    match serde_json::from_slice(response.body()) {
        Ok(value) => Ok(with_value(response, |_| value)),
        Err(source) => Err(Failure::Body {
            response: Box::new(response),
            source,
        }),
    }
}

/// Reads a response with a text body. Bytes that are not UTF-8 become replacement characters.
pub fn text(response: Response<Bytes>) -> Result<ResponseValue<String>, Failure> {
    Ok(with_value(response, |body| {
        String::from_utf8_lossy(&body).into_owned()
    }))
}

/// Reads a response with any other body.
pub fn binary(response: Response<Bytes>) -> Result<ResponseValue<Bytes>, Failure> {
    Ok(with_value(response, |body| body))
}

/// Reads a response without a body.
pub fn empty(response: Response<Bytes>) -> Result<ResponseValue<()>, Failure> {
    Ok(with_value(response, drop))
}

fn with_value<T>(response: Response<Bytes>, value: impl FnOnce(Bytes) -> T) -> ResponseValue<T> {
    let (head, body) = response.into_parts();
    ResponseValue::new(value(body), head.status, head.headers)
}
