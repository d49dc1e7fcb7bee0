//! The body of a response.

use std::fmt;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use serde::Serialize;

use super::TransportError;
use crate::error::{Error, ErrorKind, Result};

/// The bytes of a body, as they are received.
pub(crate) type ByteStream = BoxStream<'static, Result<Bytes, TransportError>>;

/// The body of a response that a [`Transport`](crate::Transport) returns: bytes, text, JSON, or a
/// stream.
///
/// ```
/// use acs_recording::Body;
/// use futures_util::stream;
///
/// let text = Body::from("not found");
/// let json = Body::json(&serde_json::json!({"recordingId": "r1"}))?;
/// let parts = ["RIFF", "...."].map(Ok::<_, std::io::Error>);
/// let streamed = Body::from_stream(stream::iter(parts));
/// # Ok::<(), acs_recording::Error>(())
/// ```
pub struct Body(Inner);

enum Inner {
    Bytes(Bytes),
    /// The lock is never taken. It makes the type `Sync`.
    Stream(Mutex<ByteStream>),
}

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_vec(value) {
            Ok(json) => Ok(Self::from(json)),
            Err(error) => {
                let text = "the body cannot be written as JSON";
                Err(Error::new(ErrorKind::InvalidInput, text).with_source(error))
            }
        }
    }

    /// A body in parts. An error ends it, like a broken connection.
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<TransportError> + 'static,
    {
        let stream = stream.map_ok(Into::into).map_err(Into::into);
        Self(Inner::Stream(Mutex::new(stream.boxed())))
    }

    pub(crate) fn into_stream(self) -> ByteStream {
        match self.0 {
            Inner::Bytes(bytes) if bytes.is_empty() => stream::empty().boxed(),
            Inner::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
            Inner::Stream(stream) => stream.into_inner(),
        }
    }

    /// Appends the body to `buffer`, up to a total of `limit` bytes. Returns whether the body is complete.
    ///
    /// What was read before an error, or before the future was dropped, stays in the buffer.
    pub(crate) async fn read_into(
        self,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, TransportError> {
        let mut stream = self.into_stream();
        while let Some(part) = stream.try_next().await? {
            let room = limit.saturating_sub(buffer.len());
            buffer.extend_from_slice(&part[..part.len().min(room)]);
            if part.len() > room {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from(Bytes::from_static(bytes))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Stream(_) => write!(f, "Body(stream)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_a_limit() {
        let parts = || {
            let parts = ["abc", "def"].map(Ok::<_, std::io::Error>);
            Body::from_stream(stream::iter(parts))
        };
        for (limit, read, whole) in [
            (7, "abcdef", true),
            (6, "abcdef", true),
            (5, "abcde", false),
        ] {
            let mut buffer = Vec::new();
            assert_eq!(parts().read_into(&mut buffer, limit).await.unwrap(), whole);
            assert_eq!(buffer, read.as_bytes());
        }
        let mut buffer = Vec::new();
        assert!(!Body::from("abc").read_into(&mut buffer, 2).await.unwrap());
        assert_eq!(buffer, b"ab");
    }

    #[test]
    fn a_body_may_cross_threads_and_is_not_shown() {
        fn shared<T: Send + Sync>(value: T) -> T {
            value
        }
        assert_eq!(
            format!("{:?}", shared(Body::from("secret"))),
            "Body(6 bytes)"
        );
    }
}
