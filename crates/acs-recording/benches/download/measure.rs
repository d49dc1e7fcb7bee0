//! Runs programs in turns, and measures them.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

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
        median(self.samples.iter().map(value).collect())
    }

    fn max(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.samples.iter().map(value).fold(0.0, f64::max)
    }

    /// The median of the ratios to another contender in the same round.
    fn ratio(&self, other: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
        let pairs = self.samples.iter().zip(other);
        median(
            pairs
                .map(|(one, other)| value(one) / value(other))
                .collect(),
        )
    }
}

/// Runs all contenders in turns, each time in a new folder, and prints medians.
pub(crate) fn compare(mut contenders: Vec<Contender<'_>>) {
    for _ in 0..rounds() {
        for contender in &mut contenders {
            let sample = run((contender.command)());
            contender.samples.push(sample);
        }
    }
    let first = contenders[0].samples.clone();
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
            print!(
                "; {:.2} of the time, {:.2} of the CPU",
                contender.ratio(&first, |sample| sample.wall),
                contender.ratio(&first, |sample| sample.cpu),
            );
        }
        println!();
    }
    std::io::stdout().flush().unwrap();
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of all finished child processes in seconds, with a resolution of 0.01 s on Linux.
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(13).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Peak memory of this process in MiB, if the kernel reports it.
pub(crate) fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    format!("peak={:.1}", peak.unwrap_or_default() / 1024.0)
}
