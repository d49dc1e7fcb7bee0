//! Deserializers for values that the service writes in several forms.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize as _;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde_json::Value;

/// Reads a member. One that cannot be read counts as missing, because it is no reason to lose an
/// event.
pub(crate) fn or_none<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(Value) -> serde_json::Result<Option<T>>,
) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| read(value).unwrap_or_default())
}

/// An optional number, which may be text (`"16000"`) or have a fraction (`5580.0`).
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(NumberVisitor)
}

/// Like [`number`], for counts: a fraction, a sign or an overflow is an error.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = number(deserializer)? else {
        return Ok(None);
    };
    // Up to 2^53, every whole number is exact.
    if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within range"
        )]
        return Ok(Some(number as u64));
    }
    Err(de::Error::invalid_value(
        Unexpected::Float(number),
        &"a count",
    ))
}

/// An optional duration in milliseconds.
pub(crate) fn milliseconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Ok(number(deserializer)?.and_then(duration_of_milliseconds))
}

/// A number of milliseconds.
#[allow(clippy::cast_precision_loss, reason = "milliseconds are small")]
pub(crate) fn duration_of_count(milliseconds: u64) -> Option<Duration> {
    duration_of_milliseconds(milliseconds as f64)
}

fn duration_of_milliseconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value / 1000.0).ok()
}

/// An optional duration in seconds.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Ok(number(deserializer)?.and_then(|value| Duration::try_from_secs_f64(value).ok()))
}

/// A value whose form is checked less strictly when it comes from the service.
pub(crate) trait Received: Sized {
    /// The value, unless the text cannot be one.
    fn received(text: String) -> Option<Self>;
}

/// An optional id. A number counts as its text. Anything that cannot be an id counts as missing, because
/// it is no reason to lose an event.
pub(crate) fn id<'de, D: Deserializer<'de>, T: Received>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(text.and_then(T::received))
}

/// Optional text, or a type that is made from text. Any other value counts as its JSON text.
pub(crate) fn text<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(text.map(T::from))
}

/// A value, or the default if it cannot be read.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: de::DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// The readable elements of a list.
pub(crate) fn list<'de, D: Deserializer<'de>, T: de::DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Vec<Value> = or_default(deserializer)?;
    let read = list.into_iter().map(serde_json::from_value);
    Ok(read.filter_map(Result::ok).collect())
}

/// Like [`id`], from text.
pub(crate) fn parse<T: Received>(text: Option<&str>) -> Option<T> {
    T::received(text?.to_owned())
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text that is a number")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds, hertz and counts are small"
    )]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds, hertz and counts are small"
    )]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// An optional instant, with 6 or 7 fraction digits, and with `Z`, an offset or neither (then UTC).
///
/// The service writes a missing instant as the year 1.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    deserializer.deserialize_option(TimestampVisitor)
}

/// The first instant of the year 2.
const YEAR_2: Timestamp = Timestamp::constant(-62_104_060_800, 0);

struct TimestampVisitor;

impl<'de> Visitor<'de> for TimestampVisitor {
    type Value = Option<Timestamp>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date and time")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let instant = parse_timestamp(text.trim())
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
        Ok(known(instant))
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// Like [`timestamp`], from text. Text that is no time counts as missing.
pub(crate) fn received_time(text: &str) -> Option<Timestamp> {
    parse_timestamp(text.trim()).and_then(known)
}

fn known(instant: Timestamp) -> Option<Timestamp> {
    (instant >= YEAR_2).then_some(instant)
}

pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let local: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        #[serde(default, deserialize_with = "number")]
        number: Option<f64>,
        #[serde(default, deserialize_with = "count")]
        count: Option<u64>,
        #[serde(default, deserialize_with = "timestamp")]
        time: Option<Timestamp>,
    }

    fn read(json: &str) -> Result<Sample, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        for (json, number, count) in [
            ("5580.0", 5580.0, 5580),
            ("19320", 19320.0, 19320),
            ("\"16000\"", 16000.0, 16000),
        ] {
            let sample = read(&format!(r#"{{"number":{json},"count":{json}}}"#)).unwrap();
            assert_eq!(sample.number, Some(number));
            assert_eq!(sample.count, Some(count));
        }
        assert_eq!(read(r#"{"number":null,"count":null}"#).unwrap().count, None);
        for json in ["-1", "1.5", "1e300", "\"x\"", "\"NaN\"", "true", "[]"] {
            assert!(read(&format!(r#"{{"count":{json}}}"#)).is_err(), "{json}");
        }
    }

    #[test]
    fn times_are_read_in_every_form() {
        let expected: Timestamp = "2025-09-01T08:51:55.3582173Z".parse().unwrap();
        for text in [
            "2025-09-01T08:51:55.3582173Z",
            "2025-09-01T08:51:55.3582173+00:00",
            "2025-09-01T10:51:55.3582173+02:00",
            "2025-09-01T08:51:55.3582173",
        ] {
            let sample = read(&format!(r#"{{"time":"{text}"}}"#)).unwrap();
            assert_eq!(sample.time, Some(expected), "{text}");
        }
        for text in [
            "0001-01-01T00:00:00+00:00",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00",
        ] {
            assert_eq!(read(&format!(r#"{{"time":"{text}"}}"#)).unwrap().time, None);
        }
        assert!(read(r#"{"time":"yesterday"}"#).is_err());
    }
}
