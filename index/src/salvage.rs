//! What still answers of a generation that does not hold as a whole: each file judged by itself.

use crate::entry::IndexSettings;
use crate::files;
use crate::generation::{KEYWORDS, is_vectors};
use crate::keyword;
use crate::revisions::Revisions;
use crate::snapshot::Snapshot;
use crate::vectors::{self, Segment};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

/// The sound part of the generation in `dir`; `None` where nothing is.
///
/// What it finds may be older than the generation's last commit: revisions that were forgotten come
/// back with a file that a merge had left, and stay hidden, because no bitmap permits them.
pub(crate) fn salvage(dir: &Path, number: u64, settings: IndexSettings) -> Option<Snapshot> {
    let keywords = keyword::salvage(&dir.join(KEYWORDS));
    let segments = segments(dir, settings.dimensions);
    let last = segments.last().and_then(|s| s.codes().passages.last());
    let sequence = last.copied().unwrap_or(0);
    let snapshot = Snapshot {
        name: format!("{number}.salvaged"),
        settings,
        sequence,
        keywords,
        revisions: Revisions::of(segments.iter().flat_map(|s| s.revisions())),
        segments,
    };
    (snapshot.weight() > 0).then_some(snapshot)
}

/// The sound segments, in the order of their passages. Of files that share passages, which a merge
/// and a crash leave, the largest counts.
fn segments(dir: &Path, dimensions: usize) -> Vec<Arc<Segment>> {
    let names = files::names(dir).unwrap_or_default();
    let mut found: Vec<Segment> = names
        .par_iter()
        .filter(|name| is_vectors(name))
        .filter_map(|name| vectors::salvage(&dir.join(name), dimensions))
        .collect();
    found.sort_by_key(|segment| (Reverse(segment.live()), span(segment)));
    let mut kept: Vec<Arc<Segment>> = Vec::new();
    for segment in found {
        let (first, last) = span(&segment);
        let apart = |other: &Arc<Segment>| span(other).1 < first || last < span(other).0;
        if segment.live() > 0 && kept.iter().all(apart) {
            kept.push(Arc::new(segment));
        }
    }
    kept.sort_by_key(|segment| span(segment));
    kept
}

/// The first and the last passage.
fn span(segment: &Segment) -> (i64, i64) {
    let passages = &segment.codes().passages;
    let end = |id: Option<&i64>| id.copied().unwrap_or(0);
    (end(passages.first()), end(passages.last()))
}
