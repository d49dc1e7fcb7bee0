//! Values as people write and read them.

use std::time::Duration;

/// Reads `30s`, `2m`, `1h`, `250ms`, or seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write 250ms, 30s, 2m or 1h");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// Writes a time as `1:02:03.4`, without hours if there are none.
pub(crate) fn clock(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (minutes, second) = (seconds / 60, seconds % 60);
    if minutes < 60 {
        format!("{minutes}:{second:02}.{tenth}")
    } else {
        format!("{}:{:02}:{second:02}.{tenth}", minutes / 60, minutes % 60)
    }
}

/// Both ends of an id, which tell it from others.
pub(crate) fn shortened(id: &str) -> String {
    const ENDS: usize = 8;
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 3 * ENDS {
        return id.to_owned();
    }
    let (first, last) = (&letters[..ENDS], &letters[letters.len() - ENDS..]);
    first.iter().chain(&['…']).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("7", 7000),
            ("2m", 120_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in [
            "",
            "s",
            "-1s",
            "1d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_keep_their_ends() {
        assert_eq!(shortened("8:acs:alice"), "8:acs:alice");
        assert_eq!(
            shortened("0-weu-d1-90e468ab5c0f1e2d3c4b"),
            "0-weu-d1…1e2d3c4b"
        );
    }

    #[test]
    fn times_are_written() {
        assert_eq!(clock(Duration::from_millis(4012)), "0:04.0");
        assert_eq!(clock(Duration::from_millis(3_723_449)), "1:02:03.4");
        assert_eq!(clock(Duration::from_millis(59_960)), "1:00.0");
    }
}
