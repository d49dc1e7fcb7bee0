use tokio::time::advance;

use super::*;

fn key(number: u8) -> EventKey {
    EventKey([number; 32])
}

const LEASE: Duration = Duration::from_secs(10);

async fn claim(store: &MemoryStore, number: u8) -> Claim {
    store.claim(&key(number), LEASE).await.unwrap()
}

async fn mine(store: &MemoryStore, number: u8) -> ClaimToken {
    match claim(store, number).await {
        Claim::Mine(token) => token,
        other => panic!("{number}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_done_when_it_was_handled() {
    let store = MemoryStore::default();
    let token = mine(&store, 1).await;
    assert_eq!(claim(&store, 1).await, Claim::Busy);
    store.release(&key(1), token).await.unwrap();
    let token = mine(&store, 1).await;
    store.done(&key(1), token).await.unwrap();
    store.done(&key(1), token).await.unwrap();
    store.release(&key(1), token).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Done);
    // A claim that nobody gave back expires.
    mine(&store, 2).await;
    advance(LEASE).await;
    mine(&store, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_claimant_cannot_touch_the_claim_of_another() {
    let store = MemoryStore::default();
    let late = mine(&store, 1).await;
    advance(LEASE).await;
    let current = mine(&store, 1).await;
    store.release(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Busy);
    store.done(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Busy);
    store.release(&key(1), current).await.unwrap();
    // Where nobody else is at it, what was handled late was handled.
    let late = mine(&store, 1).await;
    advance(LEASE).await;
    store.done(&key(1), late).await.unwrap();
    assert_eq!(claim(&store, 1).await, Claim::Done);
    assert_ne!(late.to_string(), current.to_string());
}

#[tokio::test(start_paused = true)]
async fn memory_and_time_are_bounded() {
    let store = MemoryStore::new(3, Duration::from_secs(100));
    for number in 0..200 {
        let token = mine(&store, number).await;
        store.done(&key(number), token).await.unwrap();
        assert!(store.with(|seen| seen.states.len().max(seen.order.len())) <= 3);
    }
    assert_eq!(claim(&store, 199).await, Claim::Done);
    advance(Duration::from_secs(100)).await;
    mine(&store, 199).await;
    assert!(store.with(|seen| seen.order.is_empty()));
    // Events that are being handled keep their place.
    mine(&store, 1).await;
    mine(&store, 2).await;
    assert_eq!(claim(&store, 3).await, Claim::Busy);
    advance(LEASE).await;
    mine(&store, 3).await;
    assert!(store.with(|seen| seen.claims.len() == 1 && seen.states.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn expired_claims_make_room_before_done_events() {
    let store = MemoryStore::new(3, Duration::from_secs(25 * 60 * 60));
    let token = mine(&store, 1).await;
    store.done(&key(1), token).await.unwrap();
    // Two deliveries that were dropped.
    let late = mine(&store, 2).await;
    mine(&store, 3).await;
    advance(LEASE).await;
    mine(&store, 4).await;
    assert_eq!(claim(&store, 1).await, Claim::Done);
    // Nor does an event that is done late take more room than there is.
    mine(&store, 5).await;
    store.done(&key(2), late).await.unwrap();
    assert_eq!(store.with(|seen| seen.states.len()), 3);
}
