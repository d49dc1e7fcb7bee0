//! Media files as `acs-recording inspect` reads them: WAV, MP3, MP4, and anything else.
//!
//! The readers are in a binary crate, which cannot be a dependency, so their files are included
//! here.

#![no_main]
#![allow(dead_code, reason = "only part of the program is used")]

#[path = "../../../acs-recording-cli/src/failure.rs"]
mod failure;
#[path = "../../../acs-recording-cli/src/stop.rs"]
mod stop;
#[path = "../../../acs-recording-cli/src/text.rs"]
mod text;

#[path = "../../../acs-recording-cli/src/commands"]
mod commands {
    pub mod inspect {
        mod codec;
        mod levels;
        mod media;
        mod mp3;
        mod mp4;
        mod open;
        mod other;
        mod pcm;
        mod source;
        mod wav;

        use std::path::Path;

        /// Inspects a file, and returns why it cannot be read.
        pub fn inspect(path: &Path) -> Result<(), crate::failure::Failure> {
            open::read(path, &[60, 8]).map(drop)
        }
    }
}

use std::io::{Seek as _, Write as _};
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;

/// One file for all inputs.
static FILE: LazyLock<Mutex<tempfile::NamedTempFile>> =
    LazyLock::new(|| Mutex::new(tempfile::NamedTempFile::new().unwrap()));

fuzz_target!(|bytes: &[u8]| {
    let mut file = FILE.lock().unwrap();
    file.as_file().set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(bytes).unwrap();
    file.flush().unwrap();
    if let Err(failure) = commands::inspect::inspect(file.path()) {
        assert!(matches!(failure.exit_code(), 1 | 6), "{failure:?}");
    }
});
