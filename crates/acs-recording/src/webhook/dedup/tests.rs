use tokio::time::advance;

use super::*;

fn key(number: u8) -> EventKey {
    EventKey([number; 32])
}

const LEASE: Duration = Duration::from_secs(10);

async fn claim(store: &MemoryStore, number: u8) -> Claim {
    store.claim(&key(number), LEASE).await.unwrap()
}

async fn acquire(store: &MemoryStore, number: u8) -> ClaimToken {
    match claim(store, number).await {
        Claim::Acquired(token) => token,
        other => panic!("{number}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_complete_after_it_was_handled() {
    let store = MemoryStore::default();
    let token = acquire(&store, 1).await;
    assert_eq!(claim(&store, 1).await, Claim::InProgress);
    store.release(&key(1), token).await.unwrap();
    let token = acquire(&store, 1).await;
    store.complete(&key(1), token).await.unwrap();
    store.complete(&key(1), token).await.unwrap();
    store.release(&key(1), token).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Completed);
    // A claim that is not released expires.
    acquire(&store, 2).await;
    advance(LEASE).await;
    acquire(&store, 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_claim_cannot_change_a_newer_one() {
    let store = MemoryStore::default();
    let late = acquire(&store, 1).await;
    advance(LEASE).await;
    let current = acquire(&store, 1).await;
    store.release(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::InProgress);
    store.complete(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::InProgress);
    store.release(&key(1), current).await.unwrap();
    // If nobody else has claimed the event, it can be completed late.
    let late = acquire(&store, 1).await;
    advance(LEASE).await;
    store.complete(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Completed);
    assert_ne!(late.to_string(), current.to_string());
}

#[tokio::test(start_paused = true)]
async fn memory_and_time_are_bounded() {
    let store = MemoryStore::new(3, Duration::from_secs(100));
    for number in 0..200 {
        let token = acquire(&store, number).await;
        store.complete(&key(number), token).await.unwrap();
        assert!(store.with(|entries| entries.states.len().max(entries.completed.len())) <= 3);
    }
    assert_eq!(claim(&store, 199).await, Claim::Completed);
    advance(Duration::from_secs(100)).await;
    acquire(&store, 199).await;
    assert!(store.with(|entries| entries.completed.is_empty()));
    // Events that are being handled are not removed.
    acquire(&store, 1).await;
    acquire(&store, 2).await;
    assert_eq!(claim(&store, 3).await, Claim::InProgress);
    advance(LEASE).await;
    acquire(&store, 3).await;
    assert!(store.with(|entries| entries.claims.len() == 1 && entries.states.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn expired_claims_are_removed_before_completed_events() {
    let store = MemoryStore::new(3, Duration::from_secs(25 * 60 * 60));
    let token = acquire(&store, 1).await;
    store.complete(&key(1), token).await.unwrap();
    // Two deliveries that were dropped.
    let late = acquire(&store, 2).await;
    acquire(&store, 3).await;
    advance(LEASE).await;
    acquire(&store, 4).await;
    assert_eq!(claim(&store, 1).await, Claim::Completed);
    // An event that is completed late does not exceed the capacity either.
    acquire(&store, 5).await;
    store.complete(&key(2), late).await.unwrap();
    assert_eq!(store.with(|entries| entries.states.len()), 3);
}
