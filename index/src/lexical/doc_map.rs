//! The passage, the revision and the field lengths of each document of a segment, in memory.

use super::Fields;
use super::block_max::BlockMaxCache;
use crate::error::{IndexError, Result};
use crate::revisions::ReadableRevisions;
use std::ops::Range;
use std::sync::Arc;
use tantivy::schema::Field;
use tantivy::{DocId, SegmentReader};

pub(super) const PASSAGE: &str = "passage";
pub(super) const REVISION: &str = "revision";

/// The passage and the revision of each document of a segment.
pub(super) struct DocMap {
    passages: Vec<i64>,
    revisions: Vec<u32>,
    runs: Vec<DocRun>,
    /// The highest of `revisions`.
    pub last_revision: u32,
    norm_ids: Vec<(Field, Arc<[u8]>)>,
    pub block_max: BlockMaxCache,
}

/// Adjacent documents of one revision.
struct DocRun {
    revision: u32,
    documents: Range<DocId>,
}

impl DocMap {
    pub(super) fn read(reader: &SegmentReader, fields: Fields) -> Result<Self> {
        let (mut passages, mut revisions) = (Vec::new(), Vec::new());
        let passage = reader.fast_fields().u64(PASSAGE)?;
        let revision = reader.fast_fields().u64(REVISION)?;
        for doc in 0..reader.max_doc() {
            passages.push(checked_id(passage.first(doc).ok_or_else(missing_id)?)?);
            revisions.push(checked_id(revision.first(doc).ok_or_else(missing_id)?)?);
        }
        let mut norm_ids = Vec::new();
        for field in fields.normalized() {
            norm_ids.push((field, read_norm_ids(reader, field)?));
        }
        Ok(Self {
            runs: find_runs(&revisions),
            last_revision: revisions.iter().copied().max().unwrap_or(0),
            passages,
            revisions,
            norm_ids,
            block_max: BlockMaxCache::default(),
        })
    }

    /// The field norm id of each document; `None` for fields without length normalisation.
    pub(super) fn norm_ids(&self, field: Field) -> Option<&Arc<[u8]>> {
        let mut norm_ids = self.norm_ids.iter();
        let (_, ids) = norm_ids.find(|(own, _)| *own == field)?;
        Some(ids)
    }

    /// The documents of readable revisions, as the smallest number of ranges. Deleted documents can be
    /// among them; [`Self::resolve`] filters them.
    pub(super) fn readable_ranges(&self, readable: &ReadableRevisions) -> Vec<Range<DocId>> {
        if readable.is_everything() {
            let end = self.runs.last().map_or(0, |run| run.documents.end);
            return std::iter::once(0..end).collect();
        }
        let mut ranges: Vec<Range<DocId>> = Vec::new();
        let runs = self.runs.iter();
        for run in runs.filter(|run| readable.contains(run.revision)) {
            match ranges.last_mut() {
                Some(last) if last.end == run.documents.start => last.end = run.documents.end,
                _ => ranges.push(run.documents.clone()),
            }
        }
        ranges
    }

    /// The passage and the revision of a document, unless it is unreadable or deleted.
    pub(super) fn resolve(
        &self,
        reader: &SegmentReader,
        readable: &ReadableRevisions,
        doc: DocId,
    ) -> Option<(i64, u32)> {
        let index = usize::try_from(doc).ok()?;
        let revision = *self.revisions.get(index)?;
        let visible = readable.contains(revision) && is_alive(reader, doc);
        let passage = *self.passages.get(index)?;
        visible.then_some((passage, revision))
    }
}

/// The error of a passage without an id.
fn missing_id() -> IndexError {
    IndexError::Damaged("a passage has no id".into())
}

fn is_alive(reader: &SegmentReader, doc: DocId) -> bool {
    reader.alive_bitset().is_none_or(|set| set.is_alive(doc))
}

fn read_norm_ids(reader: &SegmentReader, field: Field) -> Result<Arc<[u8]>> {
    let norms = reader.get_fieldnorms_reader(field)?;
    let ids = (0..reader.max_doc()).map(|doc| norms.fieldnorm_id(doc));
    Ok(ids.collect())
}

fn find_runs(revisions: &[u32]) -> Vec<DocRun> {
    let mut next = 0;
    let adjacent = revisions.chunk_by(|a, b| a == b);
    adjacent
        .filter_map(|run| {
            let start = next;
            next += DocId::try_from(run.len()).ok()?;
            Some(DocRun {
                revision: *run.first()?,
                documents: start..next,
            })
        })
        .collect()
}

fn checked_id<T: TryFrom<u64>>(value: u64) -> Result<T> {
    T::try_from(value)
        .map_err(|_too_large| IndexError::Damaged(format!("id `{value}` is too large")))
}
