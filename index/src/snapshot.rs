//! What a search runs on: one state of one generation, which never changes.

use crate::entry::IndexSettings;
use crate::error::{IndexError, Result};
use crate::fusion::Cosines;
use crate::keyword::KeywordSearcher;
use crate::revisions::{Readable, Revisions};
use crate::vectors::{self, Cosine, Quantiser, Question, Segment, VectorHit};
use std::sync::Arc;

/// Passages that meaning hands to the fusion from cells. Those after them, among a quarter of a million
/// or more, come into the best ten by their words or not at all.
const NEAREST_CELLS: usize = 100;

/// Where fewer than one passage in so many is permitted, all that are get compared.
const MOST_HIDDEN: usize = 3;

pub(crate) struct Snapshot {
    pub name: String,
    pub settings: IndexSettings,
    pub sequence: i64,
    /// None where the words were damaged.
    pub keywords: Option<KeywordSearcher>,
    pub segments: Vec<Arc<Segment>>,
    pub revisions: Revisions,
}

impl Snapshot {
    /// Passages that their vectors find.
    pub(crate) fn rows(&self) -> usize {
        self.segments.iter().map(|segment| segment.live()).sum()
    }

    /// How much can be found, to choose between two: passages by their vectors and by their words.
    pub(crate) fn weight(&self) -> u64 {
        let words = self.keywords.as_ref().map_or(0, KeywordSearcher::passages);
        self.rows() as u64 + words
    }

    /// The same without a vector: what a search finds by words.
    pub(crate) fn words_alone(&self) -> Self {
        Self {
            name: self.name.clone(),
            settings: self.settings,
            sequence: self.sequence,
            keywords: self.keywords.clone(),
            segments: Vec::new(),
            revisions: self.revisions.clone(),
        }
    }

    /// What was found damaged on the disk since it was opened.
    pub(crate) fn torn(&self) -> Option<String> {
        self.segments.iter().find_map(|segment| segment.torn())
    }

    /// What the arm of meaning compares, on all threads or on this one.
    pub(crate) fn question(&self, vector: &[f32], all_threads: bool) -> Question {
        Quantiser::new(self.settings.dimensions).question(vector, all_threads)
    }

    /// How near the vectors here are to a question's.
    pub(crate) fn nearness<'a>(&'a self, question: &'a Question) -> Nearness<'a> {
        Nearness {
            segments: &self.segments,
            question,
        }
    }

    /// The nearest permitted passages, and whether all of them were compared: `depth` of them, or,
    /// where only the nearest cells were, [`NEAREST_CELLS`] or as many as are `shown`. `passages` is
    /// how many are permitted.
    pub(crate) fn nearest(
        &self,
        question: &Question,
        readable: &Readable,
        passages: usize,
        (depth, shown): (usize, usize),
    ) -> (Vec<VectorHit>, bool) {
        let segments = &self.segments;
        // Cells of which most is hidden fall to pieces: there comparing all takes no longer.
        let exact = passages <= self.settings.exact_limit
            || passages * MOST_HIDDEN < self.revisions.passages()
            || segments.iter().all(|segment| segment.cells().is_none());
        let near = if exact {
            vectors::nearest(segments, question, readable, depth)
        } else {
            let depth = depth.min(NEAREST_CELLS.max(shown));
            vectors::nearest_in_cells(segments, question, readable, passages, depth)
        };
        (near, exact)
    }
}

/// How near passages are to a question.
#[derive(Clone, Copy)]
pub(crate) struct Nearness<'a> {
    segments: &'a [Arc<Segment>],
    question: &'a Question,
}

impl Cosines for Nearness<'_> {
    fn about(&self, passage: i64) -> Option<Cosine> {
        let (segment, row) = vectors::row_of(self.segments, passage)?;
        Some(segment.rounded(row, self.question))
    }

    fn exactly(&self, passage: i64) -> Option<f32> {
        let (segment, row) = vectors::row_of(self.segments, passage)?;
        Some(segment.exact(row, self.question))
    }
}

/// Refuses a vector of another length, or not of length 1. `passage` is for the message.
pub(crate) fn check_vector(vector: &[f32], dimensions: usize, passage: i64) -> Result<()> {
    if vector.len() != dimensions {
        return Err(IndexError::Dimensions {
            expected: dimensions,
            found: vector.len(),
        });
    }
    let length: f32 = vector.iter().map(|x| x * x).sum();
    if (length - 1.0).abs() > 0.01 || length.is_nan() {
        return Err(IndexError::NotNormalised(passage));
    }
    Ok(())
}
