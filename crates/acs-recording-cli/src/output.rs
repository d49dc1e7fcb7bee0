//! Prints results on standard output and everything else on standard error.
//!
//! Text from the service, events, documents and file names is not trusted. Its control characters do
//! not reach a terminal or a log: text shows them escaped, as `\u{1b}`, and JSON has escapes of its
//! own.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use indicatif::MultiProgress;
use serde_json::Value;

use crate::failure::Failure;
use crate::options::Format;
use crate::text::{json_line, json_text, lines, one_line};

/// The destination of results and notes. It is cheap to clone.
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

    /// Whether results are shown to a person on a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// The progress bars, which notes and results do not disturb.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Prints a result as text or as one line of JSON.
    pub(crate) fn result(&self, text: &str, json: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(text),
            Format::Json => self.json(json),
        }
    }

    /// Prints a result that only JSON output has.
    pub(crate) fn json_result(&self, json: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.json(json),
        }
    }

    /// Prints lines of text in every output format.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", lines(text)).as_bytes())
    }

    /// Prints a line of JSON in every output format.
    pub(crate) fn json(&self, json: &Value) -> Result<(), Failure> {
        self.raw(format!("{}\n", json_line(json)).as_bytes())
    }

    /// Prints a line of JSON that is already serialized.
    pub(crate) fn json_text(&self, json: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", json_text(json)).as_bytes())
    }

    /// Prints bytes unchanged.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self.write(bytes) {
            // The reader has closed the pipe, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(Failure::from),
        }
    }

    /// Prints a line of JSON; fails if the reader has closed the pipe.
    pub(crate) fn delivered_json_text(&self, json: &str) -> io::Result<()> {
        self.write(format!("{}\n", json_text(json)).as_bytes())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// Prints a note for people on one line of standard error.
    pub(crate) fn note(&self, text: &str) {
        self.write_error(&one_line(text));
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Text => self.write_error(&lines(&failure.text(self.verbose))),
            Format::Json => self.write_error(&json_line(&failure.json())),
        }
    }

    /// Prints one event of the log, which may have colours.
    pub(crate) fn log(&self, event: &str) {
        self.write_error(&colored_line(event.trim_end_matches('\n')));
    }

    fn write_error(&self, safe: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{safe}");
        });
    }
}

/// Escapes one line but keeps its colours, which the log itself adds: it escapes those in values.
fn colored_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\u{1b}[") {
        let (plain, sequence) = rest.split_at(start);
        safe.push_str(&one_line(plain));
        let length = color_length(sequence);
        let (sequence, after) = sequence.split_at(length.unwrap_or(1));
        if length.is_some() {
            safe.push_str(sequence);
        } else {
            safe.push_str(&one_line(sequence));
        }
        rest = after;
    }
    safe.push_str(&one_line(rest));
    safe
}

/// The length of an escape sequence that only changes the colour.
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// Prints help, the version, or an error of the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let failure = Failure::usage(message_of(&error.render().to_string())).hint("see --help");
    let text = error.render().to_string();
    if wants_json(std::env::args_os()) {
        Output::new(Format::Json, false).failure(&failure);
    } else if lines(&text) == text {
        let _ = error.print();
    } else {
        Output::new(Format::Text, false).write_error(&lines(text.trim_end()));
    }
    ExitCode::from(failure.exit_code())
}

/// The message without the usage that follows it.
fn message_of(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let end = text.find("\n\nUsage:").or(text.find("\n\nFor more"));
    let words = text[..end.unwrap_or(text.len())].split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// Whether an invalid command line asks for JSON output.
fn wants_json(arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let mut follows = false;
    for argument in arguments {
        if argument == "--output=json" || follows && argument == "json" {
            return true;
        }
        follows = argument == "--output";
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_keep_their_colors_and_nothing_else() {
        assert_eq!(
            colored_line("\u{1b}[2mnow\u{1b}[0m \u{1b}[1;32mINFO\u{1b}[0m a"),
            "\u{1b}[2mnow\u{1b}[0m \u{1b}[1;32mINFO\u{1b}[0m a"
        );
        assert_eq!(
            colored_line("a\u{1b}[2Jb\u{1b}]0;m\u{7}\n\u{1b}[3"),
            r"a\u{1b}[2Jb\u{1b}]0;m\u{7}\u{a}\u{1b}[3"
        );
    }
}
