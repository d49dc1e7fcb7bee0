//! Own storage: files and metadata are written into a container of Azure Blob Storage.

#[cfg(feature = "own-storage")]
pub(crate) use blobs::export;

/// Nothing is exported without the feature; a start that asks for it is refused.
#[cfg(not(feature = "own-storage"))]
pub(crate) async fn export(
    _: &std::sync::Arc<crate::state::Shared>,
    _: &crate::recordings::Finished,
) -> Option<Vec<crate::file_status::Locations>> {
    std::future::ready(None).await
}

#[cfg(feature = "own-storage")]
mod blobs {
    use std::sync::Arc;
    use std::time::Duration;

    use azure_core::http::{ClientOptions, RequestContent, RetryOptions};
    use azure_storage_blob::{BlobClient, BlobClientOptions};
    use bytes::Bytes;
    use url::Url;
    use uuid::Uuid;

    use crate::file_status::Locations;
    use crate::media::Document;
    use crate::recordings::Finished;
    use crate::state::Shared;

    /// How long one file may take. An export that hangs must not hold the event back for ever.
    const PATIENCE: Duration = Duration::from_mins(1);

    type Failure = Box<dyn std::error::Error + Send + Sync>;

    /// Writes all files of a recording. If that fails, or nobody asked for it, the answer is
    /// `None`, and the files stay in the service's own store.
    pub(crate) async fn export(
        shared: &Arc<Shared>,
        finished: &Finished,
    ) -> Option<Vec<Locations>> {
        let container = finished.storage.as_ref()?;
        match write(shared, finished, container).await {
            Ok(locations) => {
                let now = shared.now();
                for chunk in &finished.chunks {
                    shared.world().recordings.delete(&chunk.document.id, now);
                    shared.cache.remove(&chunk.document.id);
                }
                Some(locations)
            }
            Err(error) => {
                let container = container.as_str();
                tracing::warn!(error, container, "own storage does not take the recording");
                None
            }
        }
    }

    async fn write(
        shared: &Arc<Shared>,
        finished: &Finished,
        container: &Url,
    ) -> Result<Vec<Locations>, Failure> {
        let day = finished.started_at.strftime("%Y%m%d");
        let start: String = finished.recording_id.chars().take(8).collect();
        let folder = [
            day.to_string(),
            finished.correlation_id.to_string(),
            format!("{start}-{}", Uuid::new_v4()),
        ];
        let mut locations = Vec::with_capacity(finished.chunks.len());
        for (index, chunk) in finished.chunks.iter().enumerate() {
            let document = &chunk.document;
            let id = &document.id;
            let place = |name: &str, ending: &str| {
                below(container, &folder, &format!("{index}-{name}.{id}.{ending}"))
            };
            let content = place(document.content_name, finished.format.name())?;
            let metadata = place("acsmetadata", "json")?;
            let file = read(shared, document).await?;
            put(shared, &content, file).await?;
            put(shared, &metadata, document.metadata.clone()).await?;
            locations.push(Locations {
                content: content.into(),
                metadata: metadata.into(),
                delete: None,
            });
        }
        Ok(locations)
    }

    /// The address of a file below a container or a folder in it.
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

    async fn read(shared: &Arc<Shared>, document: &Arc<Document>) -> Result<Bytes, Failure> {
        let (shared, document) = (Arc::clone(shared), Arc::clone(document));
        let file = tokio::task::spawn_blocking(move || document.file(&shared.cache)).await??;
        Ok(file)
    }

    async fn put(shared: &Shared, url: &Url, content: Bytes) -> Result<(), Failure> {
        let mut signed = url.clone();
        signed.set_query(shared.settings.store.storage_sas.as_deref());
        let options = BlobClientOptions {
            client_options: ClientOptions {
                // What fails once is told in the event; the service's retries are not known.
                retry: RetryOptions::none(),
                ..ClientOptions::default()
            },
            ..BlobClientOptions::default()
        };
        let client = BlobClient::new(signed, None, Some(options))?;
        let upload = client.upload(RequestContent::from(content.to_vec()), None);
        tokio::time::timeout(PATIENCE, upload).await??;
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

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
