//! From a recorded call to the archive, with everything between as on Azure: the emulator, a queue
//! and a container of Azurite.

use std::sync::Arc;
use std::time::Duration;

use acs_emulator::{Clock, Emulator, EventSchema};
use acs_recording::{ConnectionString, Media, RecordingClient, ServerCallId};
use acs_recording_archive::{
    Archive, Depth, EventQueue as _, StorageQueue, StoreBuilder, Summary, Worker,
};
use acs_test_support::Azurite;
use futures_util::TryStreamExt as _;
use object_store::ObjectStore;

/// An emulator whose events go into a queue, and a store.
struct Fleet {
    acs: Emulator,
    queue: StorageQueue,
    store: Arc<dyn ObjectStore>,
}

impl Fleet {
    /// The queue and the container have this name.
    async fn new(azurite: &Azurite, name: &str, schema: EventSchema, duplicates: u32) -> Self {
        let acs = Emulator::builder().clock(Clock::manual());
        let acs = acs.start().await.unwrap();
        azurite.create_queue(name).await;
        let text = azurite.connection_string();
        acs.subscribe_queue(name)
            .connection_string(&text)
            .schema(schema)
            .duplicates(duplicates)
            .await
            .unwrap();
        let container = azurite.create_container(name).await;
        let store = StoreBuilder::new(&container).unwrap();
        let store = store.option("azure_storage_account_key", Azurite::KEY);
        Self {
            acs,
            queue: StorageQueue::from_connection_string(&text, name).unwrap(),
            store: store.build().unwrap(),
        }
    }

    fn archive(&self) -> Archive {
        let text: ConnectionString = self.acs.connection_string().parse().unwrap();
        let client = RecordingClient::builder(text).build().unwrap();
        Archive::builder(client, Arc::clone(&self.store))
            .delete_at_service()
            .build()
            .unwrap()
    }

    fn worker(&self) -> Worker {
        Worker::new(self.archive(), self.queue.clone())
    }

    /// Records a call, and waits for so many messages about it.
    async fn record(&self, messages: u64) {
        let call = self.acs.call(["alice", "bob"]).await;
        let text: ConnectionString = self.acs.connection_string().parse().unwrap();
        let client = RecordingClient::builder(text).build().unwrap();
        let server_call_id: ServerCallId = call.server_call_id().parse().unwrap();
        client
            .start(server_call_id)
            .media(Media::mixed_wav())
            .await
            .unwrap();
        self.acs.clock().advance(Duration::from_secs(5));
        call.hang_up();
        self.acs.clock().advance(Duration::from_secs(1));
        let arrived = async {
            while self.queue.approximate_depth().await.unwrap() < Some(messages) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), arrived)
            .await
            .expect("no message arrives");
    }

    /// Checks that the archive holds one sound recording and nothing else, and the queues nothing.
    async fn check(&self) {
        let catalogue = self.archive().catalogue();
        let entries: Vec<_> = catalogue.list().stream().try_collect().await.unwrap();
        let [entry] = &entries[..] else {
            panic!("{entries:?}");
        };
        let verification = catalogue.verify(entry, Depth::Content).await.unwrap();
        assert!(verification.is_sound(), "{verification:?}");
        let objects: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        assert_eq!(objects.len(), 4, "{objects:?}");
        assert_eq!(self.queue.approximate_depth().await.unwrap(), Some(0));
        let poison = self.queue.poison_queue();
        assert_eq!(poison.approximate_depth().await.unwrap(), Some(0));
    }
}

#[tokio::test]
async fn a_recorded_call_reaches_the_archive_in_either_schema() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    for (name, schema) in [
        ("archive-grid", EventSchema::EventGrid),
        ("archive-cloud", EventSchema::CloudEvents),
    ] {
        let fleet = Fleet::new(&azurite, name, schema, 0).await;
        fleet.record(1).await;
        let summary = fleet.worker().drain().await.unwrap();
        assert_eq!((summary.archived, summary.messages()), (1, 1), "{name}");
        fleet.check().await;
    }
}

#[tokio::test]
async fn duplicates_over_several_workers_make_one_recording() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let fleet = Fleet::new(&azurite, "archive-duplicates", EventSchema::EventGrid, 4).await;
    fleet.record(5).await;
    let workers = [(); 3].map(|()| fleet.worker().drain());
    let summaries = futures_util::future::try_join_all(workers).await.unwrap();
    let messages: u64 = summaries.iter().map(Summary::messages).sum();
    assert!(messages >= 5, "{summaries:?}");
    fleet.check().await;
}

#[tokio::test]
async fn a_message_that_is_no_event_is_buried_and_can_be_tried_again() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let fleet = Fleet::new(&azurite, "archive-poison", EventSchema::EventGrid, 0).await;
    fleet.queue.send("not an event").await.unwrap();
    let summary = fleet.worker().drain().await.unwrap();
    assert_eq!((summary.poisoned, summary.messages()), (1, 1));
    let poison = fleet.queue.poison_queue();
    assert_eq!(poison.peek(32).await.unwrap()[0].body, "not an event");
    assert_eq!(poison.retry(|_| true).await.unwrap(), 1);
    let summary = fleet.worker().drain().await.unwrap();
    assert_eq!(summary.poisoned, 1);
    assert_eq!(poison.remove(|_| true).await.unwrap(), 1);
}
