//! Programs that `cargo xtask test` installs, and their ends.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Where the packages are; `cargo xtask test` installs them and sets this.
const PACKAGES: &str = "ACS_TEST_PACKAGES";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The path of a program among the packages. Where it is not installed, says so and returns `None`;
/// in CI that is a failure.
pub(crate) fn installed(name: &str, path: &str) -> Option<PathBuf> {
    let is_ci = std::env::var_os("CI").is_some();
    let Some(packages) = std::env::var_os(PACKAGES).map(PathBuf::from) else {
        assert!(!is_ci, "use `cargo xtask test`");
        eprintln!("left out: {name} is not installed; use `cargo xtask test`");
        return None;
    };
    let program = packages.join(path);
    if !program.is_file() && !is_ci {
        eprintln!("left out: there is no {}", program.display());
        return None;
    }
    Some(program)
}

/// A program that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

/// What a program writes while it starts.
pub(crate) struct Output {
    name: &'static str,
    lines: mpsc::Receiver<String>,
}

/// Starts a program. Both its streams are read to their ends, so that it is never held up by a full
/// pipe.
pub(crate) fn start(name: &'static str, command: &mut Command) -> (Running, Output) {
    let command = command.stdin(Stdio::null());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let (sender, lines) = mpsc::channel();
    read(process.stdout.take().unwrap(), sender.clone());
    read(process.stderr.take().unwrap(), sender);
    (Running(process), Output { name, lines })
}

fn read(stream: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    let lines = BufReader::new(stream).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // Nobody waits any more once it has started.
            let _ = sender.send(line);
        }
    });
}

impl Output {
    /// Waits for a line that `find` finds something in.
    pub(crate) fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let mut last = Vec::new();
        loop {
            match self.lines.recv_timeout(START_TIMEOUT) {
                Ok(line) => match find(&line) {
                    Some(found) => return found,
                    None => last.push(line),
                },
                Err(error) => {
                    panic!(
                        "{} does not start ({error}): {}",
                        self.name,
                        last.join("\n")
                    )
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
