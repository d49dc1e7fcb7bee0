//! A fault: the requests that it applies to, and its effects.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Operation;

/// A fault to inject, for tests of error handling.
///
/// A fault applies to all requests for one [`Operation`], unless it is limited to one object or to
/// some of the requests:
///
/// ```
/// use std::time::Duration;
/// use acs_emulator::{Fault, Operation};
///
/// let busy = Fault::on(Operation::Pause).times(2).status(503).retry_after(Duration::from_secs(1));
/// let broken = Fault::on(Operation::Content).after(1).cut_after(10_000);
/// ```
///
/// Delays and rates are measured in real time, whatever [`Clock`](crate::Clock) the emulator uses,
/// because they simulate the network and not the service. In JSON, for the admin interface, members
/// are in camel case, times are in milliseconds, and omitted members have no effect: `{"operation":
/// "pause", "times": 2, "status": 503, "retryAfter": "1"}`. A lost response is `"loss": "silence"` or
/// `"loss": "disconnect"`, [`Fault::after_performing`] is `"performed": true`, and
/// [`Fault::corrupt`] is `"alter"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
#[must_use = "a fault has no effect until it is added"]
pub struct Fault {
    pub(crate) operation: Operation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) after: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) performed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loss: Option<ConnectionFault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cut_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shorten_to: Option<u64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) ignore_range: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_range: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alter: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_byte_delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) duplicates: u32,
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fault = Self::deserialize(deserializer)?;
        fault.check().map_err(de::Error::custom)?;
        Ok(fault)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// How a response is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ConnectionFault {
    Silence,
    Disconnect,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Fault {
    /// A fault for all requests for this operation. It has no effect until one is set.
    pub fn on(operation: Operation) -> Self {
        Self {
            operation,
            target: None,
            after: 0,
            times: None,
            performed: false,
            delay_ms: None,
            loss: None,
            status: None,
            code: None,
            retry_after: None,
            headers: BTreeMap::new(),
            cut_after: None,
            shorten_to: None,
            ignore_range: false,
            content_range: None,
            alter: None,
            etag: None,
            bytes_per_second: None,
            first_byte_delay_ms: None,
            duplicates: 0,
        }
    }

    /// Limits the fault to requests with this id in their path: of a recording, a connection or a
    /// document. The default is all objects.
    pub fn target(mut self, id: impl Into<String>) -> Self {
        self.target = Some(id.into());
        self
    }

    /// Lets the first `count` requests pass. The default is 0.
    pub fn after(mut self, count: u32) -> Self {
        self.after = count;
        self
    }

    /// Applies the fault to at most `count` requests. The default is no limit.
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Performs the operation before its response is lost or replaced. By default, a request that
    /// receives another status or no response has no effect.
    pub fn after_performing(mut self) -> Self {
        self.performed = true;
        self
    }

    /// Delays the request by this time before it is processed.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = Some(millis(delay));
        self
    }

    /// Responds with this status and, if the operation has them, an error body. Statuses outside of
    /// the range from 200 to 999 become 500.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The error code in the body of a response with [`Fault::status`].
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds `Retry-After` in seconds, rounded up. For a date, use [`Fault::header`].
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(millis(delay).div_ceil(1_000).to_string());
        self
    }

    /// Sets a header of the response. A header that is not valid in HTTP is ignored.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Never responds. The connection stays open until the client gives up or the emulator stops.
    pub fn never_respond(mut self) -> Self {
        self.loss = Some(ConnectionFault::Silence);
        self
    }

    /// Closes the connection without a response.
    pub fn disconnect(mut self) -> Self {
        self.loss = Some(ConnectionFault::Disconnect);
        self
    }

    /// Closes the connection after `bytes` of the body. A client that reads slowly may not receive
    /// the last of these bytes. A body that is not longer is sent completely.
    pub fn cut_after(mut self, bytes: u64) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// Sends only the first `bytes` of the body, with a matching content length.
    pub fn shorten_to(mut self, bytes: u64) -> Self {
        self.shorten_to = Some(bytes);
        self
    }

    /// Sends an empty body with content length 0.
    pub fn empty_body(self) -> Self {
        self.shorten_to(0)
    }

    /// Ignores the requested range: responds with status 200 and the whole content.
    pub fn ignore_range(mut self) -> Self {
        self.ignore_range = true;
        self
    }

    /// Replaces the header `Content-Range`. An empty value removes it.
    pub fn content_range(mut self, value: impl Into<String>) -> Self {
        self.content_range = Some(value.into());
        self
    }

    /// Changes every byte of the body, in the same way in each response. Together with
    /// [`Fault::after`], the content changes between two ranges. Zero is treated as one.
    pub fn corrupt(mut self, with: u8) -> Self {
        self.alter = Some(with.max(1));
        self
    }

    /// Gives content this entity tag, which includes the quotes. A request with a different tag in
    /// `If-Range` receives the whole content; with a different tag in `If-Match`, it receives
    /// status 412. By default the emulator sends no entity tags, like the service.
    pub fn etag(mut self, tag: impl Into<String>) -> Self {
        self.etag = Some(tag.into());
        self
    }

    /// Limits the rate of the body. Zero is treated as one byte per second.
    pub fn bytes_per_second(mut self, rate: u64) -> Self {
        self.bytes_per_second = Some(rate.max(1));
        self
    }

    /// Sends status and headers immediately, and the body after this delay.
    pub fn first_byte_delay(mut self, delay: Duration) -> Self {
        self.first_byte_delay_ms = Some(millis(delay));
        self
    }

    /// Names the first effect that the fault cannot have.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_event = self.operation == Operation::Event;
        let replaces = self.status.is_some() || self.loss.is_some();
        let content = matches!(
            self.operation,
            Operation::Any | Operation::Content | Operation::Metadata
        );
        let of_body = [
            ("cutAfter", self.cut_after.is_some()),
            ("shortenTo", self.shorten_to.is_some()),
            ("ignoreRange", self.ignore_range),
            ("contentRange", self.content_range.is_some()),
            ("alter", self.alter.is_some()),
            ("etag", self.etag.is_some()),
            ("bytesPerSecond", self.bytes_per_second.is_some()),
            ("firstByteDelayMs", self.first_byte_delay_ms.is_some()),
        ];
        let of_response = [
            ("code", self.code.is_some()),
            ("retryAfter", self.retry_after.is_some()),
            ("headers", !self.headers.is_empty()),
        ];
        let given = |(name, is_given): &(&'static str, bool)| is_given.then_some(*name);
        if is_event && let Some(name) = of_body.iter().chain(&of_response).find_map(given) {
            return Err(format!(
                "'{name}' has no effect on events; use duplicates, delayMs, status, loss or performed"
            ));
        }
        if replaces && let Some(name) = of_body.iter().find_map(given) {
            return Err(format!(
                "'{name}' has no effect together with status or loss, which replace the response"
            ));
        }
        if self.status.is_some() && self.loss.is_some() {
            return Err("'status' has no effect together with loss".to_owned());
        }
        if !is_event && self.duplicates > 0 {
            return Err("'duplicates' has an effect on the operation 'event' only".to_owned());
        }
        if self.ignore_range && !content {
            return Err("'ignoreRange' has an effect on content and metadata only".to_owned());
        }
        if self.performed && !replaces {
            return Err("'performed' has an effect together with status or loss only".to_owned());
        }
        if self.code.is_some() && self.status.is_none() {
            return Err("'code' has an effect together with status only".to_owned());
        }
        let retry_after = self.retry_after.iter().map(|value| ("retry-after", value));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value));
        for (name, value) in headers.chain(retry_after) {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err(format!(
                    "the header '{name}' or its value is not valid in HTTP"
                ));
            }
        }
        Ok(())
    }

    /// Sends each [`Operation::Event`] `count` additional times with the same id, but at most 1,000
    /// times in total.
    pub fn duplicates(mut self, count: u32) -> Self {
        self.duplicates = count;
        self
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_contains_only_members_that_are_set() {
        let fault = Fault::on(Operation::Pause)
            .times(2)
            .status(503)
            .retry_after(Duration::from_millis(1_200));
        let json = serde_json::json!({
            "operation": "pause", "times": 2, "status": 503, "retryAfter": "2",
        });
        assert_eq!(serde_json::to_value(&fault).unwrap(), json);
        assert_eq!(serde_json::from_value::<Fault>(json).unwrap(), fault);
    }

    #[test]
    fn all_members_survive_a_round_trip_through_json() {
        let replaced = Fault::on(Operation::Start)
            .target("d")
            .after(1)
            .after_performing()
            .delay(Duration::from_secs(1))
            .status(503)
            .code("8589")
            .header("a", "b");
        let altered = Fault::on(Operation::Content)
            .cut_after(1)
            .shorten_to(2)
            .ignore_range()
            .content_range("x")
            .corrupt(0)
            .etag("\"1\"")
            .bytes_per_second(0)
            .first_byte_delay(Duration::from_millis(5));
        let lost = Fault::on(Operation::Event).duplicates(3).never_respond();
        for fault in [replaced, altered, lost] {
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(
                serde_json::from_str::<Fault>(&json).unwrap(),
                fault,
                "{json}"
            );
        }
    }

    #[test]
    fn effects_that_the_fault_cannot_have_are_refused() {
        for (json, member) in [
            (r#"{"operation":"event","cutAfter":1}"#, "cutAfter"),
            (
                r#"{"operation":"event","retryAfter":"1","status":503}"#,
                "retryAfter",
            ),
            (r#"{"operation":"event","headers":{"a":"b"}}"#, "headers"),
            (r#"{"operation":"pause","duplicates":1}"#, "duplicates"),
            (r#"{"operation":"pause","ignoreRange":true}"#, "ignoreRange"),
            (r#"{"operation":"pause","performed":true}"#, "performed"),
            (r#"{"operation":"pause","code":"8589"}"#, "code"),
            (
                r#"{"operation":"content","status":503,"cutAfter":1}"#,
                "cutAfter",
            ),
            (
                r#"{"operation":"content","status":503,"loss":"silence"}"#,
                "status",
            ),
            (r#"{"operation":"pause","headers":{"a b":"c"}}"#, "a b"),
            (r#"{"operation":"pause","retryAfter":"1\n"}"#, "retry-after"),
        ] {
            let error = serde_json::from_str::<Fault>(json).unwrap_err().to_string();
            assert!(error.contains(&format!("'{member}'")), "{json}: {error}");
        }
        for json in [
            r#"{"operation":"event","duplicates":1,"delayMs":5,"status":503,"performed":true}"#,
            r#"{"operation":"any","ignoreRange":true,"etag":"x"}"#,
            r#"{"operation":"stop","loss":"disconnect","performed":true}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn misspelt_members_are_refused() {
        let json = r#"{"operation": "pause", "statsu": 503}"#;
        assert!(serde_json::from_str::<Fault>(json).is_err());
    }
}
