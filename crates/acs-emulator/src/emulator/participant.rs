//! Participants of calls that tests set up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::media::Voice;
use crate::service::participant::NewParticipant;

/// A participant of a call, with a name and a voice.
///
/// The name is chosen by the test. Within one emulator, a name always refers to the same user.
/// [`Call::participant`](crate::Call::participant) returns the raw id for a name. A name that is a
/// raw id, such as `4:+4930123456`, is used as the raw id.
///
/// The voice is a test tone by default, a different one for each participant of a call.
/// [`Participant::audio_file`] sets another voice.
#[derive(Clone)]
pub struct Participant {
    pub(crate) name: String,
    pub(crate) voice: Option<Arc<Voice>>,
}

impl Participant {
    /// Creates a participant who speaks a test tone.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            voice: None,
        }
    }

    /// Speaks the content of a WAV file, which starts when the participant joins. After the end of
    /// the file, the participant is silent.
    ///
    /// The file can have integer samples of 8 to 32 bits or 32-bit floats, at any sample rate and
    /// with any number of channels. It is converted to one channel at 16 kHz by linear
    /// interpolation.
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

impl From<Participant> for NewParticipant {
    fn from(participant: Participant) -> Self {
        let Participant { name, voice } = participant;
        Self { name, voice }
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
