//! What a word brings a passage: BM25F, and the most that it can bring to any passage of a window.

use super::ceilings::Known;
use super::postings::Postings;
use std::ops::Range;
use std::sync::Arc;
use tantivy::DocId;
use tantivy::fieldnorm::FieldNormReader;

/// Ceilings are added up in another order than scores, so rounding may put a score this much above
/// its ceiling.
const ROUNDING: f32 = 1.0 + 1e-5;

/// What a word counts that stands in a field once, for each of tantivy's 256 lengths.
pub(super) type Once = [f32; 256];

/// For a field of `average` words that counts `weight` times; `b` is BM25's.
pub(super) fn once(average: f32, weight: f32, b: f32) -> Once {
    std::array::from_fn(|id| {
        let id = u8::try_from(id).unwrap_or(u8::MAX);
        let length = FieldNormReader::id_to_fieldnorm(id) as f32;
        weight / (1.0 - b + b * length / average.max(1.0))
    })
}

/// How much a field's length takes off what a word counts there.
#[derive(Clone)]
pub(super) struct Lengths {
    /// Of each document, as one of tantivy's 256 lengths.
    pub of: Arc<[u8]>,
    pub once: Arc<Once>,
}

impl Lengths {
    fn once_in(&self, doc: DocId) -> f32 {
        let length = self.of.get(doc as usize).copied();
        self.once(length.unwrap_or(u8::MAX))
    }

    fn once(&self, length: u8) -> f32 {
        self.once.get(usize::from(length)).copied().unwrap_or(0.0)
    }
}

/// A word in one field of a segment.
pub(super) struct Part {
    pub postings: Postings,
    pub known: Known,
    /// None where standing there is all that counts.
    pub lengths: Option<Lengths>,
}

/// What a word is worth where it counts so much.
#[derive(Clone, Copy)]
pub(super) struct Worth {
    /// How rare the word is.
    pub weight: f32,
    /// How soon it counts no more: BM25's.
    pub k1: f32,
}

impl Worth {
    /// What the word brings that counts so much in all fields together: its occurrences are added
    /// up before they are weighed (BM25F: Robertson, Zaragoza and Taylor, CIKM 2004).
    fn of(self, counted: f32) -> f32 {
        self.weight * counted * (self.k1 + 1.0) / (counted + self.k1)
    }
}

/// A word in the fields of a segment, and what it is worth there.
pub(super) struct Clause {
    parts: Vec<Part>,
    worth: Worth,
    /// What no document of each window exceeds.
    ceilings: Vec<f32>,
}

/// The scores of a window's documents, while they are added up.
pub(super) struct Scores {
    /// The first document of the window.
    pub start: DocId,
    sums: Vec<f32>,
    /// Which sums are more than 0, a bit for each.
    scored: Vec<u64>,
    /// What a word counts in the fields that were looked at so far.
    counted: Vec<f32>,
    /// Where that is more than 0.
    touched: Vec<DocId>,
}

impl Scores {
    pub(super) fn new(window: u32) -> Self {
        Self {
            start: 0,
            sums: vec![0.0; window as usize],
            scored: vec![0; window as usize / 64],
            counted: vec![0.0; window as usize],
            touched: Vec::new(),
        }
    }

    /// Keeps what a word counts in one field of `doc`.
    fn count(&mut self, doc: DocId, more: f32) {
        if let Some(counted) = self.counted.get_mut((doc - self.start) as usize) {
            *counted += more;
            self.touched.push(doc);
        }
    }

    /// Adds what a word is worth that counts so much in the last field of `doc`, and what was kept
    /// of the fields before.
    fn add(&mut self, doc: DocId, more: f32, worth: Worth) {
        let place = (doc - self.start) as usize;
        let (sums, counted) = (&mut self.sums, &mut self.counted);
        if let (Some(sum), Some(counted)) = (sums.get_mut(place), counted.get_mut(place)) {
            *sum += worth.of(*counted + more);
            *counted = 0.0;
            self.note(place);
        }
    }

    /// Adds what a word is worth in documents whose last field is without it.
    fn add_kept(&mut self, worth: Worth) {
        let mut touched = std::mem::take(&mut self.touched);
        for doc in touched.drain(..) {
            let kept = self.counted.get((doc - self.start) as usize);
            if kept.is_some_and(|counted| *counted > 0.0) {
                self.add(doc, 0.0, worth);
            }
        }
        self.touched = touched;
    }

    /// Adds a word that is worth the same wherever it stands.
    fn add_plain(&mut self, doc: DocId, worth: f32) {
        let place = (doc - self.start) as usize;
        if let Some(sum) = self.sums.get_mut(place) {
            *sum += worth;
            self.note(place);
        }
    }

    fn note(&mut self, place: usize) {
        if let Some(word) = self.scored.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// Calls `each` with the documents that have a score, in their order, and takes the scores back.
    pub(super) fn take(&mut self, mut each: impl FnMut(DocId, f32)) {
        for (word, start) in self.scored.iter_mut().zip((0..).step_by(64)) {
            let mut left = std::mem::take(word);
            while left != 0 {
                let place = start + left.trailing_zeros();
                left &= left - 1;
                if let Some(sum) = self.sums.get_mut(place as usize) {
                    each(self.start + place, std::mem::take(sum));
                }
            }
        }
    }
}

impl Clause {
    pub(super) fn new(parts: Vec<Part>, worth: Worth) -> Self {
        let windows = parts.iter().map(|part| part.known.ceilings.len()).max();
        let windows = 0..windows.unwrap_or(0);
        Self {
            ceilings: windows
                .map(|window| ceiling(&parts, worth, window))
                .collect(),
            parts,
            worth,
        }
    }

    /// What no document of a window exceeds.
    pub(super) fn ceiling(&self, window: usize) -> f32 {
        self.ceilings.get(window).copied().unwrap_or(0.0)
    }

    /// What no document of the segment exceeds.
    pub(super) fn most(&self) -> f32 {
        self.ceilings.iter().copied().fold(0.0, f32::max)
    }

    /// What the word brings `doc`, which is not before one that it was asked for.
    pub(super) fn score(&mut self, doc: DocId) -> f32 {
        let mut counted = 0.0;
        for part in &mut self.parts {
            let Some(count) = part.count(doc) else {
                continue;
            };
            match &part.lengths {
                Some(lengths) => counted += count as f32 * lengths.once_in(doc),
                None => return self.worth.weight,
            }
        }
        if counted > 0.0 {
            self.worth.of(counted)
        } else {
            0.0
        }
    }

    /// Adds what the word brings to the documents of `ranges`, which lie in the window of `scores`.
    pub(super) fn add(&mut self, ranges: &[Range<DocId>], scores: &mut Scores) {
        let worth = self.worth;
        let Some((last, before)) = self.parts.split_last_mut() else {
            return;
        };
        for part in before {
            part.each_in(ranges, |doc, counted| scores.count(doc, counted));
        }
        if last.lengths.is_some() {
            last.each_in(ranges, |doc, counted| scores.add(doc, counted, worth));
        } else {
            last.each_in(ranges, |doc, _| scores.add_plain(doc, worth.weight));
        }
        scores.add_kept(worth);
    }
}

/// What no document of a window exceeds by a word that stands in these fields.
fn ceiling(parts: &[Part], worth: Worth, window: usize) -> f32 {
    let mut counted = 0.0;
    for part in parts {
        let ceiling = part.known.ceilings.get(window).copied().unwrap_or_default();
        match &part.lengths {
            _ if ceiling.count == 0 => {}
            Some(lengths) => counted += ceiling.count as f32 * lengths.once(ceiling.length),
            None => return worth.weight,
        }
    }
    if counted > 0.0 {
        worth.of(counted) * ROUNDING
    } else {
        0.0
    }
}

impl Part {
    /// How often the word stands in `doc`, which is not before one that it was asked for.
    fn count(&mut self, doc: DocId) -> Option<u32> {
        let kept = self.known.counts.as_ref().and_then(|counts| counts.of(doc));
        match kept {
            Some(count) => (count > 0).then_some(count),
            None => self.postings.count(doc),
        }
    }

    /// Calls `each` with the documents in `ranges` and what the word counts there in this field.
    fn each_in(&mut self, ranges: &[Range<DocId>], mut each: impl FnMut(DocId, f32)) {
        for range in ranges {
            match &self.lengths {
                Some(lengths) => self.postings.each_in(range, |doc, count| {
                    each(doc, count as f32 * lengths.once_in(doc));
                }),
                None => self.postings.each_in(range, |doc, _| each(doc, 1.0)),
            }
        }
    }
}
