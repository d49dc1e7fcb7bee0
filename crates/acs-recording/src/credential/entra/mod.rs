//! Tokens of Entra ID: fetched once, used by all requests, and renewed in the background before they
//! expire.

mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use self::token::Token;
use crate::error::{Error, ErrorKind, Result};

/// The pause after a failed renewal, while the old token is still valid.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// How long a credential may take to return a token. Some wait until a person has signed in.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// A credential and its latest token.
#[derive(Clone)]
pub(crate) struct EntraCredential {
    inner: Arc<Inner>,
}

struct Inner {
    credential: Arc<dyn TokenCredential>,
    scope: String,
    state: Mutex<State>,
    /// Held while a rejected token is replaced, so that one request does that at a time.
    replacing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The latest fetch, which all requests without a token wait for.
    fetch: Option<Fetch>,
    /// When renewing may be tried again.
    retry_at: Option<Instant>,
    /// How often the service rejected a token. The result of a fetch from before that is not kept.
    rejections: u64,
}

/// A fetch in a task of its own, which continues when no request waits for it.
struct Fetch {
    task: AbortHandle,
    outcome: Shared<BoxFuture<'static, Result<Token, FetchError>>>,
}

/// Why there is no token.
#[derive(Clone, Debug)]
enum FetchError {
    /// The credential failed.
    Credential(Arc<azure_core::Error>),
    TimedOut,
    /// The runtime of the task was shut down, or the credential panicked.
    Ended,
}

impl EntraCredential {
    pub(crate) fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                credential,
                scope,
                state: Mutex::default(),
                replacing: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// The value of the `Authorization` header.
    ///
    /// Returns immediately while there is a valid token. Without one, all requests wait for the same
    /// fetch.
    pub(crate) async fn bearer(&self) -> Result<String> {
        if let Some(header) = self.current() {
            return Ok(header);
        }
        let mut outcome = self.fetch().await;
        if matches!(outcome, Err(FetchError::Ended)) {
            // It began on a runtime that was shut down, which is no failure of the credential.
            outcome = self.fetch().await;
        }
        match outcome {
            Ok(token) => Ok(token.header.to_string()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Discards the token of this header, because the service rejected it, and fetches another one.
    /// Returns whether that differs.
    pub(crate) async fn replace(&self, rejected: &str) -> Result<bool> {
        let _one_at_a_time = self.inner.replacing.lock().await;
        {
            let mut state = self.state();
            if let Some(token) = &state.token
                && *token.header != *rejected
            {
                // Another request with the same token was faster.
                return Ok(true);
            }
            state.token = None;
            // A running fetch began before the token was rejected.
            state.fetch = None;
            state.rejections += 1;
        }
        match self.fetch().await {
            Ok(token) => Ok(*token.header != *rejected),
            Err(error) => Err(self.error(error)),
        }
    }

    /// The error for a credential that takes too long.
    pub(crate) fn timed_out(&self) -> Error {
        let scope = &self.inner.scope;
        let message = format!("the credential returned no token for {scope} in time");
        Error::new(ErrorKind::Timeout, message)
    }

    fn error(&self, error: FetchError) -> Error {
        let scope = &self.inner.scope;
        match error {
            FetchError::Credential(error) => {
                let message = format!("the credential returned no token for {scope}: {error}");
                Error::new(ErrorKind::Authentication, message).with_source(error)
            }
            FetchError::TimedOut => self.timed_out(),
            FetchError::Ended => {
                let message = format!("fetching a token for {scope} was interrupted");
                Error::new(ErrorKind::Authentication, message)
            }
        }
    }

    /// The token, if it is valid. It is renewed in the background before it expires.
    fn current(&self) -> Option<String> {
        let mut state = self.state();
        let token = state.token.as_ref().filter(|token| token.is_valid())?;
        let header = token.header.to_string();
        let now = Instant::now();
        let is_paused = state.retry_at.is_some_and(|at| now < at);
        if now >= token.renew && !is_paused && !state.is_fetching() {
            // It continues in its own task.
            let _renewal = self.start(&mut state);
        }
        Some(header)
    }

    /// Waits for the running fetch, or for a new one.
    async fn fetch(&self) -> Result<Token, FetchError> {
        let outcome = {
            let mut state = self.state();
            match &state.fetch {
                Some(fetch) if state.is_fetching() => fetch.outcome.clone(),
                _ => self.start(&mut state),
            }
        };
        outcome.await
    }

    fn start(&self, state: &mut State) -> Shared<BoxFuture<'static, Result<Token, FetchError>>> {
        let task = tokio::spawn(self.clone().run(state.rejections));
        let fetch = Fetch {
            task: task.abort_handle(),
            outcome: task
                .map(|outcome| outcome.unwrap_or(Err(FetchError::Ended)))
                .boxed()
                .shared(),
        };
        let outcome = fetch.outcome.clone();
        state.fetch = Some(fetch);
        outcome
    }

    async fn run(self, rejections: u64) -> Result<Token, FetchError> {
        let scopes = [self.inner.scope.as_str()];
        let token = self.inner.credential.get_token(&scopes, None);
        let outcome = match timeout(FETCH_TIMEOUT, token).await {
            Ok(Ok(token)) => Ok(Token::new(&token)),
            Ok(Err(error)) => Err(FetchError::Credential(Arc::new(error))),
            Err(_) => Err(FetchError::TimedOut),
        };
        let mut state = self.state();
        match &outcome {
            Ok(_) if state.rejections != rejections => {}
            Ok(token) => {
                state.token = Some(token.clone());
                state.retry_at = None;
            }
            Err(error) => {
                state.retry_at = Some(Instant::now() + RETRY_INTERVAL);
                let error = self.error(error.clone());
                tracing::warn!(%error, "no token could be fetched");
            }
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }
}

impl State {
    fn is_fetching(&self) -> bool {
        let fetch = self.fetch.as_ref();
        fetch.is_some_and(|fetch| !fetch.task.is_finished())
    }
}

impl fmt::Debug for EntraCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraCredential")
            .field("scope", &self.inner.scope)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
