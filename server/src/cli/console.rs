//! The terminal. All output goes through here, so that a closed pipe is not an error and control
//! characters of a document do not reach the terminal.

use std::io::Write;

/// Prints a line of a result to standard output.
pub fn line(text: &str) {
    // The reader of a pipe may have gone.
    drop(writeln!(std::io::stdout().lock(), "{}", printable(text)));
}

/// Prints a line for the person to standard error.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", printable(text)));
}

/// Prints an error with its causes.
pub fn error(cause: &anyhow::Error) {
    note(&format!("error: {cause:#}"));
}

/// The text without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}
