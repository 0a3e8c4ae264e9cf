//! Every fuzz target is this program. Its name selects the target.

#![no_main]

use cloister_ingest_fuzz::targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::run(env!("CARGO_BIN_NAME"), bytes));
