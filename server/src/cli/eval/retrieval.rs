//! `cloister eval retrieval`: whether the right passages are found.

use super::corpus::Corpus;
use super::indexed::Indexed;
use super::metrics::{Mean, Worth, percentile, worth};
use crate::app;
use crate::cli::console;
use crate::cli::tuning::{self, Tuned};
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use cloister_answer::CANDIDATES;
use cloister_answer::glossary::Sought;
use cloister_answer::rerank::Reranking;
use cloister_index::{Hit, SearchRequest};
use serde::Serialize;
use serde_json::json;
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Which set, and how it is printed.
#[derive(Clone, Debug, Args)]
pub struct Retrieval {
    /// A folder in the BEIR layout, or of PDF files with a `questions.jsonl`.
    folder: PathBuf,
    /// Ask this many of the questions, spread evenly.
    #[arg(long)]
    questions: Option<usize>,
    /// Also measure what the second look of `search.rerank` makes of the best passages.
    #[arg(long)]
    rerank: bool,
    /// Also measure every weight of meaning from 0 to 1, by the set's questions and by such as the
    /// passages make of themselves, and name the best.
    #[arg(long)]
    tune: bool,
    /// Write every question's hits to this file, one JSON object in a line.
    #[arg(long)]
    hits: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Passages asked for: enough for a hundred documents.
const DEPTH: usize = 300;

/// One way of ranking, measured.
#[derive(Debug, Serialize)]
struct Arm {
    name: String,
    ndcg_10: Mean,
    mrr_10: Mean,
    recall_10: Mean,
    recall_100: Mean,
    p50_ms: f64,
    p95_ms: f64,
}

/// One way of ranking.
struct Way {
    name: String,
    /// The weight of meaning; none for the setting's.
    weight: Option<f32>,
    reranking: Option<Reranking>,
}

impl Retrieval {
    async fn ways(&self, config: &Config) -> anyhow::Result<Vec<Way>> {
        let way = |name: &str, weight| Way {
            name: name.to_owned(),
            weight,
            reranking: None,
        };
        let mut ways = vec![
            way("words", Some(0.0)),
            way("meaning", Some(1.0)),
            way("together", None),
        ];
        if self.tune {
            let weights = (1..20_u8).map(|step| f32::from(step) / 20.0);
            ways.extend(weights.map(|weight| way(&format!("meaning {weight:.2}"), Some(weight))));
        }
        if self.rerank {
            let generator = app::generator_ready(config).await?;
            let reranking = app::open_reranking(config, generator.as_ref())?;
            ways.push(Way {
                reranking: Some(reranking.context("`search.rerank` is off: name who looks again")?),
                ..way("reranked", None)
            });
        }
        Ok(ways)
    }
}

/// Indexes the set as the appliance would, asks its questions, and prints what each arm is worth.
pub async fn run(wanted: &Retrieval, config: &Config) -> anyhow::Result<()> {
    let reader = app::open_reader(config)?;
    let corpus = Corpus::read(&wanted.folder, &reader).await?;
    let corpus = corpus.with_questions(&wanted.folder)?;
    let indexed = Indexed::build(&corpus.documents, config).await?;
    let step = wanted
        .questions
        .map_or(1, |n| (corpus.questions.len() / n.max(1)).max(1));
    let questions: Vec<_> = corpus.questions.iter().step_by(step).collect();
    let passages = indexed.judged.len();
    console::note(&format!(
        "{} questions of {passages} passages",
        questions.len()
    ));
    let mut hits_file = wanted
        .hits
        .as_ref()
        .map(std::fs::File::create)
        .transpose()?;
    let mut arms = Vec::new();
    for way in wanted.ways(config).await? {
        let (mut worths, mut times) = (Vec::new(), Vec::new());
        for question in &questions {
            let started = Instant::now();
            let sought = Sought::of(&question.text, &indexed.glossary, &indexed.embedder).await?;
            let request = SearchRequest {
                text: &question.text,
                also: &sought.also(),
                vector: &sought.vector,
                permitted: &indexed.everything,
                limit: DEPTH,
                semantic_weight: way.weight,
            };
            let mut hits = indexed.index.search(&request)?.hits;
            if let Some(reranking) = &way.reranking {
                hits = indexed.reranked(reranking, question, hits, &corpus).await?;
            }
            times.push(started.elapsed().as_secs_f64() * 1000.0);
            worths.push(worth(&indexed.ranking(&hits), &question.relevant));
            if let Some(file) = hits_file.as_mut().filter(|_| way.weight.is_none()) {
                let line = indexed.line(question, &hits);
                writeln!(file, "{line}")?;
            }
        }
        let arm = Arm::of(way.name, &worths, &times);
        if !wanted.json {
            console::line(&arm.to_string());
        }
        arms.push(arm);
    }
    if wanted.tune {
        let tried = arms.iter().filter(|arm| arm.name != "together");
        let best = tried.max_by(|a, b| a.ndcg_10.value.total_cmp(&b.ndcg_10.value));
        console::note(&format!("best: {}", best.map_or("none", |arm| &arm.name)));
    }
    let tuned = if wanted.tune {
        Some(by_passages(&indexed, &corpus, config).await?)
    } else {
        None
    };
    if let Some(tuned) = tuned.as_ref().filter(|_| !wanted.json) {
        console::line(&tuned.to_string());
    }
    if wanted.json {
        let report = json!({
            "folder": wanted.folder, "questions": questions.len(), "passages": passages,
            "embedder": indexed.embedder.identity(), "arms": arms, "by_passages": tuned,
        });
        console::line(&report.to_string());
    }
    Ok(())
}

/// The weights again, by questions that the passages make of themselves.
async fn by_passages(indexed: &Indexed, corpus: &Corpus, config: &Config) -> anyhow::Result<Tuned> {
    let settings = app::index_settings(config, &indexed.embedder);
    let sources = indexed.sources(&corpus.documents);
    let folder = tempfile::tempdir()?;
    tuning::tune(sources, &indexed.embedder, settings, folder.path()).await
}

impl Arm {
    fn of(name: String, worths: &[Worth], times: &[f64]) -> Self {
        let mean = |of: fn(&Worth) -> f64| Mean::of(&worths.iter().map(of).collect::<Vec<_>>());
        Self {
            name,
            ndcg_10: mean(|w| w.ndcg_10),
            mrr_10: mean(|w| w.mrr_10),
            recall_10: mean(|w| w.recall_10),
            recall_100: mean(|w| w.recall_100),
            p50_ms: percentile(times, 0.5),
            p95_ms: percentile(times, 0.95),
        }
    }
}

impl std::fmt::Display for Arm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<9} nDCG@10 {}  MRR@10 {}  recall@10 {}  recall@100 {}  p50 {:.1} ms  p95 {:.1} ms",
            self.name,
            self.ndcg_10,
            self.mrr_10,
            self.recall_10,
            self.recall_100,
            self.p50_ms,
            self.p95_ms
        )
    }
}

impl Indexed {
    /// The hits with those that an answer is made from looked at again.
    async fn reranked(
        &self,
        reranking: &Reranking,
        question: &super::corpus::Question,
        hits: Vec<Hit>,
        corpus: &Corpus,
    ) -> anyhow::Result<Vec<Hit>> {
        let best = hits.iter().take(CANDIDATES);
        let found = best.filter_map(|hit| self.found(hit, &corpus.documents));
        let again = reranking
            .look_again(&question.text, found.collect())
            .await?;
        let place = |hit: &Hit| {
            again
                .iter()
                .position(|found| found.passage.id == hit.passage)
        };
        let (mut first, rest): (Vec<Hit>, Vec<Hit>) =
            hits.into_iter().partition(|hit| place(hit).is_some());
        first.sort_by_key(|hit| place(hit));
        first.extend(rest);
        Ok(first)
    }

    /// Documents or pages by their best passage.
    fn ranking(&self, hits: &[cloister_index::Hit]) -> Vec<&str> {
        let mut seen = HashSet::new();
        let judged = hits.iter().flat_map(|hit| self.judged_as(hit.passage));
        judged
            .map(String::as_str)
            .filter(|id| seen.insert(*id))
            .collect()
    }

    fn line(&self, question: &super::corpus::Question, hits: &[cloister_index::Hit]) -> String {
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| {
                json!({
                    "as": self.judged_as(hit.passage), "passage": hit.passage,
                    "score": hit.score, "words": hit.keyword, "meaning": hit.semantic,
                })
            })
            .collect();
        json!({
            "id": question.id, "question": question.text, "relevant": question.relevant,
            "hits": hits,
        })
        .to_string()
    }
}
