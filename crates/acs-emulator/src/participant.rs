//! Who takes part in a call that a test sets up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::media::Voice;

/// Somebody in a call: a name and a voice.
///
/// The name is the test's own. [`Call::participant`](crate::Call::participant) tells which raw id
/// goes with it, and within one emulator a name always means the same user. A name that is a raw
/// id already, such as `4:+4930123456`, is used as it is.
///
/// The voice is a test tone, a different one for each participant of a call, unless
/// [`Participant::audio_file`] gives another.
#[derive(Clone)]
pub struct Participant {
    pub(crate) name: String,
    pub(crate) voice: Option<Arc<Voice>>,
}

impl Participant {
    /// A participant who speaks a test tone.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            voice: None,
        }
    }

    /// Speaks the content of a WAV file, from the moment of joining to the end of the file, and is
    /// silent after that.
    ///
    /// Integer samples of 8 to 32 bits and 32-bit floats are read, at any rate and with any number
    /// of channels. They are mixed down to one channel at 16 kHz by linear interpolation.
    ///
    /// # Errors
    ///
    /// [`Error::AudioFile`] if the file cannot be read.
    pub fn audio_file(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let voice = Voice::from_wav(path).map_err(|source| Error::AudioFile {
            path: path.to_owned(),
            source: source.into(),
        })?;
        self.voice = Some(Arc::new(voice));
        Ok(self)
    }
}

impl fmt::Debug for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participant")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl From<&str> for Participant {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Participant {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}
