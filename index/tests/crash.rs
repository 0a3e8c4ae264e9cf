//! Kill -9 at any moment: what was committed is there, and what answers is right.
//!
//! The test starts itself as a process that adds, forgets and rebuilds, kills it after a moment,
//! opens the index and compares it with the oracle, which is the line that the process wrote before
//! each step and after it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes"
)]

mod support;

use cloister_domain::{PassageId, RevisionId};
use cloister_index::{Index, IndexCondition, Regression, SiteQuestions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{entries, everything, folder, search, settings};

/// The variable that makes this test the process to be killed.
const FOLDER: &str = "CLOISTER_INDEX_CRASH_FOLDER";
/// How often it is killed; `make crash` asks for more.
const KILLS: &str = "CLOISTER_CRASHES";

/// Passages added at a time; four make a revision.
const STEP: i64 = 12;
/// After so many the process begins to rebuild, too.
const MANY: i64 = 600;

/// What the process has promised: the last passage that a finished commit holds.
fn promised(folder: &Path) -> i64 {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    // A line that was cut by the kill promises nothing.
    let full = log.rsplit_once('\n').map_or("", |(full, _)| full);
    full.lines().last().map_or(0, |line| line.parse().unwrap())
}

/// Revision 5, 15, 25 and so on are forgotten.
fn is_forgotten(revision: i64) -> bool {
    revision % 10 == 5
}

/// The process that is killed. By itself, without a folder, it has nothing to do.
#[test]
fn changes_an_index() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let index = Index::open(&folder.join("index"), settings()).unwrap();
    let mut log = std::fs::OpenOptions::new();
    let mut log = log
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    loop {
        let first = index.sequence().0 + 1;
        index.add(&entries(first..=first + STEP - 1)).unwrap();
        index.mark_complete().unwrap();
        writeln!(log, "{}", index.sequence().0).unwrap();
        let done = (1..index.sequence().0 / 4).filter(|r| is_forgotten(*r));
        let done: Vec<RevisionId> = done.map(RevisionId).collect();
        index.delete_revisions(&done).unwrap();
        if first % MANY > MANY - STEP {
            let all = entries(1..=index.sequence().0).into_iter().map(Ok);
            index
                .rebuild(
                    all,
                    &SiteQuestions::default(),
                    Regression::Refused,
                    &mut |_| (),
                )
                .unwrap();
        }
    }
}

fn start(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "changes_an_index"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_committed_is_there_however_often_the_process_is_killed() {
    let kills: u64 = std::env::var(KILLS)
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(200);
    let place = folder();
    let (mut state, mut last, mut at_work) = (kills | 1, 0, 0);
    for turn in 0..kills {
        let mut child = start(place.path());
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        std::thread::sleep(Duration::from_millis(5 + (state >> 33) % 120));
        assert!(
            child.try_wait().unwrap().is_none(),
            "turn {turn}: it ended by itself"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let promised = promised(place.path());
        at_work += u64::from(promised > last);
        check(&place.path().join("index"), promised, turn);
        last = promised;
    }
    println!("killed {kills} times, {at_work} times after a commit; {last} passages");
    assert!(
        at_work * 3 > kills,
        "the kills came too early: {at_work} of {kills}"
    );
}

/// The index opens sound, holds what was promised, and finds all of it and nothing else.
fn check(dir: &Path, promised: i64, turn: u64) {
    let index = Index::open(dir, settings()).unwrap();
    let condition = index.status().condition;
    let new = promised == 0 && condition == IndexCondition::Absent;
    assert!(
        new || condition == IndexCondition::Sound,
        "turn {turn}: {condition:?}"
    );
    let sequence = index.sequence().0;
    assert!(
        sequence >= promised,
        "turn {turn}: {sequence} of {promised}"
    );
    assert_eq!(sequence % STEP, 0, "turn {turn}: half a commit");
    let held = index.revisions();
    let expected = (0..=sequence / 4).filter(|r| sequence > 0 && !is_forgotten(*r));
    let missing: Vec<i64> = expected
        .filter(|r| held.binary_search(&RevisionId(*r)).is_err())
        .collect();
    assert!(missing.is_empty(), "turn {turn}: {missing:?} of {sequence}");
    for passage in [sequence, sequence / 2].into_iter().filter(|p| *p > 0) {
        if is_forgotten(passage / 4) {
            continue;
        }
        let found = search(
            &index,
            &format!("§ {passage}(2)"),
            passage.cast_unsigned(),
            &everything(),
        );
        assert_eq!(found.hits[0].passage, PassageId(passage), "turn {turn}");
        assert!(
            found.complete && found.hits[0].lexical.is_some(),
            "turn {turn}"
        );
    }
}
