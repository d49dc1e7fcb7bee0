//! `archive`: recordings into an object store of your own.

mod activity;
mod catalogue;
mod metrics;
mod options;
mod poison;
mod put;
mod report;
mod setup;
mod worker;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::stop::Stop;

/// Archives recordings in an object store of your own, by any number of workers
///
/// Event Grid puts the events of recordings into a queue. Workers copy media and metadata from the
/// service into the store, verify them, write a receipt, and remove the message. A worker may be
/// killed at any moment: the message comes back, and another worker finishes the recording.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    Run(Box<worker::Run>),
    Drain(Box<worker::Drain>),
    Put(Box<put::Put>),
    List(catalogue::List),
    Verify(catalogue::Verify),
    #[command(
        subcommand,
        after_help = "Example:\n  acs-recording archive poison list --queue https://acct.queue.core.windows.net/recordings"
    )]
    Poison(poison::PoisonCommand),
    Setup(setup::Setup),
}

impl ArchiveCommand {
    /// Whether it receives messages until it is stopped or the queue is empty.
    pub(crate) fn is_worker(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Drain(_))
    }

    /// Whether it moves content.
    pub(crate) fn transfers(&self) -> bool {
        self.is_worker() || matches!(self, Self::Put(_) | Self::Verify(_))
    }

    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Drain(_) => {
                "what was in progress is archived again when its lease runs out"
            }
            Self::Put(_) => {
                "some chunks may have been archived; run the same command again to archive the rest"
            }
            Self::Poison(poison::PoisonCommand::Retry(_) | poison::PoisonCommand::Drop(_)) => {
                "some messages may have been taken; those that were looked at are visible again \
                 within two minutes"
            }
            Self::List(_) | Self::Verify(_) | Self::Poison(_) | Self::Setup(_) => {
                "nothing was changed"
            }
        }
    }
}

pub(crate) async fn run(
    command: ArchiveCommand,
    global: &Global,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    match command {
        ArchiveCommand::Run(options) => worker::run(*options, global, out, stop).await,
        ArchiveCommand::Drain(options) => worker::drain(*options, global, out, stop).await,
        ArchiveCommand::Put(options) => put::put(*options, global, out).await,
        ArchiveCommand::List(options) => catalogue::list(&options, global, out).await,
        ArchiveCommand::Verify(options) => catalogue::verify(&options, global, out).await,
        ArchiveCommand::Poison(command) => poison::run(command, global, out).await,
        ArchiveCommand::Setup(options) => setup::setup(&options, global, out),
    }
}
