//! Connection strings: whatever is around one, its endpoint is read, and nothing repeats its key.

#![no_main]

use acs_recording::{ConnectionString, Error};
use libfuzzer_sys::fuzz_target;

/// Shorter ones are in any text.
const SECRET: usize = 24;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let shown = match text.parse::<ConnectionString>() {
        Ok(parsed) => {
            let endpoint = parsed.endpoint().to_string();
            let again = format!("endpoint={endpoint};accesskey=MDEyMzQ1Njc4OWFiY2RlZg==");
            let again: ConnectionString = again.parse().expect("it was parsed once");
            assert_eq!(again.endpoint(), parsed.endpoint());
            // What is a part of the address is no secret.
            format!("{parsed:?}")
                .replace(parsed.endpoint().url().host_str().unwrap_or_default(), "")
        }
        Err(error) => format!("{error} {error:?} {:?}", Error::from(error.clone())),
    };
    for key in keys(&text) {
        assert!(!shown.contains(key), "{shown}");
    }
});

/// What stands behind the name of the key and nowhere else, where it may be told.
fn keys(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let names = lower.match_indices("accesskey");
    let values = names.map(|(at, name)| {
        let rest = text[at + name.len()..].trim_start_matches(|c: char| !is_of_key(c) || c == '=');
        &rest[..rest.find(|c| !is_of_key(c)).unwrap_or(rest.len())]
    });
    values
        .filter(|key| key.len() >= SECRET)
        .filter(|key| lower.matches(&key.to_ascii_lowercase()).count() == 1)
        .collect()
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}
