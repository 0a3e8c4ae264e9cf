//! Graphs: their recall against the exact scan, permission inside the walk, certificates, and files.

use super::*;
use crate::bench::SyntheticCorpus;
use crate::dense::{self, DenseQuery, NearestRequest, Quantizer, Segment};
use crate::request::{DenseMethod, IndexSettings};
use crate::revisions::{ReadableRevisions, Revisions};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

const PASSAGES: i64 = 6000;
const DIMENSIONS: usize = 64;
const REVISIONS: u32 = 300;

fn corpus() -> SyntheticCorpus {
    SyntheticCorpus::new(3, PASSAGES, DIMENSIONS)
}

/// A segment of clustered vectors, without a graph.
fn segment(dir: &Path) -> Arc<Segment> {
    let corpus = corpus();
    let vectors: Vec<Vec<f32>> = (1..=PASSAGES).map(|id| corpus.vector(id)).collect();
    let revision = |id| u32::try_from(SyntheticCorpus::revision(id)).unwrap();
    let rows = (1..=PASSAGES).zip(&vectors);
    let rows: Vec<dense::Row<'_>> = rows
        .map(|(id, vector)| (id, revision(id), &**vector))
        .collect();
    let (_, segment) = dense::merge(&dir.join("1.vec"), DIMENSIONS, &[], &rows).unwrap();
    Arc::new(segment)
}

/// A segment with a certified graph, in a folder that lives as long as the tests.
fn segment_with_graph() -> Arc<Segment> {
    static SEGMENT: LazyLock<(tempfile::TempDir, Arc<Segment>)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let segment = segment(dir.path());
        let certified = build_certified(&segment, &AtomicBool::new(false)).unwrap();
        let path = dir.path().join("1.graph");
        segment
            .adopt_graph(&path, &"ab".repeat(32), certified)
            .unwrap();
        (dir, segment)
    });
    Arc::clone(&SEGMENT.1)
}

fn query(number: i64) -> DenseQuery {
    let vector = corpus().question(number).vector;
    Quantizer::new(DIMENSIONS).prepare_query(&vector, false)
}

fn readable(permitted: &RoaringBitmap) -> ReadableRevisions {
    Revisions::from_runs((1..=REVISIONS).map(|revision| (revision, 20))).readable(permitted)
}

/// The hits of the ten nearest by the planner, and how it found them.
fn nearest(
    segment: &Arc<Segment>,
    query: &DenseQuery,
    permitted: &RoaringBitmap,
) -> (Vec<dense::DenseHit>, DenseMethod) {
    let permitted_rows = (1..=REVISIONS).filter(|revision| permitted.contains(*revision));
    dense::nearest(NearestRequest {
        segments: std::slice::from_ref(segment),
        query,
        readable: &readable(permitted),
        permitted: permitted_rows.count() * 20,
        rows: segment.live_rows(),
        depth: 10,
        limit: 10,
        settings: &IndexSettings {
            graph_from: 1000,
            ..IndexSettings::default()
        },
    })
}

#[test]
fn recall_is_high_whatever_is_permitted() {
    let segment = segment_with_graph();
    let certificate = &segment.graph().unwrap().certificate;
    assert_eq!(certificate.refusal, None);
    assert!(certificate.recall >= 0.99 && certificate.filtered_recall >= 0.99);
    assert_eq!(certificate.passages, 6000);
    let scattered = |every: u32| {
        (1..=REVISIONS)
            .filter(|revision| revision % every == 0)
            .collect()
    };
    let filters: [RoaringBitmap; 4] = [
        (1..=REVISIONS).collect(),
        scattered(2),
        (1..=REVISIONS / 2).collect(),
        (1..=REVISIONS)
            .filter(|revision| revision % 5 != 0)
            .collect(),
    ];
    for permitted in filters {
        let (mut found, mut known) = (0, 0);
        for number in 0..200 {
            let query = query(number);
            let (hits, method) = nearest(&segment, &query, &permitted);
            assert_eq!(method, DenseMethod::Graph);
            assert!(hits.iter().all(|hit| permitted.contains(hit.revision)));
            let hits: HashSet<i64> = hits.iter().map(|hit| hit.passage).collect();
            let segments = std::slice::from_ref(&segment);
            let truth = dense::scan_exact(segments, &query, &readable(&permitted), 10);
            found += truth
                .iter()
                .filter(|hit| hits.contains(&hit.passage))
                .count();
            known += truth.len();
        }
        let recall = found as f32 / known as f32;
        assert!(
            recall >= 0.99,
            "{recall} with {} documents",
            permitted.len()
        );
    }
}

#[test]
fn few_permitted_passages_are_scanned() {
    let segment = segment_with_graph();
    for (last, expected) in [
        (40, DenseMethod::Exact),
        (90, DenseMethod::Exact),
        (200, DenseMethod::Graph),
    ] {
        let permitted: RoaringBitmap = (1..=last).collect();
        let (hits, method) = nearest(&segment, &query(1), &permitted);
        assert_eq!(method, expected, "{last} documents");
        assert_eq!(hits.len(), 10);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is permitted and asked, all hits are permitted, distinct, and as many as there are.
    #[test]
    fn a_walk_finds_only_what_is_permitted(
        permitted in prop::collection::btree_set(1_u32..=REVISIONS, 0..=REVISIONS as usize),
        number in 0_i64..10_000,
        ef in 1_usize..200,
    ) {
        let segment = segment_with_graph();
        let permitted: RoaringBitmap = permitted.into_iter().collect();
        let query = query(number);
        let (hits, _) = nearest(&segment, &query, &permitted);
        prop_assert!(hits.iter().all(|hit| permitted.contains(hit.revision)));
        let distinct: HashSet<i64> = hits.iter().map(|hit| hit.passage).collect();
        prop_assert_eq!(distinct.len(), hits.len());
        let all = usize::try_from(permitted.len()).unwrap() * 20;
        prop_assert_eq!(hits.len(), all.min(10));
        // The walk itself, also where the planner would not use it.
        let graph = segment.graph().unwrap().graph.as_ref().unwrap();
        let rows = segment.readable_rows(&readable(&permitted));
        let found = walk(graph, &segment, &query, rows.filter(), ef);
        let revisions = &segment.codes().revisions;
        prop_assert!(found.candidates.iter().all(|own| permitted.contains(revisions[own.row])));
        prop_assert!(found.candidates.len() <= ef);
        // Entries that are not among the nearest can be compared again.
        prop_assert!(found.comparisons <= all + graph.entries.len());
    }
}

#[test]
fn a_broken_graph_is_refused_by_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let segment = segment(dir.path());
    let rows = u32::try_from(PASSAGES).unwrap();
    let broken: [fn(u32, u32) -> u32; 2] = [
        |row, _| row,
        |row, place| row.wrapping_mul(31).wrapping_add(place * 977) % 6000,
    ];
    for link in broken {
        let list = |row: u32| std::array::from_fn(|place| link(row, u32::try_from(place).unwrap()));
        let graph = Graph::new((0..rows).map(list).collect(), vec![0, 1, 2]).unwrap();
        let certified = certificate::certify(&segment, graph);
        assert_eq!(certified.graph, None);
        let refusal = certified.certificate.refusal.clone().unwrap();
        assert!(refusal.contains("recall"), "{refusal}");
        // It stays refused after a restart, and all rows are scanned.
        let path = dir.path().join("1.graph");
        write(&path, &"ab".repeat(32), &certified).unwrap();
        let stored = read(&path, &"ab".repeat(32), segment.rows())
            .unwrap()
            .unwrap();
        assert_eq!(stored, certified);
    }
}

#[test]
fn links_lead_to_rows_and_every_row_is_reached() {
    let segment = segment_with_graph();
    let graph = segment.graph().unwrap().graph.as_ref().unwrap();
    let linked: HashSet<u32> = graph.neighbours.iter().flatten().copied().collect();
    assert_eq!(linked.len(), segment.rows());
    let last = graph.neighbours.len() - 1;
    assert!(Graph::new(vec![[1; DEGREE]; 1], vec![0]).is_none());
    assert!(Graph::new(vec![[0; DEGREE]; 1], vec![1]).is_none());
    assert!(Graph::new(vec![[0; DEGREE]; 1], vec![]).is_none());
    assert!(graph.entries.iter().all(|entry| *entry <= last));
}

#[test]
fn a_damaged_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1.graph");
    let codes = "cd".repeat(32);
    let neighbours: Vec<[u32; DEGREE]> = (0..20).map(|row| [(row * 7) % 20; DEGREE]).collect();
    let certified = CertifiedGraph {
        graph: Graph::new(neighbours, vec![3, 4]),
        certificate: GraphCertificate {
            passages: 20,
            ef: 48,
            filtered_ef: 96,
            recall: 0.995,
            filtered_recall: 0.99,
            comparisons: 12,
            refusal: None,
        },
    };
    assert_eq!(read(&path, &codes, 20).unwrap(), None);
    write(&path, &codes, &certified).unwrap();
    assert_eq!(read(&path, &codes, 20).unwrap(), Some(certified));
    assert!(read(&path, &codes, 21).is_err());
    assert!(read(&path, &"ce".repeat(32), 20).is_err());
    let intact = std::fs::read(&path).unwrap();
    for length in 0..intact.len() {
        std::fs::write(&path, &intact[..length]).unwrap();
        assert!(read(&path, &codes, 20).is_err(), "{length} bytes");
    }
    for place in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        assert!(read(&path, &codes, 20).is_err(), "byte {place}");
    }
}

/// A file with a valid checksum is not trusted either.
#[test]
fn impossible_numbers_are_refused_under_a_valid_checksum() {
    use sha2::{Digest, Sha256};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1.graph");
    let codes = "cd".repeat(32);
    let certified = CertifiedGraph {
        graph: Graph::new(vec![[0; DEGREE]; 4], vec![3]),
        certificate: GraphCertificate {
            passages: 4,
            ef: 16,
            filtered_ef: 16,
            recall: 1.0,
            filtered_recall: 1.0,
            comparisons: 4,
            refusal: None,
        },
    };
    write(&path, &codes, &certified).unwrap();
    let intact = std::fs::read(&path).unwrap();
    let content = intact.len() - 32;
    // Rows, degree, entries, length of the refusal, the entry, the first and the last link.
    for place in [40, 44, 48, 72, 76, 80, content - 4] {
        for value in [4_u32, 33, u32::MAX] {
            let mut damaged = intact.clone();
            damaged[place..place + 4].copy_from_slice(&value.to_le_bytes());
            if damaged == intact {
                continue;
            }
            let checksum = Sha256::digest(&damaged[..content]);
            damaged[content..].copy_from_slice(&checksum);
            std::fs::write(&path, &damaged).unwrap();
            assert!(read(&path, &codes, 4).is_err(), "{value} at {place}");
        }
    }
}
