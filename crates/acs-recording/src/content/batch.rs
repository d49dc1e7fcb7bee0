//! Bytes on their way from one connection to the file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::sink::Sink;

/// Memory that all batches of a download may take together, once being filled and once being
/// written.
const BUDGET: usize = 1024 * 1024;

/// How long bytes stay in memory at the most, so that a kill loses little.
pub(super) const MAX_WAIT: Duration = Duration::from_millis(300);

/// How large a batch is, when so many connections have one each.
pub(super) fn size_for(connections: usize) -> usize {
    (BUDGET / connections.max(1)).clamp(64 * 1024, 256 * 1024)
}

/// Collects what comes in and writes it in larger steps: while one is written, the next is
/// collected.
pub(super) struct Batch {
    sink: Arc<Sink>,
    generation: u64,
    size: usize,
    /// Where in the content the batch begins.
    at: u64,
    pieces: Vec<Bytes>,
    length: usize,
    /// When the first of them came.
    since: Instant,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl Batch {
    pub(super) fn new(sink: &Arc<Sink>, generation: u64, at: u64, size: usize) -> Self {
        Self {
            sink: Arc::clone(sink),
            generation,
            size,
            at,
            pieces: Vec::new(),
            length: 0,
            since: Instant::now(),
            writing: None,
        }
    }

    pub(super) async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.pieces.is_empty() {
            self.since = Instant::now();
        }
        self.length += bytes.len();
        self.pieces.push(bytes);
        if self.length < self.size && self.since.elapsed() < MAX_WAIT {
            return Ok(());
        }
        self.write().await
    }

    /// Hands on what was collected, as soon as what was handed on before is written.
    async fn write(&mut self) -> io::Result<()> {
        self.written().await?;
        let pieces = std::mem::take(&mut self.pieces);
        let (at, generation) = (self.at, self.generation);
        self.at += self.length as u64;
        self.length = 0;
        let sink = Arc::clone(&self.sink);
        let write = move || sink.write(generation, at, &pieces);
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    async fn written(&mut self) -> io::Result<()> {
        match self.writing.take() {
            Some(writing) => writing.await?,
            None => Ok(()),
        }
    }

    /// Waits until all of it is written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.length > 0 {
            self.write().await?;
        }
        self.written().await
    }
}
