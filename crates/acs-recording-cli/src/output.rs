//! The one place that prints: results on standard output, everything else on standard error.
//!
//! What the service, events, documents and file names say is text of others. No control character
//! of it gets to a terminal or into a log: text shows them escaped, as `\u{1b}`, and JSON has its own
//! escapes.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to people and pipes"
)]

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use indicatif::MultiProgress;
use serde_json::Value;

use crate::failure::Failure;
use crate::options::Format;
use crate::text::{json_line, json_text, lines, one_line};

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
            Format::Json => self.json(json),
        }
    }

    /// A result for programs alone.
    pub(crate) fn json_result(&self, json: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.json(json),
        }
    }

    /// Lines of a result whatever the format.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", lines(text)).as_bytes())
    }

    /// A line of JSON whatever the format.
    pub(crate) fn json(&self, json: &Value) -> Result<(), Failure> {
        self.raw(format!("{}\n", json_line(json)).as_bytes())
    }

    /// The same for JSON that is text already.
    pub(crate) fn json_text(&self, json: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", json_text(json)).as_bytes())
    }

    /// A result as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self.write(bytes) {
            // Whoever reads has read enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(Failure::from),
        }
    }

    /// A line of JSON that counts only if it got to whoever reads.
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

    /// What people want to know and programs do not, on one line.
    pub(crate) fn note(&self, text: &str) {
        self.tell(&one_line(text));
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Text => self.tell(&lines(&failure.text(self.verbose))),
            Format::Json => self.tell(&json_line(&failure.json())),
        }
    }

    /// One event of a log, which may be coloured and ends with a line end.
    pub(crate) fn log(&self, event: &str) {
        self.tell(&colored_line(event.trim_end_matches('\n')));
    }

    fn tell(&self, safe: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{safe}");
        });
    }
}

/// One line as it may be printed, with its colours. Those are of the log itself: it escapes what it
/// finds within values.
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

/// How long a sequence is that changes the colour and nothing else.
fn color_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// Help, the version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let failure = Failure::usage(what_is_wrong(&error.render().to_string()))
        .advise("--help explains the command");
    let text = error.render().to_string();
    if wants_json(std::env::args_os()) {
        Output::new(Format::Json, false).failure(&failure);
    } else if lines(&text) == text {
        let _ = error.print();
    } else {
        Output::new(Format::Text, false).tell(&lines(text.trim_end()));
    }
    ExitCode::from(failure.exit_code())
}

/// What is said before the usage is shown.
fn what_is_wrong(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let end = text.find("\n\nUsage:").or(text.find("\n\nFor more"));
    let words = text[..end.unwrap_or(text.len())].split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// Whether JSON is asked for, on a command line that could not be read.
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
