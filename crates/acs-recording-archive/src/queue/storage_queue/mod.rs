//! A queue of Azure Storage.

mod address;
mod client;
mod failure;
mod poison;
mod retry;
mod shared_key;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use jiff::Timestamp;

use self::address::QueueAddress;
use self::client::{Client, Ended};
pub use self::poison::PoisonQueue;
use self::poison::Queues;
use super::{EventQueue, Message};
use crate::error::{Error, ErrorKind, Result};

/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A queue of Azure Storage that Event Grid delivers events into.
///
/// ```
/// use acs_recording_archive::StorageQueue;
/// # use std::sync::Arc;
/// # fn run(credential: Arc<dyn azure_core::credentials::TokenCredential>, text: &str)
/// # -> acs_recording_archive::Result<()> {
/// // Entra ID: any credential of `azure_identity`.
/// let url = "https://contoso.queue.core.windows.net/recordings";
/// let queue = StorageQueue::new(url, Some(credential))?;
/// // A SAS in the URL needs no credential.
/// let queue = StorageQueue::new(format!("{url}?sv=2026-04-06&sp=raup&sig=x"), None)?;
/// // A connection string with an account key or a SAS; `UseDevelopmentStorage=true` is Azurite.
/// let queue = StorageQueue::from_connection_string(text, "recordings")?;
/// # Ok(())
/// # }
/// ```
///
/// # Permissions
/// A worker receives, renews and deletes messages, counts them, and adds those that cannot be
/// handled to the poison queue. The role "Storage Queue Data Contributor" on both queues permits
/// this, as does a SAS with `rup` on the queue and `a` on the poison queue; a SAS for the whole
/// account also needs `c` to create the poison queue when it is first needed. Without `r` nothing is
/// counted. On an existing poison queue, the role "Storage Queue Data Message Sender" is enough.
///
/// # Poison queue
/// Messages that can never be handled go unchanged into the queue `<queue>-poison` of the same
/// account, where they never expire. [`StorageQueueBuilder::poison_queue`] names another.
///
/// # Retries
/// Requests that fail for a moment are repeated for up to a minute; a renewal is, for up to a third
/// of its lease. A renewal whose response was lost fails with [`ErrorKind::LeaseLost`], because the
/// new pop receipt was in that response: the message becomes visible again after a lease.
///
/// Clones share their connections.
#[derive(Clone)]
pub struct StorageQueue(Arc<Queues>);

impl StorageQueue {
    /// The queue at a URL, such as `https://contoso.queue.core.windows.net/recordings`.
    ///
    /// The URL may have a SAS, which takes precedence over the credential.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the URL is none of a queue, when there is neither a SAS nor
    /// a credential, or when one of them would be sent in the clear. No request is sent.
    pub fn new(url: impl AsRef<str>, credential: Option<Arc<dyn TokenCredential>>) -> Result<Self> {
        Self::builder(url, credential)?.build()
    }

    /// A queue by its name in the storage account of a connection string.
    ///
    /// It has `AccountName` with `AccountKey`, or `SharedAccessSignature`, and if wanted
    /// `QueueEndpoint`, `EndpointSuffix` and `DefaultEndpointsProtocol`; or it is
    /// `UseDevelopmentStorage=true` for a local Azurite.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the text is no such connection string, or the name none of
    /// a queue. No request is sent.
    pub fn from_connection_string(text: &str, queue: &str) -> Result<Self> {
        Self::builder_from_connection_string(text, queue)?.build()
    }

    /// As [`new`](Self::new), with settings.
    pub fn builder(
        url: impl AsRef<str>,
        credential: Option<Arc<dyn TokenCredential>>,
    ) -> Result<StorageQueueBuilder> {
        let address = QueueAddress::from_url(url.as_ref())?;
        Ok(StorageQueueBuilder::new(address, credential))
    }

    /// As [`from_connection_string`](Self::from_connection_string), with settings.
    pub fn builder_from_connection_string(text: &str, queue: &str) -> Result<StorageQueueBuilder> {
        let address = QueueAddress::from_connection_string(text, queue)?;
        Ok(StorageQueueBuilder::new(address, None))
    }

    /// The address, without a SAS.
    pub fn url(&self) -> &str {
        self.0.main.address().url().as_str()
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.0.main.address().name()
    }

    /// Adds a message, visible at once. It must be UTF-8; Event Grid writes base64.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is larger than 64 KiB or not UTF-8.
    pub async fn send(&self, body: impl Into<Bytes> + Send) -> Result<()> {
        self.0.main.send(&body.into()).await
    }

    /// The messages that could not be handled.
    pub fn poison_queue(&self) -> PoisonQueue {
        PoisonQueue(Arc::clone(&self.0))
    }
}

#[async_trait]
impl EventQueue for StorageQueue {
    async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
        self.0.main.receive(max, lease).await
    }

    async fn renew(&self, message: &mut Message, lease: Duration) -> Result<()> {
        let pop_receipt = self.0.main.renew(message, lease).await?;
        message.set_pop_receipt(pop_receipt);
        Ok(())
    }

    async fn complete(&self, message: &Message) -> Result<()> {
        note(message, self.0.main.delete(message).await?);
        Ok(())
    }

    async fn release(&self, message: &Message, after: Duration) -> Result<()> {
        note(message, self.0.main.release(message, after).await?);
        Ok(())
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let Queues { main, poison } = &*self.0;
        poison.send_for_good(&message.body).await.map_err(|error| {
            error.about(format_args!(
                "message {} cannot be moved to the poison queue and stays where it is",
                message.id
            ))
        })?;
        let poison = poison.address().name();
        tracing::debug!(
            message = message.id,
            poison,
            reason,
            "message sent to poison"
        );
        match main.delete(message).await {
            Ok(ended) => note(message, ended),
            // The queue has dropped it, so the poison queue has the only one.
            Err(error)
                if error.kind() == ErrorKind::LeaseLost && message.is_expired(Timestamp::now()) => {
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn approximate_depth(&self) -> Result<Option<u64>> {
        match self.0.main.depth().await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
            other => other,
        }
    }
}

fn note(message: &Message, ended: Ended) {
    if ended == Ended::Before {
        let message = &message.id;
        tracing::debug!(
            message,
            "an attempt whose response was lost ended the lease"
        );
    }
}

impl fmt::Debug for StorageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueue")
            .field("url", &self.url())
            .field("poison_queue", &self.poison_queue().url())
            .finish()
    }
}

/// Settings of a [`StorageQueue`]. [`StorageQueue::builder`] returns it.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct StorageQueueBuilder {
    address: QueueAddress,
    credential: Option<Arc<dyn TokenCredential>>,
    poison: Option<QueueAddress>,
    roots: Vec<reqwest::Certificate>,
}

impl StorageQueueBuilder {
    fn new(address: QueueAddress, credential: Option<Arc<dyn TokenCredential>>) -> Self {
        Self {
            address,
            credential,
            poison: None,
            roots: Vec::new(),
        }
    }

    /// The poison queue: its name in the same account, or its URL, with a SAS of its own unless the
    /// credential is a token (default: `<queue>-poison` in the same account).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is neither the name nor the URL of a queue.
    pub fn poison_queue(mut self, name_or_url: impl AsRef<str>) -> Result<Self> {
        let text = name_or_url.as_ref();
        self.poison = Some(if text.contains("://") {
            QueueAddress::from_url(text)?
        } else {
            self.address.sibling(text.trim())?
        });
        Ok(self)
    }

    /// Trusts the certificate authorities of this PEM bundle too, beside the system's: those of a
    /// proxy that looks into TLS, or of a local Azurite.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is no certificate in it.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Result<Self> {
        let roots = reqwest::Certificate::from_pem_bundle(pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a root certificate cannot be read; give certificates in PEM",
            ));
        }
        self.roots.extend(roots);
        Ok(self)
    }

    /// The queue. No request is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is neither a SAS nor a credential, or when one of
    /// them would be sent in the clear.
    pub fn build(self) -> Result<StorageQueue> {
        let poison = match self.poison {
            Some(mut poison) => {
                // A key is good for the whole account.
                if !poison.is_authorized() && poison.is_beside(&self.address) {
                    poison.key.clone_from(&self.address.key);
                }
                poison
            }
            None => self.address.poison()?,
        };
        if poison.url() == self.address.url() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the poison queue is the queue itself; give another one",
            ));
        }
        let transport = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_merge(self.roots)
            .build()
            .map_err(|_| {
                let message = "the HTTP client of the queue cannot be set up; check the root \
                               certificates";
                Error::new(ErrorKind::InvalidInput, message)
            })?;
        let credential = self.credential.as_ref();
        Ok(StorageQueue(Arc::new(Queues {
            main: Client::new(self.address, credential, transport.clone())?,
            poison: Client::new(poison, credential, transport)?,
        })))
    }
}

impl fmt::Debug for StorageQueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueueBuilder")
            .field("address", &self.address)
            .field("poison", &self.poison)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://acct.queue.example/recordings";

    #[test]
    fn a_queue_needs_something_that_proves_the_right_to_use_it() {
        let error = StorageQueue::new(URL, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("a SAS in its URL"), "{error}");
        StorageQueue::new(format!("{URL}?sig=secret"), None).unwrap();
    }

    #[test]
    fn the_poison_queue_can_be_another_one_and_not_the_queue_itself() {
        let signed = format!("{URL}?sig=secret");
        let builder = StorageQueue::builder(&signed, None).unwrap();
        let other = "https://acct.queue.example/broken?sig=secret";
        let queue = builder.clone().poison_queue(other).unwrap();
        let queue = queue.build().unwrap();
        assert!(queue.poison_queue().url().ends_with("/broken"));
        let named = builder.clone().poison_queue("broken").unwrap();
        let named = named.build().unwrap();
        assert_eq!(named.poison_queue().url(), queue.poison_queue().url());
        assert!(builder.clone().poison_queue("Broken!").is_err());
        assert!(
            builder
                .clone()
                .poison_queue("recordings")
                .unwrap()
                .build()
                .is_err()
        );
        assert!(builder.poison_queue(&signed).unwrap().build().is_err());

        let key = "QueueEndpoint=https://acct.queue.example;AccountName=a;AccountKey=c2VjcmV0";
        let builder = StorageQueue::builder_from_connection_string(key, "recordings").unwrap();
        let other = "https://acct.queue.example/broken";
        let builder = builder.poison_queue(other).unwrap();
        builder.clone().build().unwrap();
        let elsewhere = "https://other.queue.example/broken";
        let elsewhere = builder.poison_queue(elsewhere).unwrap();
        assert!(elsewhere.build().is_err(), "the key is of another account");
    }

    #[test]
    fn root_certificates_have_to_be_readable() {
        let builder = StorageQueue::builder(format!("{URL}?sig=secret"), None).unwrap();
        let error = builder.add_root_certificate(b"nonsense").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn secrets_are_not_shown() {
        let builder = StorageQueue::builder(format!("{URL}?sig=secret"), None).unwrap();
        assert!(!format!("{builder:?}").contains("secret"));
        let queue = builder.build().unwrap();
        let shown = format!("{queue:?} {:?}", queue.poison_queue());
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("recordings-poison"), "{shown}");
    }
}
