//! Reads one untrusted file, given as standard input, and knows nothing else.
//!
//! The server starts one of these for every file; nobody starts it by hand. See
//! `cloister_ingest::child`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let done = std::env::args()
        .nth(1)
        .map(|word| cloister_ingest::child::run(&word));
    match done {
        Some(Ok(())) => ExitCode::SUCCESS,
        // The parent has the pipe and sees an early end; there is nobody else to tell.
        Some(Err(_)) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    }
}
