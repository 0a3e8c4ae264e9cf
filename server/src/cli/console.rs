//! Writing to the terminal. What a command prints goes through here, so that a closed pipe is no
//! crash and nothing from a document reaches the terminal as a control sequence.

use std::io::Write;

/// Prints a line of a result.
pub fn line(text: &str) {
    // Whoever read our output may have gone; there is nobody left to tell.
    drop(writeln!(std::io::stdout().lock(), "{}", plain(text)));
}

/// Prints a line for the person, beside the result.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", plain(text)));
}

/// Prints an error with its causes.
pub fn error(cause: &anyhow::Error) {
    note(&format!("error: {cause:#}"));
}

/// The text without control characters.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}
