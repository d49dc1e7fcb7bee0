//! Connection strings of storage accounts.

use crate::error::{Error, ErrorKind, Result};

/// The account that every local storage emulator has; its name and key are published.
const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const DEVELOPMENT_HOST: &str = "http://127.0.0.1";

/// A service of a storage account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Blob Storage.
    #[cfg(feature = "azure")]
    Blob,
    /// Queue Storage.
    Queue,
}

/// Where a service of a storage account is, and what gives access to it.
pub(crate) struct ServiceAccount {
    /// Without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) credential: AccountCredential,
}

/// What gives access to a storage account.
pub(crate) enum AccountCredential {
    /// The name of the account and its key in base64.
    Key { account: String, key: String },
    /// A shared access signature, without `?`.
    Sas(String),
}

impl Service {
    /// What the members and host names of the service have in them.
    fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "azure")]
            Self::Blob => "Blob",
            Self::Queue => "Queue",
        }
    }

    /// Where a local storage emulator listens.
    fn development_port(self) -> u16 {
        match self {
            #[cfg(feature = "azure")]
            Self::Blob => 10000,
            Self::Queue => 10001,
        }
    }
}

impl ServiceAccount {
    /// Reads a connection string: `AccountName` with `AccountKey`, or `SharedAccessSignature`, and
    /// if wanted `BlobEndpoint`, `QueueEndpoint`, `EndpointSuffix` and `DefaultEndpointsProtocol`;
    /// or `UseDevelopmentStorage=true`.
    pub(crate) fn parse(text: &str, service: Service) -> Result<Self> {
        let settings = Settings::parse(text)?;
        let is_development = settings
            .value("UseDevelopmentStorage")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_development {
            let host = settings.value("DevelopmentStorageProxyUri");
            let host = host.unwrap_or(DEVELOPMENT_HOST).trim_end_matches('/');
            let port = service.development_port();
            return Ok(Self {
                endpoint: format!("{host}:{port}/{DEVELOPMENT_ACCOUNT}"),
                credential: AccountCredential::Key {
                    account: DEVELOPMENT_ACCOUNT.to_owned(),
                    key: DEVELOPMENT_KEY.to_owned(),
                },
            });
        }
        let account = settings.value("AccountName");
        let member = format!("{}Endpoint", service.name());
        let endpoint = match (settings.value(&member), account) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, Some(account)) => format!(
                "{}://{account}.{}.{}",
                settings
                    .value("DefaultEndpointsProtocol")
                    .unwrap_or("https"),
                service.name().to_ascii_lowercase(),
                settings
                    .value("EndpointSuffix")
                    .unwrap_or("core.windows.net"),
            ),
            (None, None) => {
                return Err(invalid(format!(
                    "the storage connection string has neither {member} nor AccountName"
                )));
            }
        };
        let credential = match (
            settings.value("SharedAccessSignature"),
            account,
            settings.value("AccountKey"),
        ) {
            (Some(sas), ..) => AccountCredential::Sas(sas.trim_start_matches('?').to_owned()),
            (None, Some(account), Some(key)) => AccountCredential::Key {
                account: account.to_owned(),
                key: key.to_owned(),
            },
            _ => {
                return Err(invalid(
                    "the storage connection string has neither AccountKey with AccountName nor \
                     SharedAccessSignature",
                ));
            }
        };
        Ok(Self {
            endpoint,
            credential,
        })
    }
}

/// The members of a connection string. Their names match whatever their case.
struct Settings<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Settings<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let members = text.split(';').map(str::trim);
        let members = members.filter(|member| !member.is_empty()).map(|member| {
            let pair = member.split_once('=');
            // It is not shown: it may be a key that lost its name.
            pair.ok_or_else(|| {
                invalid(
                    "the storage connection string has a part without `=`; it looks like \
                     AccountName=<account>;AccountKey=<key>",
                )
            })
        });
        members.collect::<Result<_>>().map(Self)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter();
        let (_, value) = members.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
