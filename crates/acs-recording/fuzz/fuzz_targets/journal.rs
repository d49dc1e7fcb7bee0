//! Journals of downloads.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| acs_recording::fuzzing::journal(bytes));
