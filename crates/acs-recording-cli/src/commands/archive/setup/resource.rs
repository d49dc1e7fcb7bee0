//! The Azure resources that `archive setup` is about.
//!
//! Their names go into commands of a shell, so only characters that Azure permits in them are accepted.

use std::str::FromStr;

use url::Url;

/// A Communication Services resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AcsResource {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) name: String,
}

impl AcsResource {
    pub(super) fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Communication/communicationServices/{}",
            self.subscription, self.group, self.name
        )
    }
}

impl FromStr for AcsResource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "it must be /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/\
             communicationServices/NAME, which `az communication list --query \"[].id\"` prints"
                .to_owned()
        };
        let parts: Vec<_> = text.trim().trim_end_matches('/').split('/').collect();
        let [
            "",
            subscriptions,
            subscription,
            groups,
            group,
            providers,
            provider,
            kind,
            name,
        ] = parts[..]
        else {
            return Err(wrong());
        };
        let is = |found: &str, expected: &str| found.eq_ignore_ascii_case(expected);
        let is_acs = is(subscriptions, "subscriptions")
            && is(groups, "resourceGroups")
            && is(providers, "providers")
            && is(provider, "Microsoft.Communication")
            && is(kind, "communicationServices");
        let is_plain = |text: &str, more: &str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(is_allowed) && !text.starts_with('-')
        };
        if !is_acs
            || !is_plain(subscription, "-")
            || !is_plain(group, "-_.")
            || !is_plain(name, "-")
        {
            return Err(wrong());
        }
        Ok(Self {
            subscription: subscription.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A queue of a storage account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) account: String,
    pub(super) name: String,
    host: String,
}

impl Queue {
    pub(super) fn from_url(text: &str) -> Result<Self, String> {
        let parsed = storage(text, ".queue.").and_then(|(account, host, mut path)| {
            let name = path.next()?;
            (is_name(&name, 63, true) && path.next().is_none()).then_some(Self {
                account,
                name,
                host,
            })
        });
        parsed.ok_or_else(|| {
            "--queue: it must be the URL of a queue, such as \
             https://ACCOUNT.queue.core.windows.net/QUEUE"
                .to_owned()
        })
    }

    /// The URL without a SAS.
    pub(super) fn url(&self) -> String {
        format!("https://{}/{}", self.host, self.name)
    }
}

/// A container of a storage account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blobs {
    pub(super) account: String,
    pub(super) container: String,
}

impl Blobs {
    /// None if the store is not on Azure, or its URL does not name the account.
    pub(super) fn from_url(text: &str) -> Option<Self> {
        let (account, _, mut path) = storage(text, ".blob.")?;
        let container = path.next().filter(|name| is_name(name, 63, true))?;
        Some(Self { account, container })
    }
}

/// A name of a container, as clap reads it.
pub(super) fn container_name(text: &str) -> Result<String, String> {
    if is_name(text, 63, true) {
        return Ok(text.to_owned());
    }
    Err("it must be 3 to 63 lowercase letters, digits and hyphens".to_owned())
}

/// The account, the host and the path of a URL of Azure Storage.
fn storage(text: &str, service: &str) -> Option<(String, String, impl Iterator<Item = String>)> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https")?;
    let host = url.host_str()?.to_owned();
    let (account, suffix) = host.split_once(service)?;
    let is_suffix = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if !is_name(account, 24, false) || !suffix.chars().all(is_suffix) {
        return None;
    }
    let path: Vec<_> = url.path_segments()?.map(str::to_owned).collect();
    let path = path.into_iter().filter(|part| !part.is_empty());
    Some((account.to_owned(), host, path))
}

fn is_name(text: &str, longest: usize, with_hyphens: bool) -> bool {
    let is_allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (with_hyphens && c == '-');
    (3..=longest).contains(&text.len())
        && text.chars().all(is_allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_by_their_ids() {
        let id = "/subscriptions/29228d3e-040e/resourceGroups/my.group_1/providers/Microsoft.Communication/communicationServices/acs-1";
        let resource: AcsResource = id.parse().unwrap();
        assert_eq!(resource.id(), id);
        let lower = id.to_ascii_lowercase();
        assert_eq!(lower.parse::<AcsResource>().unwrap().name, "acs-1");
        for wrong in [
            "",
            "acs-1",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
            &id.replace("acs-1", "a;rm -rf ~"),
            &id.replace("my.group_1", "$(id)"),
            &format!("{id}/more"),
        ] {
            assert!(wrong.parse::<AcsResource>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn queues_and_containers_are_read_by_their_urls() {
        let queue =
            Queue::from_url("https://acct.queue.core.windows.net/recordings?sig=x").unwrap();
        assert_eq!((&*queue.account, &*queue.name), ("acct", "recordings"));
        assert_eq!(
            queue.url(),
            "https://acct.queue.core.windows.net/recordings"
        );
        for wrong in [
            "recordings",
            "http://acct.queue.core.windows.net/recordings",
            "https://acct.queue.core.windows.net/",
            "https://acct.queue.core.windows.net/a/b",
            "https://acct.queue.core.windows.net/$(id)",
            "https://acct.blob.core.windows.net/recordings",
        ] {
            assert!(Queue::from_url(wrong).is_err(), "{wrong}");
        }
        let blobs = Blobs::from_url("https://acct.blob.core.windows.net/archive/2026").unwrap();
        assert_eq!((&*blobs.account, &*blobs.container), ("acct", "archive"));
        for other in ["s3://bucket/a", "az://container", "./archive"] {
            assert_eq!(Blobs::from_url(other), None, "{other}");
        }
    }
}
