//! Runs the program.

use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use acs_emulator::{Emulator, StoredRecording};
use serde_json::{Value, json};

/// The program for one resource, with an otherwise empty environment.
pub(crate) struct Program {
    connection_string: String,
    pub(crate) dir: tempfile::TempDir,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    pub(crate) fn new(acs: &Emulator) -> Self {
        Self::with_connection_string(acs.connection_string())
    }

    pub(crate) fn with_connection_string(text: &str) -> Self {
        Self {
            connection_string: text.to_owned(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acs-recording"));
        command.args(arguments).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command.env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("ACS_CONNECTION_STRING", &self.connection_string);
        // Profiles of whoever runs the tests do not count.
        command.env("HOME", self.dir.path());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.check(self.command(arguments).output().unwrap())
    }

    /// Runs the program with standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = spawn(self.command(arguments).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        self.check(child.output())
    }

    /// The result of a run. Checks that the key is not in the output.
    pub(crate) fn check(&self, output: Output) -> Run {
        let run = Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        if let Some((_, key)) = self.connection_string.split_once("accesskey=") {
            assert!(!run.out.contains(key) && !run.err.contains(key), "{run:?}");
        }
        run
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }
}

impl Run {
    /// Standard output of a success, without the line end.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The error line of a failure.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "");
        assert_eq!(self.err.trim_end().lines().count(), 1, "{self:?}");
        self.err.trim_end().to_owned()
    }
}

/// A running program, which is killed when dropped.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a program.
pub(crate) fn spawn(command: &mut Command) -> Running {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Running(Some(command.spawn().unwrap()))
}

/// Waits for the end of a program, and returns its peak private memory in KiB.
#[cfg(target_os = "linux")]
pub(crate) fn peak_memory(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(number.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    peak
}

/// Interrupts the program like Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Terminates the program like a supervisor.
pub(crate) fn terminate(child: &Child) {
    signal(child, "-TERM");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The event about a recording.
pub(crate) fn event(recording: &StoredRecording) -> Value {
    let chunk = |(index, chunk): (usize, &acs_emulator::StoredChunk)| {
        json!({
            "documentId": chunk.document_id(),
            "index": index,
            "contentLocation": chunk.content_location(),
            "metadataLocation": chunk.metadata_location(),
            "deleteLocation": chunk.delete_location(),
        })
    };
    let chunks: Vec<_> = recording.chunks().iter().enumerate().map(chunk).collect();
    json!([{
        "id": "e1",
        "topic": "/subscriptions/s",
        "subject": "/recording/call/c/serverCallId/abc/recordingId/rid",
        "data": {
            "recordingStorageInfo": {"recordingChunks": chunks},
            "recordingFormatType": "Wav",
        },
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "eventTime": "2025-07-01T12:00:00Z",
    }])
}
