//! What all operations have in common.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acs_call_automation::{Failure, ResponseValue};
use uuid::Uuid;

use crate::error::{Result, ServiceCode, from_failure};

/// The future of an operation.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes a builder awaitable: its method `send` does the work, under the name of the operation.
macro_rules! into_future {
    ($builder:ident -> $output:ty, $operation:expr) => {
        impl ::std::future::IntoFuture for $builder {
            type Output = $crate::Result<$output>;
            type IntoFuture = $crate::operation::BoxFuture<Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                ::std::boxed::Box::pin(async move {
                    // Pinned, because futures of this size should not move.
                    let sent = ::std::pin::pin!(self.send());
                    let sent = $crate::telemetry::operation($operation, sent).await;
                    sent.map_err(|error| error.with_operation($operation))
                })
            }
        }
    };
}

/// Declares an operation on a recording or a call: an owned builder with the options of its requests.
macro_rules! operation {
    ($(#[$doc:meta])* $builder:ident($id:ty) -> $output:ty, $operation:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is sent before it is awaited"]
        pub struct $builder {
            client: $crate::client_core::ClientCore,
            id: $id,
            options: $crate::RequestOptions,
        }

        impl $builder {
            pub(super) fn new(client: $crate::client_core::ClientCore, id: $id) -> Self {
                let options = $crate::RequestOptions::new();
                Self { client, id, options }
            }
        }

        $crate::transport::request_options!($builder);
        $crate::operation::into_future!($builder -> $output, $operation);
    };
}

/// The setter of a builder's field `repeatability`.
macro_rules! repeatability {
    ($builder:ident) => {
        impl $builder {
            /// Identifies the request, so that the service acts on it once even if it is sent again
            /// (default: a new id and the current time, which clones share).
            ///
            /// This is for programs that may stop between sending the request and storing its result:
            /// choose an id, store it with the time, and after a restart send the request again with
            /// both. The service treats the same id with another time as another request, or rejects
            /// it. It remembers ids for a short time only.
            pub fn repeatability(
                mut self,
                id: ::uuid::Uuid,
                first_sent: ::std::time::SystemTime,
            ) -> Self {
                self.repeatability = $crate::operation::Repeatability { id, first_sent };
                self
            }
        }
    };
}

pub(crate) use {into_future, operation, repeatability};

/// The values by which the service recognizes a repeated request.
///
/// They are chosen when the operation is created, so that a clone of it sends the same request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeatability {
    pub(crate) id: Uuid,
    pub(crate) first_sent: SystemTime,
}

impl Repeatability {
    pub(crate) fn new() -> Self {
        Self {
            id: Uuid::new_v4(),
            first_sent: SystemTime::now(),
        }
    }

    /// The value of `Repeatability-First-Sent`.
    pub(crate) fn first_sent(&self) -> String {
        http_date(self.first_sent)
    }
}

/// A time as an HTTP date. These range from 1970 to 9999.
fn http_date(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST))
}

/// The response of the generated client, or its failure as an error of this crate.
pub(crate) fn response<T>(result: Result<ResponseValue<T>, Failure>) -> Result<ResponseValue<T>> {
    result.map_err(from_failure)
}

/// The value of a response, or the failure as an error of this crate.
pub(crate) fn value<T>(result: Result<ResponseValue<T>, Failure>) -> Result<T> {
    response(result).map(ResponseValue::into_inner)
}

/// Turns "not found" into a success if an earlier attempt, whose response was lost, may have ended the
/// recording or the call.
pub(crate) fn allow_not_found_after_retry(result: Result<()>) -> Result<()> {
    match result {
        Err(error)
            if error.may_have_acted() && error.service_code() == Some(ServiceCode::NotFound) =>
        {
            Ok(())
        }
        result => result,
    }
}
