use std::sync::atomic::{AtomicU32, Ordering};

use azure_core::credentials::{AccessToken, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use futures_util::future::join_all;

use super::*;

/// What a credential does when it is asked for a token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaviour {
    Gives,
    /// The same token each time.
    Repeats,
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
        let behaviour = *self.behaviour.lock();
        match behaviour {
            Behaviour::Gives => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let end = OffsetDateTime::now_utc() + self.lasts;
                Ok(AccessToken::new(format!("t{number}"), end))
            }
            Behaviour::Repeats => {
                let end = OffsetDateTime::now_utc() + self.lasts;
                Ok(AccessToken::new("same", end))
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
        *self.behaviour.lock() = behaviour;
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
async fn a_rejected_token_is_replaced_whatever_renewal_is_running() {
    let (fake, credential) = Fake::new(HOUR);
    let first = credential.bearer().await.unwrap();
    after(Duration::from_secs(56 * 60)).await;
    // The renewal t1 is running when the service rejects t0.
    at_once(&credential).await;
    assert!(credential.replace(&first).await.unwrap());
    after(Duration::from_secs(1)).await;
    assert_eq!(at_once(&credential).await, "Bearer t2");
    // Another request that was sent with t0 is sent again with what there is.
    assert!(credential.replace(&first).await.unwrap());
    assert_eq!(fake.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_keeps_the_rejected_token_has_no_other() {
    let (fake, credential) = Fake::new(HOUR);
    fake.set(Behaviour::Repeats);
    let first = credential.bearer().await.unwrap();
    assert!(!credential.replace(&first).await.unwrap());
    fake.set(Behaviour::Refuses);
    let error = credential.replace(&first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
}
