//! Measures the weight of dense retrieval on questions that are generated from passages.
//!
//! A question is the longest sentence of a passage with some words left out. Its answer is the
//! passage without that sentence, among all other passages (the inverse cloze task: Lee, Chang and
//! Toutanova, ACL 2019). So the answer does not repeat the question word for word.

use crate::metrics::{Mean, RankingMetrics};
use cloister_answer::evaluation::cloze_question;
use cloister_domain::ByteRange;
use cloister_index::{Index, IndexEntry, IndexSettings, SearchRequest};
use cloister_inference::EmbedderService;
use cloister_ingest::embedding_input;
use roaring::RoaringBitmap;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// The maximum number of questions.
const MAX_QUESTIONS: usize = 400;

/// Steps of the weight from 0 to 1.
const STEPS: u8 = 20;

/// Hits that are ranked.
const HITS: usize = 10;

/// A passage that a question can be made from.
pub struct Source {
    /// The passage with its vector.
    pub entry: IndexEntry,
    /// The ranges of its sentences.
    pub sentences: Vec<ByteRange>,
}

/// The metrics of every weight.
#[derive(Debug, Serialize)]
pub struct DenseWeightReport {
    /// Questions asked.
    pub questions: usize,
    /// Passages in the index.
    pub passages: usize,
    /// Every weight, ascending.
    pub weights: Vec<WeightMetrics>,
}

/// The metrics of one weight.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WeightMetrics {
    /// The weight of dense retrieval.
    pub dense_weight: f32,
    /// nDCG@10.
    pub ndcg_10: Mean,
    /// MRR@10.
    pub mrr_10: Mean,
}

impl std::fmt::Display for WeightMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "dense weight {:.2}  nDCG@10 {}  MRR@10 {}",
            self.dense_weight, self.ndcg_10, self.mrr_10
        )
    }
}

impl std::fmt::Display for DenseWeightReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} questions generated from {} passages",
            self.questions, self.passages
        )?;
        for metrics in &self.weights {
            writeln!(f, "{metrics}")?;
        }
        match self.best() {
            Some(best) if self.questions > 0 => write!(f, "best: {:.2}", best.dense_weight),
            _ => f.write_str("no question could be generated: the passages are too short"),
        }
    }
}

impl DenseWeightReport {
    /// The weight with the highest nDCG@10.
    pub fn best(&self) -> Option<WeightMetrics> {
        self.weights
            .iter()
            .max_by(|a, b| a.ndcg_10.value.total_cmp(&b.ndcg_10.value))
            .copied()
    }

    /// The best weight if it is significantly better than `current`.
    pub fn significantly_better_than(&self, current: f32) -> Option<WeightMetrics> {
        let nearest = self.weights.iter().min_by(|a, b| {
            let [a, b] = [a, b].map(|metrics| (metrics.dense_weight - current).abs());
            a.total_cmp(&b)
        });
        let current = nearest?;
        self.best()
            .filter(|best| best.ndcg_10.value > current.ndcg_10.high)
    }
}

/// A generated question and the passage that answers it.
struct GeneratedQuestion {
    text: String,
    vector: Vec<f32>,
    relevance: HashMap<String, f64>,
}

/// Asks questions about these passages with every weight. The index is built in `folder`.
pub async fn tune(
    mut sources: Vec<Source>,
    embedder: &EmbedderService,
    settings: IndexSettings,
    folder: &Path,
) -> anyhow::Result<DenseWeightReport> {
    let questions = generate_questions(&mut sources, embedder).await?;
    let index = Index::open(folder, settings)?;
    let entries: Vec<IndexEntry> = sources.into_iter().map(|source| source.entry).collect();
    tokio::task::spawn_blocking(move || measure_weights(&index, &entries, &questions)).await?
}

fn measure_weights(
    index: &Index,
    entries: &[IndexEntry],
    questions: &[GeneratedQuestion],
) -> anyhow::Result<DenseWeightReport> {
    index.add(entries)?;
    let mut permitted = RoaringBitmap::new();
    for entry in entries {
        permitted.insert(u32::try_from(entry.revision.0)?);
    }
    let mut weights = Vec::new();
    for step in 0..=STEPS {
        let dense_weight = f32::from(step) / f32::from(STEPS);
        weights.push(measure_weight(index, &permitted, questions, dense_weight)?);
    }
    Ok(DenseWeightReport {
        questions: questions.len(),
        passages: entries.len(),
        weights,
    })
}

fn measure_weight(
    index: &Index,
    permitted: &RoaringBitmap,
    questions: &[GeneratedQuestion],
    dense_weight: f32,
) -> anyhow::Result<WeightMetrics> {
    let (mut ndcg, mut mrr) = (Vec::new(), Vec::new());
    for question in questions {
        let request = SearchRequest {
            text: &question.text,
            expansion_terms: "",
            vector: &question.vector,
            permitted,
            limit: HITS,
            dense_weight: Some(dense_weight),
        };
        let hits = index.search(&request)?.hits;
        let ranking: Vec<String> = hits.iter().map(|hit| hit.passage.to_string()).collect();
        let metrics = RankingMetrics::compute(&ranking, &question.relevance);
        ndcg.push(metrics.ndcg_10);
        mrr.push(metrics.mrr_10);
    }
    Ok(WeightMetrics {
        dense_weight,
        ndcg_10: Mean::bootstrap(&ndcg),
        mrr_10: Mean::bootstrap(&mrr),
    })
}

/// Generates questions from passages that are spread evenly, and removes from each passage the
/// sentence that its question was made from.
async fn generate_questions(
    sources: &mut [Source],
    embedder: &EmbedderService,
) -> anyhow::Result<Vec<GeneratedQuestion>> {
    let step = (sources.len() / MAX_QUESTIONS).max(1);
    let mut questions = Vec::new();
    for source in sources.iter_mut().step_by(step) {
        let entry = &mut source.entry;
        let Some((question, rest)) = split_cloze(&entry.text, &source.sentences) else {
            continue;
        };
        let text = embedding_input(&entry.title, &entry.headings, &rest);
        entry.text = rest;
        let vectors = embedder.embed_passages(vec![text]).await?;
        entry.vector = vectors.into_iter().next().unwrap_or_default();
        questions.push(GeneratedQuestion {
            vector: embedder.embed_question(question.clone()).await?,
            text: question,
            relevance: HashMap::from([(entry.passage.to_string(), 1.0)]),
        });
    }
    Ok(questions)
}

/// A question made from the longest sentence of a passage, and the passage without that sentence.
/// `None` if the passage is too short.
fn split_cloze(text: &str, sentences: &[ByteRange]) -> Option<(String, String)> {
    const MIN_SENTENCES: usize = 3;
    if sentences.len() < MIN_SENTENCES {
        return None;
    }
    let question = cloze_question(text, sentences)?;
    let longest = sentences.iter().max_by_key(|range| range.len())?;
    let before = text.get(..longest.start)?;
    let after = text.get(longest.end..)?;
    Some((question, format!("{before}{after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(dense_weight: f32, value: f64) -> WeightMetrics {
        let mean = Mean {
            value,
            low: value - 0.02,
            high: value + 0.02,
        };
        WeightMetrics {
            dense_weight,
            ndcg_10: mean,
            mrr_10: mean,
        }
    }

    #[test]
    fn only_a_significant_difference_is_better() {
        let report = DenseWeightReport {
            questions: 9,
            passages: 9,
            weights: vec![metrics(0.0, 0.5), metrics(0.5, 0.59), metrics(1.0, 0.6)],
        };
        let better = |current| {
            let best = report.significantly_better_than(current);
            best.map(|best| best.dense_weight)
        };
        assert_eq!(better(0.1), Some(1.0));
        assert_eq!(better(0.6), None);
        assert_eq!(better(1.0), None);
    }

    #[test]
    fn the_sentence_of_the_question_is_removed_from_the_passage() {
        let text = "Wash your hands. Every nurse of the ward cleans the hands for thirty seconds \
                    with alcohol rub before each visit. Then dry them.";
        let second = text.find("Every").unwrap();
        let third = text.find("Then").unwrap();
        let sentences = [
            ByteRange::new(0, second - 1),
            ByteRange::new(second, third - 1),
            ByteRange::new(third, text.len()),
        ];
        let (question, rest) = split_cloze(text, &sentences).unwrap();
        assert!(question.contains("nurse"), "{question}");
        assert_eq!(rest, "Wash your hands.  Then dry them.");
        assert_eq!(split_cloze(text, &sentences[..2]), None, "it is too short");
    }
}
