//! A receipt is found without reading the log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_audit::{Actor, AuditLog, EntryFilter, Event, EventKind, Outcome};
use cloister_domain::Timestamp;
use cloister_domain::entropy::CountingEntropy;
use cloister_domain::time::ManualClock;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

async fn append(log: &AuditLog, request: &str) {
    let event = Event {
        kind: EventKind::QuestionAnswered,
        outcome: Outcome::Success,
        actor: Actor::appliance(),
        origin: "127.0.0.1".into(),
        request: Some(request.to_owned()),
        detail: serde_json::json!({ "question": request }),
    };
    log.append(event).await.unwrap();
}

fn open(folder: &Path) -> AuditLog {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    AuditLog::open(folder, "test/audit", clock, &CountingEntropy::default()).unwrap()
}

fn of_request(request: &str) -> EntryFilter {
    EntryFilter {
        request: Some(request.to_owned()),
        ..EntryFilter::default()
    }
}

#[tokio::test]
async fn a_receipt_is_found_without_reading_other_entries() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for n in 0..200 {
        append(&log, &format!("before-{n}")).await;
    }
    drop(log);
    // Entries of an earlier start are found, too.
    let log = open(folder.path());
    append(&log, "wanted").await;
    append(&log, "after").await;
    append(&log, "wanted").await;
    let page = log.find(&of_request("wanted"), 10).unwrap();
    let positions: Vec<u64> = page.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(positions, [202, 200], "newest first");
    let older = EntryFilter {
        before: Some(202),
        ..of_request("wanted")
    };
    assert_eq!(log.find(&older, 10).unwrap().entries.len(), 1);
    assert_eq!(
        log.find(&of_request("before-7"), 10).unwrap().entries.len(),
        1
    );
    assert_eq!(log.len(), 203);

    // Reading the damaged first entry fails.
    let path = folder.path().join("entries.jsonl");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    file.write_all(&[0xff; 8]).unwrap();
    assert!(log.find(&EntryFilter::default(), 1000).is_err());
    assert_eq!(
        log.find(&of_request("wanted"), 10).unwrap().entries.len(),
        2
    );
    assert!(
        log.find(&of_request("nowhere"), 10)
            .unwrap()
            .entries
            .is_empty()
    );
}
