//! Snapshots: made, listed, verified, restored and deleted.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use cloister_backup::{BackupError, Identity, Recipient, Repository, generate_identity};
use std::path::Path;

fn keys() -> (Identity, Recipient) {
    let (identity, recipient) = generate_identity();
    (
        Identity::parse(&identity).unwrap(),
        Recipient::parse(&recipient).unwrap(),
    )
}

fn count_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        count += if path.is_dir() { count_files(&path) } else { 1 };
    }
    count
}

/// More than two chunks, of which the first two differ.
fn large(last: u8) -> Vec<u8> {
    let mut content: Vec<u8> = (0..2_200_000_u32)
        .flat_map(|n| (n / 4099).to_le_bytes().into_iter().take(1))
        .collect();
    content.push(last);
    content
}

#[test]
fn a_snapshot_is_restored_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = keys();
    let repository = Repository::open(folder.path()).unwrap();
    let mut writer = repository.begin(recipient, "1.0");
    writer.add("db", &mut large(1).as_slice()).unwrap();
    writer
        .add("originals/ab/empty", &mut [].as_slice())
        .unwrap();
    let summary = writer.finish("2026-01-01").unwrap();
    assert_eq!((summary.files, summary.bytes), (2, 2_200_001));
    let manifest = repository.manifest("2026-01-01", &identity).unwrap();
    assert_eq!(repository.verify(&manifest, &identity).unwrap(), 3);
    let target = folder.path().join("restored");
    repository.restore(&manifest, &identity, &target).unwrap();
    assert_eq!(std::fs::read(target.join("db")).unwrap(), large(1));
    let empty = std::fs::read(target.join("originals/ab/empty")).unwrap();
    assert!(empty.is_empty());
    let again = repository.restore(&manifest, &identity, &target);
    assert!(
        matches!(again, Err(BackupError::File { .. })),
        "nothing is overwritten"
    );
}

#[test]
fn a_second_snapshot_stores_only_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = keys();
    let repository = Repository::open(folder.path()).unwrap();
    let snapshot = |name: &str, last: u8| {
        let mut writer = repository.begin(recipient.clone(), "1.0");
        writer.add("db", &mut large(last).as_slice()).unwrap();
        writer.finish(name).unwrap().new_bytes
    };
    let first = snapshot("1", 1);
    let second = snapshot("2", 2);
    assert!(first > 2_000_000 && second < 200_000, "{first} {second}");
    assert_eq!(count_files(&folder.path().join("objects")), 4);
    assert_eq!(repository.prune(1).unwrap(), 1);
    assert_eq!(repository.snapshots().unwrap(), ["2"]);
    assert_eq!(count_files(&folder.path().join("objects")), 3);
    let manifest = repository.manifest("2", &identity).unwrap();
    repository.verify(&manifest, &identity).unwrap();
}

#[test]
fn a_damaged_chunk_another_key_and_a_hostile_manifest_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = keys();
    let repository = Repository::open(folder.path()).unwrap();
    let mut writer = repository.begin(recipient.clone(), "1.0");
    writer.add("../escape", &mut b"x".as_slice()).unwrap();
    writer.finish("hostile").unwrap();
    let hostile = repository.manifest("hostile", &identity);
    assert!(
        matches!(hostile, Err(BackupError::Manifest { .. })),
        "{hostile:?}"
    );
    let mut writer = repository.begin(recipient, "1.0");
    writer.add("db", &mut b"the database".as_slice()).unwrap();
    writer.finish("2").unwrap();
    let (other, _) = keys();
    let foreign = repository.manifest("2", &other);
    assert!(matches!(foreign, Err(BackupError::Decryption { .. })));
    let manifest = repository.manifest("2", &identity).unwrap();
    let chunk = manifest.files.first().unwrap().chunks.first().unwrap();
    let path = folder
        .path()
        .join(format!("objects/{}/{chunk}.age", chunk.split_at(2).0));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(repository.verify(&manifest, &identity).is_err());
    assert!(matches!(
        repository.manifest("none", &identity),
        Err(BackupError::NoSnapshot(_))
    ));
}
