//! Faults of the disk, and death, at each system call of opening a log and appending to it: no entry that was
//! acknowledged is lost, and the log opens again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_audit::{AuditLog, EntryFilter, Event, EventKind, PublicKey, verify};
use cloister_domain::Timestamp;
use cloister_domain::entropy::CountingEntropy;
use cloister_domain::time::ManualClock;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const APPENDED: u64 = 3;
const ACKNOWLEDGED: &str = "acknowledged ";

fn open(folder: &Path) -> Result<AuditLog, cloister_audit::AuditError> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    AuditLog::open(folder, "test/audit", clock, &CountingEntropy::default())
}

/// Appends to the log in the current folder, and says after each entry that it is on the disk.
#[test]
#[ignore = "runs under strace, started by the test below"]
fn append_in_the_current_folder() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let Ok(log) = open(Path::new(".")) else {
        return;
    };
    for number in 0..APPENDED {
        let event = Event::by_appliance(
            EventKind::ServiceStarted,
            serde_json::json!({ "number": number }),
        );
        if let Ok(receipt) = runtime.block_on(log.append(event)) {
            println!("\n{ACKNOWLEDGED}{} {number}", receipt.seq);
        }
    }
}

/// Runs the test above with a fault in the `occurrence`-th `call` of each thread. Returns the position and number
/// of each acknowledged entry, or `None` if strace does not work here.
#[expect(clippy::disallowed_methods, reason = "this test is about a process")]
fn append_with_fault(
    folder: &Path,
    call: &str,
    fault: &str,
    occurrence: usize,
) -> Option<Vec<(u64, u64)>> {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .arg(format!("--trace={call}"))
        .arg(format!("--inject={call}:{fault}:when={occurrence}"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "append_in_the_current_folder"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .current_dir(folder)
        .output()
        .ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("Operation not permitted") && stderr.contains("ptrace") {
        return None;
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let acknowledged = stdout.lines().filter_map(|line| {
        let (seq, number) = line.strip_prefix(ACKNOWLEDGED)?.split_once(' ')?;
        Some((seq.parse().ok()?, number.parse().ok()?))
    });
    Some(acknowledged.collect())
}

/// A log with one entry, or no log at all.
fn prepare(folder: &Path, is_new: bool) {
    if !is_new {
        let log = open(folder).unwrap();
        let event = Event::by_appliance(EventKind::ServiceStarted, serde_json::json!({}));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(log.append(event)).unwrap();
    }
}

fn check(folder: &Path, acknowledged: &[(u64, u64)], case: &str) {
    let opened = open(folder);
    assert!(opened.is_ok(), "{case}: {:?}", opened.err());
    let log = opened.unwrap();
    let entries = log.find(&EntryFilter::default(), 100).unwrap().entries;
    for (seq, number) in acknowledged {
        let entry = entries.iter().find(|entry| entry.seq == *seq);
        let found = entry.and_then(|entry| entry.detail["number"].as_u64());
        assert_eq!(found, Some(*number), "{case}: entry {seq} was acknowledged");
    }
    drop(log);
    let key = std::fs::read_to_string(folder.join("key.pub")).unwrap();
    let verified = verify(folder, &PublicKey::parse(&key).unwrap(), &[]).unwrap();
    assert!(verified.is_intact(), "{case}: {verified:?}");
}

#[test]
fn no_fault_loses_an_acknowledged_entry_or_keeps_the_log_closed() {
    let calls = [
        ("openat", 12),
        ("write", 8),
        ("fsync", 6),
        ("fdatasync", 5),
        ("rename", 6),
        ("ftruncate", 3),
    ];
    let faults = ["error=EIO", "error=ENOSPC", "signal=KILL"];
    let mut complete = 0;
    for (call, occurrences) in calls {
        for fault in faults {
            for occurrence in 1..=occurrences {
                for is_new in [true, false] {
                    let folder = tempfile::tempdir().unwrap();
                    prepare(folder.path(), is_new);
                    let acknowledged = append_with_fault(folder.path(), call, fault, occurrence);
                    let Some(acknowledged) = acknowledged else {
                        eprintln!("skipped: strace is not installed, or may not trace here");
                        return;
                    };
                    complete += usize::from(acknowledged.len() as u64 == APPENDED);
                    let case = format!("{call}, {fault}, time {occurrence}, new log: {is_new}");
                    check(folder.path(), &acknowledged, &case);
                }
            }
        }
    }
    assert!(
        complete > 0,
        "some faults hit nothing, so everything is acknowledged"
    );
}
