//! Bytes on their way from one connection to the file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::sink::Sink;

/// Memory that all batches of a download take together, once for being filled and once for being
/// written.
const BUDGET: usize = 512 * 1024;

/// How long bytes stay in memory at the most, so that a kill loses little.
pub(super) const MAX_WAIT: Duration = Duration::from_millis(300);

/// How large a batch is, when so many connections have one each.
pub(super) fn size_for(connections: usize) -> usize {
    (BUDGET / connections.max(1)).clamp(64 * 1024, 256 * 1024)
}

/// Collects what comes in and writes it in larger steps: while one is written, the next is
/// collected.
///
/// It copies. To keep the pieces would keep the much larger buffers that they were read into, and
/// the connection would have to get new ones all the time.
pub(super) struct Batch {
    sink: Arc<Sink>,
    generation: u64,
    size: usize,
    /// Where in the content the batch begins.
    at: u64,
    bytes: Vec<u8>,
    /// When the first of them came.
    since: Instant,
    writing: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// What was written last, for its memory.
    spare: Vec<u8>,
}

impl Batch {
    pub(super) fn new(sink: &Arc<Sink>, generation: u64, at: u64, size: usize) -> Self {
        Self {
            sink: Arc::clone(sink),
            generation,
            size,
            at,
            bytes: Vec::new(),
            since: Instant::now(),
            writing: None,
            spare: Vec::new(),
        }
    }

    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.bytes.is_empty() {
                self.since = Instant::now();
                self.bytes.reserve_exact(self.size);
            }
            let room = self.size.saturating_sub(self.bytes.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
            if self.bytes.len() >= self.size || self.since.elapsed() >= MAX_WAIT {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Hands on what was collected, as soon as what was handed on before is written.
    async fn write(&mut self) -> io::Result<()> {
        self.written().await?;
        let bytes = std::mem::replace(&mut self.bytes, std::mem::take(&mut self.spare));
        let (at, generation) = (self.at, self.generation);
        self.at += bytes.len() as u64;
        let sink = Arc::clone(&self.sink);
        let write = move || sink.write(generation, at, &bytes).map(|()| bytes);
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    async fn written(&mut self) -> io::Result<()> {
        if let Some(writing) = self.writing.take() {
            self.spare = writing.await??;
            self.spare.clear();
        }
        Ok(())
    }

    /// Waits until all of it is written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.write().await?;
        }
        self.written().await
    }
}
