//! Small corpora for the tests.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses a part of this one"
)]

use cloister_domain::{PassageId, RevisionId};
use cloister_index::{Index, IndexEntry, IndexSettings, SearchOutcome, SearchRequest};
use roaring::RoaringBitmap;

pub const WIDTH: usize = 24;

pub const WORDS: [&str; 8] = [
    "dose",
    "visitor",
    "transfer",
    "alarm",
    "record",
    "refusal",
    "signature",
    "incident",
];

/// A folder in memory where there is one: what is tested is killed, not cut off from its power.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub fn settings() -> IndexSettings {
    IndexSettings {
        dimensions: WIDTH,
        ..IndexSettings::default()
    }
}

/// A vector of length 1 that depends on `seed` alone.
pub fn vector(seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut values: Vec<f32> = (0..WIDTH)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / 16_777_216.0 - 0.5
        })
        .collect();
    let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut values {
        *x /= length;
    }
    values
}

pub fn entry(passage: i64, revision: i64) -> IndexEntry {
    let word = |i: i64| WORDS[usize::try_from(i).unwrap() % WORDS.len()];
    IndexEntry {
        document_metadata: None,
        language: None,
        passage: PassageId(passage),
        revision: RevisionId(revision),
        title: format!("Guideline {}", word(revision)),
        headings: vec![format!("Chapter {}", word(passage + 1))],
        text: format!(
            "The {} of a {} under § {passage}(2).",
            word(passage),
            word(passage + 3)
        ),
        vector: vector(u64::try_from(passage).unwrap()),
    }
}

/// Passages `range`, four to a revision.
pub fn entries(range: std::ops::RangeInclusive<i64>) -> Vec<IndexEntry> {
    range.map(|passage| entry(passage, passage / 4)).collect()
}

/// More revisions than any test makes, thousands of kills included.
pub fn everything() -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..10_000_000);
    all
}

pub fn search(index: &Index, text: &str, seed: u64, permitted: &RoaringBitmap) -> SearchOutcome {
    search_with(index, text, seed, permitted, None)
}

/// Searches with the arms alone, by this share of meaning.
pub fn search_with(
    index: &Index,
    text: &str,
    seed: u64,
    permitted: &RoaringBitmap,
    dense_weight: Option<f32>,
) -> SearchOutcome {
    let vector = vector(seed);
    let request = SearchRequest {
        text,
        expansion_terms: "",
        vector: &vector,
        permitted,
        limit: 20,
        dense_weight,
    };
    index.search(&request).unwrap()
}
