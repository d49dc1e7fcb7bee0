//! The HTTP client that sends callbacks and events.

use std::time::Duration;

use crate::error::Error;
use crate::service::url_policy::USER_AGENT;

/// The response timeout of webhooks. It is measured in real time: the speed of the program under
/// test does not depend on the emulator's clock.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates the client.
pub(crate) fn http_client() -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(USER_AGENT)
        // A webhook may close an idle connection just as it is reused, and lost callbacks are not
        // retried.
        .pool_max_idle_per_host(0)
        .timeout(RESPONSE_TIMEOUT)
        .build()
        .map_err(|error| Error::WebhookClient(error.into()))
}
