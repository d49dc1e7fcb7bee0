//! Checks of the way to the service: proxy, DNS, TCP, TLS and clocks.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use acs_recording::{Endpoint, Error};
use axum::http::HeaderMap;
use axum::http::header::DATE;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

use super::certificate::Certificate;
use super::check::Check;
use crate::failure::Failure;
use crate::options::Global;
use crate::webhook_sender::trusting;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The service rejects requests whose time differs by more.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);
const NOTED_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The variables that select a proxy, in the order in which they count.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Where requests are sent to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Url,
    host: String,
    port: u16,
    is_loopback: bool,
}

impl Target {
    pub(super) fn new(endpoint: &Endpoint) -> Option<Self> {
        Self::of_url(&endpoint.to_string())
    }

    /// The host of a URL.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let is_loopback = match url.host()? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        Some(Self {
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            is_loopback,
            url,
        })
    }
}

/// The proxy that the environment selects, without its password.
pub(super) fn proxy(target: &Target) -> (Check, bool) {
    let value = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|text| !text.trim().is_empty())
    };
    let is_plain = target.url.scheme() == "http";
    let mut variables = PROXY_VARIABLES.iter().filter(|name| {
        let name = name.to_ascii_lowercase();
        name == "all_proxy"
            || name
                == if is_plain {
                    "http_proxy"
                } else {
                    "https_proxy"
                }
    });
    let found = variables.find_map(|name| Some((*name, value(name)?)));
    let Some((name, proxy)) = found else {
        return (Check::ok("proxy", "no proxy is configured"), false);
    };
    let shown = without_user(&proxy);
    if target.is_loopback {
        let text = format!("{name} is {shown}, and not used for this machine");
        return (Check::ok("proxy", text), false);
    }
    let exceptions = value("NO_PROXY").or_else(|| value("no_proxy"));
    if exceptions.is_some_and(|list| is_excepted(&target.host, &list)) {
        let text = format!("{name} is {shown}, and NO_PROXY excludes {}", target.host);
        return (Check::ok("proxy", text), false);
    }
    let text = format!("requests go through {shown} ({name})");
    (Check::ok("proxy", text), true)
}

fn without_user(proxy: &str) -> String {
    let rest = proxy.split_once("://");
    let (scheme, rest) = rest.map_or(("", proxy), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() {
        host.to_owned()
    } else {
        format!("{scheme}://{host}")
    }
}

/// Whether an entry of NO_PROXY is this host, or a domain that it is in.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split(',').map(str::trim).any(|entry| {
        let domain = entry.trim_start_matches('.');
        let prefix = host.strip_suffix(domain);
        entry == "*"
            || !domain.is_empty()
                && prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    })
}

/// The addresses of the host.
pub(super) async fn dns(target: &Target) -> (Check, Vec<SocketAddr>) {
    let begun = Instant::now();
    let host = target.host.as_str();
    let lookup = tokio::time::timeout(TIMEOUT, lookup_host((host, target.port))).await;
    let addresses: Vec<_> = match lookup {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let check = Check::failed("dns", format!("{host}: {error}"));
            let hint = "check the endpoint for typing errors, and the name server of this machine";
            return (check.hint(hint), Vec::new());
        }
        Err(_) => {
            let check = Check::failed("dns", format!("{host}: no response within 10 seconds"));
            return (
                check.hint("check the name server of this machine"),
                Vec::new(),
            );
        }
    };
    let Some(first) = addresses.first() else {
        return (
            Check::failed("dns", format!("{host} has no address")),
            addresses,
        );
    };
    let more = match addresses.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if host.parse::<IpAddr>().is_ok() {
        return (Check::ok("dns", "the endpoint is an address"), addresses);
    }
    let time = begun.elapsed().as_millis();
    let text = format!("{host} is {}{more} ({time} ms)", first.ip());
    (Check::ok("dns", text), addresses)
}

/// A connection to one of the addresses.
pub(super) async fn tcp(target: &Target, addresses: &[SocketAddr]) -> Check {
    let begun = Instant::now();
    let port = target.port;
    let mut problem = String::new();
    for address in addresses {
        match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let time = begun.elapsed().as_millis();
                return Check::ok("tcp", format!("connected to port {port} ({time} ms)"));
            }
            Ok(Err(error)) => problem = format!("{address}: {error}"),
            Err(_) => problem = format!("{address}: no connection within 10 seconds"),
        }
    }
    let hint = if target.is_loopback {
        "check that the program runs, and its port"
    } else {
        "check that a firewall lets this machine connect, or set HTTPS_PROXY"
    };
    Check::failed("tcp", problem).hint(hint)
}

/// A request without credentials: verifies the certificate, and returns the headers of the response.
pub(super) async fn tls(target: &Target, global: &Global) -> (Check, Option<HeaderMap>) {
    let client = match client(target, global, false) {
        Ok(client) => client,
        Err(failure) => return (Check::of_failure("tls", &failure), None),
    };
    let response = client.head(target.url.clone()).send().await;
    let response = match response {
        Ok(response) => response,
        Err(error) => return (refused(target, global, &error).await, None),
    };
    let headers = Some(response.headers().clone());
    if target.url.scheme() == "http" {
        let text = "the endpoint is http, which is accepted on this machine only";
        return (Check::ok("tls", text), headers);
    }
    let check = match certificate(&response) {
        Some(certificate) => described(&certificate),
        None => Check::ok("tls", "the certificate is trusted"),
    };
    (check, headers)
}

fn client(target: &Target, global: &Global, insecure: bool) -> Result<reqwest::Client, Failure> {
    let builder = trusting(reqwest::Client::builder(), global)?;
    let mut builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .tls_info(true);
    if target.is_loopback {
        builder = builder.no_proxy();
    }
    if insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|error| Failure::other(&error))
}

fn certificate(response: &reqwest::Response) -> Option<Certificate> {
    let info = response.extensions().get::<reqwest::tls::TlsInfo>()?;
    Certificate::read(info.peer_certificate()?)
}

fn described(certificate: &Certificate) -> Check {
    let Certificate {
        subject, issuer, ..
    } = certificate;
    let text = format!("the certificate of {subject}, issued by {issuer}, is trusted");
    let Some(end) = certificate.not_after else {
        return Check::ok("tls", text);
    };
    let left = end.duration_since(Timestamp::now()).as_hours() / 24;
    let text = format!("{text} and valid for {left} days");
    if left < 14 {
        return Check::warning("tls", text).hint("it must be renewed soon");
    }
    Check::ok("tls", text)
}

/// Why there was no response. If the certificate is the reason, its issuer is found out by a second
/// request, which has no credentials either.
async fn refused(target: &Target, global: &Global, error: &reqwest::Error) -> Check {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let cause = cause.to_string();
    let insecure = match client(target, global, true) {
        Ok(client) if target.url.scheme() == "https" => {
            client.head(target.url.clone()).send().await.ok()
        }
        _ => None,
    };
    let Some(certificate) = insecure.as_ref().and_then(certificate) else {
        let check = Check::failed("tls", format!("no response: {cause}"));
        return check.hint("check the endpoint, and the proxy or firewall between");
    };
    let Certificate {
        subject, issuer, ..
    } = certificate;
    let text = format!("the certificate of {subject}, issued by {issuer}, is not trusted: {cause}");
    Check::failed("tls", text).hint(
        "if the issuer is that of a proxy that inspects TLS, or of an emulator, pass the certificate \
         of the issuer with --ca-cert FILE",
    )
}

/// The difference between the clocks of this machine and the service.
pub(super) fn clock(headers: Option<&HeaderMap>) -> Check {
    let date = headers.and_then(|headers| headers.get(DATE)?.to_str().ok());
    // `GMT` stands for UTC.
    let time = date.and_then(|date| rfc2822::parse(date).ok());
    let Some(time) = time else {
        return Check::skipped("clock", "no response has the time of the service");
    };
    let skew = Timestamp::now().duration_since(time.timestamp());
    let seconds = skew.as_secs();
    let text = match seconds {
        -1..=1 => "the clock agrees with that of the service".to_owned(),
        2.. => format!("the clock is {seconds} s ahead of that of the service"),
        _ => format!("the clock is {} s behind that of the service", -seconds),
    };
    let hint = "synchronize the clock of this machine, for example with NTP";
    match skew.abs() {
        skew if skew >= MAX_SKEW => {
            Check::failed("clock", text).hint(format!("the service rejects such requests; {hint}"))
        }
        skew if skew >= NOTED_SKEW => Check::warning("clock", text).hint(hint),
        _ => Check::ok("clock", text),
    }
}

/// A failed request, as a check.
pub(super) fn of_error(name: &'static str, error: Error) -> Check {
    Check::of_failure(name, &Failure::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_shown_without_users() {
        for (proxy, shown) in [
            ("http://proxy.example:8080", "http://proxy.example:8080"),
            (
                "http://user:s3cret@proxy.example:8080/",
                "http://proxy.example:8080/",
            ),
            ("user:s3@cret@proxy:1", "proxy:1"),
            ("proxy:1", "proxy:1"),
        ] {
            assert_eq!(without_user(proxy), shown);
        }
    }

    #[test]
    fn no_proxy_has_hosts_and_domains() {
        for (list, expected) in [
            ("contoso.communication.azure.com", true),
            ("a.example, .azure.com", true),
            ("azure.com", true),
            ("*", true),
            ("ure.com", false),
            ("a.example", false),
            ("", false),
        ] {
            let host = "contoso.communication.azure.com";
            assert_eq!(is_excepted(host, list), expected, "{list}");
        }
    }
}
