//! `cloister eval answers`: whether the quotes answer, and whether what has no answer is refused.

use super::composed::{self, Composed, holds};
use super::corpus::{Corpus, Question};
use super::indexed::Indexed;
use super::metrics::percentile;
use crate::app;
use crate::cli::console;
use crate::config::Config;
use clap::Args;
use cloister_answer::evidence::Evidence;
use cloister_answer::follow_up::{self, Earlier};
use cloister_answer::gate::{Spoken, outranked};
use cloister_answer::select::{Judges, text};
use cloister_answer::writing::Writer;
use cloister_answer::{FoundPassage, Judged, Quote, judge};
use cloister_domain::ByteRange;
use cloister_inference::{Entailment, GeneratorService};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Which questions, and of which documents.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Clone, Debug, Args)]
pub struct Answers {
    /// A folder in the BEIR layout with an `answers.jsonl`, or with --questions a folder of documents.
    folder: PathBuf,
    /// A file of questions about the documents of the folder: `_id`, `question`, `answers`, and
    /// `document`, a path in the folder; and `after`, where it follows another question.
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// A folder in the BEIR layout that has nothing to do with the questions.
    #[arg(long, value_name = "FOLDER")]
    far: Option<PathBuf>,
    /// Ask this many of the questions, spread evenly.
    #[arg(long)]
    count: Option<usize>,
    /// Take questions that follow another as they are typed, and do not make them stand alone.
    #[arg(long)]
    as_typed: bool,
    /// Also have the model write from the quotes, and tell how much of it is shown, and right.
    #[arg(long)]
    compose: bool,
    /// Leave the model out.
    #[arg(long)]
    without_model: bool,
    /// Write what was known when each question was decided to this file, a JSON object in a line.
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is known of a question's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// The documents answer it.
    Answerable,
    /// The document that answers it was taken away.
    Near,
    /// The documents are of something else.
    Far,
}

impl Case {
    /// Whether the documents answer it.
    pub fn is_answerable(self) -> bool {
        self == Self::Answerable
    }
}

/// One question, decided.
struct Outcome {
    case: Case,
    shown: bool,
    evidence: f32,
    /// Whether one of the quotes holds an answer.
    right: bool,
    /// How many quotes it shows.
    quotes: usize,
    /// Of these, whose citation names a place on a page.
    resolved: usize,
    /// Of these, which stand there byte for byte.
    exact: usize,
    took_ms: f64,
}

/// How it went.
#[derive(Debug, Serialize)]
struct Report {
    questions: usize,
    /// Of the answerable: the quotes hold an answer.
    right: f64,
    /// Of the answerable that were not refused.
    right_of_shown: f64,
    falsely_refused: f64,
    near_refused: f64,
    far_refused: Option<f64>,
    citations_resolve: f64,
    quotes_exact: f64,
    p50_ms: f64,
    p95_ms: f64,
    /// What other thresholds would do.
    curve: Vec<Threshold>,
    /// What the model wrote, where it was asked to.
    composed: Option<Composed>,
}

/// A threshold at which so many of the answerable would be refused.
#[derive(Debug, Serialize)]
struct Threshold {
    evidence: f32,
    falsely_refused: f64,
    near_refused: f64,
    far_refused: Option<f64>,
}

/// The percentages of the answerable that the curve refuses.
const CURVE: [usize; 5] = [3, 5, 10, 15, 20];

impl Threshold {
    fn refusing(percent: usize, outcomes: &[Outcome]) -> Self {
        let of = |case: Case| outcomes.iter().filter(move |o| o.case == case);
        let mut known: Vec<f32> = of(Case::Answerable).map(|o| o.evidence).collect();
        known.sort_by(f32::total_cmp);
        let place = known.len() * percent / 100;
        let evidence = known.get(place).copied().unwrap_or(f32::MAX);
        let refused = |case| {
            let (all, refused) = (
                of(case).count(),
                of(case).filter(|o| o.evidence < evidence).count(),
            );
            (all > 0).then(|| refused as f64 / all as f64)
        };
        Self {
            evidence,
            falsely_refused: refused(Case::Answerable).unwrap_or(0.0),
            near_refused: refused(Case::Near).unwrap_or(0.0),
            far_refused: refused(Case::Far),
        }
    }
}

/// The documents, and what asks them.
struct Bench {
    corpus: Corpus,
    indexed: Indexed,
    generator: Option<GeneratorService>,
    verifier: Option<Arc<dyn Entailment>>,
    evidence: Evidence,
    signals: Option<File>,
    compose: bool,
    as_typed: bool,
    composed: Composed,
}

/// Asks the questions of everything, without the documents that answer, and of other documents.
pub async fn run(wanted: &Answers, config: &Config) -> anyhow::Result<()> {
    let reader = app::open_reader(config)?;
    let corpus = match &wanted.questions {
        Some(questions) => Corpus::of_handbooks(&wanted.folder, questions, &reader).await?,
        None => Corpus::read(&wanted.folder, &reader).await?,
    };
    let corpus = corpus.with_questions(&wanted.folder)?;
    let generator = if wanted.without_model {
        None
    } else {
        app::generator_ready(config).await?
    };
    let signals = wanted.signals.as_ref().map(File::create).transpose()?;
    let mut bench = Bench::of(corpus, generator, signals, config).await?;
    bench.compose = wanted.compose;
    bench.as_typed = wanted.as_typed;
    let mut outcomes = bench.ask(wanted.count).await?;
    let composed = wanted.compose.then(|| std::mem::take(&mut bench.composed));
    if let Some(far) = &wanted.far {
        let others = Corpus::read(far, &reader).await?;
        let questions = std::mem::take(&mut bench.corpus.questions);
        let signals = bench.signals.take();
        let generator = bench.generator.take();
        let mut elsewhere = Bench::of(others, generator, signals, config).await?;
        for question in spread(&questions, wanted.count) {
            let everything = elsewhere.indexed.everything.clone();
            outcomes.push(elsewhere.decide(question, Case::Far, &everything).await?);
        }
    }
    let report = Report {
        composed,
        ..Report::of(&outcomes)
    };
    if wanted.json {
        console::line(&serde_json::to_string(&report)?);
    } else {
        console::line(&report.to_string());
    }
    Ok(())
}

fn spread(questions: &[Question], count: Option<usize>) -> impl Iterator<Item = &Question> {
    let step = count.map_or(1, |n| (questions.len() / n.max(1)).max(1));
    questions
        .iter()
        .step_by(step)
        .take(count.unwrap_or(usize::MAX))
}

impl Bench {
    async fn of(
        corpus: Corpus,
        generator: Option<GeneratorService>,
        signals: Option<File>,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let indexed = Indexed::build(&corpus.documents, config).await?;
        let mut evidence = app::evidence(config)?;
        if signals.is_some() {
            // What is calibrated on must be known of every question.
            evidence.answer.surely = f32::INFINITY;
            evidence.answer.surely_not = f32::NEG_INFINITY;
        }
        Ok(Self {
            corpus,
            indexed,
            generator,
            verifier: app::open_verifier(config)?,
            evidence,
            signals,
            compose: false,
            as_typed: false,
            composed: Composed::default(),
        })
    }

    async fn ask(&mut self, count: Option<usize>) -> anyhow::Result<Vec<Outcome>> {
        let questions = std::mem::take(&mut self.corpus.questions);
        let asked: Vec<&Question> = spread(&questions, count).collect();
        let mut outcomes = Vec::new();
        console::note(&format!("{} questions", asked.len()));
        for asked in asked {
            let everything = self.indexed.everything.clone();
            let question = &self.standing_alone(asked, &everything).await?;
            outcomes.push(self.decide(question, Case::Answerable, &everything).await?);
            let mut without = everything;
            for (number, document) in (1..).zip(&self.corpus.documents) {
                if question.relevant.contains_key(&document.id) {
                    without.remove(number);
                }
            }
            outcomes.push(self.decide(question, Case::Near, &without).await?);
        }
        self.corpus.questions = questions;
        Ok(outcomes)
    }

    /// A question that follows another, made to stand alone as the product does it.
    async fn standing_alone(
        &self,
        asked: &Question,
        permitted: &RoaringBitmap,
    ) -> anyhow::Result<Question> {
        let mut alone = asked.clone();
        let Some(after) = asked.after.as_ref().filter(|_| !self.as_typed) else {
            return Ok(alone);
        };
        let documents = &self.corpus.documents;
        let (vector, passages) = self
            .indexed
            .passages_for(after, permitted, documents)
            .await?;
        let judged = judge(after, &vector, &passages, &self.judges(), &self.evidence).await?;
        let quotes = Quote::all_of(&passages, &judged.chosen);
        if let Some(text) = follow_up::standing_alone(&asked.text, &Earlier::of(after, &quotes)) {
            console::note(&format!("“{}” after “{after}”: “{text}”", asked.text));
            alone.text = text;
        }
        Ok(alone)
    }

    fn judges(&self) -> Judges<'_> {
        Judges {
            embedder: &self.indexed.embedder,
            generator: self.generator.as_ref(),
            weights: &self.evidence.sentence,
        }
    }

    async fn decide(
        &mut self,
        question: &Question,
        case: Case,
        permitted: &RoaringBitmap,
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let embedder = &self.indexed.embedder;
        let (vector, passages) = self
            .indexed
            .passages_for(&question.text, permitted, &self.corpus.documents)
            .await?;
        let judged = judge(
            &question.text,
            &vector,
            &passages,
            &self.judges(),
            &self.evidence,
        )
        .await?;
        let took_ms = started.elapsed().as_secs_f64() * 1000.0;
        let quotes: Vec<&str> = judged.chosen.iter().map(|c| text(&passages, c)).collect();
        let cited: Vec<Option<&str>> = judged
            .chosen
            .iter()
            .map(|c| self.cited(passages.get(c.passage)?, c.range))
            .collect();
        let outcome = Outcome {
            case,
            shown: judged.verdict.answer,
            evidence: judged.verdict.evidence,
            right: quotes.iter().any(|quote| holds(quote, question)),
            quotes: quotes.len(),
            resolved: cited.iter().flatten().count(),
            exact: quotes
                .iter()
                .zip(&cited)
                .filter(|(quote, place)| Some(**quote) == **place)
                .count(),
            took_ms,
        };
        let mut written = Vec::new();
        if let Some(generator) = self
            .generator
            .as_ref()
            .filter(|_| self.compose && case.is_answerable() && outcome.shown)
        {
            let writer = Writer {
                generator: generator.clone(),
                embedder: embedder.clone(),
                verifier: self.verifier.clone(),
                question: question.text.clone(),
                earlier: question.after.iter().cloned().collect(),
                vector: vector.clone(),
                person: None,
                scope: None,
            };
            let shown = Quote::all_of(&passages, &judged.chosen);
            let clear = judged.verdict.stands_clear(&self.evidence.answer);
            let composition = writer.compose(clear, &shown, &passages)?;
            written = composed::write(composition, |text| holds(text, question)).await?;
            self.composed.count(&written);
        }
        if let Some(file) = &mut self.signals {
            let mut known = signals(question, case, &judged, &passages);
            known["written"] = serde_json::to_value(written)?;
            writeln!(file, "{known}")?;
        }
        Ok(outcome)
    }

    /// What stands where a citation points to: on one page, the only one of its place.
    fn cited(&self, found: &FoundPassage, range: ByteRange) -> Option<&str> {
        let document = usize::try_from(found.passage.revision.0 - 1).ok()?;
        let document = self.corpus.documents.get(document)?;
        match found.passage.draft.locate(range).as_slice() {
            [place] => document.at(place),
            _ => None,
        }
    }
}

fn signals(
    question: &Question,
    case: Case,
    judged: &Judged,
    passages: &[FoundPassage],
) -> serde_json::Value {
    let candidates: Vec<_> = judged
        .selection
        .candidates
        .iter()
        .map(|candidate| {
            let found = passages.get(candidate.passage);
            let spoken = found.map(|found| Spoken::of(&question.text, found, &judged.selection.slips));
            json!({
                "text": text(passages, candidate), "meaning": candidate.meaning,
                "passage": found.map(|found| found.passage.id),
                "words": candidate.words, "kind": candidate.kind, "likelihood": candidate.likelihood,
                "covered": spoken.map(|s| s.covered), "missing": spoken.map(|s| s.missing),
                "outranked": found.map(|found| outranked(found, passages)),
                "right": holds(text(passages, candidate), question),
            })
        })
        .collect();
    let found = passages.iter().map(|found| {
        json!({
            "passage": found.passage.id, "score": found.score,
            "keyword": found.keyword, "semantic": found.semantic,
        })
    });
    json!({
        "id": question.id, "question": question.text, "case": case, "answers": question.answers,
        "verdict": judged.verdict, "candidates": candidates, "found": found.collect::<Vec<_>>(),
    })
}

impl Report {
    fn of(outcomes: &[Outcome]) -> Self {
        let of = |case: Case| outcomes.iter().filter(move |o| o.case == case);
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let answerable = of(Case::Answerable).count();
        let shown = of(Case::Answerable).filter(|o| o.shown).count();
        let right = of(Case::Answerable).filter(|o| o.right).count();
        let refused = |case| {
            let all = of(case).count();
            (all > 0).then(|| share(of(case).filter(|o| !o.shown).count(), all))
        };
        let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum();
        let times: Vec<f64> = outcomes.iter().map(|o| o.took_ms).collect();
        Self {
            questions: answerable,
            right: share(right, answerable),
            right_of_shown: share(right, shown),
            falsely_refused: share(answerable - shown, answerable),
            near_refused: refused(Case::Near).unwrap_or(0.0),
            far_refused: refused(Case::Far),
            citations_resolve: share(sum(|o| o.resolved), sum(|o| o.quotes)),
            quotes_exact: share(sum(|o| o.exact), sum(|o| o.quotes)),
            p50_ms: percentile(&times, 0.5),
            p95_ms: percentile(&times, 0.95),
            curve: CURVE
                .map(|share| Threshold::refusing(share, outcomes))
                .into(),
            composed: None,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |share: f64| 100.0 * share;
        writeln!(f, "{} questions that the documents answer", self.questions)?;
        writeln!(
            f,
            "  the quotes hold the answer       {:5.1} %",
            percent(self.right)
        )?;
        writeln!(
            f,
            "  of those that were not refused   {:5.1} %",
            percent(self.right_of_shown)
        )?;
        writeln!(
            f,
            "  refused all the same             {:5.1} %",
            percent(self.falsely_refused)
        )?;
        writeln!(f, "without the document that answers")?;
        writeln!(
            f,
            "  refused                          {:5.1} %",
            percent(self.near_refused)
        )?;
        if let Some(far) = self.far_refused {
            writeln!(f, "put to documents of something else")?;
            writeln!(
                f,
                "  refused                          {:5.1} %",
                percent(far)
            )?;
        }
        writeln!(
            f,
            "citations that name a place on a page {:5.1} %, quotes that stand there byte for byte {:5.1} %",
            percent(self.citations_resolve),
            percent(self.quotes_exact)
        )?;
        writeln!(
            f,
            "decided after {:.0} ms at the median, {:.0} ms at the 95th percentile",
            self.p50_ms, self.p95_ms
        )?;
        write!(f, "evidence  refused all the same  near  far")?;
        for at in &self.curve {
            let far = at
                .far_refused
                .map_or("-".to_owned(), |far| format!("{:.0} %", percent(far)));
            let (all_the_same, near) = (percent(at.falsely_refused), percent(at.near_refused));
            write!(
                f,
                "\n{:>8.2}  {all_the_same:>14.0} %  {near:>4.0} %  {far:>5}",
                at.evidence
            )?;
        }
        if let Some(composed) = &self.composed {
            write!(f, "\n{composed}")?;
        }
        Ok(())
    }
}
