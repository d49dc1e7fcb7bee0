//! `exec`: runs a command with an emulator of its own.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use clap::Args;
use tokio::process::Command;

use super::options::Options;
use super::trust::TrustFiles;
use crate::emulator::handle::Emulator;
use crate::error::Error;

/// The exit code when the emulator cannot be started.
const CANNOT_START: u8 = 125;
/// The exit code when the command cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// The exit code when the command does not exist.
const NOT_FOUND: u8 = 127;

/// The variables that tools and samples read the connection string from.
const CONNECTION_STRING_VARIABLES: [&str; 3] = [
    "ACS_CONNECTION_STRING",
    "COMMUNICATION_SERVICES_CONNECTION_STRING",
    "COMMUNICATION_SAMPLES_CONNECTION_STRING",
];
/// Variables that name another resource, which the command must not reach by mistake.
const REMOVED_VARIABLES: [&str; 2] = ["ACS_ENDPOINT", "ACS_ACCESS_KEY"];
/// The variables of files with certificates that are trusted in addition to the system's.
const ADDING_VARIABLES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];
/// The variables of files with all certificates that are trusted.
const REPLACING_VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";
/// Hosts that no proxy is used for.
const LOOPBACK: &str = "127.0.0.1,localhost";

/// Options of the command `exec`.
#[derive(Clone, Args)]
pub struct ExecOptions {
    #[command(flatten)]
    options: Options,

    /// Command to run, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl fmt::Debug for ExecOptions {
    /// Without the arguments of the command, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecOptions")
            .field("options", &self.options)
            .field("command", &self.command.first())
            .finish_non_exhaustive()
    }
}

impl ExecOptions {
    /// Starts an emulator, runs the command, stops the emulator, and returns the exit code of the
    /// command: 128 plus the number of the signal if a signal ended it.
    ///
    /// The emulator has HTTPS and HTTP at free ports and random keys, unless the options say
    /// otherwise. The environment of the command contains the connection string and what makes the
    /// known runtimes trust the emulator. Signals are forwarded to the command.
    ///
    /// # Errors
    /// If the emulator or the command cannot be started, or a webhook or queue cannot be subscribed.
    pub async fn run(self) -> Result<u8, Error> {
        let signals = Signals::listen().map_err(|source| self.failure(source))?;
        let options = self.options.clone().isolated();
        let acs = options.start().await?;
        let outcome = self.run_with(&acs, &options, signals).await;
        acs.shutdown().await;
        outcome
    }

    async fn run_with(
        &self,
        acs: &Emulator,
        options: &Options,
        mut signals: Signals,
    ) -> Result<u8, Error> {
        let _ready_file = options.write_ready_file(acs)?;
        let inherited = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let more = inherited(ADDING_VARIABLES[0]);
        let trust = TrustFiles::write(
            acs.ca_certificate().unwrap_or_default(),
            more.as_deref().map(Path::new),
        )
        .map_err(Error::CommandFiles)?;

        let (program, arguments) = self.command.split_first().unzip();
        let mut command = Command::new(program.map_or(OsStr::new(""), OsString::as_os_str));
        command.args(arguments.unwrap_or_default());
        command.envs(environment(acs, options, &trust, inherited));
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|source| self.failure(source))?;

        loop {
            tokio::select! {
                status = child.wait() => {
                    return Ok(exit_code(status.map_err(|source| self.failure(source))?));
                }
                signal = signals.next() => signals.forward(signal, &child),
            }
        }
    }

    fn failure(&self, source: io::Error) -> Error {
        let command = self
            .command
            .first()
            .map(|program| program.to_string_lossy());
        Error::Command {
            command: command.unwrap_or_default().into_owned(),
            source,
        }
    }

    /// The exit code after an error, as shells and similar programs use it: 127 if the command does
    /// not exist, 126 if it cannot be executed, otherwise 125.
    pub fn exit_code(error: &Error) -> u8 {
        match error {
            Error::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Error::Command { .. } => CANNOT_EXECUTE,
            _ => CANNOT_START,
        }
    }
}

/// The variables that are set for the command.
fn environment(
    acs: &Emulator,
    options: &Options,
    trust: &TrustFiles,
    inherited: impl Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, OsString)> {
    let mut ready = options.ready(acs);
    ready["ca_file"] = trust.ca.to_string_lossy().into();
    let text = |member: &str| OsString::from(ready[member].as_str().unwrap_or_default());
    let mut variables = vec![
        ("ACS_EMULATOR_READY", ready.to_string().into()),
        ("ACS_EMULATOR_ADMIN", text("admin")),
        ("ACS_EMULATOR_CA_FILE", trust.ca.clone().into()),
    ];
    if let Some(token) = acs.admin_token() {
        variables.push(("ACS_EMULATOR_ADMIN_TOKEN", token.into()));
    }
    for name in CONNECTION_STRING_VARIABLES {
        variables.push((name, text("https_connection_string")));
    }
    for name in ADDING_VARIABLES {
        variables.push((name, trust.ca.clone().into()));
    }
    for name in REPLACING_VARIABLES {
        variables.push((name, trust.bundle.clone().into()));
    }
    let java = inherited(JAVA_OPTIONS).unwrap_or_default();
    if java.to_string_lossy().contains("javax.net.ssl.trustStore=") {
        tracing::warn!("{JAVA_OPTIONS} has a trust store, so Java does not trust the emulator");
    } else {
        variables.push((JAVA_OPTIONS, java_options(java, &trust.java)));
    }
    // A proxy cannot reach this machine's loopback.
    let direct = inherited("NO_PROXY").or_else(|| inherited("no_proxy"));
    let direct = match direct {
        Some(mut hosts) => {
            hosts.push(",");
            hosts.push(LOOPBACK);
            hosts
        }
        None => LOOPBACK.into(),
    };
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, direct.clone())));
    variables
}

fn java_options(mut options: OsString, trust_store: &Path) -> OsString {
    if !options.is_empty() {
        options.push(" ");
    }
    // Java splits the variable at spaces that are not quoted.
    options.push("\"-Djavax.net.ssl.trustStore=");
    options.push(trust_store);
    options.push("\" -Djavax.net.ssl.trustStoreType=PKCS12");
    options
}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    // Windows has longer codes, and none of them may turn into success.
    status
        .code()
        .map_or(u8::MAX, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(unix)]
use unix::Signals;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use tokio::process::Child;
    use tokio::signal::unix::{Signal as Received, SignalKind, signal};

    /// The signals that are forwarded.
    pub(super) struct Signals {
        interrupt: Received,
        terminate: Received,
        hangup: Received,
        quit: Received,
        user_1: Received,
        user_2: Received,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                quit: signal(SignalKind::quit())?,
                user_1: signal(SignalKind::user_defined1())?,
                user_2: signal(SignalKind::user_defined2())?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.terminate.recv() => Signal::TERM,
                _ = self.hangup.recv() => Signal::HUP,
                _ = self.quit.recv() => Signal::QUIT,
                _ = self.user_1.recv() => Signal::USR1,
                _ = self.user_2.recv() => Signal::USR2,
            }
        }

        /// Sends a signal on, unless the terminal has sent it to the command, too.
        #[allow(clippy::unused_self, reason = "as on Windows")]
        pub(super) fn forward(&self, signal: Signal, child: &Child) {
            let from_keyboard = matches!(signal, Signal::INT | Signal::QUIT);
            if !(from_keyboard && in_foreground()) {
                send(child, signal);
            }
        }
    }

    /// Whether a terminal sends the signals of its keys to this process and its command.
    fn in_foreground() -> bool {
        File::open("/dev/tty")
            .ok()
            .and_then(|terminal| tcgetpgrp(terminal).ok())
            .is_some_and(|group| group == getpgrp())
    }

    pub(super) fn send(child: &Child, signal: Signal) {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let Some(id) = id.and_then(Pid::from_raw) else {
            return;
        };
        if let Err(error) = kill_process(id, signal) {
            tracing::debug!(%error, "cannot forward a signal");
        }
    }
}

/// Windows sends Ctrl-C to all programs of a console.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // The command decides what Ctrl-C does.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    #[allow(clippy::unused_self, reason = "as on Unix")]
    fn forward(&self, (): (), _: &Child) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        exec: ExecOptions,
    }

    async fn variables(inherited: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let program = Program::parse_from(["x", "--", "true"]);
        let options = program.exec.options.isolated();
        let acs = options.start().await.unwrap();
        let trust = TrustFiles::write(acs.ca_certificate().unwrap(), None).unwrap();
        let find = |name: &str| {
            let found = inherited.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        environment(&acs, &options, &trust, find)
            .into_iter()
            .map(|(name, value)| (name, value.into_string().unwrap()))
            .collect()
    }

    fn value<'a>(variables: &'a [(&str, String)], name: &str) -> Option<&'a str> {
        let mut found = variables.iter().filter(|(known, _)| *known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is set twice");
        value
    }

    #[tokio::test]
    async fn the_command_gets_an_https_endpoint_that_it_trusts() {
        let variables = variables(&[]).await;
        for name in CONNECTION_STRING_VARIABLES {
            let text = value(&variables, name).unwrap();
            assert!(text.starts_with("endpoint=https://127.0.0.1:"), "{text}");
        }
        let java = value(&variables, JAVA_OPTIONS).unwrap();
        assert!(java.starts_with("\"-Djavax.net.ssl.trustStore="), "{java}");
        assert_eq!(value(&variables, "NO_PROXY"), Some(LOOPBACK));
    }

    #[tokio::test]
    async fn settings_of_the_caller_are_kept() {
        let found = variables(&[("no_proxy", "intern.example"), (JAVA_OPTIONS, "-Xmx1g")]).await;
        let direct = value(&found, "NO_PROXY");
        assert_eq!(direct, Some("intern.example,127.0.0.1,localhost"));
        let java = value(&found, JAVA_OPTIONS).unwrap();
        assert!(java.starts_with("-Xmx1g \"-Djavax"), "{java}");
        let found = variables(&[(JAVA_OPTIONS, "-Djavax.net.ssl.trustStore=mine")]).await;
        assert_eq!(value(&found, JAVA_OPTIONS), None);
    }

    #[test]
    fn arguments_of_the_command_are_not_shown() {
        let program = Program::parse_from(["x", "--", "curl", "--user", "me:secret"]);
        let shown = format!("{program:?}");
        assert!(
            shown.contains("curl") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
