//! Runs programs in turns, and measures them.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use crate::common::{Ratio, Watch, children_cpu, median};

/// A program to compare with others.
pub(crate) struct Contender<'a> {
    name: String,
    command: Box<dyn Fn() -> Command + 'a>,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    /// Seconds.
    wall: f64,
    /// Seconds.
    cpu: f64,
    /// MiB; zero if the program does not report it.
    peak: f64,
    /// Files and sockets that were open at the same time; zero if the program does not report it.
    files: f64,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &str, command: impl Fn() -> Command + 'a) -> Self {
        Self {
            name: name.to_owned(),
            command: Box::new(command),
            samples: Vec::new(),
        }
    }

    fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value))
    }

    fn max(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.samples.iter().map(value).fold(0.0, f64::max)
    }
}

/// Runs all contenders in turns, each time in a new folder, and prints medians, and the ratios of the
/// first one to the others. Returns whether all ratios could be measured.
pub(crate) fn compare(mut contenders: Vec<Contender<'_>>) -> bool {
    let watch = Watch::start();
    for _ in 0..rounds() {
        for contender in &mut contenders {
            let sample = run((contender.command)());
            contender.samples.push(sample);
        }
    }
    let disturbance = watch.disturbance();
    let mut is_undisturbed = true;
    for (index, contender) in contenders.iter().enumerate() {
        print!(
            "  {:24} {:6.3} s, {:5.2} s CPU",
            contender.name,
            contender.median(|sample| sample.wall),
            contender.median(|sample| sample.cpu),
        );
        let (peak, files) = (
            contender.max(|sample| sample.peak),
            contender.max(|sample| sample.files),
        );
        if peak > 0.0 {
            print!(", {peak:5.1} MiB peak");
        }
        if files > 0.0 {
            print!(", {files} files and sockets");
        }
        if index > 0 {
            let pairs = || contenders[0].samples.iter().zip(&contender.samples);
            let wall = pairs().map(|(one, other)| (one.wall, other.wall));
            let wall = Ratio::of(wall, disturbance.clone());
            let cpu = pairs().map(|(one, other)| (one.cpu, other.cpu));
            let cpu = Ratio::of(cpu, disturbance.clone());
            print!("; acs-recording: time {wall}, CPU {cpu}");
            let ratios = [wall, cpu];
            is_undisturbed &= ratios
                .iter()
                .all(|ratio| matches!(ratio, Ratio::Measured { .. }));
        }
        println!();
    }
    std::io::stdout().flush().unwrap();
    is_undisturbed
}

fn rounds() -> usize {
    std::env::var("ACS_BENCH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap())
}

fn run(mut command: Command) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let (cpu, started) = (children_cpu(), Instant::now());
    let output = command.current_dir(folder.path()).output().unwrap();
    let wall = started.elapsed().as_secs_f64();
    let cpu = children_cpu() - cpu;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name));
        value.map_or(0.0, |value| value.parse().unwrap())
    };
    Sample {
        wall,
        cpu,
        peak: number("peak="),
        files: number("files="),
    }
}
