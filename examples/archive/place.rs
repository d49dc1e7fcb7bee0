//! Where the queue and the store are: in Azurite, or in local folders.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use acs_recording_archive::{Catalogue, EventQueue, StorageQueue, StoreBuilder};
use acs_test_support::Azurite;
use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::file_queue::FileQueue;

const AZURITE: &str = "azurite@3.37.0";
/// The program of the package, below `node_modules`.
const PROGRAM: &str = "azurite/dist/src/azurite.js";
/// The queue and the container in Azurite.
const NAME: &str = "recordings";
/// They tell a worker its place.
const CONNECTION_STRING: &str = "EXAMPLE_STORAGE_CONNECTION_STRING";
const FOLDER: &str = "EXAMPLE_FOLDER";

/// Where the queue and the store are.
pub enum Place {
    /// In a storage account.
    Account {
        connection_string: String,
        /// None in a worker, which has not started it.
        _azurite: Option<Azurite>,
    },
    /// In a folder.
    Folder {
        path: PathBuf,
        /// It is removed in the end.
        _folder: Option<TempDir>,
    },
}

impl Place {
    /// A new place.
    pub async fn new(is_local: bool) -> Result<Self> {
        let program = if is_local {
            None
        } else {
            match tokio::task::spawn_blocking(provide_azurite).await? {
                Ok(program) => Some(program),
                Err(error) => {
                    println!("Azurite cannot be used: {error:#}.");
                    println!(
                        "Install Node.js 22 or later with npm, such as from https://nodejs.org."
                    );
                    None
                }
            }
        };
        let Some(program) = program else {
            let folder = tempfile::tempdir()?;
            println!("queue and store     local folders");
            return Ok(Self::Folder {
                path: folder.path().to_owned(),
                _folder: Some(folder),
            });
        };
        let azurite = Azurite::start_program(&program);
        azurite.create_queue(NAME).await;
        azurite.create_container(NAME).await;
        println!("queue and store     Azurite");
        Ok(Self::Account {
            connection_string: azurite.connection_string(),
            _azurite: Some(azurite),
        })
    }

    /// The place of the program that started this one.
    pub fn inherited() -> Result<Self> {
        if let Ok(connection_string) = std::env::var(CONNECTION_STRING) {
            return Ok(Self::Account {
                connection_string,
                _azurite: None,
            });
        }
        let path = std::env::var_os(FOLDER).context("no place is given")?;
        Ok(Self::Folder {
            path: path.into(),
            _folder: None,
        })
    }

    /// Tells a worker this place.
    pub fn pass_to(&self, worker: &mut tokio::process::Command) {
        match self {
            Self::Account {
                connection_string, ..
            } => worker.env(CONNECTION_STRING, connection_string),
            Self::Folder { path, .. } => worker.env(FOLDER, path),
        };
    }

    /// Where the emulator can deliver events itself: the connection string, and the name of the queue.
    pub fn storage_queue(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::Account {
                connection_string, ..
            } => Some((connection_string, NAME)),
            Self::Folder { .. } => None,
        }
    }

    /// The queue of files, if it is one.
    pub fn file_queue(&self) -> Result<Option<FileQueue>> {
        match self {
            Self::Account { .. } => Ok(None),
            Self::Folder { path, .. } => Ok(Some(FileQueue::open(&path.join("queue"))?)),
        }
    }

    pub fn queue(&self) -> Result<Arc<dyn EventQueue>> {
        if let Some(queue) = self.file_queue()? {
            return Ok(Arc::new(queue));
        }
        let (connection_string, name) = self.storage_queue().context("no queue")?;
        let queue = StorageQueue::from_connection_string(connection_string, name)?;
        Ok(Arc::new(queue))
    }

    pub fn store(&self) -> Result<StoreBuilder> {
        Ok(match self {
            Self::Account {
                connection_string, ..
            } => StoreBuilder::from_connection_string(connection_string, NAME)?,
            Self::Folder { path, .. } => {
                let path = path.join("archive");
                StoreBuilder::new(path.to_str().context("the path is not UTF-8")?)?
            }
        })
    }

    pub fn catalogue(&self) -> Result<Catalogue> {
        Ok(Catalogue::new(self.store()?.build()?))
    }
}

/// The program, installed below `target/` if it is not there yet.
fn provide_azurite() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    // `cargo xtask test` installs it, too.
    let folders = ["test-packages/node", "azurite"].map(|name| target.join(name));
    let programs = folders
        .clone()
        .map(|folder| folder.join("node_modules").join(PROGRAM));
    for program in ["node", "npm"] {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.with_context(|| format!("{program} is not installed"))?;
    }
    if let Some(program) = programs.iter().find(|program| program.is_file()) {
        return Ok(program.clone());
    }
    let [_, folder] = &folders;
    println!("installing          {AZURITE} below target/");
    std::fs::create_dir_all(folder)?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
        .arg("--prefix")
        .arg(folder)
        .arg(AZURITE)
        .output()?;
    let [_, program] = programs;
    if !output.status.success() || !program.is_file() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("npm failed: {}", text.lines().last().unwrap_or_default());
    }
    Ok(program)
}
