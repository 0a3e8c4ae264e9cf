//! The inputs and outputs of an index.

use cloister_domain::{PassageId, RevisionId};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A passage to be indexed.
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
    /// On the first passage of a revision: the document's path and tags.
    pub document_metadata: Option<String>,
    /// ISO 639-3 code of the document's language, if it is known.
    pub language: Option<String>,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
}

/// The settings of an index. The defaults are measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexSettings {
    /// The length of every vector.
    pub dimensions: usize,
    /// Up to this many permitted vectors are all compared if there is no graph. Beyond, only those in the
    /// nearest clusters are.
    pub exact_limit: usize,
    /// Up to this many permitted vectors are all compared. Beyond, a graph is searched if it is certified.
    pub graph_from: usize,
    /// The share of the dense score in the fused score, from 0 to 1. The rest is the lexical score's.
    pub dense_weight: f32,
    /// The minimum number of passages that each arm returns.
    pub depth: usize,
    /// BM25's k1: how much repetitions of a word count.
    pub k1: f32,
    /// BM25's b: how much a passage's length reduces its score, from 0 to 1.
    pub b: f32,
    /// The weight of a word in the title or the headings; one in the text has weight 1.
    pub title_weight: f32,
    /// The weight of a code that is found as written, in addition to its parts.
    pub code_weight: f32,
    /// The weight of the score of a passage's document, by the question's words in its metadata, if
    /// documents are long.
    pub document_weight: f32,
    /// The weight of the scores of adjacent passages, if documents are long.
    pub neighbour_weight: f32,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            dimensions: 384,
            exact_limit: 250_000,
            graph_from: 10_000,
            dense_weight: 0.65,
            depth: 300,
            k1: 0.9,
            b: 0.75,
            title_weight: 3.0,
            code_weight: 1.0,
            document_weight: 0.4,
            neighbour_weight: 0.2,
        }
    }
}

/// A question to the index.
#[derive(Clone, Copy, Debug)]
pub struct SearchRequest<'a> {
    /// The question. It is not in a query language.
    pub text: &'a str,
    /// Additional words with a lower weight, from a glossary.
    pub expansion_terms: &'a str,
    /// The question's vector, of length 1.
    pub vector: &'a [f32],
    /// The revisions that the person may read now. Nothing else is scored.
    pub permitted: &'a RoaringBitmap,
    /// The maximum number of hits.
    pub limit: usize,
    /// For measurements: the share of the dense score, without document scores and neighbours.
    pub dense_weight: Option<f32>,
}

/// A passage that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Which passage.
    pub passage: PassageId,
    /// Of which revision.
    pub revision: RevisionId,
    /// The fused score, from 0 to 1, comparable within one search only.
    pub score: f32,
    /// Its BM25 score, if the lexical arm found it.
    #[serde(rename = "keyword", alias = "lexical")]
    pub lexical: Option<f32>,
    /// The cosine of its vector and the question's, from -1 to 1.
    #[serde(rename = "semantic", alias = "dense")]
    pub dense: Option<f32>,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOutcome {
    /// The passages, best first.
    pub hits: Vec<Hit>,
    /// The state of the index that was searched. See [`crate::Index::generation`].
    pub generation: String,
    /// How the nearest vectors were found.
    pub method: DenseMethod,
    /// Whether all passages were searched. `false` while lost passages are being added again.
    pub complete: bool,
}

/// How the nearest vectors of a question were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DenseMethod {
    /// All permitted vectors were compared.
    Exact,
    /// Those in the nearest clusters were.
    Clusters,
    /// Those on the way through a graph were.
    Graph,
}

impl DenseMethod {
    /// Its name in receipts and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Clusters => "clusters",
            Self::Graph => "graph",
        }
    }
}

/// What was measured of a graph. The questions are vectors of the site's own passages, each mixed with
/// another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphCertificate {
    /// The passages in the graph.
    pub passages: usize,
    /// The effort of a search: the length of its beam.
    pub ef: usize,
    /// The effort if some passages are hidden.
    pub filtered_ef: usize,
    /// The share of the ten nearest passages that was found, from 0 to 1.
    pub recall: f32,
    /// The same if a third of the documents is permitted, scattered or adjacent, whichever is lower.
    pub filtered_recall: f32,
    /// The mean number of passages that a search compares.
    pub comparisons: usize,
    /// Why the graph is not used, if it is not.
    pub refusal: Option<String>,
}

/// The graphs of an index. See [`GraphCertificate`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphStatus {
    /// The certificates of the graphs that were built, those that are not used included.
    pub certificates: Vec<GraphCertificate>,
}

impl GraphStatus {
    /// The number of passages that graphs find.
    pub fn passages(&self) -> usize {
        let used = self.certificates.iter().filter(|own| own.refusal.is_none());
        used.map(|certificate| certificate.passages).sum()
    }

    /// The lowest recall of the graphs in use.
    pub fn recall(&self) -> Option<f32> {
        let used = self.certificates.iter().filter(|own| own.refusal.is_none());
        let recall = used.map(|certificate| certificate.recall.min(certificate.filtered_recall));
        recall.reduce(f32::min)
    }

    /// Why the first graph that is not used is not.
    pub fn refusal(&self) -> Option<&str> {
        let mut refusals = self
            .certificates
            .iter()
            .filter_map(|own| own.refusal.as_deref());
        refusals.next()
    }
}

impl fmt::Display for GraphStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(recall) = self.recall() {
            write!(
                f,
                "graphs find {} passages with a recall of at least {recall:.3}",
                self.passages()
            )?;
        }
        if let Some(refusal) = self.refusal() {
            let separator = if self.recall().is_some() { "; " } else { "" };
            write!(f, "{separator}a graph is not used, because {refusal}")?;
        }
        Ok(())
    }
}

/// The condition of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexCondition {
    /// All files are intact.
    Sound,
    /// Something was damaged, and passages must be added again. If a new generation was started, the
    /// intact part of the old one is searched meanwhile.
    Damaged(String),
    /// There was no index.
    Absent,
}

/// The condition and the content of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexStatus {
    /// Its condition.
    pub condition: IndexCondition,
    /// Passages of the generation that is written to.
    pub passages: u64,
    /// Passages that are searched: more than `passages` while an old generation is.
    pub searchable: u64,
    /// Passages that a running rebuild has committed.
    pub rebuilding: Option<u64>,
    /// Whether only the lexical arm is used.
    pub lexical_only: bool,
    /// The graphs that find passages by their vectors, if there are any.
    pub graphs: GraphStatus,
}

impl fmt::Display for IndexStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.condition, self.rebuilding) {
            (_, Some(done)) => write!(f, "being rebuilt, {done} passages so far")?,
            (IndexCondition::Sound, None) => f.write_str("sound")?,
            (IndexCondition::Absent, None) => f.write_str("new")?,
            (IndexCondition::Damaged(reason), None) => write!(
                f,
                "incomplete, {} passages are filled in again so far: {reason}",
                self.passages
            )?,
        }
        if self.lexical_only {
            f.write_str("; words alone answer until all vectors are made")?;
        }
        if !self.graphs.certificates.is_empty() {
            write!(f, "; {}", self.graphs)?;
        }
        Ok(())
    }
}
