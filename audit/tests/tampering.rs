//! The verifier detects every manipulation of a log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_audit::{
    Actor, Anchor, AuditError, AuditLog, EntryFilter, Event, EventKind, Outcome, verify,
};
use cloister_domain::entropy::{CountingEntropy, Entropy};
use cloister_domain::time::ManualClock;
use cloister_domain::{Timestamp, UserId};
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path) -> Result<AuditLog, AuditError> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    AuditLog::open(folder, "test/audit", clock, &CountingEntropy::default())
}

fn recover(folder: &Path, anchors: &[Anchor]) -> Result<String, AuditError> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let entropy = CountingEntropy::default();
    AuditLog::recover(folder, "test/audit", anchors, "a test", clock, &entropy)
}

fn open_anchored(folder: &Path, anchor: &Anchor) -> Result<AuditLog, AuditError> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let entropy = CountingEntropy::default();
    AuditLog::open_anchored(
        folder,
        "test/audit",
        std::slice::from_ref(anchor),
        clock,
        &entropy,
    )
}

fn on_tokio<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

fn event(text: &str) -> Event {
    Event {
        kind: EventKind::QuestionAnswered,
        outcome: Outcome::Success,
        actor: Actor {
            user: Some(UserId(1)),
            name: "ada".into(),
        },
        origin: "127.0.0.1".into(),
        request: Some(format!("r-{text}")),
        detail: serde_json::json!({ "question": text }),
    }
}

/// A folder with ten entries, closed, and the checkpoint after the first six.
fn ten_entries() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for n in 0..6 {
        on_tokio(log.append(event(&n.to_string()))).unwrap();
    }
    let external = log.checkpoint_note().unwrap();
    for n in 6..10 {
        on_tokio(log.append(event(&n.to_string()))).unwrap();
    }
    (folder, external)
}

fn findings(folder: &Path, external: &[String]) -> Vec<String> {
    let key = std::fs::read_to_string(folder.join("key.pub")).unwrap();
    let key = cloister_audit::PublicKey::parse(&key).unwrap();
    let verification = verify(folder, &key, external).unwrap();
    verification
        .findings
        .into_iter()
        .map(|finding| finding.0)
        .collect()
}

#[test]
fn an_untouched_log_is_intact() {
    let (folder, external) = ten_entries();
    assert_eq!(findings(folder.path(), &[external]), Vec::<String>::new());
}

#[test]
fn every_change_of_the_entries_is_detected() {
    type Change = fn(Vec<&str>) -> Vec<String>;
    let own = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let changes: [(&str, Change); 6] = [
        ("one letter", |mut l| {
            let changed = l[4].replace("ada", "eve");
            l[4] = "";
            let mut l: Vec<String> = l.into_iter().map(str::to_owned).collect();
            l[4] = changed;
            l
        }),
        ("one entry removed", |mut l| {
            l.remove(3);
            l.into_iter().map(str::to_owned).collect()
        }),
        ("two entries swapped", |mut l| {
            l.swap(2, 7);
            l.into_iter().map(str::to_owned).collect()
        }),
        ("the tail cut", |mut l| {
            l.truncate(8);
            l.into_iter().map(str::to_owned).collect()
        }),
        ("an entry doubled", |mut l| {
            l.insert(5, l[5]);
            l.into_iter().map(str::to_owned).collect()
        }),
        ("everything removed", |_| vec![]),
    ];
    for (name, change) in changes {
        let (folder, external) = ten_entries();
        let path = folder.path().join("entries.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let before = own(text.lines().collect());
        let after = change(text.lines().collect());
        assert_ne!(before, after, "{name} changes nothing");
        std::fs::write(&path, after.join("\n") + "\n").unwrap();
        assert_ne!(
            findings(folder.path(), &[external]),
            Vec::<String>::new(),
            "{name}"
        );
        assert!(
            matches!(open(folder.path()), Err(AuditError::Altered { .. })),
            "{name}"
        );
    }
}

/// A person with access to the machine has the key, and can cut the tail and sign again. A
/// checkpoint that was stored elsewhere still reveals it.
#[test]
fn a_cut_and_signed_again_tail_is_detected_with_an_external_checkpoint() {
    let (folder, external) = ten_entries();
    let path = folder.path().join("entries.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let cut = text.lines().take(4).collect::<Vec<_>>().join(
        "
",
    ) + "
";
    std::fs::write(&path, cut).unwrap();
    std::fs::remove_file(folder.path().join("checkpoint")).unwrap();
    recover(folder.path(), &[]).unwrap();
    assert_eq!(
        findings(folder.path(), &[]),
        Vec::<String>::new(),
        "the forger signed it again"
    );
    assert_ne!(findings(folder.path(), &[external]), Vec::<String>::new());
}

#[test]
fn a_log_without_its_checkpoint_or_key_does_not_open() {
    for file in ["checkpoint", "key"] {
        let (folder, _) = ten_entries();
        std::fs::remove_file(folder.path().join(file)).unwrap();
        let refused = open(folder.path()).err().unwrap().to_string();
        assert!(
            refused.contains(&format!("`{file}` is missing")),
            "{refused}"
        );
        assert!(refused.contains("audit recover"), "{refused}");
    }
    let (folder, _) = ten_entries();
    std::fs::write(folder.path().join("checkpoint"), "").unwrap();
    assert!(matches!(
        open(folder.path()),
        Err(AuditError::Altered { .. })
    ));
}

#[test]
fn a_log_that_was_replaced_does_not_open_against_its_anchor() {
    let (folder, _) = ten_entries();
    let anchor = open(folder.path()).unwrap().anchor().unwrap();
    drop(open_anchored(folder.path(), &anchor).unwrap());
    // An older copy of the folder, a new log in its place, and no log at all.
    let older = tempfile::tempdir().unwrap();
    drop(open(older.path()).unwrap());
    std::fs::copy(folder.path().join("key"), older.path().join("key")).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let entropy = CountingEntropy::default();
    entropy.fill(&mut [0]).unwrap();
    drop(AuditLog::open(fresh.path(), "test/audit", clock, &entropy).unwrap());
    let none = tempfile::tempdir().unwrap();
    for folder in [&older, &fresh, &none] {
        let refused = open_anchored(folder.path(), &anchor);
        assert!(matches!(refused, Err(AuditError::Altered { .. })));
    }
}

#[test]
fn a_recovery_is_logged_and_keeps_the_evidence() {
    let (folder, _) = ten_entries();
    let path = folder.path().join("entries.jsonl");
    assert!(matches!(
        recover(folder.path(), &[]),
        Err(AuditError::Intact)
    ));
    let text = std::fs::read_to_string(&path).unwrap();
    for (changed, is_readable) in [
        (text.replace("ada", "eve"), true),
        ("no entry\n".into(), false),
    ] {
        std::fs::write(&path, changed).unwrap();
        let finding = recover(folder.path(), &[]).unwrap();
        let log = open(folder.path()).unwrap();
        let newest = log
            .find(&EntryFilter::default(), 1)
            .unwrap()
            .entries
            .remove(0);
        assert_eq!(newest.kind, EventKind::AuditRecovered);
        assert_eq!(newest.detail["reason"], "a test");
        assert_eq!(newest.detail["finding"], finding);
        assert_eq!(newest.detail["set_aside"], !is_readable);
        assert_eq!(newest.seq, if is_readable { 10 } else { 0 });
    }
    let saved = std::fs::read_dir(folder.path()).unwrap().flatten();
    let saved = saved.filter(|file| file.file_name().to_string_lossy().contains("altered"));
    assert_eq!(saved.count(), 2, "a checkpoint and the entries");
}

#[test]
fn an_entry_torn_by_a_power_cut_is_dropped_and_logged() {
    let (folder, external) = ten_entries();
    let path = folder.path().join("entries.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"v\":1,\"seq\":10,\"at\":\"20");
    std::fs::write(&path, text).unwrap();
    // As the appliance opens it.
    let log = on_tokio(async { open(folder.path()) }).unwrap();
    let newest = log
        .find(&EntryFilter::default(), 1)
        .unwrap()
        .entries
        .remove(0);
    assert_eq!(newest.kind, EventKind::AuditRecovered);
    assert_eq!(newest.seq, 10);
    assert_eq!(findings(folder.path(), &[external]), Vec::<String>::new());
}

#[test]
fn a_clock_that_was_set_back_is_logged_and_no_entry_is_dated_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let entropy = CountingEntropy::default();
    let log = AuditLog::open(folder.path(), "test/audit", clock.clone(), &entropy).unwrap();
    on_tokio(log.append(event("before"))).unwrap();
    drop(log);
    let earlier = Arc::new(ManualClock::at(Timestamp::from_millis(1_789_000_000_000)));
    let log = AuditLog::open(folder.path(), "test/audit", earlier.clone(), &entropy).unwrap();
    on_tokio(log.append(event("after"))).unwrap();
    on_tokio(log.append(event("later"))).unwrap();
    earlier.advance(std::time::Duration::from_secs(2_000_000));
    on_tokio(log.append(event("caught up"))).unwrap();
    let mut found = log.find(&EntryFilter::default(), 10).unwrap().entries;
    found.reverse();
    let kinds: Vec<EventKind> = found.iter().map(|entry| entry.kind).collect();
    let question = EventKind::QuestionAnswered;
    let step = EventKind::ClockStepped;
    assert_eq!(kinds, [question, step, question, question, question]);
    let times: Vec<i64> = found.iter().map(|entry| entry.at.as_millis()).collect();
    let start = 1_790_000_000_000;
    assert_eq!(times, [start, start, start, start, 1_791_000_000_000]);
    let checkpoint = log.checkpoint_note().unwrap();
    drop(log);
    assert_eq!(findings(folder.path(), &[checkpoint]), Vec::<String>::new());
}

#[test]
fn a_log_can_be_opened_once_only() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(AuditError::InUse(_))));
    drop(log);
}

#[test]
fn entries_are_returned_newest_first_and_in_pages() {
    let (folder, _) = ten_entries();
    let log = open(folder.path()).unwrap();
    let text = Some("\"QUESTION\":\"3\"".to_owned());
    let found = log
        .find(
            &EntryFilter {
                text,
                ..EntryFilter::default()
            },
            10,
        )
        .unwrap();
    assert_eq!(found.entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [3]);
    let first = log.find(&EntryFilter::default(), 4).unwrap();
    assert_eq!(
        first.entries.iter().map(|e| e.seq).collect::<Vec<_>>(),
        [9, 8, 7, 6]
    );
    let rest = log
        .find(
            &EntryFilter {
                before: first.next,
                ..EntryFilter::default()
            },
            99,
        )
        .unwrap();
    assert_eq!(rest.entries.len(), 6);
    assert_eq!(rest.next, None);
}
