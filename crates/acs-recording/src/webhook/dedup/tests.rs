use tokio::time::advance;

use super::*;

fn key(number: u8) -> EventKey {
    EventKey([number; 32])
}

const LEASE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn an_event_is_done_when_it_was_handled() {
    let store = MemoryStore::default();
    assert_eq!(store.claim(&key(1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.claim(&key(1), LEASE).await.unwrap(), Claim::Busy);
    store.release(&key(1)).await.unwrap();
    assert_eq!(store.claim(&key(1), LEASE).await.unwrap(), Claim::Mine);
    store.done(&key(1)).await.unwrap();
    store.done(&key(1)).await.unwrap();
    store.release(&key(1)).await.unwrap();
    assert_eq!(store.claim(&key(1), LEASE).await.unwrap(), Claim::Done);
    // A claim that nobody gave back runs out.
    assert_eq!(store.claim(&key(2), LEASE).await.unwrap(), Claim::Mine);
    advance(LEASE).await;
    assert_eq!(store.claim(&key(2), LEASE).await.unwrap(), Claim::Mine);
}

#[tokio::test(start_paused = true)]
async fn memory_and_time_are_bounded() {
    let store = MemoryStore::new(3, Duration::from_secs(100));
    for number in 0..200 {
        assert_eq!(store.claim(&key(number), LEASE).await.unwrap(), Claim::Mine);
        store.done(&key(number)).await.unwrap();
        assert!(store.with(|seen| seen.states.len().max(seen.order.len())) <= 3);
    }
    assert_eq!(store.claim(&key(199), LEASE).await.unwrap(), Claim::Done);
    advance(Duration::from_secs(100)).await;
    assert_eq!(store.claim(&key(199), LEASE).await.unwrap(), Claim::Mine);
    assert!(store.with(|seen| seen.order.is_empty()));
    // Events that are being handled keep their place.
    assert_eq!(store.claim(&key(1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.claim(&key(2), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.claim(&key(3), LEASE).await.unwrap(), Claim::Busy);
    advance(LEASE).await;
    assert_eq!(store.claim(&key(3), LEASE).await.unwrap(), Claim::Mine);
}
