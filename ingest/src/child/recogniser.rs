//! The process that becomes tesseract, once it has given up what recognising does not need.

use super::confine;
use crate::limits::Limits;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Becomes the recogniser, which reads one picture from standard input and writes its table to
/// standard output. Returns only where that fails.
#[expect(
    clippy::disallowed_methods,
    reason = "this process has no other purpose than to become that program"
)]
pub fn become_it(program: &Path, data: &Path, languages: &[String], limits: &Limits) -> io::Error {
    if let Err(cause) = confine::confine_program(limits, program, data) {
        return io::Error::other(cause.to_string());
    }
    std::process::Command::new(program)
        .env_clear()
        // One page keeps one processor busy; others have their own process.
        .env("OMP_THREAD_LIMIT", "1")
        .args(["-", "-", "--psm", "1", "--oem", "1", "--dpi", "300"])
        .arg("--tessdata-dir")
        .arg(data)
        .args(["-l", &languages.join("+"), "tsv"])
        .exec()
}
