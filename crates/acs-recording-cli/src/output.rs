//! The one place that prints: results on standard output, everything else on standard error.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to people and pipes"
)]

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use indicatif::MultiProgress;
use serde_json::Value;

use crate::cli::Format;
use crate::failure::Failure;

/// Where results and notes go; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    verbose: bool,
    bars: MultiProgress,
}

impl Output {
    pub(crate) fn new(format: Format, verbose: bool) -> Self {
        Self {
            format,
            verbose,
            bars: MultiProgress::new(),
        }
    }

    /// Whether results are for somebody who reads them on a terminal.
    pub(crate) fn talks_to_people(&self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// Progress bars, which notes and results do not tear apart.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// A result, as text or as one line of JSON.
    pub(crate) fn result(&self, text: &str, json: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(text),
            Format::Json => self.line(&json.to_string()),
        }
    }

    /// A line of a result whatever the format.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// A result as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            match out.write_all(bytes).and_then(|()| out.flush()) {
                // Whoever reads has read enough, as `head` does.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                outcome => outcome.map_err(Failure::from),
            }
        })
    }

    /// What people want to know and programs do not.
    pub(crate) fn note(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Text => self.note(&failure.text(self.verbose)),
            Format::Json => self.note(&failure.json().to_string()),
        }
    }
}

/// Help, the version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}
