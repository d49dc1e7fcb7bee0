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

/// Completes on Ctrl-C and, on Unix, on SIGTERM.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = Signal> + Send> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
            Signal::Interrupt
        }
    })
}
