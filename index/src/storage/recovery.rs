//! Recovery of the intact files of a damaged generation, each verified by itself.

use super::file_names::is_vector_file;
use super::generation::LEXICAL_DIR;
use crate::dense::{self, Segment};
use crate::files;
use crate::lexical;
use crate::request::IndexSettings;
use crate::revisions::Revisions;
use crate::snapshot::Snapshot;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

/// The intact part of the generation in `dir`; `None` if nothing is intact.
///
/// It can be older than the last commit: a file that a merge left behind can bring back deleted
/// revisions. They stay hidden, because no permission bitmap contains them.
pub(crate) fn recover(dir: &Path, number: u64, settings: IndexSettings) -> Option<Snapshot> {
    let lexical = lexical::recover(&dir.join(LEXICAL_DIR));
    let segments = recover_segments(dir, settings.dimensions);
    let last = segments.last().and_then(|s| s.codes().passages.last());
    let sequence = last.copied().unwrap_or(0);
    let snapshot = Snapshot {
        name: format!("{number}.salvaged"),
        settings,
        sequence,
        lexical,
        revisions: Revisions::from_runs(segments.iter().flat_map(|s| s.revisions())),
        segments,
    };
    (snapshot.weight() > 0).then_some(snapshot)
}

/// The intact segments, in the order of their passages. Of files with the same passages, which a crash
/// during a merge leaves behind, the largest is used.
fn recover_segments(dir: &Path, dimensions: usize) -> Vec<Arc<Segment>> {
    let names = files::names(dir).unwrap_or_default();
    let mut segments: Vec<Segment> = names
        .par_iter()
        .filter(|name| is_vector_file(name))
        .filter_map(|name| dense::recover(&dir.join(name), dimensions))
        .collect();
    segments.sort_by_key(|segment| (Reverse(segment.live_rows()), passage_range(segment)));
    let mut selected: Vec<Arc<Segment>> = Vec::new();
    for segment in segments {
        let (first, last) = passage_range(&segment);
        let is_disjoint = selected.iter().all(|other| {
            let (other_first, other_last) = passage_range(other);
            other_last < first || last < other_first
        });
        if segment.live_rows() > 0 && is_disjoint {
            selected.push(Arc::new(segment));
        }
    }
    selected.sort_by_key(|segment| passage_range(segment));
    selected
}

/// The first and the last passage.
fn passage_range(segment: &Segment) -> (i64, i64) {
    let passages = &segment.codes().passages;
    let [first, last] = [passages.first(), passages.last()].map(|id| id.copied().unwrap_or(0));
    (first, last)
}
