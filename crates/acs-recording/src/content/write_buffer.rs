//! Buffers bytes of one connection and writes them to the part file in larger steps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::part_file::PartFile;

/// The memory of all filling buffers of a download together. As much again is being written.
const MEMORY_LIMIT: usize = 512 * 1024;

/// The longest time that bytes stay in memory, so that little is lost when the process is killed.
pub(super) const MAX_DELAY: Duration = Duration::from_millis(300);

/// The size of each buffer, for this number of connections.
pub(super) fn buffer_size(connections: usize) -> usize {
    (MEMORY_LIMIT / connections.max(1)).clamp(64 * 1024, 256 * 1024)
}

/// Two buffers: one fills while the other one is written.
///
/// Received bytes are copied. Keeping them would keep the much larger buffers that the HTTP client
/// read them into, and it would have to allocate new ones all the time.
pub(super) struct WriteBuffer {
    file: Arc<PartFile>,
    generation: u64,
    capacity: usize,
    /// The offset in the content of the first buffered byte.
    position: u64,
    bytes: Vec<u8>,
    /// When the first buffered byte was received.
    filling_since: Instant,
    writing: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// The buffer that was written last, to reuse its memory.
    spare: Vec<u8>,
}

impl WriteBuffer {
    pub(super) fn new(
        file: &Arc<PartFile>,
        generation: u64,
        position: u64,
        capacity: usize,
    ) -> Self {
        Self {
            file: Arc::clone(file),
            generation,
            capacity,
            position,
            bytes: Vec::new(),
            filling_since: Instant::now(),
            writing: None,
            spare: Vec::new(),
        }
    }

    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.bytes.is_empty() {
                self.filling_since = Instant::now();
                self.bytes.reserve_exact(self.capacity);
            }
            let room = self.capacity.saturating_sub(self.bytes.len());
            let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
            self.bytes.extend_from_slice(fitting);
            bytes = rest;
            if self.bytes.len() >= self.capacity || self.filling_since.elapsed() >= MAX_DELAY {
                self.start_write().await?;
            }
        }
        Ok(())
    }

    /// Starts to write the buffer, as soon as the previous one is written.
    async fn start_write(&mut self) -> io::Result<()> {
        self.finish_write().await?;
        let bytes = std::mem::replace(&mut self.bytes, std::mem::take(&mut self.spare));
        let (position, generation) = (self.position, self.generation);
        self.position += bytes.len() as u64;
        let file = Arc::clone(&self.file);
        let write = move || file.write(generation, position, &bytes).map(|()| bytes);
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    async fn finish_write(&mut self) -> io::Result<()> {
        if let Some(writing) = self.writing.take() {
            self.spare = writing.await??;
            self.spare.clear();
        }
        Ok(())
    }

    /// Writes all buffered bytes.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.start_write().await?;
        }
        self.finish_write().await
    }
}
