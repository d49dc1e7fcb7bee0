//! The archive in Azure Blob Storage, as Azurite has it.

use std::sync::Arc;

use acs_emulator::SyntheticRecording;
use acs_recording_archive::{ErrorKind, StoreBuilder};
use acs_test_support::Azurite;
use futures_util::future::join_all;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::common::{PART, Service, assert_archived, names};
use crate::token::Token;

const SMALL: u64 = 5000;
const LARGE: u64 = 2 * PART + 1000;

async fn store(azurite: &Azurite, name: &str) -> Arc<dyn ObjectStore> {
    azurite.create_container(name).await;
    let text = azurite.connection_string();
    let builder = StoreBuilder::from_connection_string(&text, &format!("{name}/a/b"));
    builder.unwrap().build().unwrap()
}

#[tokio::test]
async fn two_uploads_of_one_name_leave_one_whole_object() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let service = Service::start().await;
    let store = store(&azurite, "two-uploads").await;
    let announced = service.record(SyntheticRecording::new(LARGE).chunk(SMALL));
    let attempts = (0..4).map(|_| {
        let archive = service.archive(Arc::clone(&store)).build().unwrap();
        let (file, event) = (announced.file(), announced.event());
        async move {
            archive.check().await.unwrap();
            archive.store(&file).event(&event).await
        }
    });
    // A commit that was voided by another may need the message to come again.
    for outcome in join_all(attempts).await {
        if let Err(error) = outcome {
            assert!(error.to_string().contains("InvalidBlockList"), "{error}");
        }
    }
    assert_archived(&store, &announced.stored).await;
    assert_eq!(names(&store).await.len(), 7);
}

#[tokio::test]
async fn media_without_a_receipt_is_taken_or_replaced() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let service = Service::start().await;
    let store = store(&azurite, "without-receipt").await;
    let archive = service.archive(Arc::clone(&store)).build().unwrap();
    for size in [SMALL, LARGE] {
        let announced = service.record(SyntheticRecording::new(size));
        let stored = archive.store(&announced.file()).await.unwrap();
        let receipt = stored.chunks[0].name.clone();
        store.delete(&receipt).await.unwrap();
        assert!(archive.store(&announced.file()).await.unwrap().is_new());
        assert!(!archive.store(&announced.file()).await.unwrap().is_new());
        assert_archived(&store, &announced.stored).await;
    }
}

#[tokio::test]
async fn a_container_or_credential_that_is_wrong_is_one_clear_error() {
    let Some(azurite) = Azurite::shared() else {
        return;
    };
    let service = Service::start().await;
    azurite.create_container("right").await;
    let text = azurite.connection_string();
    let wrong_key = text.replace(Azurite::KEY, "c2VjcmV0");
    for (text, container, kinds) in [
        (&text, "missing", [ErrorKind::NotFound; 2]),
        (
            &wrong_key,
            "right",
            [ErrorKind::PermissionDenied, ErrorKind::Authentication],
        ),
    ] {
        let builder = StoreBuilder::from_connection_string(text, container).unwrap();
        let store = builder.build().unwrap();
        let archive = service.archive(store).build().unwrap();
        let announced = service.record(SyntheticRecording::new(SMALL));
        let error = archive.store(&announced.file()).await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{container}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        let error = archive.check().await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{container}: {error}");
    }
}

#[tokio::test]
async fn every_credential_opens_the_container() {
    let Some(azurite) = Azurite::shared_with_tls() else {
        return;
    };
    let service = Service::start().await;
    let url = azurite.create_container("credentials").await;
    let authority = azurite.ca_certificate().unwrap().as_bytes();
    let with_sas = azurite.connection_string_with_sas();
    let sas = Azurite::sas("rwdlacup");
    let builders = [
        StoreBuilder::new(&url).map(|builder| builder.credential(Arc::new(Token))),
        StoreBuilder::new(&format!("{url}?{sas}")),
        StoreBuilder::from_connection_string(&with_sas, "credentials"),
        StoreBuilder::from_connection_string(&azurite.connection_string(), "credentials"),
    ];
    for builder in builders {
        let builder = builder.unwrap().add_root_certificate(authority);
        let shown = format!("{builder:?}");
        let store = builder.build().unwrap();
        let archive = service.archive(Arc::clone(&store)).build().unwrap();
        archive.check().await.unwrap();
        let announced = service.record(SyntheticRecording::new(SMALL).chunk(LARGE));
        let stored = archive.store(&announced.file()).await;
        stored.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_archived(&store, &announced.stored).await;
    }
}
