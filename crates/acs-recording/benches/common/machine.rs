//! The machine and the versions that a result depends on.

use std::process::Command;

/// Prints the processor, the system, and the versions of the compiler and of these crates.
pub(crate) fn print_machine(crates: &[&str]) {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = file("/proc/cpuinfo").lines().find_map(|line| {
        Some(
            line.strip_prefix("model name")?
                .split_once(": ")?
                .1
                .to_owned(),
        )
    });
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kernel = file("/proc/sys/kernel/osrelease");
    println!(
        "machine: {cpus} × {model}, {} {}",
        std::env::consts::OS,
        kernel.trim()
    );
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler.map_or_else(
        |_| "rustc unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let versions: Vec<_> = crates.iter().map(|name| version(name)).collect();
    println!(
        "versions: acs-recording {}, {compiler}, {}",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    );
}

/// A crate and the versions of it that are locked.
fn version(name: &str) -> String {
    let lock = include_str!("../../../../Cargo.lock");
    let start = format!("name = \"{name}\"\nversion = \"");
    let versions = lock
        .match_indices(&start)
        .filter_map(|(at, start)| lock[at + start.len()..].split('"').next());
    let versions: Vec<_> = versions.collect();
    format!("{name} {}", versions.join(" and "))
}

/// The contents of a file of the system; empty on systems without it.
pub(super) fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
