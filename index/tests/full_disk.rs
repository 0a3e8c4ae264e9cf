//! A disk that is full: nothing that was committed is lost, searches go on, and so does everything
//! when there is room again.
//!
//! The test starts itself in a mount namespace of its own, where a few megabytes of memory are the
//! disk.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes"
)]

mod support;

use cloister_domain::PassageId;
use cloister_index::{Index, IndexCondition, Regression, SiteQuestions};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{entries, everything, folder, search, settings};

/// The variable that makes this test the process on the small disk.
const FOLDER: &str = "CLOISTER_INDEX_SMALL_DISK";

const STEP: i64 = 60;

fn finds_all(index: &Index) {
    let last = index.sequence().0;
    for passage in [1, last / 2, last] {
        let text = format!("§ {passage}(2)");
        let found = search(index, &text, passage.cast_unsigned(), &everything());
        assert_eq!(found.hits[0].passage, PassageId(passage));
        assert!(found.complete && found.hits[0].lexical.is_some());
    }
}

/// The process on the small disk. By itself, without a folder, it has nothing to do.
#[test]
fn fills_a_small_disk() {
    let Some(disk) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let (dir, ballast) = (disk.join("index"), disk.join("ballast"));
    std::fs::write(&ballast, vec![7; 1 << 21]).unwrap();
    let index = Index::open(&dir, settings()).unwrap();
    let mut refused = 0;
    while refused < 3 {
        let first = index.sequence().0 + 1;
        refused += i32::from(index.add(&entries(first..=first + STEP - 1)).is_err());
        finds_all(&index);
    }
    let (last, before) = (index.sequence().0, index.generation());
    assert!(
        last > 10 * STEP,
        "the disk was full before anything happened: {last}"
    );
    let all = entries(1..=last).into_iter().map(Ok);
    assert!(
        index
            .rebuild(
                all,
                &SiteQuestions::default(),
                Regression::Refused,
                &mut |_| ()
            )
            .is_err()
    );
    assert_eq!(index.generation(), before);
    finds_all(&index);
    drop(index);

    let index = Index::open(&dir, settings()).unwrap();
    assert_eq!(index.status().condition, IndexCondition::Sound);
    finds_all(&index);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(index.sequence().0, last);
    index.add(&entries(last + 1..=last + STEP)).unwrap();
    finds_all(&index);
    assert_eq!(index.sequence().0, last + STEP);
}

/// Starts this test on a disk of four megabytes; `None` where this machine lets nobody mount one.
fn on_a_small_disk(disk: &Path) -> Option<std::process::ExitStatus> {
    let alone = |script: &str| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .env(FOLDER, disk)
            .env("TEST", std::env::current_exe().unwrap())
            .status()
            .ok()
    };
    let mount = "mount -t tmpfs -o size=4m tmpfs \"$CLOISTER_INDEX_SMALL_DISK\"";
    if !alone(mount)?.success() {
        return None;
    }
    alone(&format!(
        "{mount} && exec \"$TEST\" --exact fills_a_small_disk --nocapture"
    ))
}

#[test]
fn a_full_disk_loses_nothing_and_searches_go_on() {
    let place = folder();
    match on_a_small_disk(place.path()) {
        Some(status) => assert!(status.success(), "{status}"),
        None => println!("no disk could be mounted here, so a full one was not tried"),
    }
}
