//! Connection strings: surrounding text does not hide the endpoint, and no output contains the key.

#![no_main]

use acs_recording::{ConnectionString, Error};
use libfuzzer_sys::fuzz_target;

/// Shorter keys occur in any text by chance.
const SECRET: usize = 24;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let shown = match text.parse::<ConnectionString>() {
        Ok(parsed) => {
            let endpoint = parsed.endpoint().to_string();
            let again = format!("endpoint={endpoint};accesskey=MDEyMzQ1Njc4OWFiY2RlZg==");
            let again: ConnectionString = again.parse().expect("the output is parsable");
            assert_eq!(again.endpoint(), parsed.endpoint());
            // A part of the endpoint is not secret.
            format!("{parsed:?}")
                .replace(parsed.endpoint().url().host_str().unwrap_or_default(), "")
        }
        Err(error) => format!("{error} {error:?} {:?}", Error::from(error.clone())),
    };
    for key in keys(&text) {
        assert!(!shown.contains(key), "{shown}");
    }
});

/// The values of the key that do not also occur elsewhere.
fn keys(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let names = lower.match_indices("accesskey");
    let values = names.map(|(at, name)| {
        let rest =
            text[at + name.len()..].trim_start_matches(|c: char| !is_key_char(c) || c == '=');
        &rest[..rest.find(|c| !is_key_char(c)).unwrap_or(rest.len())]
    });
    values
        .filter(|key| key.len() >= SECRET)
        .filter(|key| lower.matches(&key.to_ascii_lowercase()).count() == 1)
        .collect()
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}
