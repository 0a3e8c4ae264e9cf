//! Nothing outside the permitted revisions comes back, and nothing inside is missed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use cloister_domain::{PassageId, RevisionId};
use cloister_index::{DenseMethod, Index, IndexEntry, IndexSettings, SearchRequest};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use support::{WORDS, entries, entry, everything, folder, search, search_with, settings, vector};

/// The cosines of the permitted passages, by the plainest of loops.
fn brute_force(question: &[f32], permitted: &RoaringBitmap) -> HashMap<PassageId, f32> {
    let dot = |v: &[f32]| -> f32 { v.iter().zip(question).map(|(a, b)| a * b).sum() };
    entries(1..=300)
        .into_iter()
        .filter(|entry| permitted.contains(u32::try_from(entry.revision.0).unwrap()))
        .map(|entry| (entry.passage, dot(&entry.vector)))
        .collect()
}

/// 300 passages in several commits, with cells from `exact_limit` on.
fn index(dir: &std::path::Path, exact_limit: usize) -> Index {
    let index = Index::open(
        dir,
        IndexSettings {
            exact_limit,
            ..settings()
        },
    )
    .unwrap();
    for start in [1, 60, 61, 150, 290] {
        index.add(&entries(start..=300)[..1]).unwrap();
        index.add(&entries(start..=(start + 150).min(300))).unwrap();
    }
    assert_eq!(index.passages(), 300);
    index
}

#[test]
fn no_hit_is_outside_and_the_exact_arm_equals_brute_force() {
    let dir = folder();
    let index = index(dir.path(), usize::MAX);
    let cases = (
        prop::collection::btree_set(0_u32..76, 0..76),
        0_u64..500,
        0_usize..8,
    );
    let check = |revisions: BTreeSet<u32>, seed: u64, word: usize| {
        let permitted: RoaringBitmap = revisions.into_iter().collect();
        let found = search(&index, WORDS[word], seed, &permitted);
        prop_assert_eq!(found.method, DenseMethod::Exact);
        let inside = |r: RevisionId| permitted.contains(u32::try_from(r.0).unwrap());
        prop_assert!(found.hits.iter().all(|hit| inside(hit.revision)));

        let meaning_only = search_with(&index, "", seed, &permitted, Some(1.0));
        let cosines = brute_force(&vector(seed), &permitted);
        let mut best: Vec<f32> = cosines.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        best.truncate(20);
        let passages: BTreeSet<PassageId> =
            meaning_only.hits.iter().map(|hit| hit.passage).collect();
        prop_assert_eq!(
            (passages.len(), meaning_only.hits.len()),
            (best.len(), best.len())
        );
        // The order is that of the cosines, but for what adding up in another order rounds otherwise.
        for (hit, expected) in meaning_only.hits.iter().zip(&best) {
            let apart = (cosines[&hit.passage] - expected).abs();
            prop_assert!(apart < 1e-6, "{:?}: {apart}", hit.passage);
        }
        Ok(())
    };
    // Two of these are equally near, but for the last bit.
    check([0, 42, 47].into(), 171, 0).unwrap();
    proptest!(|((revisions, seed, word) in cases)| {
        check(revisions, seed, word)?;
    });
}

#[test]
fn what_lies_beside_the_permitted_in_a_block_of_codes_is_not_found() {
    let dir = folder();
    let index = Index::open(dir.path(), settings()).unwrap();
    // Enough that bounds decide, and so few blocks that the bounds of all are looked at.
    let revision = |passage| match passage {
        1..=3 => 1,
        4..=4203 => 2,
        _ => 3,
    };
    let entries: Vec<IndexEntry> = (1..=4207).map(|p| entry(p, revision(p))).collect();
    index.add(&entries).unwrap();
    for hidden in (1..=3).chain(4204..=4207) {
        let hits = search_with(&index, "", hidden, &[2].into(), Some(1.0)).hits;
        assert_eq!(hits.len(), 20);
        assert!(hits.iter().all(|hit| hit.revision == RevisionId(2)));
    }
}

#[test]
fn cells_too_lead_only_to_what_is_permitted_and_passages_added_later_are_found() {
    let dir = folder();
    let index = index(dir.path(), 50);
    index.finish_maintenance().unwrap();
    index.add(&entries(301..=310)).unwrap();
    let found = search(&index, "", 305, &everything());
    assert_eq!(found.hits[0].passage, PassageId(305));
    // Where most is hidden all are compared; where less is, cells lead past it.
    let (exact, clusters) = (DenseMethod::Exact, DenseMethod::Clusters);
    for (of, gone, method) in [(4, 3, exact), (3, 1, clusters), (20, 1, clusters)] {
        let hidden = |revision: i64| revision % of < gone;
        let permitted: RoaringBitmap = (0..80).filter(|r| !hidden(i64::from(*r))).collect();
        for seed in 0..40 {
            let found = search(&index, WORDS[0], seed, &permitted);
            assert_eq!(found.method, method);
            assert!(!found.hits.is_empty());
            assert!(found.hits.iter().all(|hit| !hidden(hit.revision.0)));
        }
    }
    index.delete_revisions(&[RevisionId(10)]).unwrap();
    let found = search_with(&index, "", 41, &everything(), Some(1.0));
    assert_eq!(found.method, DenseMethod::Clusters);
    assert!(found.hits.iter().all(|hit| hit.revision.0 != 10));
}

#[test]
fn a_revision_is_gone_with_the_bitmap_and_stays_gone_once_forgotten() {
    let dir = folder();
    let index = index(dir.path(), usize::MAX);
    let text = "§ 41(2)";
    assert_eq!(
        search(&index, text, 41, &everything()).hits[0].passage,
        PassageId(41)
    );
    let mut without = everything();
    without.remove(10);
    assert!(
        search(&index, text, 41, &without)
            .hits
            .iter()
            .all(|hit| hit.revision.0 != 10)
    );
    index
        .delete_revisions(&[RevisionId(10), RevisionId(9_999)])
        .unwrap();
    assert!(
        search(&index, text, 41, &everything())
            .hits
            .iter()
            .all(|hit| hit.revision.0 != 10)
    );
    assert!(!index.revisions().contains(&RevisionId(10)));
    assert_eq!(index.passages(), 296);
    drop(index);
    let again = Index::open(dir.path(), settings()).unwrap();
    assert_eq!(again.passages(), 296);
    assert_eq!(again.sequence(), PassageId(300));
}

#[test]
fn words_codes_and_headings_find_their_passage() {
    let dir = folder();
    let index = index(dir.path(), usize::MAX);
    let first = |text: &str| {
        let found = search(&index, text, 9_999, &everything());
        found
            .hits
            .into_iter()
            .find(|hit| hit.lexical.is_some())
            .unwrap()
    };
    assert_eq!(first("what does § 123(2) say").passage, PassageId(123));
    assert_eq!(first("§77(2)").passage, PassageId(77));
    assert!(first("doses for visitors").lexical.unwrap() > 0.0);
    for hostile in [
        "",
        "\"",
        "title:(",
        "AND OR NOT",
        "a* ~b^3 [c TO d]",
        "\u{0}\u{202e}",
        "(((((",
    ] {
        let found = search(&index, hostile, 5, &everything());
        assert_eq!(found.hits.len(), 20, "{hostile}");
    }
}

#[test]
fn vectors_of_another_model_are_refused() {
    let dir = folder();
    let index = index(dir.path(), usize::MAX);
    let permitted = everything();
    for vector in [
        vec![1.0],
        vec![0.0; support::WIDTH],
        vec![f32::NAN; support::WIDTH],
    ] {
        let request = SearchRequest {
            text: "dose",
            expansion_terms: "",
            vector: &vector,
            permitted: &permitted,
            limit: 5,
            dense_weight: None,
        };
        assert!(index.search(&request).is_err());
        let mut entry = support::entry(999, 3);
        entry.vector.clone_from(&vector);
        assert!(index.add(&[entry]).is_err());
    }
    assert_eq!(index.passages(), 300);
}

#[test]
fn what_is_quoted_must_stand_there_and_a_code_finds_those_that_begin_with_it() {
    let dir = folder();
    let index = Index::open(dir.path(), settings()).unwrap();
    let texts = [
        "Codes: E11.9 and E11.65 are coded with diabetes.",
        "The minimum that is necessary is disclosed.",
        "Only the minimum necessary information is disclosed.",
        "Aufbewahrungsfristen gelten für alle Akten.",
    ];
    let entries: Vec<IndexEntry> = (1..)
        .zip(texts)
        .map(|(id, text)| IndexEntry {
            text: text.into(),
            language: (id == 4).then(|| "deu".to_owned()),
            ..entry(id, id)
        })
        .collect();
    index.add(&entries).unwrap();
    let found = |text: &str| -> Vec<i64> {
        let found = search_with(&index, text, 1, &everything(), Some(0.0));
        let by_words = found.hits.into_iter().filter(|hit| hit.lexical.is_some());
        by_words.map(|hit| hit.passage.0).collect()
    };
    assert_eq!(found("what is \"minimum necessary\""), [3]);
    assert_eq!(found("E11"), [1]);
    assert_eq!(found("Fristen der Akten"), [4]);
    let quoted = search(&index, "\"minimum necessary\"", 1, &everything());
    assert_eq!(quoted.hits.len(), 1, "meaning finds nothing beside it");
    let absent = search(&index, "\"nowhere written\" minimum", 1, &everything());
    assert!(absent.hits.len() > 1, "what no passage says is no filter");
    let mut without = everything();
    without.remove(3);
    let hidden = search(&index, "\"minimum necessary\"", 1, &without);
    assert!(hidden.hits.iter().all(|hit| hit.passage.0 != 3));
}

#[test]
fn a_question_is_routed_to_the_document_it_names() {
    let dir = folder();
    let index = Index::open(dir.path(), settings()).unwrap();
    let passage = |id: i64, revision: i64| IndexEntry {
        title: "Annual report".into(),
        headings: vec![],
        text: format!("Net sales were {id} million."),
        document_metadata: (id % 10 == 1).then(|| format!("reports/acme_{}.pdf", 2010 + revision)),
        vector: vector(7),
        ..entry(id, revision)
    };
    let entries: Vec<IndexEntry> = (1..=40).map(|id| passage(id, 1 + (id - 1) / 10)).collect();
    index.add(&entries).unwrap();
    for (question, revision) in [("net sales in FY2013", 3), ("Acme's net sales of 2012", 2)] {
        let found = search(&index, question, 7, &everything());
        let first: Vec<i64> = found
            .hits
            .iter()
            .take(10)
            .map(|hit| hit.revision.0)
            .collect();
        assert_eq!(first, [revision; 10], "{question}");
    }
}
