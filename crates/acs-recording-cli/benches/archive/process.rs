//! Runs a program and measures it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acs_emulator::Emulator;

/// The ticks in which Linux counts CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

/// The resources that a process used.
pub(crate) struct Usage {
    /// In KiB.
    peak: u64,
    own: u64,
    ticks: u64,
    pub(crate) elapsed: Duration,
}

impl Usage {
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak as f64 / 1024.0
    }

    /// Without the pages of files, such as the program.
    pub(crate) fn own_mib(&self) -> f64 {
        self.own as f64 / 1024.0
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.ticks as f64 / TICKS_PER_SECOND
    }
}

/// The program for a resource.
pub(crate) fn program(acs: &Emulator) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acs-recording"));
    command.env("ACS_CONNECTION_STRING", acs.connection_string());
    command.env_remove("RUST_LOG");
    command
}

/// Runs a program to its end. It must succeed.
pub(crate) async fn measure(mut command: Command) -> Usage {
    // Services in this process continue to run.
    tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let folder = format!("/proc/{}", child.id());
        let (mut peak, mut own, mut ticks) = (0, 0, 0);
        let outcome = loop {
            let status = std::fs::read_to_string(format!("{folder}/status"));
            let status = status.unwrap_or_default();
            peak = peak.max(kibibytes(&status, "VmHWM:"));
            own = own.max(kibibytes(&status, "RssAnon:"));
            let stat = std::fs::read_to_string(format!("{folder}/stat"));
            ticks = ticks.max(cpu_ticks(&stat.unwrap_or_default()));
            if let Some(outcome) = child.try_wait().unwrap() {
                break outcome;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(outcome.success(), "{outcome}");
        Usage {
            peak,
            own,
            ticks,
            elapsed: started.elapsed(),
        }
    })
    .await
    .unwrap()
}

fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// User and system time: the 12th and 13th field after the name.
fn cpu_ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields = fields.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}
