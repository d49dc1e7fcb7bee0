//! Named sets of options in a file: profiles. They hold no secrets.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use etcetera::BaseStrategy as _;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;
use crate::files::read_text;
use crate::text::duration;

/// The profile that is used if none is named.
pub(crate) const DEFAULT: &str = "default";

const FILE_VARIABLE: &str = "ACS_CONFIG";

/// Settings of these names would be secrets.
const SECRETS: [&str; 8] = [
    "connection-string",
    "access-key",
    "key",
    "secret",
    "password",
    "token",
    "sas",
    "webhook-secret",
];

/// What contains a secret, in lower case.
const MARKS: [&str; 6] = [
    "accesskey=",
    "accountkey=",
    "sharedaccesssignature=",
    "sharedaccesskey=",
    "sig=",
    "-----begin ",
];

/// A file with profiles.
#[derive(Debug)]
pub(crate) struct ProfileFile {
    pub(crate) path: PathBuf,
    /// In alphabetical order.
    pub(crate) profiles: Vec<Profile>,
}

/// Settings with a name. Each is the default of the option of the same name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) connection_string_file: Option<PathBuf>,
    pub(crate) custom_endpoint: Option<String>,
    pub(crate) credential: Option<String>,
    pub(crate) cloud: Option<String>,
    pub(crate) token_scope: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) operation_timeout: Option<Duration>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) ca_certs: Vec<PathBuf>,
    pub(crate) allow_content_hosts: Vec<String>,
    /// The settings as they are written, for people.
    pub(crate) settings: Vec<(String, Value)>,
}

/// Where the file is, whether or not it exists.
pub(crate) fn path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let folders = etcetera::choose_base_strategy().ok()?;
    let folder = folders.config_dir().join("acs-recording");
    Some(folder.join("config.toml"))
}

impl ProfileFile {
    /// Reads the file; none if it does not exist.
    pub(crate) fn read() -> Result<Option<Self>, Failure> {
        let Some(path) = path() else {
            return Ok(None);
        };
        if std::env::var_os(FILE_VARIABLE).is_none_or(|path| path.is_empty()) && !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path)?;
        let profiles = parse(&text, &path)?;
        Ok(Some(Self { path, profiles }))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }
}

/// The profile with this name, or else the default profile if the file has one.
pub(crate) fn selected(name: Option<&str>) -> Result<Option<Profile>, Failure> {
    let file = ProfileFile::read()?;
    let Some(name) = name else {
        return Ok(file.and_then(|file| file.find(DEFAULT).cloned()));
    };
    let Some(file) = file else {
        let place = path().unwrap_or_else(|| "config.toml".into());
        let text = format!(
            "there is no profile `{name}`: {} does not exist",
            place.display()
        );
        return Err(Failure::usage(text).hint("create the file, or set ACS_CONFIG"));
    };
    let Some(profile) = file.find(name) else {
        let names: Vec<_> = file.profiles.iter().map(|one| one.name.as_str()).collect();
        let text = format!("there is no profile `{name}`");
        return Err(Failure::usage(text)
            .context_file(&file.path)
            .hint(format!("it has {}", listed(&names))));
    };
    Ok(Some(profile.clone()))
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "no profiles".to_owned(),
        names => format!("the profiles {}", names.join(", ")),
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<Profile>, Failure> {
    let wrong = |span: Option<Range<usize>>, what: &dyn Display| {
        let start = span.map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        Failure::usage(format!("{}:{line}: {what}", path.display())).with_path(path)
    };
    let table = DeTable::parse(text).map_err(|error| wrong(error.span(), &error.message()))?;
    let mut profiles = Vec::new();
    for (name, value) in table.get_ref() {
        let DeValue::Table(settings) = value.get_ref() else {
            let what = format!("`{}` is outside of a profile", name.get_ref());
            return Err(wrong(Some(name.span()), &what).hint("put it below a line [NAME]"));
        };
        let mut profile = Profile {
            name: name.get_ref().to_string(),
            ..Profile::default()
        };
        for (key, value) in settings {
            let set = profile.set(key.get_ref(), value.get_ref(), path);
            set.map_err(|problem| {
                let span = match problem {
                    Problem::Unknown | Problem::Secret => key.span(),
                    Problem::Invalid(_) => value.span(),
                };
                let key = key.get_ref();
                match problem {
                    Problem::Unknown => wrong(Some(span), &format!("`{key}` is not a setting"))
                        .hint("see `acs-recording profile --help` for the settings"),
                    Problem::Secret => {
                        let what = format!("`{key}` is a secret, and a profile holds none");
                        wrong(Some(span), &what).hint(
                            "set ACS_CONNECTION_STRING, name a file with \
                             connection-string-file, or use endpoint and credential to sign in \
                             with Microsoft Entra ID",
                        )
                    }
                    Problem::Invalid(what) => wrong(Some(span), &format!("{key}: {what}")),
                }
            })?;
        }
        if profile.endpoint.is_some() && profile.connection_string_file.is_some() {
            let what = "endpoint and connection-string-file name two resources";
            return Err(wrong(Some(name.span()), &what).hint("use only one of them"));
        }
        profiles.push(profile);
    }
    profiles.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(profiles)
}

enum Problem {
    Unknown,
    Secret,
    Invalid(String),
}

impl Profile {
    fn set(&mut self, key: &str, value: &DeValue<'_>, file: &Path) -> Result<(), Problem> {
        let is_secret = SECRETS.contains(&key.replace('_', "-").to_ascii_lowercase().as_str());
        if is_secret || has_secret(value) {
            return Err(Problem::Secret);
        }
        let beside = |path: String| file.parent().unwrap_or(Path::new("")).join(path);
        match key {
            "endpoint" => self.endpoint = Some(text(value)?),
            "connection-string-file" => self.connection_string_file = Some(beside(text(value)?)),
            "custom-endpoint" => self.custom_endpoint = Some(text(value)?),
            "credential" => self.credential = Some(text(value)?),
            "cloud" => self.cloud = Some(text(value)?),
            "token-scope" => self.token_scope = Some(text(value)?),
            "output" => self.output = Some(text(value)?),
            "operation-timeout" => {
                let time = duration(&text(value)?).map_err(Problem::Invalid)?;
                self.operation_timeout = Some(time);
            }
            "max-retries" => {
                let number = value.as_integer().and_then(|it| it.as_str().parse().ok());
                let wrong = || Problem::Invalid("it must be a number".to_owned());
                self.max_retries = Some(number.ok_or_else(wrong)?);
            }
            "ca-cert" => self.ca_certs = texts(value)?.into_iter().map(beside).collect(),
            "allow-content-host" => self.allow_content_hosts = texts(value)?,
            _ => return Err(Problem::Unknown),
        }
        self.settings.push((key.to_owned(), shown(value)));
        Ok(())
    }

    /// The value of a setting with a fixed set of values.
    pub(crate) fn choice<T: ValueEnum>(
        &self,
        key: &str,
        value: Option<&String>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = value else {
            return Ok(None);
        };
        T::from_str(value, true).map(Some).map_err(|_| {
            let variants = T::value_variants().iter();
            let names: Vec<_> = variants
                .filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()))
                .collect();
            let text = format!("profile `{}`: {key} cannot be `{value}`", self.name);
            Failure::usage(text).hint(format!("use one of {}", names.join(", ")))
        })
    }
}

fn text(value: &DeValue<'_>) -> Result<String, Problem> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(Problem::Invalid("it must be a text in quotes".to_owned())),
    }
}

/// One text, or an array of them.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, Problem> {
    match value.as_array() {
        Some(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        None => Ok(vec![text(value)?]),
    }
}

fn has_secret(value: &DeValue<'_>) -> bool {
    if let Some(text) = value.as_str() {
        let text = text.to_ascii_lowercase();
        return MARKS.iter().any(|mark| text.contains(mark));
    }
    let mut items = value.as_array().into_iter().flatten();
    items.any(|item| has_secret(item.get_ref()))
}

fn shown(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => number
            .as_str()
            .parse::<u64>()
            .map_or(Value::Null, Value::from),
        DeValue::Array(items) => items.iter().map(|item| shown(item.get_ref())).collect(),
        _ => json!(null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Profile>, String> {
        parse(text, Path::new("/etc/acs/config.toml")).map_err(|failure| failure.text(false))
    }

    #[test]
    fn settings_are_read() {
        let profiles = read(
            "[prod]\nendpoint = \"https://contoso.communication.azure.com\"\ncredential = \"cli\"\n\
             ca-cert = [\"corp.pem\", \"/x.pem\"]\nmax-retries = 2\noperation-timeout = \"30s\"\n\
             allow-content-host = \".example\"\n[a]\n",
        )
        .unwrap();
        let [a, prod] = &profiles[..] else {
            panic!("{profiles:?}");
        };
        assert_eq!((a.name.as_str(), prod.name.as_str()), ("a", "prod"));
        let endpoint = prod.endpoint.as_deref();
        assert_eq!(endpoint, Some("https://contoso.communication.azure.com"));
        let certificates = [Path::new("/etc/acs/corp.pem"), Path::new("/x.pem")];
        assert_eq!(prod.ca_certs, certificates);
        assert_eq!(prod.max_retries, Some(2));
        assert_eq!(prod.operation_timeout, Some(Duration::from_secs(30)));
        assert_eq!(prod.allow_content_hosts, [".example"]);
        assert_eq!(prod.settings.len(), 6);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, said) in [
            (
                "[a]\n\nendpont = \"x\"",
                "config.toml:3: `endpont` is not a setting",
            ),
            (
                "endpoint = \"x\"",
                "config.toml:1: `endpoint` is outside of a profile",
            ),
            (
                "[a]\nendpoint = 1",
                "config.toml:2: endpoint: it must be a text",
            ),
            (
                "[a]\nendpoint = \"\"",
                "config.toml:2: endpoint: it must be a text",
            ),
            (
                "[a]\nmax-retries = \"2\"",
                "config.toml:2: max-retries: it must be a number",
            ),
            (
                "[a]\noperation-timeout = \"soon\"",
                "config.toml:2: operation-timeout: `soon`",
            ),
            ("[a]\n[b\n", "config.toml:2: "),
            (
                "[a]\nendpoint = \"x\"\nconnection-string-file = \"y\"",
                "config.toml:1: endpoint and connection-string-file",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_rejected_and_not_shown() {
        for line in [
            "connection-string = \"endpoint=https://x;accesskey=s3cret\"",
            "connection_string = \"s3cret\"",
            "access-key = \"s3cret\"",
            "endpoint = \"endpoint=https://x;AccessKey=s3cret\"",
            "custom-endpoint = \"https://x/?sig=s3cret\"",
            "ca-cert = [\"-----BEGIN PRIVATE KEY-----s3cret\"]",
        ] {
            let error = read(&format!("[a]\n{line}\n")).unwrap_err();
            assert!(error.contains("config.toml:2: "), "{line}: {error}");
            assert!(error.contains("a secret"), "{line}: {error}");
            assert!(!error.contains("s3cret"), "{line}: {error}");
        }
        // Nor does an error in the syntax show one.
        let error = read("[a]\naccess-key = s3cret").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
