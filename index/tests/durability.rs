//! What a crash, a bad disk or a hand in the folder does to an index.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use cloister_domain::PassageId;
use cloister_index::{Index, IndexCondition};
use std::path::{Path, PathBuf};
use support::{entries, everything, search, settings};

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if std::fs::metadata(&path).unwrap().len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn filled(dir: &Path) {
    let index = Index::open(dir, settings()).unwrap();
    assert_eq!(*index.condition(), IndexCondition::Absent);
    index.add(&entries(1..=40)).unwrap();
    index.add(&entries(41..=60)).unwrap();
}

#[test]
fn an_index_is_found_as_it_was_left_and_feeding_it_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(*index.condition(), IndexCondition::Sound);
    assert_eq!(index.sequence(), PassageId(60));
    let before = index.generation();
    index.add(&entries(1..=60)).unwrap();
    assert_eq!(index.generation(), before);
    assert_eq!(index.passages(), 60);
    assert_eq!(
        search(&index, "", 17, &everything()).hits[0].passage,
        PassageId(17)
    );
}

#[test]
fn a_changed_cut_or_missing_file_is_noticed_and_the_index_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let files = files_below(dir.path());
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let name = file.strip_prefix(dir.path()).unwrap();
        if name.to_string_lossy().contains(".lock") {
            continue;
        }
        let good = std::fs::read(&file).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let mut late = good.clone();
        late[good.len() - 3] ^= 0x10;
        for bad in [
            Some(flipped),
            Some(late),
            Some(good[..good.len() / 2].to_vec()),
            None,
        ] {
            let copied = tempfile::tempdir().unwrap();
            copy(dir.path(), copied.path());
            match &bad {
                Some(bytes) => std::fs::write(copied.path().join(name), bytes).unwrap(),
                None => std::fs::remove_file(copied.path().join(name)).unwrap(),
            }
            let index = Index::open(copied.path(), settings()).unwrap();
            let damaged = matches!(index.condition(), IndexCondition::Damaged(_));
            assert!(
                damaged,
                "{} with {:?} bytes",
                name.display(),
                bad.map(|b| b.len())
            );
            assert_eq!(index.sequence(), PassageId(0));
            index.add(&entries(1..=60)).unwrap();
            assert_eq!(search(&index, "dose", 5, &everything()).hits.len(), 20);
        }
    }
}

#[test]
fn a_crash_between_commit_and_seal_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    // The folder as a crash leaves it after the commit and before the seal is closed again.
    let generation = dir.path().join("generation-000001");
    std::fs::write(generation.join("seal.json"), open_seal()).unwrap();
    std::fs::write(generation.join("000000000099-9.vec"), b"half a file").unwrap();
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(*index.condition(), IndexCondition::Sound);
    assert_eq!(index.sequence(), PassageId(60));
    assert!(!generation.join("000000000099-9.vec").exists());
    index.add(&entries(61..=70)).unwrap();
    assert_eq!(index.passages(), 70);
}

/// The seal that the crate writes before a commit: its fields, and their sum.
fn open_seal() -> String {
    use sha2::Digest;
    let sum = hex::encode(sha2::Sha256::digest("1 true []"));
    format!("{{\"format\":1,\"open\":true,\"records\":[],\"sum\":\"{sum}\"}}")
}

#[test]
fn a_rebuild_takes_the_place_of_the_old_and_the_last_two_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    let mut heard = 0;
    index
        .rebuild(entries(1..=50), &mut |done| heard = done)
        .unwrap();
    assert_eq!(heard, 50);
    assert_eq!(index.sequence(), PassageId(50));
    index.rebuild(entries(1..=55), &mut |_| ()).unwrap();
    let folders = || std::fs::read_dir(dir.path()).unwrap().count() - 1;
    assert_eq!(folders(), 2);
    drop(index);
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(*index.condition(), IndexCondition::Sound);
    assert_eq!(index.sequence(), PassageId(55));
    assert!(index.generation().starts_with("3."));
}

#[test]
fn an_index_of_another_model_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let other = cloister_index::IndexSettings {
        dimensions: 8,
        ..settings()
    };
    let index = Index::open(dir.path(), other).unwrap();
    assert!(matches!(index.condition(), IndexCondition::Damaged(_)));
}

#[test]
fn many_small_commits_make_few_files_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), settings()).unwrap();
    for passage in 1..=60 {
        index.add(&entries(passage..=passage)).unwrap();
    }
    let vectors = |path: &PathBuf| path.extension().is_some_and(|end| end == "vec");
    let count = files_below(dir.path())
        .iter()
        .filter(|path| vectors(path))
        .count();
    assert!(count <= 8, "{count}");
    for passage in [1, 30, 60] {
        let hits = search(&index, "", passage, &everything()).hits;
        assert_eq!(hits[0].passage.0, i64::try_from(passage).unwrap());
    }
    drop(index);
    assert_eq!(
        *Index::open(dir.path(), settings()).unwrap().condition(),
        IndexCondition::Sound
    );
}
