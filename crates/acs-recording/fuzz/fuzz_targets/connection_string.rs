//! Connection strings: whatever is written, no error repeats the key.

#![no_main]

use acs_recording::{ConnectionString, Error};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<ConnectionString>() {
        Ok(parsed) => {
            // What was understood is understood again, as the same resource.
            let endpoint = parsed.endpoint().to_string();
            let key = value(&text, "accesskey").expect("it was found");
            let again = format!("accesskey={key};endpoint={endpoint}");
            let again: ConnectionString = again.parse().expect("it was parsed once");
            assert_eq!(again.endpoint(), parsed.endpoint());
            hides(&key, &format!("{parsed:?}"));
        }
        Err(error) => {
            let shown = format!("{error} {error:?} {:?}", Error::from(error.clone()));
            if let Some(key) = value(&text, "accesskey") {
                hides(&key, &shown);
            }
        }
    }
});

/// The value of a part, by reading it another way.
fn value(text: &str, wanted: &str) -> Option<String> {
    text.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case(wanted);
        is_it.then(|| value.trim().to_owned())
    })
}

fn hides(key: &str, shown: &str) {
    // Shorter ones are in any text.
    assert!(key.len() < 24 || !shown.contains(key), "{shown}");
}
