//! Your own storage: writes files and metadata to a container of Azure Blob Storage.

#[cfg(feature = "own-storage")]
pub(crate) use blobs::export;

/// Without the feature, a start request that names a container is refused, so nothing is ever
/// exported.
#[cfg(not(feature = "own-storage"))]
pub(crate) async fn export(
    _: &std::sync::Arc<super::store::Store>,
    _: &crate::service::recordings::EndedRecording,
    _: &[super::chunking::Chunk],
    _: jiff::Timestamp,
) -> Option<Vec<super::locations::Locations>> {
    std::future::ready(None).await
}

#[cfg(feature = "own-storage")]
mod blobs {
    use std::error::Error;
    use std::sync::Arc;
    use std::time::Duration;

    use azure_core::http::{ClientOptions, RetryOptions, UserAgentOptions};
    use azure_storage_blob::models::BlockLookupList;
    use azure_storage_blob::{BlobClient, BlobClientOptions};
    use bytes::{Bytes, BytesMut};
    use jiff::Timestamp;
    use url::Url;
    use uuid::Uuid;

    use crate::redact::{urls_without_secrets, without_secrets};
    use crate::service::recordings::EndedRecording;
    use crate::service::url_policy::USER_AGENT;
    use crate::storage::chunking::Chunk;
    use crate::storage::document::Document;
    use crate::storage::locations::Locations;
    use crate::storage::settings::SasToken;
    use crate::storage::store::Store;

    /// The timeout of one request. An export that hangs must not delay the event indefinitely.
    const EXPORT_TIMEOUT: Duration = Duration::from_secs(60);
    /// The block size for large files, so that a whole file is never in memory.
    const BLOCK: usize = 4 << 20;

    type Failure = Box<dyn Error + Send + Sync>;

    /// Writes all files of a recording. Returns `None` if that fails or was not requested. The
    /// files then stay in the service's own store.
    pub(crate) async fn export(
        store: &Arc<Store>,
        recording: &EndedRecording,
        chunks: &[Chunk],
        now: Timestamp,
    ) -> Option<Vec<Locations>> {
        let container = recording.spec.container.as_ref()?;
        match write(store, recording, chunks, container).await {
            Ok(locations) => {
                for chunk in chunks {
                    store.delete(&chunk.document.id, now);
                }
                Some(locations)
            }
            Err(failure) => {
                let (kind, cause) = shown(failure.as_ref());
                let container = &*without_secrets(container.as_str());
                tracing::warn!(
                    kind,
                    cause,
                    container,
                    "cannot write the recording to your own storage"
                );
                None
            }
        }
    }

    async fn write(
        store: &Arc<Store>,
        recording: &EndedRecording,
        chunks: &[Chunk],
        container: &Url,
    ) -> Result<Vec<Locations>, Failure> {
        let day = recording.started_at().strftime("%Y%m%d");
        let start: String = recording.recording_id.chars().take(8).collect();
        let folder = [
            day.to_string(),
            recording.correlation_id.to_string(),
            format!("{start}-{}", Uuid::new_v4()),
        ];
        let mut locations = Vec::with_capacity(chunks.len());
        for (index, chunk) in chunks.iter().enumerate() {
            let document = &chunk.document;
            let id = &document.id;
            let target = |name: &str, ending: &str| {
                below(container, &folder, &format!("{index}-{name}.{id}.{ending}"))
            };
            let content = target(document.content_name, recording.spec.format.name())?;
            let metadata = target("acsmetadata", "json")?;
            match document.streamed() {
                Some(length) => put_blocks(store, &content, document, length).await?,
                None => put(store, &content, read(store, document).await?).await?,
            }
            put(store, &metadata, document.metadata.clone()).await?;
            locations.push(Locations {
                content: content.into(),
                metadata: metadata.into(),
                delete: None,
            });
        }
        Ok(locations)
    }

    /// The URL of a file below a container or a folder in it.
    fn below(container: &Url, folder: &[String], name: &str) -> Result<Url, Failure> {
        let mut url = container.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| "the container has no path")?
            .pop_if_empty()
            .extend(folder)
            .push(name);
        Ok(url)
    }

    async fn read(store: &Arc<Store>, document: &Arc<Document>) -> Result<Bytes, Failure> {
        let (store, document) = (Arc::clone(store), Arc::clone(document));
        let file = tokio::task::spawn_blocking(move || store.file(&document)).await??;
        Ok(file)
    }

    async fn put(store: &Store, url: &Url, content: Bytes) -> Result<(), Failure> {
        let client = client(store, url)?;
        let upload = client.upload(content.into(), None);
        tokio::time::timeout(EXPORT_TIMEOUT, upload).await??;
        Ok(())
    }

    /// Uploads a file that is generated as it is read.
    async fn put_blocks(
        store: &Store,
        url: &Url,
        document: &Arc<Document>,
        length: u64,
    ) -> Result<(), Failure> {
        let client = client(store, url)?.block_blob_client();
        let mut ids = Vec::new();
        let mut written = 0;
        while written < length {
            let piece = {
                let document = Arc::clone(document);
                tokio::task::spawn_blocking(move || block(&document, written)).await?
            };
            if piece.is_empty() {
                return Err("the file is shorter than it should be".into());
            }
            let size = piece.len() as u64;
            // All block ids of a blob must have the same length.
            let id = format!("{:08}", ids.len()).into_bytes();
            let staging = client.stage_block(&id, size, piece.into(), None);
            tokio::time::timeout(EXPORT_TIMEOUT, staging).await??;
            ids.push(id);
            written += size;
        }
        let list = BlockLookupList {
            latest: Some(ids),
            ..BlockLookupList::default()
        };
        let commit = client.commit_block_list(list.try_into()?, None);
        tokio::time::timeout(EXPORT_TIMEOUT, commit).await??;
        Ok(())
    }

    /// The block of a file at `offset`. Only the last block is shorter than [`BLOCK`].
    fn block(document: &Document, offset: u64) -> Bytes {
        let mut block = BytesMut::with_capacity(BLOCK);
        while block.len() < BLOCK {
            let piece = document.read(offset + block.len() as u64, BLOCK - block.len());
            if piece.is_empty() {
                break;
            }
            block.extend_from_slice(&piece);
        }
        block.freeze()
    }

    fn client(store: &Store, url: &Url) -> Result<BlobClient, Failure> {
        let mut signed = url.clone();
        let sas = store.settings.sas.as_ref();
        signed.set_query(sas.map(SasToken::query));
        let options = BlobClientOptions {
            client_options: ClientOptions {
                // No retries: a failure is reported in the event, and the retries of the service
                // are unknown.
                retry: RetryOptions::none(),
                user_agent: UserAgentOptions {
                    application_id: Some(USER_AGENT.to_owned()),
                },
                ..ClientOptions::default()
            },
            ..BlobClientOptions::default()
        };
        Ok(BlobClient::new(signed, None, Some(options))?)
    }

    /// The parts of a failure that a log may contain: its kind, if it is an error of the storage
    /// client, and the innermost cause. The messages in between contain the URL with its signature.
    fn shown(failure: &(dyn Error + 'static)) -> (Option<String>, String) {
        let kind = |error: &(dyn Error + 'static)| {
            let error = error.downcast_ref::<azure_core::Error>()?;
            Some(error.kind().to_string())
        };
        let mut known = kind(failure);
        let mut cause = failure;
        while let Some(source) = cause.source() {
            cause = source;
            known = known.or_else(|| kind(cause));
        }
        (known, urls_without_secrets(&cause.to_string()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::media::Noise;
        use crate::storage::document::ContentSource;
        use crate::storage::settings::StorageSettings;

        #[test]
        fn only_the_last_block_is_short() {
            let length = 2 * BLOCK as u64 + 1_234;
            let source = ContentSource::Noise(Noise::new(Bytes::from_static(b"head"), length, 7));
            let expires_at = Timestamp::MAX;
            let document = Document::new(String::new(), "", Bytes::new(), source, expires_at);
            let mut sizes = Vec::new();
            let mut written = 0;
            while written < length {
                let block = block(&document, written);
                let expected = document.read(written, 64);
                assert!(block.starts_with(&expected));
                sizes.push(block.len());
                written += block.len() as u64;
            }
            assert_eq!(sizes, [BLOCK, BLOCK, 1_234]);
            assert!(block(&document, written).is_empty());
        }

        #[tokio::test]
        async fn logged_failures_contain_no_signatures() {
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = taken.local_addr().unwrap().port();
            drop(taken);
            let settings = StorageSettings {
                sas: Some(SasToken::from("sv=1&sig=secret".to_owned())),
                ..StorageSettings::default()
            };
            let store = Store::new(settings, String::new(), Uuid::nil());
            let url = Url::parse(&format!("http://127.0.0.1:{port}/c/f.wav")).unwrap();
            let failure = put(&store, &url, Bytes::from_static(b"x"))
                .await
                .unwrap_err();
            // The failure itself contains the signature; otherwise this test would prove nothing.
            assert!(format!("{failure:?}").contains("secret"), "{failure:?}");
            let (kind, cause) = shown(failure.as_ref());
            assert!(kind.is_some());
            assert!(!cause.contains("secret"), "{cause}");
        }

        #[test]
        fn files_are_below_the_container() {
            let folder = ["20260101".to_owned(), "call".to_owned()];
            for (container, expected) in [
                ("https://a.test/c", "https://a.test/c/20260101/call/f.mp3"),
                (
                    "https://a.test/c/x/?sv=1",
                    "https://a.test/c/x/20260101/call/f.mp3",
                ),
            ] {
                let url = below(&Url::parse(container).unwrap(), &folder, "f.mp3").unwrap();
                assert_eq!(url.as_str(), expected);
            }
        }
    }
}
