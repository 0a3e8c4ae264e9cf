//! The weight of meaning, found with questions that the passages make of themselves.
//!
//! A question is the longest sentence of a passage with some words left out, and its answer is the
//! passage without that sentence, among all others as they are (the inverse cloze task: Lee, Chang
//! and Toutanova, ACL 2019). So what is asked does not stand in the answer word for word.

use super::eval::metrics::{Mean, Worth, worth};
use cloister_answer::rerank::question_of;
use cloister_domain::ByteRange;
use cloister_index::{Index, IndexEntry, IndexSettings, SearchRequest};
use cloister_inference::EmbedderService;
use cloister_ingest::embedded_text;
use roaring::RoaringBitmap;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// Questions that are asked, at most.
const QUESTIONS: usize = 400;

/// Steps of the weight from 0 to 1.
const STEPS: u8 = 20;

/// Hits that are looked at.
const HITS: usize = 10;

/// A passage, and where its sentences stand.
pub struct Source {
    /// The passage with its vector.
    pub entry: IndexEntry,
    /// Its sentences.
    pub sentences: Vec<ByteRange>,
}

/// What each weight of meaning is worth.
#[derive(Debug, Serialize)]
pub struct Tuned {
    /// Questions asked.
    pub questions: usize,
    /// Passages among which the answers are.
    pub passages: usize,
    /// Every weight, ascending.
    pub weights: Vec<Weighed>,
}

/// A weight, measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Weighed {
    /// The weight of meaning.
    pub meaning: f32,
    /// Its nDCG@10.
    pub ndcg_10: Mean,
    /// Its MRR@10.
    pub mrr_10: Mean,
}

impl std::fmt::Display for Weighed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            meaning,
            ndcg_10,
            mrr_10,
        } = self;
        write!(
            f,
            "meaning {meaning:.2}  nDCG@10 {ndcg_10}  MRR@10 {mrr_10}"
        )
    }
}

impl std::fmt::Display for Tuned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            questions,
            passages,
            weights,
        } = self;
        writeln!(
            f,
            "{questions} questions that {passages} passages make of themselves"
        )?;
        weights
            .iter()
            .try_for_each(|weighed| writeln!(f, "{weighed}"))?;
        match self.best() {
            Some(best) => write!(f, "best: {:.2}", best.meaning),
            None => f.write_str("none of them can be asked about"),
        }
    }
}

impl Tuned {
    /// The weight that finds best.
    pub fn best(&self) -> Option<Weighed> {
        let best = self.weights.iter();
        best.max_by(|a, b| a.ndcg_10.value.total_cmp(&b.ndcg_10.value))
            .copied()
    }

    /// The weight that finds best, where chance does not explain that it finds more than `now`.
    pub fn better_than(&self, now: f32) -> Option<Weighed> {
        let off = |weighed: &&Weighed| (weighed.meaning - now).abs();
        let now = self
            .weights
            .iter()
            .min_by(|a, b| off(a).total_cmp(&off(b)))?;
        self.best()
            .filter(|best| best.ndcg_10.value > now.ndcg_10.high)
    }
}

/// A question, its vector, and the passage that answers it.
struct Asked {
    text: String,
    vector: Vec<f32>,
    relevant: HashMap<String, f64>,
}

/// Asks questions of these passages, in an index in `folder`, with every weight.
pub async fn tune(
    mut sources: Vec<Source>,
    embedder: &EmbedderService,
    settings: IndexSettings,
    folder: &Path,
) -> anyhow::Result<Tuned> {
    let questions = leave_out(&mut sources, embedder).await?;
    let index = Index::open(folder, settings)?;
    let entries: Vec<IndexEntry> = sources.into_iter().map(|source| source.entry).collect();
    tokio::task::spawn_blocking(move || weigh(&index, &entries, &questions)).await?
}

fn weigh(index: &Index, entries: &[IndexEntry], questions: &[Asked]) -> anyhow::Result<Tuned> {
    index.add(entries)?;
    let revisions = entries.iter().map(|entry| u32::try_from(entry.revision.0));
    let everything: RoaringBitmap = revisions.collect::<Result<_, _>>()?;
    let weigh = |step: u8| {
        let meaning = f32::from(step) / f32::from(STEPS);
        let worths = questions.iter().map(|question| {
            let request = SearchRequest {
                text: &question.text,
                also: "",
                vector: &question.vector,
                permitted: &everything,
                limit: HITS,
                semantic_weight: Some(meaning),
            };
            let hits = index.search(&request)?.hits.into_iter();
            let ranking: Vec<String> = hits.map(|hit| hit.passage.to_string()).collect();
            Ok(worth(&ranking, &question.relevant))
        });
        let worths: Vec<Worth> = worths.collect::<anyhow::Result<_>>()?;
        let mean = |of: fn(&Worth) -> f64| Mean::of(&worths.iter().map(of).collect::<Vec<_>>());
        Ok(Weighed {
            meaning,
            ndcg_10: mean(|worth| worth.ndcg_10),
            mrr_10: mean(|worth| worth.mrr_10),
        })
    };
    Ok(Tuned {
        questions: questions.len(),
        passages: entries.len(),
        weights: (0..=STEPS).map(weigh).collect::<anyhow::Result<_>>()?,
    })
}

/// Makes questions of passages from all over, and takes what they ask out of them.
async fn leave_out(
    sources: &mut [Source],
    embedder: &EmbedderService,
) -> anyhow::Result<Vec<Asked>> {
    let step = (sources.len() / QUESTIONS).max(1);
    let mut questions = Vec::new();
    for source in sources.iter_mut().step_by(step) {
        let Some((text, rest)) = cloze(&source.entry.text, &source.sentences) else {
            continue;
        };
        source.entry.text = rest;
        let IndexEntry {
            title,
            headings,
            text: rest,
            ..
        } = &source.entry;
        let texts = vec![embedded_text(title, headings, rest)];
        let made = embedder.embed_passages(texts).await?.pop();
        source.entry.vector = made.unwrap_or_default();
        questions.push(Asked {
            vector: embedder.embed_question(text.clone()).await?,
            text,
            relevant: HashMap::from([(source.entry.passage.to_string(), 1.0)]),
        });
    }
    Ok(questions)
}

/// A question of a passage of several sentences, and the passage without the sentence.
fn cloze(text: &str, sentences: &[ByteRange]) -> Option<(String, String)> {
    const FEWEST: usize = 3;
    if sentences.len() < FEWEST {
        return None;
    }
    let question = question_of(text, sentences)?;
    let asked = sentences.iter().max_by_key(|range| range.len())?;
    let before = text.get(..asked.start)?;
    let after = text.get(asked.end..)?;
    Some((question, format!("{before}{after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_chance_does_not_explain_is_better() {
        let weighed = |meaning, value: f64| {
            let mean = |value| Mean {
                value,
                low: value - 0.02,
                high: value + 0.02,
            };
            Weighed {
                meaning,
                ndcg_10: mean(value),
                mrr_10: mean(value),
            }
        };
        let tuned = Tuned {
            questions: 9,
            passages: 9,
            weights: vec![weighed(0.0, 0.5), weighed(0.5, 0.59), weighed(1.0, 0.6)],
        };
        let better = |now| tuned.better_than(now).map(|best| best.meaning);
        assert_eq!(better(0.1), Some(1.0));
        assert_eq!(better(0.6), None);
        assert_eq!(better(1.0), None);
    }

    #[test]
    fn what_is_asked_is_taken_out_of_the_answer() {
        let text = "Wash your hands. Every nurse of the ward cleans the hands for thirty seconds \
                    with alcohol rub before each visit. Then dry them.";
        let second = text.find("Every").unwrap();
        let third = text.find("Then").unwrap();
        let sentences = [
            ByteRange::new(0, second - 1),
            ByteRange::new(second, third - 1),
            ByteRange::new(third, text.len()),
        ];
        let (question, rest) = cloze(text, &sentences).unwrap();
        assert!(question.contains("nurse"), "{question}");
        assert_eq!(rest, "Wash your hands.  Then dry them.");
        assert_eq!(cloze(text, &sentences[..2]), None, "too little is left");
    }
}
