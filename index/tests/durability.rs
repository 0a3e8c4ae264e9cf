//! What a crash, a bad disk or a hand in the folder does to an index.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use cloister_domain::PassageId;
use cloister_index::{
    Hit, Index, IndexCondition, IndexEntry, IndexError, QuestionSource, Regression, SearchRequest,
    SiteQuestions, TestQuestion,
};
use std::path::{Path, PathBuf};
use support::{entries, everything, folder, search, settings, vector};

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
    assert_eq!(index.status().condition, IndexCondition::Absent);
    index.add(&entries(1..=40)).unwrap();
    index.add(&entries(41..=60)).unwrap();
}

#[test]
fn an_index_is_found_as_it_was_left_and_feeding_it_again_changes_nothing() {
    let dir = folder();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(index.status().condition, IndexCondition::Sound);
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

/// What is found is right as far as it goes, and all of it where the index says so.
fn check_answers(index: &Index, sound: &Index) {
    for (word, seed) in [("dose", 7), ("§ 23(2)", 23), ("", 58)] {
        let found = search(index, word, seed, &everything());
        let expected = search(sound, word, seed, &everything());
        let cosines = entries(1..=60).into_iter().map(|entry| {
            let question = vector(seed);
            let products = entry.vector.iter().zip(question).map(|(a, b)| a * b);
            (entry.passage, products.sum::<f32>())
        });
        let cosines: std::collections::BTreeMap<_, _> = cosines.collect();
        for hit in &found.hits {
            let off = hit.dense.map_or(0.0, |c| (c - cosines[&hit.passage]).abs());
            assert!(off < 2e-3, "{hit:?}");
        }
        let passages = |hits: &[Hit]| hits.iter().map(|hit| hit.passage).collect::<Vec<_>>();
        if found.complete {
            assert_eq!(passages(&found.hits), passages(&expected.hits));
        }
    }
}

/// Asks for all passages, so that every vector is read: of others only those that decide are.
fn read_everything(index: &Index) {
    let request = SearchRequest {
        text: "",
        expansion_terms: "",
        vector: &vector(3),
        permitted: &everything(),
        limit: 60,
        dense_weight: Some(1.0),
    };
    index.search(&request).unwrap();
}

/// Ways to break a file: bits flipped all over it, cut at several places, gone.
fn broken(good: &[u8]) -> Vec<Option<Vec<u8>>> {
    let places = (0..8).map(|i| good.len() * i / 8).chain([good.len() - 1]);
    let flipped = places.enumerate().map(|(bit, place)| {
        let mut bad = good.to_vec();
        bad[place] ^= 1 << (bit % 8);
        Some(bad)
    });
    let cut = [0, good.len() / 3, good.len() - 1].map(|length| Some(good[..length].to_vec()));
    flipped.chain(cut).chain([None]).collect()
}

#[test]
fn a_broken_file_costs_itself_alone_and_what_is_lost_comes_back() {
    let dir = folder();
    filled(dir.path());
    let full = folder();
    copy(dir.path(), full.path());
    let sound = Index::open(full.path(), settings()).unwrap();
    let files = files_below(dir.path());
    assert!(files.len() > 8, "{files:?}");
    let (mut noticed, mut answered) = (0, 0);
    for file in files {
        let name = file.strip_prefix(dir.path()).unwrap();
        let good = std::fs::read(&file).unwrap();
        for bad in broken(&good) {
            let copied = folder();
            copy(dir.path(), copied.path());
            match &bad {
                Some(bytes) => std::fs::write(copied.path().join(name), bytes).unwrap(),
                None => std::fs::remove_file(copied.path().join(name)).unwrap(),
            }
            let index = Index::open(copied.path(), settings()).unwrap();
            check_answers(&index, &sound);
            read_everything(&index);
            let status = index.status();
            let damaged = matches!(status.condition, IndexCondition::Damaged(_));
            // A vector on the disk is checked when it is read, and what its codes say is right.
            let vector = name.extension().is_some_and(|end| end == "vec");
            assert!(
                damaged || vector && index.corruption().is_some(),
                "{} {bad:?}",
                name.display()
            );
            if damaged {
                noticed += 1;
                answered += u64::from(status.searchable > 0);
                assert_eq!(index.sequence(), PassageId(0));
                assert!(!search(&index, "dose", 5, &everything()).complete);
            }
            // A restart in the midst of feeding it again forgets none of this.
            index.add(&entries(1..=20)).unwrap();
            drop(index);
            let index = Index::open(copied.path(), settings()).unwrap();
            check_answers(&index, &sound);
            index.add(&entries(1..=60)).unwrap();
            index.mark_complete().unwrap();
            assert_eq!(index.status().searchable, 60);
            check_answers(&index, &sound);
        }
    }
    // Whichever one file is broken, most of the others answer.
    assert!(answered * 10 >= noticed * 9, "{answered} of {noticed}");
}

#[test]
fn an_index_of_an_older_format_answers_by_meaning_until_it_is_fed_again() {
    for (format, searchable) in [(1, 44), (2, 48)] {
        let golden =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/format-{format}"));
        let dir = folder();
        copy(&golden, dir.path());
        let index = Index::open(dir.path(), settings()).unwrap();
        let status = index.status();
        let IndexCondition::Damaged(reason) = &status.condition else {
            panic!("{status:?}");
        };
        assert!(reason.contains(&format!("format {format}")), "{reason}");
        // 48 passages, less those of a revision that was forgotten, if the vectors say so.
        assert_eq!((status.passages, status.searchable), (0, searchable));
        let found = search(&index, "", 20, &everything());
        assert_eq!(
            (found.hits[0].passage, found.complete),
            (PassageId(20), false)
        );
        index.add(&entries(1..=48)).unwrap();
        index.mark_complete().unwrap();
        let found = search(&index, "", 20, &everything());
        assert_eq!(
            (found.hits[0].passage, found.complete),
            (PassageId(20), true)
        );
        assert_eq!(index.status().condition, IndexCondition::Sound);
    }
}

#[test]
fn rolling_back_brings_the_generation_before() {
    let dir = folder();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    assert!(!index.roll_back().unwrap());
    index
        .rebuild(
            entries(1..=50).into_iter().map(Ok),
            &SiteQuestions::default(),
            Regression::Refused,
            &mut |_| (),
        )
        .unwrap();
    assert!(index.roll_back().unwrap());
    assert_eq!(index.sequence(), PassageId(60));
    assert!(index.generation().starts_with("1."));
    drop(index);
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(index.sequence(), PassageId(60));
    assert_eq!(index.status().condition, IndexCondition::Sound);
}

#[test]
fn a_crash_between_commit_and_seal_loses_nothing() {
    let dir = folder();
    filled(dir.path());
    // The folder as a crash leaves it after the commit and before the seal is closed again.
    let generation = dir.path().join("generation-000001");
    std::fs::write(generation.join("seal.json"), open_seal()).unwrap();
    std::fs::write(generation.join("000000000099-9.vec"), b"half a file").unwrap();
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(index.status().condition, IndexCondition::Sound);
    assert_eq!(index.sequence(), PassageId(60));
    assert!(!generation.join("000000000099-9.vec").exists());
    index.add(&entries(61..=70)).unwrap();
    assert_eq!(index.passages(), 70);
}

/// The seal that the crate writes before a commit: its fields, and their sum.
fn open_seal() -> String {
    use sha2::Digest;
    let sum = hex::encode(sha2::Sha256::digest("3 true []"));
    format!("{{\"format\":3,\"open\":true,\"records\":[],\"sum\":\"{sum}\"}}")
}

#[test]
fn a_rebuild_replaces_the_old_index_and_the_last_two_remain() {
    let dir = folder();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    let mut heard = 0;
    index
        .rebuild(
            entries(1..=50).into_iter().map(Ok),
            &SiteQuestions::default(),
            Regression::Refused,
            &mut |done| {
                heard = done;
            },
        )
        .unwrap();
    assert_eq!(heard, 50);
    assert_eq!(index.sequence(), PassageId(50));
    index
        .rebuild(
            entries(1..=55).into_iter().map(Ok),
            &SiteQuestions::default(),
            Regression::Refused,
            &mut |_| (),
        )
        .unwrap();
    let folders = || std::fs::read_dir(dir.path()).unwrap().count() - 1;
    assert_eq!(folders(), 2);
    drop(index);
    let index = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(index.status().condition, IndexCondition::Sound);
    assert_eq!(index.sequence(), PassageId(55));
    assert!(index.generation().starts_with("3."));
}

#[test]
fn a_rebuild_is_asked_the_sites_questions_too() {
    let dir = folder();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    let asked = |number: i64| TestQuestion {
        passages: vec![PassageId(number), PassageId(999)],
        text: String::new(),
        vector_before: vector(number.cast_unsigned()),
        vector_after: vector(number.cast_unsigned()),
    };
    let site = SiteQuestions {
        questions: (11..=20).map(asked).collect(),
        revisions: index.revisions(),
    };
    let without = |gone: std::ops::RangeInclusive<i64>| {
        let left = entries(1..=55).into_iter();
        left.filter(move |entry| !gone.contains(&entry.passage.0))
            .map(Ok)
    };
    let rebuild = |gone| index.rebuild(without(gone), &site, Regression::Refused, &mut |_| ());
    let live = index.generation();
    let refused = rebuild(11..=17);
    let Err(IndexError::Regression(worse)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (worse.questions, worse.found_before, worse.found_after),
        (10, 10, 3),
        "{worse}"
    );
    assert!(worse.to_string().contains("of your own"), "{worse}");
    assert_eq!(index.generation(), live);
    // What the site does not ask about is none of its questions' business.
    rebuild(21..=27).unwrap();
    assert_ne!(index.generation(), live);
}

#[test]
fn a_regression_is_accepted_only_on_request() {
    let dir = folder();
    filled(dir.path());
    let index = Index::open(dir.path(), settings()).unwrap();
    let live = index.generation();
    let full = || entries(1..=55).into_iter().map(Ok);
    // Each passage with the vector of another.
    let mixed_up = || {
        full().map(|entry: Result<IndexEntry, IndexError>| {
            let mut entry = entry?;
            entry.vector = vector(entry.passage.0.cast_unsigned() + 7000);
            entry.text = String::new();
            Ok(entry)
        })
    };
    let refused = index.rebuild(
        mixed_up(),
        &SiteQuestions::default(),
        Regression::Refused,
        &mut |_| (),
    );
    let Err(IndexError::Regression(worse)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (worse.questions, worse.found_before, worse.source),
        (55, 55, QuestionSource::Passages)
    );
    assert!(worse.found_after < 40, "{worse}");
    assert_eq!(index.generation(), live);
    assert_eq!(index.status().rebuilding, None);
    let folders = || std::fs::read_dir(dir.path()).unwrap().count() - 1;
    assert_eq!(folders(), 1, "what was refused takes no room");
    let hits = search(&index, "", 9, &everything()).hits;
    assert_eq!(hits[0].passage, PassageId(9));

    let comparison = index
        .rebuild(
            full(),
            &SiteQuestions::default(),
            Regression::Refused,
            &mut |_| (),
        )
        .unwrap();
    assert_eq!((comparison.found_before, comparison.found_after), (55, 55));
    let accepted = index
        .rebuild(
            mixed_up(),
            &SiteQuestions::default(),
            Regression::Accepted,
            &mut |_| (),
        )
        .unwrap();
    assert!(accepted.is_worse());
    let hits = search(&index, "", 7009, &everything()).hits;
    assert_eq!(hits[0].passage, PassageId(9));
}

#[test]
fn an_index_of_another_model_starts_empty() {
    let dir = folder();
    filled(dir.path());
    let other = cloister_index::IndexSettings {
        dimensions: 8,
        ..settings()
    };
    let index = Index::open(dir.path(), other).unwrap();
    assert!(matches!(
        index.status().condition,
        IndexCondition::Damaged(_)
    ));
}

#[test]
fn many_small_commits_make_few_files_and_lose_nothing() {
    let dir = folder();
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
        Index::open(dir.path(), settings())
            .unwrap()
            .status()
            .condition,
        IndexCondition::Sound
    );
}
