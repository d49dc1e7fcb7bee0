//! Bodies that are delayed, slow, altered or truncated.

use std::io;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::Instant;

use crate::faults::Fault;

/// Time for the bytes before a cut to leave the emulator.
const LAST_BYTES: Duration = Duration::from_millis(20);
/// The number of chunks that a slow body sends per second.
const STEPS: u64 = 50;

/// A response that is never sent. Its body fails before the headers are written, so the server
/// closes the connection without a response.
pub(super) fn broken() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(gone())])))
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "an injected fault")
}

/// The changes to a body.
#[derive(Debug)]
pub(super) struct Flow {
    alter: u8,
    /// The number of bytes until the end of the body, and whether the connection is closed there.
    end: Option<(u64, bool)>,
    rate: Option<u64>,
    wait: Option<Duration>,
}

struct Running {
    flow: Flow,
    body: BodyDataStream,
    /// Data that has been read but not sent.
    rest: Bytes,
    started: Instant,
    sent: u64,
}

impl Flow {
    pub(super) fn new(fault: &Fault) -> Self {
        let end = match (fault.cut_after, fault.shorten_to) {
            (Some(cut), Some(short)) if short <= cut => Some((short, false)),
            (Some(cut), _) => Some((cut, true)),
            (None, short) => short.map(|short| (short, false)),
        };
        Self {
            alter: fault.alter.unwrap_or(0),
            end,
            rate: fault.bytes_per_second,
            wait: fault.first_byte_delay_ms.map(Duration::from_millis),
        }
    }

    /// Whether the body is unchanged.
    pub(super) fn is_plain(&self) -> bool {
        self.alter == 0 && self.end.is_none() && self.rate.is_none() && self.wait.is_none()
    }

    pub(super) fn over(self, body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send {
        let running = Running {
            flow: self,
            body: body.into_data_stream(),
            rest: Bytes::new(),
            started: Instant::now(),
            sent: 0,
        };
        stream::unfold(running, Running::step)
    }
}

impl Running {
    async fn step(mut self) -> Option<(Result<Bytes, axum::Error>, Self)> {
        if let Some(wait) = self.flow.wait.take() {
            tokio::time::sleep(wait).await;
            self.started = Instant::now();
        }
        while self.rest.is_empty() {
            match self.body.next().await? {
                Ok(bytes) => self.rest = bytes,
                Err(error) => return Some((Err(error), self)),
            }
        }
        let mut length = self.rest.len();
        if let Some((end, cut)) = self.flow.end {
            let left = usize::try_from(end - self.sent).unwrap_or(usize::MAX);
            if left == 0 && cut {
                tokio::time::sleep(LAST_BYTES).await;
                return Some((Err(axum::Error::new(gone())), self));
            }
            if left == 0 {
                return None;
            }
            length = length.min(left);
        }
        if let Some(rate) = self.flow.rate {
            let step = usize::try_from((rate / STEPS).max(1)).unwrap_or(usize::MAX);
            length = length.min(step);
            let due = u128::from(self.sent) * 1_000_000 / u128::from(rate);
            let due = Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX));
            tokio::time::sleep_until(self.started + due).await;
        }
        let mut piece = self.rest.split_to(length);
        self.sent += piece.len() as u64;
        if self.flow.alter != 0 {
            piece = piece.iter().map(|byte| byte ^ self.flow.alter).collect();
        }
        Some((Ok(piece), self))
    }
}
