//! The task that sends the events of an answer and generates sentences below the quotes.

use crate::extraction::quote::Quote;
use crate::generation::verify::RejectionReason;
use crate::generation::writer::{CheckedSentence, Generation, Writer};
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::parts::{AnswerRequest, AnswererParts};
use crate::presentation::event::AnswerEvent;
use crate::presentation::redact::Redactor;
use crate::question::answer_type::AnswerType;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{CollectionId, Timestamp};
use cloister_inference::{
    CacheNamespace, ForegroundGuard, GeneratorService, GeneratorState, Person,
};
use serde_json::json;
use tokio::sync::mpsc;

/// An answer whose quotes are about to be sent.
pub(crate) struct AnswerTask {
    pub(crate) parts: AnswererParts,
    pub(crate) request: AnswerRequest,
    pub(crate) answer_type: AnswerType,
    pub(crate) quotes: Vec<Quote>,
    /// Whether the best quote has a clear margin.
    pub(crate) has_clear_margin: bool,
    /// The passages that the model may read.
    pub(crate) passages: Vec<RetrievedPassage>,
    pub(crate) cache_namespace: CacheNamespace,
    pub(crate) question_vector: Vec<f32>,
    pub(crate) events: mpsc::Sender<AnswerEvent>,
    pub(crate) started_at: Timestamp,
    /// Pauses background work until the answer ends.
    pub(crate) _foreground: ForegroundGuard,
}

/// The result of the generation.
#[derive(Default)]
struct GenerationSummary {
    shown: u32,
    withheld: Vec<RejectionReason>,
    /// Why there is no generated text, for the person.
    note: Option<String>,
}

/// The person has closed the connection.
struct Disconnected;

impl AnswerTask {
    /// Sends the first events, generates sentences, and ends the answer.
    pub(crate) async fn run(self, first: Vec<AnswerEvent>) {
        let mut summary = GenerationSummary::default();
        let is_disconnected = self.send_and_generate(first, &mut summary).await.is_err();
        let logged = self.log_end(&summary, is_disconnected).await;
        let elapsed = self.parts.clock.now().since(self.started_at).as_millis();
        let last = match logged {
            Ok(()) => AnswerEvent::Done {
                note: summary.note,
                took_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
            },
            Err(cause) => AnswerEvent::Failed(cause),
        };
        // If the person has disconnected, only the log has the end.
        drop(self.events.send(last).await);
    }

    async fn send_and_generate(
        &self,
        first: Vec<AnswerEvent>,
        summary: &mut GenerationSummary,
    ) -> Result<(), Disconnected> {
        for event in first {
            self.send(event).await?;
        }
        if self.quotes.is_empty() {
            return Ok(());
        }
        match self.ready_generator() {
            Ok(generator) => self.generate(generator, summary).await,
            Err(note) => {
                summary.note = Some(note);
                Ok(())
            }
        }
    }

    async fn send(&self, event: AnswerEvent) -> Result<(), Disconnected> {
        self.events.send(event).await.map_err(|_gone| Disconnected)
    }

    /// The generator, or why it does not write, for the person.
    fn ready_generator(&self) -> Result<&GeneratorService, String> {
        let allowed = &self.request.generation_allowed_in;
        if let Some(collection) = collection_without_generation(&self.quotes, allowed) {
            return Err(format!(
                "Generated answers are switched off for {collection}. The quotes above are the answer."
            ));
        }
        let Some(generator) = &self.parts.generator else {
            return Err("No generator is set up. The quotes above are the answer.".into());
        };
        match generator.state() {
            GeneratorState::Ready { .. } => Ok(generator),
            GeneratorState::Loading => {
                Err("The generator is still loading. Ask again in a moment.".into())
            }
            GeneratorState::Failed(_) => Err(
                "The generator could not be loaded. An administrator can see why under Machine."
                    .into(),
            ),
        }
    }

    async fn generate(
        &self,
        generator: &GeneratorService,
        summary: &mut GenerationSummary,
    ) -> Result<(), Disconnected> {
        let writer = self.writer(generator);
        if !writer.reads_passages()
            && let Some(note) = too_hard_for_small_model(self.answer_type, self.has_clear_margin)
        {
            summary.note = Some(note.into());
            return Ok(());
        }
        let result = match self.start(writer) {
            Ok(generation) => self.show_sentences(generation, summary).await?,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = result {
            tracing::warn!(%cause, "the generator failed during an answer: {cause}");
            summary.note = Some("The generator failed. What is shown above is valid.".into());
        }
        Ok(())
    }

    fn writer(&self, generator: &GeneratorService) -> Writer {
        let user = self.request.actor.user;
        Writer {
            generator: generator.clone(),
            embedder: self.parts.embedder.clone(),
            nli: self.parts.nli.clone(),
            question: self.request.question.clone(),
            previous_questions: self.request.previous_questions.clone(),
            question_vector: self.question_vector.clone(),
            person: user.map(|user| Person(user.0.to_string())),
            cache_namespace: Some(self.cache_namespace.clone()),
        }
    }

    fn start(&self, writer: Writer) -> Result<Generation, AnswerError> {
        let allowed = &self.request.generation_allowed_in;
        let passages: Vec<RetrievedPassage> = self
            .passages
            .iter()
            .filter(|hit| allowed.contains(&hit.source.collection))
            .cloned()
            .collect();
        writer.start(self.has_clear_margin, &self.quotes, &passages)
    }

    /// Shows or withholds each sentence until the end.
    async fn show_sentences(
        &self,
        mut generation: Generation,
        summary: &mut GenerationSummary,
    ) -> Result<Result<(), AnswerError>, Disconnected> {
        loop {
            let next = tokio::select! {
                next = generation.next() => next,
                // Dropping the generation frees the generator at once.
                () = self.events.closed() => return Err(Disconnected),
            };
            match next {
                Ok(Some(checked)) => self.show_or_withhold(checked, summary).await?,
                Ok(None) => return Ok(Ok(())),
                Err(cause) => return Ok(Err(cause)),
            }
        }
    }

    async fn show_or_withhold(
        &self,
        checked: CheckedSentence,
        summary: &mut GenerationSummary,
    ) -> Result<(), Disconnected> {
        let reason = match (&checked.verdict, &checked.quote) {
            (Ok(()), Some(quote)) => return self.show(&checked, quote, summary).await,
            (Ok(()), None) => RejectionReason::Citation,
            (Err(reason), _) => *reason,
        };
        summary.withheld.push(reason);
        let count = u32::try_from(summary.withheld.len()).unwrap_or(u32::MAX);
        self.send(AnswerEvent::Withheld { count }).await
    }

    /// Shows a sentence, and its quote if that is new, after their record is on the disk.
    async fn show(
        &self,
        checked: &CheckedSentence,
        quote: &Quote,
        summary: &mut GenerationSummary,
    ) -> Result<(), Disconnected> {
        let redactor = Redactor::new(&self.parts.redaction, &[]);
        let mut detail = json!({
            "text": redactor.text(&checked.text, &quote.source.collection_name),
            "quotes": [quote.number], "model": self.generator_hash(),
        });
        if checked.is_new_quote {
            detail["quoted"] = redactor.log_entry(quote);
        }
        if let Err(cause) = self.log(EventKind::SentenceShown, detail).await {
            summary.note = Some(cause.to_string());
            return Ok(());
        }
        summary.shown += 1;
        if checked.is_new_quote {
            self.send(AnswerEvent::Quote(Box::new(quote.clone())))
                .await?;
        }
        self.send(AnswerEvent::Sentence {
            text: checked.text.clone(),
            quotes: vec![quote.number],
        })
        .await
    }

    fn generator_hash(&self) -> Option<String> {
        match self.parts.generator.as_ref()?.state() {
            GeneratorState::Ready { identity, .. } => Some(identity.sha256),
            GeneratorState::Loading | GeneratorState::Failed(_) => None,
        }
    }

    async fn log_end(
        &self,
        summary: &GenerationSummary,
        is_disconnected: bool,
    ) -> Result<(), AnswerError> {
        let detail = json!({
            "sentences_shown": summary.shown, "withheld": summary.withheld,
            "left_early": is_disconnected, "note": summary.note,
        });
        self.log(EventKind::AnswerEnded, detail).await
    }

    async fn log(&self, kind: EventKind, detail: serde_json::Value) -> Result<(), AnswerError> {
        let event = Event {
            kind,
            outcome: Outcome::Success,
            actor: self.request.actor.clone(),
            origin: self.request.origin.clone(),
            request: Some(self.request.id.clone()),
            detail,
        };
        self.parts.audit.append(event).await?;
        Ok(())
    }
}

/// The name of a collection of these quotes for which generation is not allowed.
pub(crate) fn collection_without_generation<'a>(
    quotes: &'a [Quote],
    allowed: &[CollectionId],
) -> Option<&'a str> {
    quotes
        .iter()
        .map(|quote| &quote.source)
        .find(|source| !allowed.contains(&source.collection))
        .map(|source| source.collection_name.as_str())
}

/// Why a small model, which only shortens the best quote, should not try. For the person.
pub(crate) fn too_hard_for_small_model(
    answer_type: AnswerType,
    has_clear_margin: bool,
) -> Option<&'static str> {
    if !has_clear_margin {
        return Some("Several quotes answer about equally well.");
    }
    if answer_type == AnswerType::Any {
        // Nothing tells whether a sentence gives the expected answer.
        return Some("The quotes above answer this best.");
    }
    None
}
