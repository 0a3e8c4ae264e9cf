//! The files in `deploy/` for the operating system are accepted by the programs that read them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "runs programs of the operating system, and says if one is missing"
)]

use std::process::{Command, Output};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cloister.service");

/// The most exposure that `systemd-analyze security` may find, of 100.
const MAX_EXPOSURE: &str = "15";

/// Runs `systemd-analyze`, or returns `None` if the machine has none.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).output();
    if output.is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
    }
    output.ok()
}

#[test]
fn systemd_knows_each_directive_of_the_unit() {
    let Some(output) = analyze(&["verify", UNIT]) else {
        return;
    };
    let messages = String::from_utf8(output.stderr).unwrap();
    let mistakes: Vec<&str> = messages
        .lines()
        // The program is not installed here.
        .filter(|line| line.contains("cloister.service") && !line.contains("is not executable"))
        .collect();
    assert_eq!(mistakes, Vec::<&str>::new());
}

#[test]
fn the_unit_leaves_little_exposed() {
    let threshold = format!("--threshold={MAX_EXPOSURE}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold, UNIT];
    let Some(output) = analyze(&arguments) else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
