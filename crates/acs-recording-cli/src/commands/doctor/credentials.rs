//! Checks of keys, tokens and roles.

use acs_recording::{ErrorKind, Hint, RecordingId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::check::Check;
use super::network::of_error;
use crate::client::client;
use crate::failure::Failure;
use crate::options::Global;

/// A recording that does not exist, in the format of an id.
fn no_recording() -> Result<RecordingId, Failure> {
    let nil = "00000000-0000-0000-0000-000000000000";
    let id = format!(r#"{{"PlatformEndpointId":"{nil}","ResourceSpecificId":"{nil}"}}"#);
    RecordingId::new(URL_SAFE_NO_PAD.encode(id)).map_err(|error| Failure::other(&error))
}

/// Asks for the state of a recording that does not exist, which changes nothing. "Not found" shows
/// that the service accepts the credentials.
pub(super) async fn request(has_key: bool, global: &Global) -> Check {
    let name = if has_key { "key" } else { "role" };
    let client = client(global).and_then(|client| Ok(client.recording(no_recording()?)));
    let recording = match client {
        Ok(recording) => recording,
        Err(failure) => return Check::of_failure(name, &failure),
    };
    let Err(error) = recording.state().await else {
        return Check::ok(name, accepted(has_key));
    };
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidInput if error.code().is_some() => {
            Check::ok(name, accepted(has_key))
        }
        ErrorKind::NotFound => Check::failed(name, "the endpoint does not respond as the service")
            .hint("check the endpoint, and --custom-endpoint"),
        ErrorKind::Authentication if has_key => {
            let hint = match error.hint() {
                Some(hint @ Hint::SetClock(_)) => hint.to_string(),
                _ if error.summary().contains("x-ms-date") => {
                    "synchronize the clock of this machine, for example with NTP".to_owned()
                }
                _ => "copy the connection string again from the page \"Keys\" of the resource in \
                      the Azure portal: the key may have been regenerated, or belong to another \
                      resource"
                    .to_owned(),
            };
            Check::failed(name, error.summary()).hint(hint)
        }
        ErrorKind::PermissionDenied if !has_key => Check::failed(name, error.summary()).hint(
            "assign the identity the role \"Communication and Email Service Owner\" on the \
             resource, or a role of your own with its permissions; it takes some minutes to apply",
        ),
        _ => of_error(name, error),
    }
}

fn accepted(has_key: bool) -> &'static str {
    if has_key {
        "the service accepts the signature of the access key"
    } else {
        "the service accepts the token, and the identity may use the resource"
    }
}

/// Gets a token of Microsoft Entra ID, and shows whom it is for.
#[cfg(feature = "entra")]
pub(super) async fn token(global: &Global) -> Check {
    use std::fmt::Write as _;
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::Value;

    use crate::client::{cloud, entra_credential};

    let name = "token";
    let credential = cloud(global).and_then(|cloud| Ok((cloud, entra_credential(global)?)));
    let (cloud, credential) = match credential {
        Ok(made) => made,
        Err(failure) => return Check::of_failure(name, &failure),
    };
    let scope = global.token_scope.as_deref().unwrap_or(cloud.token_scope());
    let scopes = [scope];
    let token = credential.get_token(&scopes, None);
    let token = match tokio::time::timeout(Duration::from_secs(60), token).await {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => {
            return Check::failed(name, format!("no token for {scope}: {error}")).hint(
                "sign in with `az login`, or select another --credential; where the tenant does \
                 not know the scope, check --cloud and --token-scope",
            );
        }
        Err(_) => {
            return Check::failed(name, format!("no token for {scope} within a minute"))
                .hint("select another --credential");
        }
    };
    // Only claims that are no secrets are shown, and they are not trusted.
    let claims = token.token.secret().split('.').nth(1);
    let claims = claims.and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    let claim = |name: &str| claims.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let mut text = format!("a token for {scope}");
    for (what, value) in [
        ("tenant", claim("tid")),
        ("application", claim("appid").or(claim("azp"))),
        ("identity", claim("oid")),
    ] {
        if let Some(value) = value {
            let _ = write!(text, ", {what} {value}");
        }
    }
    let end = token.expires_on.unix_timestamp();
    let minutes = (end - Timestamp::now().as_second()) / 60;
    Check::ok(name, format!("{text}, valid for {minutes} minutes"))
}
