//! `cloister-eval answers`: how often quotes answer, and how often unanswerable questions are
//! refused.

use crate::answers_report::{Answerability, AnswersReport, Outcome};
use crate::console;
use crate::dataset::{Dataset, Question};
use crate::generation_metrics::{GenerationMetrics, contains_answer, judge_all};
use crate::test_index::{Retrieved, TestIndex, document_of};
use clap::Args;
use cloister_answer::evaluation::{
    AnalyzedQuestion, Coverage, Decision, QuoteSpan, Scorers, Writer, decide, dense_rank,
};
use cloister_answer::{
    AnswerWeights, PreviousTurn, Quote, RetrievedPassage, SentenceReranker, contextualize,
};
use cloister_config::{Config, components};
use cloister_inference::{GeneratorService, NliModel};
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The arguments of the command.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Clone, Debug, Args)]
pub struct Answers {
    /// A folder in the BEIR layout with an `answers.jsonl`, or with --questions a folder of
    /// documents.
    folder: PathBuf,
    /// A file of questions about the documents of the folder: `_id`, `question`, `answers`,
    /// `document` (a path in the folder), and `after` for a follow-up question.
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// A folder in the BEIR layout with documents that are unrelated to the questions.
    #[arg(long, value_name = "FOLDER")]
    far: Option<PathBuf>,
    /// Ask only this many questions, spread evenly.
    #[arg(long)]
    count: Option<usize>,
    /// Ask follow-up questions as typed, without rewriting them.
    #[arg(long)]
    as_typed: bool,
    /// Also generate sentences and measure how many are shown and right.
    #[arg(long)]
    generate: bool,
    /// Do not use the generator.
    #[arg(long)]
    without_generator: bool,
    /// Write the features of each question for `calibrate` to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// Write the decision and the quotes of each question to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Asks the questions with all documents, without those that answer, and with unrelated documents.
pub async fn run(arguments: &Answers, config: &Config) -> anyhow::Result<()> {
    let reader = components::open_reader(config)?;
    let folder = &arguments.folder;
    let dataset = match &arguments.questions {
        Some(questions) => Dataset::load_documents(folder, questions, &reader).await?,
        None => Dataset::load(folder, &reader).await?,
    };
    let dataset = dataset.require_questions(folder)?;
    let generator = if arguments.without_generator {
        None
    } else {
        components::load_generator(config).await?
    };
    let mut files = OutputFiles {
        signals: arguments.signals.as_ref().map(File::create).transpose()?,
        decisions: arguments.decisions.as_ref().map(File::create).transpose()?,
    };
    let questions = spread(&dataset.questions, arguments.count);
    console::note(&format!("{} questions", questions.len()));
    let mut outcomes = Vec::new();
    let mut generation = arguments.generate.then(GenerationMetrics::default);
    let bench = AnswersBench::build(&dataset, generator.clone(), arguments, config).await?;
    for question in &questions {
        bench
            .ask_with_and_without_answer(question, &mut outcomes, &mut files, &mut generation)
            .await?;
    }
    if let Some(far) = &arguments.far {
        let unrelated = Dataset::load(far, &reader).await?;
        let bench = AnswersBench::build(&unrelated, generator, arguments, config).await?;
        for question in &questions {
            let (case, permitted) = (Answerability::Far, &bench.index.all_revisions);
            let outcome = bench
                .ask(question, case, permitted, &mut files, &mut None)
                .await?;
            outcomes.push(outcome);
        }
    }
    let report = AnswersReport::new(&outcomes, generation);
    if arguments.json {
        console::line(&serde_json::to_string(&report)?);
    } else {
        console::line(&report.to_string());
    }
    Ok(())
}

/// `count` of the questions, spread evenly, or all.
fn spread(questions: &[Question], count: Option<usize>) -> Vec<&Question> {
    let step = count.map_or(1, |count| (questions.len() / count.max(1)).max(1));
    questions
        .iter()
        .step_by(step)
        .take(count.unwrap_or(usize::MAX))
        .collect()
}

/// The files of `--signals` and `--decisions`.
struct OutputFiles {
    signals: Option<File>,
    decisions: Option<File>,
}

/// Indexed documents, and the models that answer from them.
struct AnswersBench<'a> {
    dataset: &'a Dataset,
    index: TestIndex,
    generator: Option<GeneratorService>,
    sentence_reranker: Option<SentenceReranker>,
    nli: Option<Arc<dyn NliModel>>,
    weights: AnswerWeights,
    rewrites_follow_ups: bool,
}

impl<'a> AnswersBench<'a> {
    async fn build(
        dataset: &'a Dataset,
        generator: Option<GeneratorService>,
        arguments: &Answers,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let mut weights = components::load_answer_weights(config)?;
        if arguments.signals.is_some() {
            // Calibration needs the likelihoods of every question.
            weights.decision.answer_above = f32::INFINITY;
            weights.decision.refuse_below = f32::NEG_INFINITY;
        }
        Ok(Self {
            index: TestIndex::build(&dataset.documents, config).await?,
            dataset,
            generator,
            sentence_reranker: components::open_sentence_reranker(config)?,
            nli: components::open_nli_model(config)?,
            weights,
            rewrites_follow_ups: !arguments.as_typed,
        })
    }

    async fn ask_with_and_without_answer(
        &self,
        question: &Question,
        outcomes: &mut Vec<Outcome>,
        files: &mut OutputFiles,
        generation: &mut Option<GenerationMetrics>,
    ) -> anyhow::Result<()> {
        let all = &self.index.all_revisions;
        let question = &self.contextualized(question, all).await?;
        let case = Answerability::Answerable;
        outcomes.push(self.ask(question, case, all, files, generation).await?);
        let mut without_answer = all.clone();
        for (number, document) in (1..).zip(&self.dataset.documents) {
            if question.relevance.contains_key(&document.id) {
                without_answer.remove(number);
            }
        }
        let case = Answerability::Near;
        let outcome = self
            .ask(question, case, &without_answer, files, &mut None)
            .await?;
        outcomes.push(outcome);
        Ok(())
    }

    /// A follow-up question, rewritten as the product does.
    async fn contextualized(
        &self,
        question: &Question,
        permitted: &RoaringBitmap,
    ) -> anyhow::Result<Question> {
        let mut rewritten = question.clone();
        let Some(previous) = question
            .previous
            .as_ref()
            .filter(|_| self.rewrites_follow_ups)
        else {
            return Ok(rewritten);
        };
        let Retrieved {
            question: analyzed,
            passages,
            words,
        } = self
            .index
            .retrieve(previous, permitted, &self.dataset.documents)
            .await?;
        let decision = decide(&analyzed, &passages, words, &self.scorers(), &self.weights).await?;
        let quotes = Quote::from_spans(&decision.quotes);
        let turn = PreviousTurn::new(previous, &quotes);
        if let Some(text) = contextualize(&question.text, &turn) {
            console::note(&format!("“{}” after “{previous}”: “{text}”", question.text));
            rewritten.text = text;
        }
        Ok(rewritten)
    }

    fn scorers(&self) -> Scorers<'_> {
        Scorers {
            embedder: &self.index.embedder,
            generator: self.generator.as_ref(),
            reranker: self.sentence_reranker.as_ref(),
            weights: &self.weights.sentence,
        }
    }

    /// Asks a question, and generates sentences if it is answered and `generation` counts them.
    async fn ask(
        &self,
        question: &Question,
        answerability: Answerability,
        permitted: &RoaringBitmap,
        files: &mut OutputFiles,
        generation: &mut Option<GenerationMetrics>,
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let Retrieved {
            question: analyzed,
            passages,
            words,
        } = self
            .index
            .retrieve(&question.text, permitted, &self.dataset.documents)
            .await?;
        let decision = decide(&analyzed, &passages, words, &self.scorers(), &self.weights).await?;
        let took_ms = started.elapsed().as_secs_f64() * 1000.0;
        let outcome = self.outcome(question, answerability, &decision, took_ms);
        let mut sentences = Vec::new();
        if let (Some(metrics), Some(generator)) = (generation, &self.generator)
            && outcome.is_answered
        {
            let quotes = Quote::from_spans(&decision.quotes);
            let has_clear_margin = decision.verdict.has_clear_margin(&self.weights.decision);
            let generation = self.writer(generator, question, &analyzed).start(
                has_clear_margin,
                &quotes,
                &passages,
            )?;
            sentences = judge_all(generation, |text| contains_answer(text, question)).await?;
            metrics.count(&sentences);
        }
        if let Some(file) = &mut files.signals {
            let mut line = signals(question, &analyzed, answerability, &decision, &passages);
            line["sentences"] = serde_json::to_value(&sentences)?;
            writeln!(file, "{line}")?;
        }
        if let Some(file) = &mut files.decisions {
            writeln!(
                file,
                "{}",
                decision_line(question, answerability, &decision)
            )?;
        }
        Ok(outcome)
    }

    fn outcome(
        &self,
        question: &Question,
        answerability: Answerability,
        decision: &Decision<'_>,
        took_ms: f64,
    ) -> Outcome {
        let mut outcome = Outcome {
            answerability,
            is_answered: decision.verdict.answer,
            score: decision.verdict.score,
            is_right: false,
            quotes: decision.quotes.len(),
            resolved: 0,
            exact: 0,
            took_ms,
        };
        for quote in &decision.quotes {
            let text = quote.text().unwrap_or_default();
            let cited = self.cited_text(quote);
            outcome.is_right |= contains_answer(text, question);
            outcome.resolved += usize::from(cited.is_some());
            outcome.exact += usize::from(cited == Some(text));
        }
        outcome
    }

    fn writer(
        &self,
        generator: &GeneratorService,
        question: &Question,
        analyzed: &AnalyzedQuestion,
    ) -> Writer {
        Writer {
            generator: generator.clone(),
            embedder: self.index.embedder.clone(),
            nli: self.nli.clone(),
            question: question.text.clone(),
            previous_questions: question.previous.iter().cloned().collect(),
            question_vector: analyzed.vector.clone(),
            person: None,
            cache_namespace: None,
        }
    }

    /// The text at the cited place. `None` if the place is not on exactly one page.
    fn cited_text(&self, quote: &QuoteSpan<'_>) -> Option<&str> {
        let passage = &quote.hit.passage;
        let document = document_of(passage.revision, &self.dataset.documents)?;
        match passage.draft.locate(quote.range).as_slice() {
            [place] => document.text_at(place),
            _ => None,
        }
    }
}

fn decision_line(
    question: &Question,
    answerability: Answerability,
    decision: &Decision<'_>,
) -> Value {
    let quotes: Vec<Value> = decision
        .quotes
        .iter()
        .map(|quote| {
            json!({
                "passage": quote.hit.passage.id, "start": quote.range.start,
                "end": quote.range.end, "text": quote.text(),
            })
        })
        .collect();
    json!({
        "id": question.id, "case": answerability, "answered": decision.verdict.answer,
        "score": decision.verdict.score, "quotes": quotes,
    })
}

/// The features of a question, as `calibrate` reads them.
fn signals(
    question: &Question,
    analyzed: &AnalyzedQuestion,
    answerability: Answerability,
    decision: &Decision<'_>,
    passages: &[RetrievedPassage],
) -> Value {
    let substitutions = &decision.selection.words.substitutions;
    let mut candidates = Vec::new();
    for candidate in &decision.selection.candidates {
        let coverage = Coverage::measure(analyzed, candidate, substitutions);
        candidates.push(json!({
            "text": candidate.text, "passage": candidate.hit.passage.id,
            "dense_similarity": candidate.dense_similarity,
            "term_overlap": candidate.term_overlap, "answer_type": candidate.answer_type,
            "likelihood": candidate.likelihood, "relevance": candidate.relevance, "coverage": coverage.covered,
            "unmatched_entities": coverage.unmatched_entities,
            "dense_rank": dense_rank(candidate.hit, passages),
            "right": contains_answer(candidate.text, question),
        }));
    }
    let passages: Vec<Value> = passages
        .iter()
        .map(|hit| {
            json!({
                "passage": hit.passage.id, "score": hit.score,
                "lexical": hit.lexical, "dense": hit.dense,
            })
        })
        .collect();
    json!({
        "id": question.id, "question": question.text, "case": answerability,
        "answers": question.answers, "verdict": decision.verdict,
        "passage_similarity": decision.verdict.passage_similarity,
        "candidates": candidates, "passages": passages,
    })
}
