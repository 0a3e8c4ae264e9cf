//! The report of `cloister-eval answers`: rates of right answers and refusals, and the refusals at
//! other thresholds.

use crate::generation_metrics::GenerationMetrics;
use crate::metrics::percentile;
use serde::{Deserialize, Serialize};

/// What is known about the answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answerability {
    /// The documents answer it.
    Answerable,
    /// The documents that answer it were removed.
    Near,
    /// The documents are unrelated.
    Far,
}

impl Answerability {
    /// Whether the documents answer the question.
    pub fn is_answerable(self) -> bool {
        self == Self::Answerable
    }
}

/// The decision on one question.
pub struct Outcome {
    /// What is known about the answer.
    pub answerability: Answerability,
    /// Whether the question was answered.
    pub is_answered: bool,
    /// The decision score.
    pub score: f32,
    /// Whether a quote contains an answer.
    pub is_right: bool,
    /// The number of quotes.
    pub quotes: usize,
    /// Quotes whose citation resolves to a place on one page.
    pub resolved: usize,
    /// Quotes that are at their cited place byte for byte.
    pub exact: usize,
    /// The time of the decision, in milliseconds.
    pub took_ms: f64,
}

/// The report. Rates are from 0 to 1.
#[derive(Debug, Serialize)]
pub struct AnswersReport {
    questions: usize,
    /// Answerable questions with an answer in the quotes.
    right: f64,
    /// The same among those that were answered.
    right_of_answered: f64,
    false_refusals: f64,
    near_refusals: f64,
    far_refusals: Option<f64>,
    citations_resolved: f64,
    quotes_exact: f64,
    p50_ms: f64,
    p95_ms: f64,
    /// Refusals at other thresholds.
    curve: Vec<ThresholdReport>,
    generation: Option<GenerationMetrics>,
}

/// The refusals at one threshold.
#[derive(Debug, Serialize)]
struct ThresholdReport {
    threshold: f32,
    false_refusals: f64,
    near_refusals: f64,
    far_refusals: Option<f64>,
}

/// The rates of false refusals on the curve, in percent.
const CURVE_PERCENT: [usize; 5] = [3, 5, 10, 15, 20];

fn share(part: usize, total: usize) -> f64 {
    part as f64 / total.max(1) as f64
}

/// The share of questions of this kind that `is_refused`. `None` if there are no such questions.
fn refusal_rate(
    outcomes: &[Outcome],
    answerability: Answerability,
    is_refused: impl Fn(&Outcome) -> bool,
) -> Option<f64> {
    let of_kind: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.answerability == answerability)
        .collect();
    let refused = of_kind.iter().filter(|outcome| is_refused(outcome)).count();
    (!of_kind.is_empty()).then(|| share(refused, of_kind.len()))
}

impl ThresholdReport {
    /// The threshold at which this percentage of the answerable questions is refused.
    fn at_false_refusals(percent: usize, outcomes: &[Outcome]) -> Self {
        let mut scores: Vec<f32> = outcomes
            .iter()
            .filter(|outcome| outcome.answerability.is_answerable())
            .map(|outcome| outcome.score)
            .collect();
        scores.sort_by(f32::total_cmp);
        let position = scores.len() * percent / 100;
        let threshold = scores.get(position).copied().unwrap_or(f32::MAX);
        let rate = |case| refusal_rate(outcomes, case, |outcome| outcome.score < threshold);
        Self {
            threshold,
            false_refusals: rate(Answerability::Answerable).unwrap_or(0.0),
            near_refusals: rate(Answerability::Near).unwrap_or(0.0),
            far_refusals: rate(Answerability::Far),
        }
    }
}

impl AnswersReport {
    /// Summarizes the decisions on all questions.
    pub fn new(outcomes: &[Outcome], generation: Option<GenerationMetrics>) -> Self {
        let answerable: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.answerability.is_answerable())
            .collect();
        let answered = answerable.iter().filter(|o| o.is_answered).count();
        let right = answerable.iter().filter(|o| o.is_right).count();
        let quotes = outcomes.iter().map(|o| o.quotes).sum();
        let resolved = outcomes.iter().map(|o| o.resolved).sum();
        let exact = outcomes.iter().map(|o| o.exact).sum();
        let times_ms: Vec<f64> = outcomes.iter().map(|o| o.took_ms).collect();
        let refusals = |case| refusal_rate(outcomes, case, |outcome| !outcome.is_answered);
        Self {
            questions: answerable.len(),
            right: share(right, answerable.len()),
            right_of_answered: share(right, answered),
            false_refusals: refusals(Answerability::Answerable).unwrap_or(0.0),
            near_refusals: refusals(Answerability::Near).unwrap_or(0.0),
            far_refusals: refusals(Answerability::Far),
            citations_resolved: share(resolved, quotes),
            quotes_exact: share(exact, quotes),
            p50_ms: percentile(&times_ms, 0.5),
            p95_ms: percentile(&times_ms, 0.95),
            curve: CURVE_PERCENT
                .map(|percent| ThresholdReport::at_false_refusals(percent, outcomes))
                .into(),
            generation,
        }
    }
}

impl std::fmt::Display for AnswersReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} answerable questions", self.questions)?;
        write_rate(f, "answer in the quotes", self.right)?;
        write_rate(
            f,
            "answer in the quotes, of those answered",
            self.right_of_answered,
        )?;
        write_rate(f, "falsely refused", self.false_refusals)?;
        write_rate(
            f,
            "refused without the document that answers",
            self.near_refusals,
        )?;
        if let Some(far) = self.far_refusals {
            write_rate(f, "refused with unrelated documents", far)?;
        }
        write_rate(
            f,
            "citations that resolve to one page",
            self.citations_resolved,
        )?;
        write_rate(f, "quotes that are exact at their place", self.quotes_exact)?;
        writeln!(
            f,
            "decision: p50 {:.0} ms, p95 {:.0} ms",
            self.p50_ms, self.p95_ms
        )?;
        write!(f, "threshold  falsely refused  near  far")?;
        for at in &self.curve {
            let far = at
                .far_refusals
                .map_or("-".to_owned(), |far| format!("{:.0} %", 100.0 * far));
            write!(
                f,
                "\n{:>9.2}  {:>13.0} %  {:>4.0} %  {far:>5}",
                at.threshold,
                100.0 * at.false_refusals,
                100.0 * at.near_refusals
            )?;
        }
        if let Some(generation) = &self.generation {
            write!(f, "\n{generation}")?;
        }
        Ok(())
    }
}

fn write_rate(f: &mut std::fmt::Formatter<'_>, name: &str, rate: f64) -> std::fmt::Result {
    writeln!(f, "  {name:<42} {:5.1} %", 100.0 * rate)
}
