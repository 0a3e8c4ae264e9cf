//! Cells lead to what a scan finds, whatever is permitted or forgotten.

use crate::revisions::{Readable, Revisions};
use crate::trial::Synthetic;
use crate::vectors::{self, Quantiser, Segment};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

const PASSAGES: i64 = 12_000;
const DIMENSIONS: usize = 64;

/// The passages in three segments, of which all but the last have cells.
fn segments(dir: &Path) -> Vec<Arc<Segment>> {
    let corpus = Synthetic::new(3, PASSAGES, DIMENSIONS);
    let segment = |ids: std::ops::RangeInclusive<i64>| {
        let path = dir.join(format!("{}.vec", ids.start()));
        let vectors: Vec<Vec<f32>> = ids.clone().map(|id| corpus.vector(id)).collect();
        let revision = |id| u32::try_from(Synthetic::revision(id)).unwrap();
        let rows: Vec<vectors::Row<'_>> = ids
            .zip(&vectors)
            .map(|(id, vector)| (id, revision(id), &**vector))
            .collect();
        let (_, segment) = vectors::join(&path, DIMENSIONS, &[], &rows).unwrap();
        if segment.rows() > 1000 {
            segment.make_cells();
        }
        Arc::new(segment)
    };
    vec![
        segment(1..=7000),
        segment(7001..=11_500),
        segment(11_501..=PASSAGES),
    ]
}

/// The revisions of which `every`-th is permitted.
fn readable(every: u32) -> Readable {
    let last = u32::try_from(Synthetic::revision(PASSAGES)).unwrap();
    let permitted = (1..=last).filter(|r| r % every == 0).collect();
    Revisions::of((1..=last).map(|revision| (revision, 1))).readable(&permitted)
}

/// The share of the ten best of a scan that the cells hold, too, over 200 questions.
fn recall(segments: &[Arc<Segment>], readable: &Readable) -> f32 {
    let corpus = Synthetic::new(3, PASSAGES, DIMENSIONS);
    let quantiser = Quantiser::new(DIMENSIONS);
    let rows = |s: &Arc<Segment>| {
        s.readable(readable)
            .iter()
            .map(ExactSizeIterator::len)
            .sum::<usize>()
    };
    let permitted = segments.iter().map(rows).sum();
    let (mut held, mut all) = (0, 0);
    for number in 0..200 {
        let question = quantiser.question(&corpus.question(number).vector, false);
        let near = vectors::nearest_in_cells(segments, &question, readable, permitted, 50);
        assert_eq!(near.len(), 50);
        assert!(near.iter().all(|hit| readable.contains(hit.revision)));
        assert!(
            near.iter()
                .all(|hit| vectors::row_of(segments, hit.passage).is_some())
        );
        let near: HashSet<i64> = near.iter().map(|hit| hit.passage).collect();
        let exact = vectors::nearest(segments, &question, readable, 10);
        held += exact
            .iter()
            .filter(|hit| near.contains(&hit.passage))
            .count();
        all += exact.len();
    }
    held as f32 / all as f32
}

#[test]
fn they_lead_to_what_a_scan_finds_whatever_is_permitted() {
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
fn what_was_forgotten_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let forgotten: BTreeSet<u32> = (1..=600).filter(|revision| revision % 3 == 0).collect();
    let left: Vec<Arc<Segment>> = segments(dir.path())
        .iter()
        .map(|segment| Arc::new(segment.without(&forgotten)))
        .collect();
    assert!(recall(&left, &readable(1)) >= 0.98);
}

#[test]
fn where_little_is_permitted_and_lies_far_away_it_is_found_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(dir.path());
    let corpus = Synthetic::new(3, PASSAGES, DIMENSIONS);
    let known = Revisions::of((1..=600).map(|revision| (revision, 20)));
    for revision in 1..=300 {
        let only = known.readable(&[revision].into());
        let vector = corpus.question(i64::from(revision)).vector;
        let question = Quantiser::new(DIMENSIONS).question(&vector, false);
        let found = vectors::nearest_in_cells(&segments, &question, &only, 20, 20);
        assert_eq!(found.len(), 20);
    }
}

#[test]
fn every_row_is_in_one_cell_beside_rows_that_are_near() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(dir.path());
    let cells = segments[0].cells().unwrap();
    let mut rows = cells.rows.clone();
    rows.sort_unstable();
    assert_eq!(rows, (0..7000).collect::<Vec<u32>>());
    let count = cells.spreads.len();
    assert!((60..=150).contains(&count), "{count} cells");
    assert_eq!(cells.places(count - 1).end, 7000);
    let spread = cells.spreads.iter().sum::<f32>() / count as f32;
    assert!(
        spread < 0.75,
        "rows lie {spread} from the middle of their cells"
    );
}
