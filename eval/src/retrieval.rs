//! `cloister-eval retrieval`: how well relevant passages are ranked.

use crate::console;
use crate::dataset::{Dataset, Question};
use crate::dense_weight::{self, DenseWeightReport};
use crate::metrics::{Mean, RankingMetrics, percentile};
use crate::test_index::TestIndex;
use anyhow::Context;
use clap::Args;
use cloister_answer::Reranker;
use cloister_answer::evaluation::{CANDIDATE_PASSAGES, ExpandedQuery};
use cloister_config::{Config, components};
use cloister_index::{Hit, SearchRequest};
use serde::Serialize;
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of the command.
#[derive(Clone, Debug, Args)]
pub struct Retrieval {
    /// A folder in the BEIR layout, or of PDF files with a `questions.jsonl`.
    folder: PathBuf,
    /// Ask only this many questions, spread evenly.
    #[arg(long)]
    questions: Option<usize>,
    /// Also measure the reranker of `search.rerank`.
    #[arg(long)]
    rerank: bool,
    /// Also measure every dense weight from 0 to 1, on the questions of the dataset and on questions
    /// generated from its passages.
    #[arg(long)]
    tune: bool,
    /// Write the hits of each question to this file, one JSON object per line.
    #[arg(long)]
    hits: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Passages that are retrieved: enough for a hundred documents.
const DEPTH: usize = 300;

/// The name of the strategy that the appliance uses.
const HYBRID: &str = "hybrid";

/// The metrics of one ranking strategy.
#[derive(Debug, Serialize)]
struct StrategyReport {
    name: String,
    ndcg_10: Mean,
    mrr_10: Mean,
    recall_10: Mean,
    recall_100: Mean,
    p50_ms: f64,
    p95_ms: f64,
}

/// A ranking strategy.
struct Strategy {
    name: String,
    /// The weight of dense retrieval. `None` for the weight of the settings.
    dense_weight: Option<f32>,
    reranker: Option<Reranker>,
}

impl Strategy {
    fn with_weight(name: &str, dense_weight: Option<f32>) -> Self {
        Self {
            name: name.to_owned(),
            dense_weight,
            reranker: None,
        }
    }
}

impl Retrieval {
    async fn strategies(&self, config: &Config) -> anyhow::Result<Vec<Strategy>> {
        let mut strategies = vec![
            Strategy::with_weight("lexical", Some(0.0)),
            Strategy::with_weight("dense", Some(1.0)),
            Strategy::with_weight(HYBRID, None),
        ];
        if self.tune {
            for step in 1..20_u8 {
                let weight = f32::from(step) / 20.0;
                let name = format!("dense {weight:.2}");
                strategies.push(Strategy::with_weight(&name, Some(weight)));
            }
        }
        if self.rerank {
            let generator = components::load_generator(config).await?;
            let reranker = components::open_reranker(config, generator.as_ref())?;
            let reranker = reranker
                .context("`search.rerank` is off. Set it to \"cross-encoder\" or \"likelihood\"")?;
            strategies.push(Strategy {
                reranker: Some(reranker),
                ..Strategy::with_weight("reranked", None)
            });
        }
        Ok(strategies)
    }
}

/// Indexes the dataset as the appliance would, asks its questions, and prints the metrics.
pub async fn run(arguments: &Retrieval, config: &Config) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    let reader = components::open_reader(config)?;
    let dataset = Dataset::load(folder, &reader)
        .await?
        .require_questions(folder)?;
    let index = TestIndex::build(&dataset.documents, config).await?;
    let questions = spread(&dataset.questions, arguments.questions);
    let passages = index.passage_count();
    console::note(&format!(
        "{} questions, {passages} passages",
        questions.len()
    ));
    let mut hits_file = arguments.hits.as_ref().map(File::create).transpose()?;
    let measurement = Measurement {
        index: &index,
        dataset: &dataset,
        questions: &questions,
    };
    let mut reports = Vec::new();
    for strategy in arguments.strategies(config).await? {
        let file = hits_file
            .as_mut()
            .filter(|_| strategy.dense_weight.is_none());
        let report = measurement.measure(strategy, file).await?;
        if !arguments.json {
            console::line(&report.to_string());
        }
        reports.push(report);
    }
    let tuned = if arguments.tune {
        console::note(&format!("best: {}", best_name(&reports)));
        Some(tune_on_passages(&index, &dataset, config).await?)
    } else {
        None
    };
    if arguments.json {
        let report = json!({
            "folder": folder, "questions": questions.len(), "passages": passages,
            "embedder": index.embedder.identity(), "strategies": reports,
            "generated_questions": tuned,
        });
        console::line(&report.to_string());
    } else if let Some(tuned) = tuned {
        console::line(&tuned.to_string());
    }
    Ok(())
}

/// `count` of the questions, spread evenly, or all.
fn spread(questions: &[Question], count: Option<usize>) -> Vec<&Question> {
    let step = count.map_or(1, |count| (questions.len() / count.max(1)).max(1));
    questions.iter().step_by(step).collect()
}

/// The strategy with the highest nDCG@10, except the one that the appliance uses.
fn best_name(reports: &[StrategyReport]) -> &str {
    reports
        .iter()
        .filter(|report| report.name != HYBRID)
        .max_by(|a, b| a.ndcg_10.value.total_cmp(&b.ndcg_10.value))
        .map_or("none", |report| report.name.as_str())
}

/// Measures every dense weight on questions that are generated from the passages.
async fn tune_on_passages(
    index: &TestIndex,
    dataset: &Dataset,
    config: &Config,
) -> anyhow::Result<DenseWeightReport> {
    let settings = components::index_settings(config, &index.embedder);
    let sources = index.sources(&dataset.documents);
    let folder = tempfile::tempdir()?;
    dense_weight::tune(sources, &index.embedder, settings, folder.path()).await
}

/// What a strategy is measured on.
struct Measurement<'a> {
    index: &'a TestIndex,
    dataset: &'a Dataset,
    questions: &'a [&'a Question],
}

impl Measurement<'_> {
    async fn measure(
        &self,
        strategy: Strategy,
        mut hits_file: Option<&mut File>,
    ) -> anyhow::Result<StrategyReport> {
        let (mut metrics, mut times_ms) = (Vec::new(), Vec::new());
        for question in self.questions {
            let started = Instant::now();
            let hits = self.search(question, &strategy).await?;
            times_ms.push(started.elapsed().as_secs_f64() * 1000.0);
            let ranking = self.ranking(&hits);
            metrics.push(RankingMetrics::compute(&ranking, &question.relevance));
            if let Some(file) = &mut hits_file {
                writeln!(file, "{}", self.hits_line(question, &hits))?;
            }
        }
        Ok(StrategyReport::new(strategy.name, &metrics, &times_ms))
    }

    async fn search(&self, question: &Question, strategy: &Strategy) -> anyhow::Result<Vec<Hit>> {
        let index = self.index;
        let query = ExpandedQuery::new(&question.text, &index.glossary, &index.embedder).await?;
        let request = SearchRequest {
            text: &question.text,
            expansion_terms: &query.expansion_text(),
            vector: &query.retrieval_vector,
            permitted: &index.all_revisions,
            limit: DEPTH,
            dense_weight: strategy.dense_weight,
        };
        let hits = index.index.search(&request)?.hits;
        match &strategy.reranker {
            Some(reranker) => self.rerank(reranker, question, hits).await,
            None => Ok(hits),
        }
    }

    /// Reorders the hits from which an answer would be made. The others stay behind them.
    async fn rerank(
        &self,
        reranker: &Reranker,
        question: &Question,
        hits: Vec<Hit>,
    ) -> anyhow::Result<Vec<Hit>> {
        let candidates = hits.get(..CANDIDATE_PASSAGES).unwrap_or(&hits);
        let retrieved = self.index.retrieved(candidates, &self.dataset.documents);
        let reranked = reranker.rerank(&question.text, retrieved).await?;
        let ranked = hits.into_iter().map(|hit| {
            let parent = self.index.parent(hit.passage);
            let rank = reranked.iter().position(|r| r.passage.id == parent);
            (rank.unwrap_or(usize::MAX), hit)
        });
        let mut ranked: Vec<(usize, Hit)> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        Ok(ranked.into_iter().map(|(_, hit)| hit).collect())
    }

    /// The distinct documents or pages of the hits, best first.
    fn ranking(&self, hits: &[Hit]) -> Vec<&str> {
        let mut seen = HashSet::new();
        hits.iter()
            .flat_map(|hit| self.index.judgement_ids(hit.passage))
            .map(String::as_str)
            .filter(|id| seen.insert(*id))
            .collect()
    }

    fn hits_line(&self, question: &Question, hits: &[Hit]) -> serde_json::Value {
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| {
                json!({
                    "judged_as": self.index.judgement_ids(hit.passage), "passage": hit.passage,
                    "score": hit.score, "lexical": hit.lexical, "dense": hit.dense,
                })
            })
            .collect();
        json!({
            "id": question.id, "question": question.text, "relevance": question.relevance,
            "hits": hits,
        })
    }
}

impl StrategyReport {
    fn new(name: String, metrics: &[RankingMetrics], times_ms: &[f64]) -> Self {
        let mean = |value: fn(&RankingMetrics) -> f64| {
            Mean::bootstrap(&metrics.iter().map(value).collect::<Vec<_>>())
        };
        Self {
            name,
            ndcg_10: mean(|m| m.ndcg_10),
            mrr_10: mean(|m| m.mrr_10),
            recall_10: mean(|m| m.recall_10),
            recall_100: mean(|m| m.recall_100),
            p50_ms: percentile(times_ms, 0.5),
            p95_ms: percentile(times_ms, 0.95),
        }
    }
}

impl std::fmt::Display for StrategyReport {
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
