//! The recall of clusters, with permissions and deletions.

use crate::bench::SyntheticCorpus;
use crate::dense::{self, DenseHit, DenseQuery, Quantizer, Segment, scan};
use crate::revisions::{ReadableRevisions, Revisions};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

const PASSAGES: i64 = 12_000;
const DIMENSIONS: usize = 64;

/// Three segments; all but the last have clusters.
fn segments(dir: &Path) -> Vec<Arc<Segment>> {
    let corpus = SyntheticCorpus::new(3, PASSAGES, DIMENSIONS);
    let segment = |ids: std::ops::RangeInclusive<i64>| {
        let path = dir.join(format!("{}.vec", ids.start()));
        let vectors: Vec<Vec<f32>> = ids.clone().map(|id| corpus.vector(id)).collect();
        let revision = |id| u32::try_from(SyntheticCorpus::revision(id)).unwrap();
        let rows: Vec<dense::Row<'_>> = ids
            .zip(&vectors)
            .map(|(id, vector)| (id, revision(id), &**vector))
            .collect();
        let (_, segment) = dense::merge(&path, DIMENSIONS, &[], &rows).unwrap();
        if segment.rows() > 1000 {
            segment.build_clusters();
        }
        Arc::new(segment)
    };
    vec![
        segment(1..=7000),
        segment(7001..=11_500),
        segment(11_501..=PASSAGES),
    ]
}

fn scan_clusters(
    segments: &[Arc<Segment>],
    query: &DenseQuery,
    readable: &ReadableRevisions,
    permitted: usize,
    limit: usize,
) -> Vec<DenseHit> {
    let all = segments.iter().map(|segment| &**segment);
    let candidates = scan::scan_clusters(all, query, readable, permitted, limit);
    scan::select_nearest(candidates, query, limit)
}

/// Every `every`-th revision is permitted.
fn readable(every: u32) -> ReadableRevisions {
    let last = u32::try_from(SyntheticCorpus::revision(PASSAGES)).unwrap();
    let permitted = (1..=last).filter(|r| r % every == 0).collect();
    Revisions::from_runs((1..=last).map(|revision| (revision, 1))).readable(&permitted)
}

/// The share of the ten best of an exact scan that a scan of clusters finds, over 200 questions.
fn recall(segments: &[Arc<Segment>], readable: &ReadableRevisions) -> f32 {
    let corpus = SyntheticCorpus::new(3, PASSAGES, DIMENSIONS);
    let quantizer = Quantizer::new(DIMENSIONS);
    let rows = |s: &Arc<Segment>| {
        s.readable_ranges(readable)
            .iter()
            .map(ExactSizeIterator::len)
            .sum::<usize>()
    };
    let permitted = segments.iter().map(rows).sum();
    let (mut held, mut all) = (0, 0);
    for number in 0..200 {
        let query = quantizer.prepare_query(&corpus.question(number).vector, false);
        let near = scan_clusters(segments, &query, readable, permitted, 50);
        assert_eq!(near.len(), 50);
        assert!(near.iter().all(|hit| readable.contains(hit.revision)));
        assert!(
            near.iter()
                .all(|hit| dense::find_row(segments, hit.passage).is_some())
        );
        let near: HashSet<i64> = near.iter().map(|hit| hit.passage).collect();
        let exact = dense::scan_exact(segments, &query, readable, 10);
        held += exact
            .iter()
            .filter(|hit| near.contains(&hit.passage))
            .count();
        all += exact.len();
    }
    held as f32 / all as f32
}

#[test]
fn recall_is_high_whatever_is_permitted() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(dir.path());
    for every in [1, 2, 4] {
        let recall = recall(&segments, &readable(every));
        assert!(
            recall >= 0.98,
            "{recall} where every {every}th is permitted"
        );
    }
}

#[test]
fn deleted_rows_are_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let deleted: BTreeSet<u32> = (1..=600).filter(|revision| revision % 3 == 0).collect();
    let left: Vec<Arc<Segment>> = segments(dir.path())
        .iter()
        .map(|segment| Arc::new(segment.without(&deleted)))
        .collect();
    assert!(recall(&left, &readable(1)) >= 0.98);
}

#[test]
fn a_few_permitted_rows_far_from_the_query_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(dir.path());
    let corpus = SyntheticCorpus::new(3, PASSAGES, DIMENSIONS);
    let known = Revisions::from_runs((1..=600).map(|revision| (revision, 20)));
    for revision in 1..=300 {
        let only = known.readable(&[revision].into());
        let vector = corpus.question(i64::from(revision)).vector;
        let query = Quantizer::new(DIMENSIONS).prepare_query(&vector, false);
        let found = scan_clusters(&segments, &query, &only, 20, 20);
        assert_eq!(found.len(), 20);
    }
}

#[test]
fn every_row_is_in_one_cluster_of_near_rows() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(dir.path());
    let clusters = segments[0].clusters().unwrap();
    let mut rows = clusters.rows.clone();
    rows.sort_unstable();
    assert_eq!(rows, (0..7000).collect::<Vec<u32>>());
    let count = clusters.spreads.len();
    assert!((60..=150).contains(&count), "{count} clusters");
    assert_eq!(clusters.indices(count - 1).end, 7000);
    let spread = clusters.spreads.iter().sum::<f32>() / count as f32;
    assert!(
        spread < 0.75,
        "rows are {spread} from their centroids on average"
    );
}
