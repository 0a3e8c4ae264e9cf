//! Reads one untrusted file, given as standard input, and knows nothing else.
//!
//! The server starts one of these for every file; nobody starts it by hand. See
//! `cloister_ingest::child`.

use std::process::ExitCode;

#[expect(
    clippy::disallowed_methods,
    reason = "the parent's request comes in the environment, where other users cannot see it"
)]
fn main() -> ExitCode {
    let request = std::env::var(cloister_ingest::wire::REQUEST);
    match request
        .ok()
        .map(|request| cloister_ingest::child::run(&request))
    {
        Some(Ok(())) => ExitCode::SUCCESS,
        // The parent has the pipe and sees an early end; there is nobody else to tell.
        Some(Err(_)) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    }
}
