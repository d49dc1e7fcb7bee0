//! The requests to one queue.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, RetryOptions, Transport, UserAgentOptions};
use azure_core::time::OffsetDateTime;
use azure_storage_queue::models::{
    QueueClientPeekMessagesOptions, QueueClientReceiveMessagesOptions,
    QueueClientSendMessageOptions, QueueMessage,
};
use azure_storage_queue::{QueueClient, QueueClientOptions};
use jiff::Timestamp;

use super::address::QueueAddress;
use super::failure::Failure;
use super::retry::{Limits, Outcome, attempt};
use crate::error::{Error, ErrorKind, Result};
use crate::queue::Message;

/// The most messages that one request receives or peeks at.
pub(super) const MAX_MESSAGES: usize = 32;
const MAX_VISIBILITY: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages in the poison queue stay until somebody has seen to them.
const NEVER_EXPIRES: i32 = -1;
const POP_RECEIPT: HeaderName = HeaderName::from_static("x-ms-popreceipt");
const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(30),
    total: Duration::from_secs(60),
};

/// One queue, and the client for it.
pub(super) struct Client {
    address: QueueAddress,
    client: QueueClient,
}

/// What came of a request that ends a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Now,
    /// An attempt whose response got lost may have ended it.
    Before,
}

impl Client {
    pub(super) fn new(
        address: QueueAddress,
        credential: Option<&Arc<dyn TokenCredential>>,
        transport: reqwest::Client,
    ) -> Result<Self> {
        let credential = credential.filter(|_| !address.is_authorized());
        if credential.is_none() && !address.is_authorized() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "nothing proves the right to use the queue {}; give a credential, a SAS in its \
                     URL, or a storage connection string",
                    address.url()
                ),
            ));
        }
        if credential.is_some() && address.url().scheme() != "https" {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the queue {} must be https to take tokens", address.url()),
            ));
        }
        let signing = address.key.clone();
        let signing = signing.map(|key| Arc::new(key) as Arc<dyn Policy>);
        let options = QueueClientOptions {
            client_options: ClientOptions {
                per_try_policies: signing.into_iter().collect(),
                retry: RetryOptions::none(),
                transport: Some(Transport::new(Arc::new(transport))),
                user_agent: UserAgentOptions {
                    application_id: Some("acs-recording".to_owned()),
                },
                ..ClientOptions::default()
            },
            ..QueueClientOptions::default()
        };
        let client = QueueClient::new(address.signed_url(), credential.cloned(), Some(options))
            .map_err(|error| Failure::Azure(error).into_error("set up the client", &address))?;
        Ok(Self { address, client })
    }

    pub(super) fn address(&self) -> &QueueAddress {
        &self.address
    }

    pub(super) async fn receive(&self, max: usize, lease: Duration) -> Result<Vec<Message>> {
        let number = i32::try_from(max.min(MAX_MESSAGES)).unwrap_or_default();
        if number == 0 {
            return Ok(Vec::new());
        }
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: Some(number),
            visibility_timeout: Some(seconds(lease).max(1)),
            ..QueueClientReceiveMessagesOptions::default()
        };
        let outcome = attempt(LIMITS, || async {
            let response = self.client.receive_messages(Some(options.clone()));
            response.await?.into_model()
        });
        let messages = self.finish(outcome.await, "receive messages")?;
        let messages = messages.items.unwrap_or_default().into_iter();
        // Nothing can be done about a message without id and receipt.
        let messages = messages.filter_map(|received| {
            let mut message = Message::new(
                received.message_id?,
                received.message_text.unwrap_or_default(),
                received.pop_receipt?,
            );
            message.dequeue_count = count(received.dequeue_count);
            message.inserted_at = received.insertion_time.and_then(instant);
            message.expires_at = received.expiration_time.and_then(instant);
            Some(message)
        });
        Ok(messages.collect())
    }

    /// Looks at the first messages that are visible, and leaves them so.
    pub(super) async fn peek(&self, max: usize) -> Result<Vec<Message>> {
        let number = i32::try_from(max.min(MAX_MESSAGES)).unwrap_or_default();
        if number == 0 {
            return Ok(Vec::new());
        }
        let options = QueueClientPeekMessagesOptions {
            number_of_messages: Some(number),
            ..QueueClientPeekMessagesOptions::default()
        };
        let outcome = attempt(LIMITS, || async {
            let response = self.client.peek_messages(Some(options.clone()));
            response.await?.into_model()
        });
        let messages = self.finish(outcome.await, "peek at messages")?;
        let messages = messages.items.unwrap_or_default().into_iter();
        let messages = messages.filter_map(|peeked| {
            let mut message = Message::new(
                peeked.message_id?,
                peeked.message_text.unwrap_or_default(),
                "",
            );
            message.dequeue_count = count(peeked.dequeue_count);
            message.inserted_at = peeked.insertion_time.and_then(instant);
            message.expires_at = peeked.expiration_time.and_then(instant);
            Some(message)
        });
        Ok(messages.collect())
    }

    /// Extends a lease, and returns the new pop receipt. It takes no longer than a third of it.
    pub(super) async fn renew(&self, message: &Message, lease: Duration) -> Result<String> {
        let limits = Limits {
            attempt: LIMITS.attempt.min(lease / 3),
            total: LIMITS.total.min(lease / 3),
        };
        let visibility = seconds(lease).max(1);
        let outcome = self.update(message, visibility, limits).await;
        let is_ambiguous = outcome.is_ambiguous;
        match outcome.result {
            Ok(pop_receipt) => Ok(pop_receipt),
            Err(failure) => {
                let is_own = is_ambiguous && failure.is_lease_lost();
                let error = failure.into_error("renew the lease of a message", &self.address);
                Err(if is_own {
                    error.about("the response to an earlier attempt was lost")
                } else {
                    error
                })
            }
        }
    }

    /// Ends a lease: the message is visible again after this time.
    pub(super) async fn release(&self, message: &Message, after: Duration) -> Result<Ended> {
        let outcome = self.update(message, seconds(after), LIMITS).await;
        if outcome.is_ambiguous
            && let Err(failure) = &outcome.result
            && failure.is_lease_lost()
        {
            return Ok(Ended::Before);
        }
        self.finish(outcome, "release a message")?;
        Ok(Ended::Now)
    }

    async fn update(&self, message: &Message, visibility: i32, limits: Limits) -> Outcome<String> {
        attempt(limits, || async {
            let (id, pop_receipt) = (&message.id, message.pop_receipt());
            let response = self
                .client
                .update_message(id, pop_receipt, visibility, None);
            let response = response.await?;
            let pop_receipt = response.headers().get_optional_string(&POP_RECEIPT);
            pop_receipt.ok_or_else(|| {
                let kind = azure_core::error::ErrorKind::DataConversion;
                azure_core::Error::with_message(kind, "the response has no x-ms-popreceipt")
            })
        })
        .await
    }

    pub(super) async fn delete(&self, message: &Message) -> Result<Ended> {
        let outcome = attempt(LIMITS, || async {
            let (id, pop_receipt) = (&message.id, message.pop_receipt());
            self.client.delete_message(id, pop_receipt, None).await
        })
        .await;
        if outcome.is_ambiguous
            && let Err(failure) = &outcome.result
            && failure.is_message_not_found()
        {
            return Ok(Ended::Before);
        }
        self.finish(outcome, "delete a message")?;
        Ok(Ended::Now)
    }

    /// Adds a message, visible at once and for as long as the queue's default, which is a week.
    pub(super) async fn send(&self, body: &[u8]) -> Result<()> {
        let outcome = self.put(body, None).await?;
        self.finish(outcome, "send a message")
    }

    /// Adds a message that never expires, and creates the queue if it does not exist.
    pub(super) async fn send_for_good(&self, body: &[u8]) -> Result<()> {
        let outcome = self.put(body, Some(NEVER_EXPIRES)).await?;
        let is_missing = matches!(&outcome.result, Err(failure) if failure.is_queue_not_found());
        if !is_missing {
            return self.finish(outcome, "send a message");
        }
        let created = attempt(LIMITS, || self.client.create(None)).await;
        self.finish(created, "create the queue")?;
        tracing::info!(queue = %self.address.url(), "the queue was created");
        let outcome = self.put(body, Some(NEVER_EXPIRES)).await?;
        self.finish(outcome, "send a message")
    }

    async fn put(&self, body: &[u8], time_to_live: Option<i32>) -> Result<Outcome<()>> {
        let text = std::str::from_utf8(body).map_err(|_| {
            let message = "a message is not UTF-8, so no queue can hold it; encode it in base64";
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let options = QueueClientSendMessageOptions {
            message_time_to_live: time_to_live,
            ..QueueClientSendMessageOptions::default()
        };
        let outcome = attempt(LIMITS, || async {
            let message = QueueMessage {
                message_text: Some(text.to_owned()),
            };
            let sent = self
                .client
                .send_message(message.try_into()?, Some(options.clone()));
            sent.await.map(drop)
        });
        Ok(outcome.await)
    }

    /// About how many messages there are, those that are leased included.
    pub(super) async fn depth(&self) -> Result<Option<u64>> {
        let outcome = attempt(LIMITS, || async {
            use azure_storage_queue::models::QueueClientGetPropertiesResultHeaders as _;
            let properties = self.client.get_properties(None).await?;
            properties.approximate_messages_count()
        });
        match self.finish(outcome.await, "count the messages") {
            Ok(count) => Ok(count.and_then(|count| u64::try_from(count).ok())),
            Err(error) => Err(error),
        }
    }

    fn finish<T>(&self, outcome: Outcome<T>, operation: &str) -> Result<T> {
        let result = outcome.result;
        result.map_err(|failure| failure.into_error(operation, &self.address))
    }
}

/// A visibility timeout in whole seconds, no shorter than asked for.
fn seconds(duration: Duration) -> i32 {
    let duration = duration.min(MAX_VISIBILITY);
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn count(dequeue_count: Option<i64>) -> u32 {
    let count = dequeue_count.unwrap_or(1).max(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// None for the end of the calendar, which is when messages expire that never do.
fn instant(time: OffsetDateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visibility_is_never_shorter_than_asked_for() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_millis(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(120), 120),
            (Duration::MAX, 604_800),
        ] {
            assert_eq!(seconds(duration), expected, "{duration:?}");
        }
    }
}
