//! Signals that ask the program to stop.

use std::io;
use std::pin::Pin;

/// Completes when the program is asked to stop.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, usually from Ctrl-C.
    Interrupt,
    /// SIGTERM, from a supervisor of services or containers.
    Terminate,
}

impl Signal {
    /// The exit code that shells use for the signal: 128 plus its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The signals that this process receives.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on a signal does not end the process by itself.
    #[cfg_attr(
        not(unix),
        allow(clippy::unnecessary_wraps, reason = "registering fails on Unix only")
    )]
    pub(crate) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next Ctrl-C or, on Unix, SIGTERM.
    #[cfg_attr(
        not(unix),
        allow(
            clippy::needless_pass_by_ref_mut,
            reason = "receiving changes state on Unix only"
        )
    )]
    pub(crate) async fn next(&mut self) -> Signal {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
            Signal::Interrupt
        }
    }
}
