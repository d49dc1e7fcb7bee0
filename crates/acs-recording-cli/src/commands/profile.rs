//! `profile`: lists and shows the profiles of the configuration file.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::profile::{self, DEFAULT, Profile, ProfileFile};
use crate::text::{one_line, put_path};

/// Lists and shows profiles: named sets of options in a file
///
/// A setting of a profile is the default of the option of the same name. Options take precedence over
/// the environment, and the environment over the profile. ACS_PROFILE or --profile selects one; the
/// profile `default` applies if none is selected. The file is `acs-recording/config.toml` in the
/// folder for configuration, such as ~/.config, or the file that ACS_CONFIG names:
///
///   [prod]
///   endpoint = "https://contoso.communication.azure.com"
///   credential = "managed-identity"
///   ca-cert = "corporate-ca.pem"
///
/// The settings are endpoint, connection-string-file, credential, cloud, token-scope,
/// custom-endpoint, ca-cert, allow-content-host, operation-timeout, max-retries and output. Paths are
/// relative to the file. A profile holds no keys: a connection string in it is an error.
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub(crate) enum ProfileCommand {
    List(List),
    Show(Show),
}

/// Lists the profiles; the selected one has an asterisk
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording profile list

JSON: {\"name\", \"selected\", \"settings\", \"file\"} for each profile")]
pub(crate) struct List {}

/// Shows the settings of a profile
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording profile show prod

JSON: {\"name\", \"selected\", \"settings\", \"file\"}")]
pub(crate) struct Show {
    /// Name of the profile [default: the selected one]
    name: Option<String>,
}

pub(crate) fn run(command: &ProfileCommand, global: &Global, out: &Output) -> Result<(), Failure> {
    let file = ProfileFile::read()?.ok_or_else(|| {
        let place = profile::path().unwrap_or_else(|| "config.toml".into());
        let text = format!("{} does not exist", place.display());
        Failure::usage(text).hint("see `acs-recording profile --help` for what it may hold")
    })?;
    let selected = global.profile_name().unwrap_or(DEFAULT);
    match command {
        ProfileCommand::List(List {}) => {
            for profile in &file.profiles {
                let mark = if profile.name == selected { "* " } else { "  " };
                let text = format!("{mark}{}", one_line(&profile.name));
                out.result(&text, &as_json(profile, selected, &file))?;
            }
            Ok(())
        }
        ProfileCommand::Show(Show { name }) => {
            let name = name.as_deref().unwrap_or(selected);
            let profile = profile::selected(Some(name))?;
            // A name without a profile is an error above.
            let profile = profile.unwrap_or_default();
            out.result(&as_text(&profile), &as_json(&profile, selected, &file))
        }
    }
}

/// The settings as lines of the file.
fn as_text(profile: &Profile) -> String {
    let lines = profile.settings.iter();
    let lines = lines.map(|(key, value)| format!("{key} = {}", one_line(&value.to_string())));
    let head = format!("[{}]", one_line(&profile.name));
    std::iter::once(head)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn as_json(profile: &Profile, selected: &str, file: &ProfileFile) -> Value {
    let settings: Map<_, _> = profile.settings.iter().cloned().collect();
    let mut json = json!({
        "name": profile.name,
        "selected": profile.name == selected,
        "settings": settings,
    });
    put_path(&mut json, "file", &file.path);
    json
}
