//! An index with graphs: certified before they are used, stored, and gone or built again if their passages are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use cloister_domain::{PassageId, RevisionId};
use cloister_index::{DenseMethod, Index, IndexSettings, SearchRequest};
use roaring::RoaringBitmap;
use std::path::{Path, PathBuf};
use support::{entries, everything, folder, search_with, settings, vector};

const PASSAGES: i64 = 3000;
const REVISIONS: u32 = 751;

fn open(dir: &Path, graph_from: usize) -> Index {
    let settings = IndexSettings {
        graph_from,
        depth: 20,
        ..settings()
    };
    Index::open(dir, settings).unwrap()
}

/// An index whose graph was built.
fn built(dir: &Path) -> Index {
    let index = open(dir, 1000);
    for first in (1..=PASSAGES).step_by(1000) {
        index.add(&entries(first..=first + 999)).unwrap();
    }
    index.finish_maintenance().unwrap();
    index
}

fn graph_files(dir: &Path) -> Vec<PathBuf> {
    let generation = dir.join("generation-000001");
    let files = std::fs::read_dir(generation).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|own| own == "graph"));
    files
}

fn by_vectors(index: &Index, seed: u64, permitted: &RoaringBitmap) -> (Vec<i64>, DenseMethod) {
    let found = search_with(index, "", seed, permitted, Some(1.0));
    let passages = found.hits.iter().map(|hit| hit.passage.0).collect();
    (passages, found.method)
}

/// A question near passage `number`.
fn question(number: u64) -> Vec<f32> {
    let (own, other) = (vector(number), vector(number + 100_000));
    let mixed: Vec<f32> = own.iter().zip(other).map(|(a, b)| a + 0.5 * b).collect();
    let length = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
    mixed.iter().map(|x| x / length).collect()
}

/// The share of the ten nearest by `exact` that `index` finds.
fn recall(index: &Index, exact: &Index, permitted: &RoaringBitmap) -> f32 {
    let (mut found, mut known) = (0, 0);
    for number in 1..=300 {
        let vector = question(number * 9);
        let request = SearchRequest {
            text: "",
            expansion_terms: "",
            vector: &vector,
            permitted,
            limit: 10,
            dense_weight: Some(1.0),
        };
        let hits = index.search(&request).unwrap();
        let truth = exact.search(&request).unwrap();
        let methods = (hits.method, truth.method);
        assert_eq!(methods, (DenseMethod::Graph, DenseMethod::Exact));
        let hits: Vec<PassageId> = hits.hits.iter().map(|hit| hit.passage).collect();
        let truth = truth.hits.iter().map(|hit| hit.passage);
        found += truth.filter(|passage| hits.contains(passage)).count();
        known += 10;
    }
    found as f32 / known as f32
}

#[test]
fn a_certified_graph_is_used_and_survives_a_restart() {
    let (dir, other) = (folder(), folder());
    let index = built(dir.path());
    let exact = open(other.path(), usize::MAX);
    exact.add(&entries(1..=PASSAGES)).unwrap();
    let status = index.status();
    assert_eq!(status.graphs.passages(), 3000);
    assert_eq!(status.graphs.refusal(), None);
    assert!(status.graphs.recall().unwrap() >= 0.99);
    assert!(
        status.to_string().contains("graphs find 3000 passages"),
        "{status}"
    );
    let half: RoaringBitmap = (0..REVISIONS)
        .filter(|revision| revision % 2 == 0)
        .collect();
    for permitted in [everything(), half] {
        let recall = recall(&index, &exact, &permitted);
        assert!(recall >= 0.985, "{recall}");
    }
    let [file] = &graph_files(dir.path())[..] else {
        panic!("one graph file");
    };
    let written = std::fs::metadata(file).unwrap().modified().unwrap();
    let before: Vec<_> = (0..50)
        .map(|seed| by_vectors(&index, seed, &everything()))
        .collect();
    drop(index);
    let index = open(dir.path(), 1000);
    assert_eq!(index.status().graphs, status.graphs);
    let after: Vec<_> = (0..50)
        .map(|seed| by_vectors(&index, seed, &everything()))
        .collect();
    assert_eq!(after, before);
    index.finish_maintenance().unwrap();
    assert_eq!(
        std::fs::metadata(file).unwrap().modified().unwrap(),
        written
    );
}

#[test]
fn a_damaged_graph_file_is_built_again() {
    let dir = folder();
    drop(built(dir.path()));
    let [file] = &graph_files(dir.path())[..] else {
        panic!("one graph file");
    };
    let intact = std::fs::read(file).unwrap();
    let mut changed = intact.clone();
    changed[intact.len() / 2] ^= 1;
    for damaged in [&changed[..], &intact[..intact.len() - 100], &[]] {
        std::fs::write(file, damaged).unwrap();
        let index = open(dir.path(), 1000);
        let (hits, _) = by_vectors(&index, 77, &everything());
        assert_eq!(hits[0], 77);
        index.finish_maintenance().unwrap();
        assert_eq!(index.status().graphs.passages(), 3000);
        assert_eq!(by_vectors(&index, 77, &everything()).1, DenseMethod::Graph);
        drop(index);
        assert_eq!(std::fs::read(file).unwrap().len(), intact.len());
    }
}

#[test]
fn added_and_deleted_passages_show_at_once() {
    let dir = folder();
    let index = built(dir.path());
    index.add(&entries(3001..=3010)).unwrap();
    let (hits, method) = by_vectors(&index, 3005, &everything());
    assert_eq!((hits[0], method), (3005, DenseMethod::Graph));
    index.delete_revisions(&[RevisionId(100)]).unwrap();
    let (hits, method) = by_vectors(&index, 401, &everything());
    assert_eq!(method, DenseMethod::Graph);
    assert!(hits.iter().all(|passage| !(400..404).contains(passage)));
    // A quarter of the passages is deleted, so that the segment and its graph are built again.
    let deleted: Vec<RevisionId> = (0..300).map(RevisionId).collect();
    index.delete_revisions(&deleted).unwrap();
    let (hits, _) = by_vectors(&index, 501, &everything());
    assert!(hits.iter().all(|passage| *passage >= 1200));
    index.finish_maintenance().unwrap();
    assert_eq!(index.status().graphs.passages(), 1801);
    assert_eq!(graph_files(dir.path()).len(), 1);
    for seed in 1200..1300 {
        let (hits, method) = by_vectors(&index, seed, &everything());
        assert_eq!(hits[0], i64::try_from(seed).unwrap());
        assert_eq!(method, DenseMethod::Graph);
    }
}

#[test]
fn hits_of_a_graph_are_permitted_and_complete() {
    let dir = folder();
    let index = built(dir.path());
    for every in 2..12 {
        for offset in 0..every {
            let is_permitted = |revision: &u32| revision % every == offset;
            let permitted: RoaringBitmap = (0..REVISIONS).filter(is_permitted).collect();
            let found = search_with(&index, "", u64::from(every), &permitted, Some(1.0));
            assert_eq!(found.hits.len(), 20);
            for hit in found.hits {
                assert!(permitted.contains(u32::try_from(hit.revision.0).unwrap()));
            }
        }
    }
    let none = search_with(&index, "", 1, &RoaringBitmap::new(), Some(1.0));
    assert!(none.hits.is_empty());
}

#[test]
fn small_indexes_have_no_graph() {
    let dir = folder();
    let index = open(dir.path(), 10_000);
    index.add(&entries(1..=2000)).unwrap();
    index.finish_maintenance().unwrap();
    let (hits, method) = by_vectors(&index, 5, &everything());
    assert_eq!((hits[0], method), (5, DenseMethod::Exact));
    assert!(index.status().graphs.certificates.is_empty());
    assert!(graph_files(dir.path()).is_empty());
    assert_eq!(index.sequence(), PassageId(2000));
}
