//! `doctor`: checks everything between this machine and a saved recording.

mod certificate;
mod check;
mod credentials;
mod network;

use std::fmt::Write as _;

use acs_recording::Cloud;
use clap::Args;

use self::check::{Check, Status};
use self::network::Target;
use crate::client::{ResourceInfo, cloud, endpoint, resource_info};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
#[cfg(feature = "archive")]
use crate::storage::{Location, queue_builder};
use crate::webhook_sender::{Schema, WebhookSender};
use crate::webhook_url::WebhookUrl;

/// Checks the configuration, the network, the credentials, and where events are delivered to
///
/// Each check is one line: ✓ if it passed, ! if something should be changed, ✗ if it failed, with what
/// to do about it, and - if it was skipped because another one failed. All requests are harmless: the
/// state of a recording that does not exist, the handshake of a webhook, and the length of a queue.
/// Nothing secret is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording doctor
  acs-recording doctor --webhook 'https://app.example/events?code=…' --webhook-schema cloud-events
  acs-recording doctor --event-queue https://acct.queue.core.windows.net/recordings

The exit code is 1 if a check failed, and 0 otherwise.

JSON: {\"check\", \"status\", \"message\", \"hint\"} for each check. check is config, proxy, dns, tcp, tls,
clock, key, token, role, webhook or queue; status is ok, warning, failed or skipped.")]
pub(crate) struct Doctor {
    /// Webhook that Event Grid delivers to: performs its handshake
    #[arg(long, value_name = "URL")]
    webhook: Option<WebhookUrl>,

    /// Schema of the event subscription with the webhook
    #[arg(
        long,
        value_enum,
        value_name = "SCHEMA",
        default_value = "event-grid",
        requires = "webhook"
    )]
    webhook_schema: Schema,

    /// Queue of Azure Storage that Event Grid delivers to: its URL, or its name in the account of
    /// ACS_QUEUE_CONNECTION_STRING
    #[cfg(feature = "archive")]
    #[arg(long, value_name = "URL|NAME")]
    event_queue: Option<Location>,
}

pub(crate) async fn run(options: Doctor, global: &Global, out: &Output) -> Result<(), Failure> {
    let mut report = Report { failed: 0, out };
    resource(global, &mut report).await?;
    if let Some(url) = options.webhook {
        report.add(&webhook(url, options.webhook_schema, global).await)?;
    }
    #[cfg(feature = "archive")]
    if let Some(queue) = &options.event_queue {
        report.add(&queue_check(queue, global).await)?;
    }
    match report.failed {
        0 => Ok(()),
        1 => Err(Failure::failed("1 check failed")),
        failed => Err(Failure::failed(format!("{failed} checks failed"))),
    }
}

/// Prints checks as they complete.
struct Report<'a> {
    failed: usize,
    out: &'a Output,
}

impl Report<'_> {
    fn add(&mut self, check: &Check) -> Result<(), Failure> {
        self.failed += usize::from(check.status == Status::Failed);
        check.print(self.out)
    }

    /// Adds checks that need one that failed.
    fn skip(&mut self, names: &[&'static str], because: &str) -> Result<(), Failure> {
        let mut names = names.iter();
        names.try_for_each(|name| self.add(&Check::skipped(name, because)))
    }
}

/// The resource, from its configuration to a request that it accepts.
async fn resource(global: &Global, report: &mut Report<'_>) -> Result<(), Failure> {
    let info = match resource_info(global) {
        Ok(info) => info,
        Err(failure) => return report.add(&Check::of_failure("config", &failure)),
    };
    let target = match &global.custom_endpoint {
        Some(address) => endpoint(address)
            .map_err(|failure| failure.context(&"--custom-endpoint"))
            .map(|address| Target::new(&address)),
        None => Ok(Target::new(&info.endpoint)),
    };
    let target = match target {
        Ok(Some(target)) => target,
        Ok(None) => {
            let check = Check::failed("config", format!("{} is not a URL", info.endpoint));
            return report.add(&check);
        }
        Err(failure) => return report.add(&Check::of_failure("config", &failure)),
    };
    report.add(&config(&info, global))?;
    let names: &[&str] = if info.has_key {
        &["key"]
    } else {
        &["token", "role"]
    };
    let (proxy, is_proxied) = network::proxy(&target);
    report.add(&proxy)?;
    if is_proxied {
        report.skip(&["dns", "tcp"], "the proxy looks up the host and connects")?;
    } else {
        let (dns, addresses) = network::dns(&target).await;
        report.add(&dns)?;
        if addresses.is_empty() {
            report.skip(&["tcp", "tls", "clock"], "the host has no address")?;
            return report.skip(names, "the host has no address");
        }
        let tcp = network::tcp(&target, &addresses).await;
        report.add(&tcp)?;
        if tcp.status == Status::Failed {
            report.skip(&["tls", "clock"], "there is no connection")?;
            return report.skip(names, "there is no connection");
        }
    }
    let (tls, headers) = network::tls(&target, global).await;
    report.add(&tls)?;
    report.add(&network::clock(headers.as_ref()))?;
    if tls.status == Status::Failed {
        return report.skip(names, "there is no trusted connection");
    }
    #[cfg(feature = "entra")]
    if !info.has_key {
        let token = credentials::token(global).await;
        report.add(&token)?;
        if token.status == Status::Failed {
            return report.skip(&["role"], "there is no token");
        }
    }
    report.add(&credentials::request(info.has_key, global).await)
}

fn config(info: &ResourceInfo, global: &Global) -> Check {
    let ResourceInfo {
        endpoint,
        has_key,
        source,
    } = info;
    let how = if *has_key {
        "an access key"
    } else {
        "Microsoft Entra ID"
    };
    let mut text = format!("{endpoint} from {source}, with {how}");
    if let Some(address) = &global.custom_endpoint {
        let _ = write!(text, ", through {address}");
    }
    let is_set = |name| std::env::var(name).is_ok_and(|text| !text.trim().is_empty());
    if is_set("ACS_CONNECTION_STRING") && is_set("ACS_ENDPOINT") {
        return Check::warning("config", text)
            .hint("ACS_CONNECTION_STRING and ACS_ENDPOINT are both set; unset one of them");
    }
    let profile = &global.from_profile;
    let has_resource = profile.endpoint.is_some() || profile.connection_string_file.is_some();
    let is_overridden = !source.starts_with("profile ") && has_resource;
    if let Some(name) = profile.name.as_ref().filter(|_| is_overridden) {
        let hint = format!("it takes precedence over the resource of the profile `{name}`");
        return Check::warning("config", text).hint(hint);
    }
    Check::ok("config", text)
}

/// The handshake with a webhook.
async fn webhook(url: WebhookUrl, schema: Schema, global: &Global) -> Check {
    let name = "webhook";
    let cloud = cloud(global).unwrap_or(Cloud::Public);
    let is_local = url.is_local();
    let shown = url.to_string();
    let sender = match WebhookSender::new(url, cloud, global) {
        Ok(sender) => sender,
        Err(failure) => return Check::of_failure(name, &failure),
    };
    if let Err(failure) = sender.handshake(schema, None).await {
        return Check::of_failure(name, &failure);
    }
    let text = format!("{shown} passes the {} handshake", schema.name());
    if is_local {
        return Check::warning(name, text)
            .hint("Event Grid reaches public https addresses only; use a tunnel to this machine");
    }
    Check::ok(name, text)
}

/// The length of a queue.
#[cfg(feature = "archive")]
async fn queue_check(queue: &Location, global: &Global) -> Check {
    use acs_recording_archive::EventQueue as _;

    let name = "queue";
    let queue = queue_builder("--event-queue", queue, None, global)
        .and_then(|builder| Ok(builder.build()?));
    let queue = match queue {
        Ok(queue) => queue,
        Err(failure) => return Check::of_failure(name, &failure),
    };
    let url = queue.url();
    // A request to a queue is repeated for a minute, so the connection is tried first.
    if let Some(target) = Target::of_url(url)
        && let (_, false) = network::proxy(&target)
    {
        let (dns, addresses) = network::dns(&target).await;
        if addresses.is_empty() {
            return dns.named(name);
        }
        let tcp = network::tcp(&target, &addresses).await;
        if tcp.status == Status::Failed {
            return tcp.named(name);
        }
    }
    match queue.approximate_depth().await {
        Ok(Some(depth)) => Check::ok(name, format!("{url} has about {depth} messages")),
        Ok(None) => Check::warning(name, format!("{url} is reachable, but not its properties")).hint(
            "assign the role \"Storage Queue Data Contributor\", or a SAS with r, to see how many \
             messages wait",
        ),
        Err(error) => Check::of_failure(name, &error.into()),
    }
}
