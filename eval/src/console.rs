//! Output of the program. Control characters are removed, because the text may come from a
//! document.

use std::io::Write;

/// Prints a line of a result to standard output.
pub fn line(text: &str) {
    // The reader of a pipe may have gone.
    drop(writeln!(std::io::stdout().lock(), "{}", printable(text)));
}

/// Prints a line about the progress to standard error.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", printable(text)));
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}
