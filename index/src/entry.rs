//! What goes in and what comes out.

use cloister_domain::{PassageId, RevisionId};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A passage as the index takes it in.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexEntry {
    /// Its id and sequence number.
    pub passage: PassageId,
    /// The revision it was cut from.
    pub revision: RevisionId,
    /// The document's title.
    pub title: String,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
    /// On the first passage of a revision, what tells the document from others beside its title
    /// and its first words: its path, its tags.
    pub about: Option<String>,
    /// ISO 639-3 code of the document's language, where it is known.
    pub language: Option<String>,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
}

/// How an index works. The defaults are the measured ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexSettings {
    /// The length of every vector.
    pub dimensions: usize,
    /// Up to so many permitted vectors are all compared; beyond, those in the nearest cells.
    pub exact_limit: usize,
    /// The share of meaning in the fused score, from 0 to 1; the rest is the words'.
    pub semantic_weight: f32,
    /// How many passages each arm hands to the fusion, at least.
    pub depth: usize,
    /// BM25's k1: how much a word that stands there again still counts.
    pub k1: f32,
    /// BM25's b: how much a passage's length takes off, from 0 to 1.
    pub b: f32,
    /// How often a word of title or headings counts, where one of the text counts once.
    pub title_weight: f32,
    /// What a code counts that is found as it is written, beside its parts as words.
    pub code_weight: f32,
    /// What is added to the passages of the document that the question's names and years point to,
    /// where documents are long.
    pub route_weight: f32,
    /// The share of a passage's score that is added to those beside it, where documents are long.
    pub neighbour_weight: f32,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            dimensions: 384,
            exact_limit: 250_000,
            semantic_weight: 0.65,
            depth: 300,
            k1: 0.9,
            b: 0.75,
            title_weight: 3.0,
            code_weight: 1.0,
            route_weight: 0.4,
            neighbour_weight: 0.2,
        }
    }
}

/// A question to the index.
#[derive(Clone, Copy, Debug)]
pub struct SearchRequest<'a> {
    /// The question's words. Any text is fine: it is not a query language.
    pub text: &'a str,
    /// What its terms stand for: words that count for less, where the question has none of them.
    pub also: &'a str,
    /// The question's vector, of length 1.
    pub vector: &'a [f32],
    /// The revisions that this person may read, now. Nothing else is scored.
    pub permitted: &'a RoaringBitmap,
    /// The most hits to return.
    pub limit: usize,
    /// Where it is given, the arms alone are blended with this share of meaning, and neither
    /// routes nor neighbours count: for measuring.
    pub semantic_weight: Option<f32>,
}

/// A passage found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Which passage.
    pub passage: PassageId,
    /// Of which revision.
    pub revision: RevisionId,
    /// The fused score, from 0 to 1, comparable within one search only.
    pub score: f32,
    /// Its BM25 score, where the words found it.
    pub keyword: Option<f32>,
    /// The cosine of its vector and the question's, from -1 to 1.
    pub semantic: Option<f32>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOutcome {
    /// The passages, best first.
    pub hits: Vec<Hit>,
    /// The state of the index that was searched; see [`crate::Index::generation`].
    pub generation: String,
    /// Whether every permitted vector was compared, rather than those in the nearest cells.
    pub exact: bool,
    /// Whether everything that was fed was searched. `false` while what was lost is fed again.
    pub complete: bool,
}

/// How an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexCondition {
    /// Everything is as it was left.
    Sound,
    /// Something was not: feed it from the database. Where a new generation was begun, what is sound
    /// of the old one answers meanwhile.
    Damaged(String),
    /// There was nothing yet.
    Absent,
}

/// What an index holds and how it is, for whoever watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexStatus {
    /// How it is.
    pub condition: IndexCondition,
    /// Passages of the generation that is fed.
    pub passages: u64,
    /// Passages that answer today; more than `passages` while an old generation still does.
    pub answering: u64,
    /// Passages that a rebuild aside has taken in, while there is one.
    pub rebuilding: Option<u64>,
    /// Whether words alone answer.
    pub words_alone: bool,
}

impl fmt::Display for IndexStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.condition, self.rebuilding) {
            (_, Some(done)) => write!(f, "being rebuilt aside, {done} passages so far")?,
            (IndexCondition::Sound, None) => f.write_str("sound")?,
            (IndexCondition::Absent, None) => f.write_str("new")?,
            (IndexCondition::Damaged(reason), None) => write!(
                f,
                "incomplete, {} passages are filled in again so far: {reason}",
                self.passages
            )?,
        }
        if self.words_alone {
            f.write_str("; words alone answer until all vectors are made")?;
        }
        Ok(())
    }
}
