//! The model's part: it writes from one quote at a time, and the program shows what holds.

use crate::answerer::{Answerer, Asked};
use crate::error::AnswerError;
use crate::event::AnswerEvent;
use crate::quote::Quote;
use crate::verify::{Source, Withheld};
use crate::writing::{Writer, Written, first_sentence};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::Timestamp;
use cloister_inference::{Attending, GeneratorService, GeneratorState};
use serde_json::json;
use tokio::sync::mpsc;

/// The model writes from this many of the quotes: the best ones.
const QUOTES: usize = 2;

/// An answer whose quotes are about to leave.
pub(crate) struct Composing {
    pub(crate) answerer: Answerer,
    pub(crate) asked: Asked,
    pub(crate) quotes: Vec<Quote>,
    /// The question's vector.
    pub(crate) vector: Vec<f32>,
    pub(crate) steps: mpsc::Sender<AnswerEvent>,
    pub(crate) began: Timestamp,
    /// Holds bulk work back until the answer ends.
    pub(crate) _attending: Attending,
}

/// What became of the model's part.
#[derive(Default)]
struct Tally {
    shown: u32,
    withheld: Vec<Withheld>,
    note: Option<String>,
}

/// The person has left; there is nobody to write for.
struct Left;

impl Composing {
    /// Sends the first steps, has the model write, and ends the answer.
    pub(crate) async fn run(self, first: Vec<AnswerEvent>) {
        let mut tally = Tally::default();
        let left = self.steps_until_left(first, &mut tally).await.is_err();
        let ended = self.log_end(&tally, left).await;
        let took = self.answerer.clock.now().since(self.began).as_millis();
        let took_ms = u64::try_from(took).unwrap_or(u64::MAX);
        let last = match ended {
            Ok(()) => AnswerEvent::Done {
                note: tally.note,
                took_ms,
            },
            Err(cause) => AnswerEvent::Failed(cause),
        };
        // A person who has left is told nothing; the log knows how it ended.
        drop(self.steps.send(last).await);
    }

    async fn steps_until_left(
        &self,
        first: Vec<AnswerEvent>,
        tally: &mut Tally,
    ) -> Result<(), Left> {
        for step in first {
            self.send(step).await?;
        }
        match self.writer() {
            Ok(generator) => {
                for quote in self.quotes.iter().take(QUOTES) {
                    self.write_from(generator, quote, tally).await?;
                }
            }
            Err(note) => tally.note = note,
        }
        Ok(())
    }

    async fn send(&self, step: AnswerEvent) -> Result<(), Left> {
        self.steps.send(step).await.map_err(|_gone| Left)
    }

    /// The model, or why it does not write, in a sentence for the person.
    fn writer(&self) -> Result<&GeneratorService, Option<String>> {
        let Some(best) = self.quotes.first() else {
            return Err(None);
        };
        let say = |note: &str| Err(Some(note.to_owned()));
        if !self.quotes.iter().all(|quote| self.may_compose(quote)) {
            let collection = &best.source.collection_name;
            return say(&format!(
                "In {collection} the model does not write; quotes stand alone."
            ));
        }
        let Some(generator) = &self.answerer.generator else {
            return say("No model is set up to write; quotes stand alone.");
        };
        match generator.state() {
            GeneratorState::Ready { .. } => Ok(generator),
            GeneratorState::Loading => {
                say("The model is still being loaded; ask again in a moment for its part.")
            }
            GeneratorState::Failed(_) => {
                say("The model could not be loaded; an administrator sees why under Machine.")
            }
        }
    }

    fn may_compose(&self, quote: &Quote) -> bool {
        // The library that the quote came from knows its collection by name and id alike.
        self.asked.composed_in.contains(&quote.source.collection)
    }

    async fn write_from(
        &self,
        generator: &GeneratorService,
        quote: &Quote,
        tally: &mut Tally,
    ) -> Result<(), Left> {
        let written = match self.written(generator, quote).await? {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(()),
            Err(cause) => {
                tracing::warn!(%cause, "the model broke off: {cause}");
                tally.note = Some("The model broke off; the quotes stand.".into());
                return Ok(());
            }
        };
        match written.verdict {
            Ok(()) => self.show(written.text, quote, tally).await,
            Err(reason) => {
                tally.withheld.push(reason);
                let count = u32::try_from(tally.withheld.len()).unwrap_or(u32::MAX);
                self.send(AnswerEvent::Withheld { count }).await
            }
        }
    }

    /// The sentence that the model writes from a quote, checked.
    async fn written(
        &self,
        generator: &GeneratorService,
        quote: &Quote,
    ) -> Result<Result<Option<Written>, AnswerError>, Left> {
        let writer = Writer {
            generator,
            embedder: &self.answerer.embedder,
            question: &self.asked.question,
            vector: &self.vector,
        };
        let source = Source {
            quote: &quote.text,
            headings: &quote.headings,
        };
        tokio::select! {
            written = writer.from_quote(source) => Ok(written),
            // Dropping the sentence frees the model at once.
            () = self.steps.closed() => Err(Left),
        }
    }

    /// Shows a sentence once its entry is on the disk.
    async fn show(&self, text: String, quote: &Quote, tally: &mut Tally) -> Result<(), Left> {
        let detail = json!({ "text": text, "quotes": [quote.number], "model": self.model() });
        if let Err(cause) = self.log(EventKind::SentenceShown, detail).await {
            tally.note = Some(cause.to_string());
            return Ok(());
        }
        tally.shown += 1;
        self.send(AnswerEvent::Sentence {
            text,
            quotes: vec![quote.number],
        })
        .await
    }

    fn model(&self) -> Option<String> {
        match self.answerer.generator.as_ref()?.state() {
            GeneratorState::Ready { identity, .. } => Some(identity.sha256),
            GeneratorState::Loading | GeneratorState::Failed(_) => None,
        }
    }

    async fn log_end(&self, tally: &Tally, left: bool) -> Result<(), AnswerError> {
        let detail = json!({
            "sentences_shown": tally.shown, "withheld": tally.withheld, "left_early": left,
        });
        self.log(EventKind::AnswerEnded, detail).await
    }

    async fn log(&self, kind: EventKind, detail: serde_json::Value) -> Result<(), AnswerError> {
        let event = Event {
            kind,
            outcome: Outcome::Success,
            actor: self.asked.actor.clone(),
            origin: self.asked.origin.clone(),
            request: Some(self.asked.request.clone()),
            detail,
        };
        self.answerer.audit.append(event).await?;
        Ok(())
    }
}

impl Answerer {
    /// What the model writes from a quote; `None` where there is no model, or it writes nothing.
    pub(crate) async fn sentence_from(
        &self,
        quote: &str,
        question: &str,
    ) -> Result<Option<String>, AnswerError> {
        match &self.generator {
            Some(generator) => first_sentence(generator, quote, question).await,
            None => Ok(None),
        }
    }
}
