//! The command-line options of `acs-emulator`, for use in other programs too. Requires the feature
//! `cli`.

mod exec;
mod health;
mod options;
mod pkcs12;
mod ready_file;
mod trust;

pub use exec::ExecOptions;
pub use health::HealthOptions;
pub use options::{DEFAULT_ADMIN, DEFAULT_HTTP, DEFAULT_HTTPS, Options};
pub use ready_file::ReadyFile;
