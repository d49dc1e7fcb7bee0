//! What else the machine did during a run.

use std::time::Instant;

use super::cpu::{TICKS, fields};
use super::machine::file;

/// The share of the machine that other programs may use.
const MAX_FOREIGN: f64 = 0.05;

/// Compares the CPU time of the whole machine with that of this benchmark and the processes that it
/// started.
///
/// Time that the hypervisor gave to other machines counts as foreign. Other systems than Linux do not
/// report these numbers; there only the spread of the samples tells.
pub(crate) struct Watch {
    started: Instant,
    machine: f64,
    own: f64,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            machine: machine(),
            own: own(),
        }
    }

    /// What disturbed the run since the start, if anything did.
    pub(crate) fn disturbance(&self) -> Option<String> {
        let cpus = std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        let capacity = self.started.elapsed().as_secs_f64() * cpus;
        let foreign = (machine() - self.machine) - (own() - self.own);
        // A tick per process is noise.
        let share = (foreign - 0.1) / capacity;
        (share > MAX_FOREIGN)
            .then(|| format!("other programs used {:.0} % of the machine", share * 100.0))
    }
}

/// Seconds that all processors worked for programs, or were taken away.
fn machine() -> f64 {
    let stat = file("/proc/stat");
    let line = stat.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).map(number);
    // user nice system idle iowait irq softirq steal. Interrupts are the network of the benchmark.
    let busy = ticks.take(8).enumerate();
    let busy = busy.filter(|(index, _)| matches!(index, 0..=2 | 7));
    busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS
}

/// Seconds of CPU time of all processes in this process group, of those that they waited for, and of the
/// kernel's own threads, which write files to disk.
fn own() -> f64 {
    let own = group("self");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let processes = names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    let is_own = |group: Option<u64>| group.is_some() && (group == own || group == Some(0));
    let members = processes.filter(|name| is_own(group(name)));
    members.map(|name| fields(&name, 11..15)).sum()
}

/// The process group of a process.
fn group(process: &str) -> Option<u64> {
    let stat = file(&format!("/proc/{process}/stat"));
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(2)?.parse().ok()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}
