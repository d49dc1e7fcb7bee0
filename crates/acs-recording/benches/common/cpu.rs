//! CPU time and memory of processes, as the kernel reports them. Zero on systems without `/proc`.

use super::machine::file;

/// Ticks of the kernel's CPU times per second, on every common Linux.
pub(super) const TICKS: f64 = 100.0;

/// User and system time of this process in seconds, with a resolution of 0.01 s.
pub(crate) fn own_cpu() -> f64 {
    fields("self", 11..13)
}

/// As [`own_cpu`], of all child processes that have ended.
pub(crate) fn children_cpu() -> f64 {
    fields("self", 13..15)
}

/// The sum of some fields of a process's times: of its own two, and those of its children.
pub(super) fn fields(process: &str, range: std::ops::Range<usize>) -> f64 {
    let stat = file(&format!("/proc/{process}/stat"));
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields = after_name.split(' ').skip(range.start).take(range.len());
    let ticks = fields.filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

/// The peak memory of this process in MiB.
pub(crate) fn peak_memory() -> f64 {
    let status = file("/proc/self/status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    peak.unwrap_or_default() / 1024.0
}
