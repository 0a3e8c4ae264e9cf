//! The process that becomes tesseract after it has given up every right that recognition does not
//! need.

use super::confine;
use crate::limits::Limits;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Replaces this process with the text recognition program. It reads one picture from standard
/// input and writes a table of words to standard output. Returns only if that fails.
#[expect(
    clippy::disallowed_methods,
    reason = "this process has no other purpose than to become that program"
)]
pub fn exec_ocr(program: &Path, data: &Path, languages: &[String], limits: &Limits) -> io::Error {
    if let Err(cause) = confine::confine_program(limits, program, data) {
        return io::Error::other(cause.to_string());
    }
    std::process::Command::new(program)
        .env_clear()
        // One page uses one processor. Other pages have their own process.
        .env("OMP_THREAD_LIMIT", "1")
        .args(["-", "-", "--psm", "1", "--oem", "1", "--dpi", "300"])
        .arg("--tessdata-dir")
        .arg(data)
        .args(["-l", &languages.join("+"), "tsv"])
        .exec()
}
