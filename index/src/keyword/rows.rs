//! What is kept in memory of a segment's documents: which passage each is, of which revision, and
//! how long its fields are.

use super::Fields;
use super::ceilings::Ceilings;
use crate::error::{IndexError, Result};
use crate::revisions::Readable;
use std::ops::Range;
use std::sync::Arc;
use tantivy::schema::Field;
use tantivy::{DocId, SegmentReader};

pub(super) const PASSAGE: &str = "passage";
pub(super) const REVISION: &str = "revision";

/// Which passage each document of a segment is, and of which revision.
pub(super) struct Rows {
    pub passages: Vec<i64>,
    pub revisions: Vec<u32>,
    /// Neighbours of one revision.
    runs: Vec<Run>,
    /// The highest of `revisions`.
    pub last_revision: u32,
    lengths: Vec<(Field, Arc<[u8]>)>,
    pub ceilings: Ceilings,
}

struct Run {
    revision: u32,
    documents: Range<DocId>,
}

impl Rows {
    pub(super) fn read(reader: &SegmentReader, fields: Fields) -> Result<Self> {
        let (mut passages, mut revisions) = (Vec::new(), Vec::new());
        let passage = reader.fast_fields().u64(PASSAGE)?;
        let revision = reader.fast_fields().u64(REVISION)?;
        for doc in 0..reader.max_doc() {
            let missing = || IndexError::Damaged("a passage has no id".into());
            passages.push(fits(passage.first(doc).ok_or_else(missing)?)?);
            revisions.push(fits(revision.first(doc).ok_or_else(missing)?)?);
        }
        let lengths = fields.counted().map(|field| lengths(reader, field));
        Ok(Self {
            runs: runs(&revisions),
            last_revision: revisions.iter().copied().max().unwrap_or(0),
            passages,
            revisions,
            lengths: lengths.into_iter().collect::<Result<_>>()?,
            ceilings: Ceilings::default(),
        })
    }

    /// The length of a field in each document, as tantivy's 256 lengths; `None` where lengths do
    /// not count.
    pub(super) fn lengths(&self, field: Field) -> Option<&Arc<[u8]>> {
        let mut lengths = self.lengths.iter();
        let (_, found) = lengths.find(|(of, _)| *of == field)?;
        Some(found)
    }

    /// The documents of readable revisions, as few ranges as they make.
    pub(super) fn readable(&self, readable: &Readable) -> Vec<Range<DocId>> {
        if readable.is_everything() {
            // Whoever admits them leaves out the forgotten ones.
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

    /// Which passage a document is and of which revision, where it may be read and was not
    /// forgotten.
    pub(super) fn admit(
        &self,
        reader: &SegmentReader,
        readable: &Readable,
        doc: DocId,
    ) -> Option<(i64, u32)> {
        let place = usize::try_from(doc).ok()?;
        let revision = *self.revisions.get(place)?;
        let admitted = readable.contains(revision) && is_alive(reader, doc);
        let passage = *self.passages.get(place)?;
        admitted.then_some((passage, revision))
    }
}

fn is_alive(reader: &SegmentReader, doc: DocId) -> bool {
    reader.alive_bitset().is_none_or(|set| set.is_alive(doc))
}

fn lengths(reader: &SegmentReader, field: Field) -> Result<(Field, Arc<[u8]>)> {
    let norms = reader.get_fieldnorms_reader(field)?;
    let ids = (0..reader.max_doc()).map(|doc| norms.fieldnorm_id(doc));
    Ok((field, ids.collect()))
}

fn runs(revisions: &[u32]) -> Vec<Run> {
    let mut next = 0;
    let neighbours = revisions.chunk_by(|a, b| a == b);
    neighbours
        .filter_map(|run| {
            let start = next;
            next += DocId::try_from(run.len()).ok()?;
            Some(Run {
                revision: *run.first()?,
                documents: start..next,
            })
        })
        .collect()
}

fn fits<T: TryFrom<u64>>(value: u64) -> Result<T> {
    T::try_from(value)
        .map_err(|_too_large| IndexError::Damaged(format!("id `{value}` is too large")))
}
