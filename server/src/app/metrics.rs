//! Measurements for programs that monitor the appliance, in the format of Prometheus. They contain no
//! questions, names or passages.

use super::App;
use super::error::{AppError, Result};
use cloister_answer::AnswerEvent;
use cloister_inference::{GeneratorService, GeneratorState};
use futures_util::stream::{Stream, StreamExt};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Instant;

/// Upper bounds of the times that are counted, in seconds.
const SECONDS: [f64; 11] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// How a question, a sentence or a sign-in ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// A state of files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// A version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// What is counted while the appliance runs.
pub struct Metrics {
    registry: Registry,
    questions: Family<Outcome, Counter>,
    sentences: Family<Outcome, Counter>,
    sign_ins: Family<Outcome, Counter>,
    searches: Counter,
    first_quote: Histogram,
    answers: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cloister");
        let questions = Family::default();
        let sentences = Family::default();
        let sign_ins = Family::default();
        let searches = Counter::default();
        let first_quote = Histogram::new(SECONDS);
        let answers = Histogram::new(SECONDS);
        registry.register("questions", "Questions", questions.clone());
        registry.register("sentences", "Generated sentences", sentences.clone());
        registry.register("sign_ins", "Attempts to sign in", sign_ins.clone());
        registry.register("searches", "Searches", searches.clone());
        registry.register(
            "first_quote_seconds",
            "Time from a question to its first quote",
            first_quote.clone(),
        );
        registry.register(
            "answer_seconds",
            "Time from a question to the end of its answer",
            answers.clone(),
        );
        Self {
            registry,
            questions,
            sentences,
            sign_ins,
            searches,
            first_quote,
            answers,
        }
    }
}

fn increment(family: &Family<Outcome, Counter>, outcome: &'static str) {
    family.get_or_create(&Outcome { outcome }).inc();
}

impl Metrics {
    /// Counts a search.
    pub fn count_search(&self) {
        self.searches.inc();
    }

    /// Counts an attempt to sign in.
    pub fn count_sign_in(&self, succeeded: bool) {
        increment(
            &self.sign_ins,
            if succeeded { "success" } else { "failure" },
        );
    }

    fn count_event(&self, event: &AnswerEvent, asked_at: Instant, is_first: bool) {
        let elapsed = asked_at.elapsed().as_secs_f64();
        match event {
            AnswerEvent::Quote(_) if is_first => {
                self.first_quote.observe(elapsed);
                increment(&self.questions, "answered");
            }
            AnswerEvent::Refusal { .. } => increment(&self.questions, "refused"),
            AnswerEvent::Sentence { .. } => increment(&self.sentences, "shown"),
            AnswerEvent::Withheld { .. } => increment(&self.sentences, "withheld"),
            AnswerEvent::Done { .. } => self.answers.observe(elapsed),
            AnswerEvent::Failed(_) => increment(&self.questions, "failed"),
            AnswerEvent::Quote(_) | AnswerEvent::Receipt(_) | AnswerEvent::Notice(_) => {}
        }
    }

    /// The events of an answer, counted as they pass.
    pub(super) fn observe(
        app: Arc<App>,
        asked_at: Instant,
        events: impl Stream<Item = AnswerEvent>,
    ) -> impl Stream<Item = AnswerEvent> {
        let mut is_first = true;
        events.inspect(move |event| {
            app.metrics.count_event(event, asked_at, is_first);
            is_first &= !matches!(event, AnswerEvent::Quote(_));
        })
    }
}

impl App {
    /// All measurements, in the text format of `OpenMetrics`.
    pub async fn render_metrics(&self) -> Result<String> {
        let mut text = String::new();
        let failed = |cause: std::fmt::Error| AppError::internal(cause);
        encode(&mut text, &self.current_gauges().await?).map_err(failed)?;
        // Each registry ends with this line.
        let gauges = text.trim_end().trim_end_matches("# EOF").to_owned();
        let mut counted = String::new();
        encode(&mut counted, &self.metrics.registry).map_err(failed)?;
        Ok(gauges + &counted)
    }

    /// What is true now: files, passages, the log and the models.
    async fn current_gauges(&self) -> Result<Registry> {
        let mut registry = Registry::with_prefix("cloister");
        let files: Family<State, Gauge> = Family::default();
        for count in self.store.count_files_by_state().await? {
            let state = State {
                state: count.state.as_str(),
            };
            files.get_or_create(&state).inc_by(to_gauge(count.files));
        }
        registry.register("files", "Files of the inbox", files);
        let version: Family<Version, Gauge> = Family::default();
        let label = Version {
            version: env!("CARGO_PKG_VERSION"),
        };
        version.get_or_create(&label).set(1);
        registry.register("version", "The version that runs", version);
        let index = self.active_index.current().index.status();
        let readings = self.store.count_readings().await?;
        let expires_in = self
            .certificate_expiry
            .read()
            .map(|expires_at| expires_at.since(self.clock.now()).as_secs());
        for (name, help, value) in [
            (
                "passages_in_force",
                "Passages in force today",
                self.store.count_passages(self.today()).await?,
            ),
            (
                "searchable_passages",
                "Passages that the index can return",
                index.searchable,
            ),
            (
                "documents_incomplete",
                "Documents of which a part could not be read",
                readings.incomplete,
            ),
            (
                "audit_entries",
                "Entries of the audit log",
                self.audit.len(),
            ),
            (
                "audit_failed",
                "1 if the audit log cannot be written",
                u64::from(self.audit.failure().is_some()),
            ),
            (
                "ready",
                "1 if questions can be answered",
                u64::from(self.unready().is_empty()),
            ),
            (
                "certificate_valid_seconds",
                "How long the certificate is still valid",
                expires_in.unwrap_or_default(),
            ),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(to_gauge(value));
            registry.register(name, help, gauge);
        }
        Ok(registry)
    }

    /// Why questions cannot be answered now. Empty if they can.
    pub fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(cause) = self.audit.failure() {
            reasons.push(format!("the audit log cannot be written: {cause}"));
        }
        if !self.is_watching() {
            reasons.push("the inbox is not watched yet".to_owned());
        }
        let state = self.generator.as_ref().map(GeneratorService::state);
        if matches!(state, Some(GeneratorState::Loading)) {
            reasons.push("the generator is loading".to_owned());
        }
        reasons
    }
}

fn to_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
