//! A queue of files in a folder: what a queue has to do for a worker, on one page.
//!
//! A message is a file, and everything about it is in its name: when it is visible, how often it was
//! received, and its id. Renaming a file is atomic, so of two receivers one gets the message. The name
//! is the pop receipt: after another rename it leads to nothing, and the lease is lost.

use std::io::{Error as IoError, ErrorKind as IoErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_recording_archive::{Error, ErrorKind, EventQueue, Message, Result};
use async_trait::async_trait;

/// A queue of files in a folder.
#[derive(Clone, Debug)]
pub struct FileQueue {
    folder: PathBuf,
}

/// The name of a file: `VISIBLE_AT.DEQUEUE_COUNT.ID`, with the time in milliseconds.
struct Name {
    visible_at: u128,
    dequeue_count: u32,
    id: String,
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        Some(Self {
            visible_at: parts.next()?.parse().ok()?,
            dequeue_count: parts.next()?.parse().ok()?,
            id: parts.next()?.to_owned(),
        })
    }

    fn text(&self) -> String {
        let Self {
            visible_at,
            dequeue_count,
            id,
        } = self;
        format!("{visible_at}.{dequeue_count}.{id}")
    }
}

impl FileQueue {
    /// The queue in a folder, which is created if it does not exist.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder.join("poison"))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Adds a message.
    pub fn send(&self, id: &str, body: &[u8]) -> std::io::Result<()> {
        let name = Name {
            visible_at: 0,
            dequeue_count: 0,
            id: id.to_owned(),
        };
        // Nobody receives it before it is complete.
        let incomplete = self.folder.join(format!("new-{id}"));
        std::fs::write(&incomplete, body)?;
        std::fs::rename(incomplete, self.folder.join(name.text()))
    }

    fn names(&self) -> std::io::Result<Vec<Name>> {
        let files = std::fs::read_dir(&self.folder)?;
        let names = files.filter_map(|file| Name::parse(file.ok()?.file_name().to_str()?));
        Ok(names.collect())
    }

    /// Renames a message so that it is visible after some time; gives its new name.
    fn hide(&self, message: &Message, time: Duration) -> Result<String> {
        let current = message.pop_receipt();
        let mut name = Name::parse(current).ok_or_else(|| lost(message))?;
        name.visible_at = after(time);
        let next = name.text();
        std::fs::rename(self.folder.join(current), self.folder.join(&next))
            .map_err(|error| failed(message, &error))?;
        Ok(next)
    }
}

#[async_trait]
impl EventQueue for FileQueue {
    async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
        let unreadable = |error: IoError| {
            Error::new(ErrorKind::Io, format!("the queue cannot be read: {error}"))
        };
        let now = after(Duration::ZERO);
        let mut messages = Vec::new();
        for mut name in self.names().map_err(unreadable)? {
            if messages.len() == max {
                break;
            }
            if name.visible_at > now {
                continue;
            }
            let old = self.folder.join(name.text());
            name.visible_at = after(lease);
            name.dequeue_count += 1;
            let new = self.folder.join(name.text());
            match std::fs::rename(old, &new) {
                Ok(()) => {}
                // Another receiver was quicker.
                Err(error) if error.kind() == IoErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(error)),
            }
            let body = std::fs::read(&new).map_err(unreadable)?;
            let mut message = Message::new(&name.id, body, name.text());
            message.dequeue_count = name.dequeue_count;
            messages.push(message);
        }
        Ok(messages)
    }

    async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()> {
        let name = self.hide(message, lease)?;
        message.set_pop_receipt(name);
        Ok(())
    }

    async fn complete(&self, message: &Message) -> Result<()> {
        let file = self.folder.join(message.pop_receipt());
        std::fs::remove_file(file).map_err(|error| failed(message, &error))
    }

    async fn release(&self, message: &Message, time: Duration) -> Result<()> {
        self.hide(message, time).map(drop)
    }

    async fn bury(&self, message: &Message, _reason: &str) -> Result<()> {
        let file = self.folder.join(message.pop_receipt());
        let poison = self.folder.join("poison").join(&message.id);
        std::fs::rename(file, poison).map_err(|error| failed(message, &error))
    }

    async fn approximate_depth(&self) -> Result<Option<u64>> {
        Ok(self.names().ok().map(|names| names.len() as u64))
    }
}

/// The time in milliseconds, after a duration from now.
fn after(time: Duration) -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    (now.unwrap_or_default() + time).as_millis()
}

fn failed(message: &Message, error: &IoError) -> Error {
    if error.kind() == IoErrorKind::NotFound {
        return lost(message);
    }
    let text = format!("message {} cannot be changed: {error}", message.id);
    Error::new(ErrorKind::Io, text)
}

fn lost(message: &Message) -> Error {
    let text = format!("another worker holds message {}", message.id);
    Error::new(ErrorKind::LeaseLost, text)
}
