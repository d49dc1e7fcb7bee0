//! Tokens of Entra ID: fetched once, used by all, and renewed in the background before they expire.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientMethodOptions, Context};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};

/// A token this close to its end is renewed while it still works; one that does not last twice as
/// long, in the second half of its life.
const RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);

/// A token that says it lasts longer is replaced all the same.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The least pause before the next renewal, so that credentials that keep giving the same token are
/// not asked without a pause.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// After a renewal that failed, the credential is left alone this long, as long as the old token
/// works.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// How long a credential may take, as some ask a person; then it is asked anew.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a token must prove, because the service says that the last one did not: JSON, as Entra ID
/// takes it in a request's `claims`.
///
/// After such an answer, the credential gets it in the context of the
/// [`TokenRequestOptions`](azure_core::credentials::TokenRequestOptions), once. A credential that
/// does not look there gives any token; one that it gave before is not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChallenge(pub String);

impl ClaimsChallenge {
    /// The claims in a `WWW-Authenticate` header that asks for some.
    pub(crate) fn find(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let value = |name: &str| {
            let rest = parameters.split(',').find_map(|parameter| {
                let (found, value) = parameter.trim().split_once('=')?;
                found.eq_ignore_ascii_case(name).then_some(value)
            })?;
            Some(rest.trim().trim_matches('"'))
        };
        if value("error")? != "insufficient_claims" {
            return None;
        }
        // In either alphabet, with padding or without.
        let claims = value("claims")?.replace('-', "+").replace('_', "/");
        let claims = LENIENT.decode(claims).ok()?;
        Some(Self(String::from_utf8(claims).ok()?))
    }
}

/// A credential and the token that it gave last.
#[derive(Clone)]
pub(crate) struct EntraCredential {
    inner: Arc<Inner>,
}

struct Inner {
    credential: Arc<dyn TokenCredential>,
    scope: String,
    state: Mutex<State>,
    /// Held while a challenge is answered, so that one is answered at a time.
    challenge: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The latest fetch, for whoever needs its token.
    fetch: Option<Fetch>,
    /// When renewing may be tried again.
    retry_at: Option<Instant>,
    /// How often the service refused a token. What was asked for before counts no more.
    refusals: u64,
}

/// A token, as the value of a header.
#[derive(Clone)]
struct Token {
    header: Arc<str>,
    /// When it expires, by the clock that its expiry was told in.
    expires_on: SystemTime,
    /// The same by a clock that nobody sets, but that may stand still while the machine sleeps.
    expires: Instant,
    renew: Instant,
}

/// A fetch in a task of its own, which goes on when nobody waits for it any more.
struct Fetch {
    task: AbortHandle,
    outcome: Shared<BoxFuture<'static, Result<Token, Failed>>>,
}

/// Why there is no token.
#[derive(Clone, Debug)]
enum Failed {
    Refused(Arc<azure_core::Error>),
    TimedOut,
    /// The runtime that the task ran on is gone, or the credential panicked.
    Ended,
}

impl EntraCredential {
    pub(crate) fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                credential,
                scope,
                state: Mutex::default(),
                challenge: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// The value of the `Authorization` header.
    ///
    /// While there is a token that works, this waits for nothing. Without one, all that need it wait
    /// for one fetch.
    pub(crate) async fn bearer(&self) -> Result<String> {
        if let Some(header) = self.current() {
            return Ok(header);
        }
        let mut outcome = self.fetch(None).await;
        if matches!(outcome, Err(Failed::Ended)) {
            // It was begun on a runtime that is gone, which says nothing about the credential.
            outcome = self.fetch(None).await;
        }
        match outcome {
            Ok(token) => Ok(token.header.to_string()),
            Err(failed) => Err(self.error(failed)),
        }
    }

    /// Gives up the token of this header, because the service did, and fetches one that answers
    /// the challenge; whether there is another one now.
    pub(crate) async fn challenged(
        &self,
        refused: &str,
        challenge: Option<ClaimsChallenge>,
    ) -> Result<bool> {
        let _one_at_a_time = self.inner.challenge.lock().await;
        {
            let mut state = self.state();
            if let Some(token) = &state.token
                && *token.header != *refused
            {
                // Somebody whose token was refused too was faster.
                return Ok(true);
            }
            state.token = None;
            // What is being fetched now knows nothing of the challenge.
            state.fetch = None;
            state.refusals += 1;
        }
        let Some(challenge) = challenge else {
            return Ok(false);
        };
        match self.fetch(Some(challenge)).await {
            Ok(token) => Ok(*token.header != *refused),
            Err(failed) => Err(self.error(failed)),
        }
    }

    /// The error for a credential that takes too long.
    pub(crate) fn gave_nothing(&self) -> Error {
        let scope = &self.inner.scope;
        let message = format!("the credential gave no token for {scope} in time");
        Error::new(ErrorKind::Timeout, message)
    }

    fn error(&self, failed: Failed) -> Error {
        let scope = &self.inner.scope;
        match failed {
            Failed::Refused(error) => {
                let message = format!("the credential gives no token for {scope}: {error}");
                Error::new(ErrorKind::Authentication, message).with_source(error)
            }
            Failed::TimedOut => self.gave_nothing(),
            Failed::Ended => {
                let message = format!("fetching a token for {scope} was broken off");
                Error::new(ErrorKind::Authentication, message)
            }
        }
    }

    /// The token, if it works. When it is time, it is renewed in the background.
    fn current(&self) -> Option<String> {
        let mut state = self.state();
        let token = state.token.as_ref().filter(|token| token.works())?;
        let header = token.header.to_string();
        let now = Instant::now();
        let is_paused = state.retry_at.is_some_and(|at| now < at);
        if now >= token.renew && !is_paused && !state.is_fetching() {
            // It goes on in its own task.
            let _renewal = self.start(&mut state, None);
        }
        Some(header)
    }

    /// Waits for the fetch that goes on, or for a new one.
    async fn fetch(&self, challenge: Option<ClaimsChallenge>) -> Result<Token, Failed> {
        let outcome = {
            let mut state = self.state();
            match &state.fetch {
                Some(fetch) if state.is_fetching() => fetch.outcome.clone(),
                _ => self.start(&mut state, challenge),
            }
        };
        outcome.await
    }

    fn start(
        &self,
        state: &mut State,
        challenge: Option<ClaimsChallenge>,
    ) -> Shared<BoxFuture<'static, Result<Token, Failed>>> {
        let task = tokio::spawn(self.clone().run(challenge, state.refusals));
        let fetch = Fetch {
            task: task.abort_handle(),
            outcome: task
                .map(|outcome| outcome.unwrap_or(Err(Failed::Ended)))
                .boxed()
                .shared(),
        };
        let outcome = fetch.outcome.clone();
        state.fetch = Some(fetch);
        outcome
    }

    async fn run(self, challenge: Option<ClaimsChallenge>, refusals: u64) -> Result<Token, Failed> {
        let options = challenge.map(|challenge| TokenRequestOptions {
            method_options: ClientMethodOptions {
                context: Context::new().with_value(challenge),
            },
        });
        let scopes = [self.inner.scope.as_str()];
        let token = self.inner.credential.get_token(&scopes, options);
        let outcome = match timeout(FETCH_TIMEOUT, token).await {
            Ok(Ok(token)) => Ok(Token::new(&token)),
            Ok(Err(error)) => Err(Failed::Refused(Arc::new(error))),
            Err(_) => Err(Failed::TimedOut),
        };
        let mut state = self.state();
        match &outcome {
            Ok(_) if state.refusals != refusals => {}
            Ok(token) => {
                state.token = Some(token.clone());
                state.retry_at = None;
            }
            Err(failed) => {
                state.retry_at = Some(Instant::now() + RETRY_INTERVAL);
                let error = self.error(failed.clone());
                tracing::warn!(%error, "no token could be fetched");
            }
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fetching(&self) -> bool {
        let fetch = self.fetch.as_ref();
        fetch.is_some_and(|fetch| !fetch.task.is_finished())
    }
}

impl Token {
    fn new(token: &AccessToken) -> Self {
        let end = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
        let expires_on = UNIX_EPOCH + Duration::from_secs(end);
        let remaining = expires_on.duration_since(SystemTime::now());
        let remaining = remaining.unwrap_or_default().min(MAX_AGE);
        let now = Instant::now();
        let ahead = RENEW_AHEAD.min(remaining / 2);
        Self {
            header: format!("Bearer {}", token.token.secret()).into(),
            expires_on,
            expires: now + remaining,
            renew: now + remaining.saturating_sub(ahead).max(MIN_RENEWAL_INTERVAL),
        }
    }

    fn works(&self) -> bool {
        Instant::now() < self.expires && SystemTime::now() < self.expires_on
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
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use azure_core::time::OffsetDateTime;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use futures_util::future::join_all;

    use super::*;

    #[test]
    fn challenges_are_found_among_other_headers() {
        let claims = BASE64_STANDARD.encode(r#"{"access_token":{"nbf":{"value":"1"}}}"#);
        let header = format!(
            r#"Bearer realm="", error="insufficient_claims", authorization_uri="https://x", claims="{claims}""#
        );
        let found = ClaimsChallenge::find(&header).unwrap();
        assert_eq!(found.0, r#"{"access_token":{"nbf":{"value":"1"}}}"#);
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"?":"~~~>>>"}"#);
        assert!(claims.contains('-') || claims.contains('_'), "{claims}");
        let header = format!(r#"bearer claims="{claims}", error="insufficient_claims""#);
        assert_eq!(
            ClaimsChallenge::find(&header).unwrap().0,
            r#"{"?":"~~~>>>"}"#
        );
        for header in [
            "",
            "HMAC-SHA256",
            r#"Bearer error="invalid_token""#,
            r#"Bearer error="insufficient_claims", claims="%%%""#,
        ] {
            assert_eq!(ClaimsChallenge::find(header), None, "{header}");
        }
    }

    /// What a credential does when it is asked for a token.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Behaviour {
        Gives,
        Refuses,
        Hangs,
    }

    #[derive(Debug)]
    struct Fake {
        behaviour: Mutex<Behaviour>,
        lasts: Duration,
        asked: AtomicU32,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Fake {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            let behaviour = *self.behaviour.lock().unwrap();
            match behaviour {
                Behaviour::Gives => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let end = OffsetDateTime::now_utc() + self.lasts;
                    Ok(AccessToken::new(format!("t{number}"), end))
                }
                Behaviour::Refuses => {
                    let kind = azure_core::error::ErrorKind::Credential;
                    Err(azure_core::Error::with_message(kind, "signed out"))
                }
                Behaviour::Hangs => std::future::pending().await,
            }
        }
    }

    impl Fake {
        fn new(lasts: Duration) -> (Arc<Self>, EntraCredential) {
            let fake = Arc::new(Self {
                behaviour: Mutex::new(Behaviour::Gives),
                lasts,
                asked: AtomicU32::new(0),
            });
            let credential = EntraCredential::new(Arc::clone(&fake) as _, "scope".to_owned());
            (fake, credential)
        }

        fn set(&self, behaviour: Behaviour) {
            *self.behaviour.lock().unwrap() = behaviour;
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    async fn after(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// The token of a request that may not wait.
    async fn at_once(credential: &EntraCredential) -> String {
        let begun = Instant::now();
        let bearer = credential.bearer().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        bearer
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_in_the_background() {
        let (fake, credential) = Fake::new(HOUR);
        assert_eq!(credential.bearer().await.unwrap(), "Bearer t0");
        after(Duration::from_secs(3298)).await;
        assert_eq!(at_once(&credential).await, "Bearer t0");
        assert_eq!(fake.asked(), 1);
        after(Duration::from_secs(3)).await;
        for _ in 0..10 {
            assert_eq!(at_once(&credential).await, "Bearer t0");
        }
        after(Duration::from_secs(1)).await;
        assert_eq!(at_once(&credential).await, "Bearer t1");
        assert_eq!(fake.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_hangs_or_fails_delays_nothing_and_is_tried_again_after_a_pause() {
        for (behaviour, tries) in [(Behaviour::Hangs, 3..5), (Behaviour::Refuses, 7..9)] {
            let (fake, credential) = Fake::new(HOUR);
            credential.bearer().await.unwrap();
            fake.set(behaviour);
            after(Duration::from_secs(3305)).await;
            let mut seconds = 0;
            while seconds < 240 {
                assert_eq!(at_once(&credential).await, "Bearer t0");
                after(Duration::from_secs(1)).await;
                seconds += 1;
            }
            let renewals = fake.asked() - 1;
            assert!(tries.contains(&renewals), "{behaviour:?}: {renewals}");
            fake.set(Behaviour::Gives);
            // The old token works until its end, which is when one of the renewals has worked.
            let mut bearer = String::new();
            for _ in 0..50 {
                bearer = at_once(&credential).await;
                after(Duration::from_secs(1)).await;
            }
            if behaviour == Behaviour::Refuses {
                assert_eq!(bearer, format!("Bearer t{}", fake.asked() - 1));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_token_requests_wait_for_one_fetch_and_not_for_ever() {
        let (fake, credential) = Fake::new(HOUR);
        let tokens = join_all((0..20).map(|_| credential.bearer())).await;
        assert!(
            tokens
                .iter()
                .all(|token| token.as_ref().unwrap() == "Bearer t0")
        );
        assert_eq!(fake.asked(), 1);
        fake.set(Behaviour::Hangs);
        after(HOUR).await;
        let begun = Instant::now();
        let errors = join_all((0..20).map(|_| credential.bearer())).await;
        for error in errors {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
        }
        assert_eq!((fake.asked(), begun.elapsed()), (2, FETCH_TIMEOUT));
        fake.set(Behaviour::Refuses);
        let error = credential.bearer().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("signed out"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        fake.set(Behaviour::Gives);
        assert_eq!(credential.bearer().await.unwrap(), "Bearer t3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_does_not_last_long_is_no_storm() {
        let (fake, credential) = Fake::new(Duration::from_secs(2 * 60));
        for _ in 0..600 {
            credential.bearer().await.unwrap();
            after(Duration::from_secs(1)).await;
        }
        assert!((9..12).contains(&fake.asked()), "{}", fake.asked());
    }

    #[test]
    fn a_fetch_that_ends_with_its_runtime_is_begun_anew() {
        let (fake, credential) = Fake::new(HOUR);
        fake.set(Behaviour::Hangs);
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().build().unwrap()
        };
        let first = runtime();
        first.block_on(async {
            let wait = Duration::from_millis(10);
            timeout(wait, credential.bearer()).await.unwrap_err();
        });
        drop(first);
        fake.set(Behaviour::Gives);
        let bearer = runtime().block_on(credential.bearer()).unwrap();
        assert_eq!(bearer, "Bearer t1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_from_before_a_refusal_does_not_bring_the_refused_token_back() {
        let (_, credential) = Fake::new(HOUR);
        let first = credential.bearer().await.unwrap();
        after(Duration::from_secs(56 * 60)).await;
        at_once(&credential).await;
        // The renewal is on its way when the service refuses.
        assert!(!credential.challenged(&first, None).await.unwrap());
        after(Duration::from_secs(1)).await;
        assert!(credential.state().token.is_none());
        assert_eq!(credential.bearer().await.unwrap(), "Bearer t2");
    }
}
