//! The model's part: it writes below the quotes, and the program shows what holds.

use crate::answerer::{Answerer, Asked};
use crate::error::AnswerError;
use crate::event::AnswerEvent;
use crate::kind::Kind;
use crate::quote::Quote;
use crate::retrieve::FoundPassage;
use crate::verify::Withheld;
use crate::writing::{Composition, Writer, Written};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{CollectionId, Timestamp};
use cloister_inference::{Attending, GeneratorService, GeneratorState, Person, Scope};
use serde_json::json;
use tokio::sync::mpsc;

/// An answer whose quotes are about to leave.
pub(crate) struct Composing {
    pub(crate) answerer: Answerer,
    pub(crate) asked: Asked,
    pub(crate) quotes: Vec<Quote>,
    /// Whether the best quote stands clear of the others.
    pub(crate) clear: bool,
    /// The passages that the model may read.
    pub(crate) passages: Vec<FoundPassage>,
    /// Who may read the same.
    pub(crate) scope: Scope,
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
            Ok(generator) => self.write(generator, tally).await?,
            Err(note) => tally.note = note,
        }
        Ok(())
    }

    async fn send(&self, step: AnswerEvent) -> Result<(), Left> {
        self.steps.send(step).await.map_err(|_gone| Left)
    }

    /// The model, or why it does not write, in a sentence for the person.
    fn writer(&self) -> Result<&GeneratorService, Option<String>> {
        if self.quotes.is_empty() {
            return Err(None);
        }
        let say = |note: &str| Err(Some(note.to_owned()));
        if let Some(collection) = may_not_be_written_from(&self.quotes, &self.asked.composed_in) {
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

    async fn write(&self, generator: &GeneratorService, tally: &mut Tally) -> Result<(), Left> {
        let writer = self.writer_with(generator);
        if !writer.reads_passages()
            && let Some(note) = too_hard_for_a_small_model(&self.asked.question, self.clear)
        {
            tally.note = Some(note.into());
            return Ok(());
        }
        let mut composition = match self.composition(writer) {
            Ok(composition) => composition,
            Err(cause) => {
                break_off(&cause, tally);
                return Ok(());
            }
        };
        loop {
            let next = tokio::select! {
                next = composition.next() => next,
                // Dropping the composition frees the model at once.
                () = self.steps.closed() => return Err(Left),
            };
            match next {
                Ok(Some(written)) => self.judge(written, tally).await?,
                Ok(None) => return Ok(()),
                Err(cause) => {
                    break_off(&cause, tally);
                    return Ok(());
                }
            }
        }
    }

    fn writer_with(&self, generator: &GeneratorService) -> Writer {
        Writer {
            generator: generator.clone(),
            embedder: self.answerer.embedder.clone(),
            verifier: self.answerer.verifier.clone(),
            question: self.asked.question.clone(),
            earlier: self.asked.earlier.clone(),
            vector: self.vector.clone(),
            person: self.asked.actor.user.map(|user| Person(user.0.to_string())),
            scope: Some(self.scope.clone()),
        }
    }

    fn composition(&self, writer: Writer) -> Result<Composition, AnswerError> {
        let composed_in = &self.asked.composed_in;
        let readable = self
            .passages
            .iter()
            .filter(|found| composed_in.contains(&found.source.collection));
        let readable: Vec<FoundPassage> = readable.cloned().collect();
        writer.compose(self.clear, &self.quotes, &readable)
    }

    async fn judge(&self, written: Written, tally: &mut Tally) -> Result<(), Left> {
        let reason = match (&written.verdict, &written.quote) {
            (Ok(()), Some(quote)) => {
                return self
                    .show(&written.text, quote, written.quote_is_new, tally)
                    .await;
            }
            (Ok(()), None) => Withheld::Citation,
            (Err(reason), _) => *reason,
        };
        tally.withheld.push(reason);
        let count = u32::try_from(tally.withheld.len()).unwrap_or(u32::MAX);
        self.send(AnswerEvent::Withheld { count }).await
    }

    /// Shows a sentence, and its quote where that is new, once their entry is on the disk.
    async fn show(
        &self,
        text: &str,
        quote: &Quote,
        quote_is_new: bool,
        tally: &mut Tally,
    ) -> Result<(), Left> {
        let masking = self.answerer.for_the_log();
        let mut detail = json!({
            "text": masking.text(text, &quote.source.collection_name),
            "quotes": [quote.number], "model": self.model(),
        });
        if quote_is_new {
            detail["quoted"] = masking.quoted(quote);
        }
        if let Err(cause) = self.log(EventKind::SentenceShown, detail).await {
            tally.note = Some(cause.to_string());
            return Ok(());
        }
        tally.shown += 1;
        if quote_is_new {
            self.send(AnswerEvent::Quote(Box::new(quote.clone())))
                .await?;
        }
        let (text, quotes) = (text.to_owned(), vec![quote.number]);
        self.send(AnswerEvent::Sentence { text, quotes }).await
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
            "note": tally.note,
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

/// A collection of these quotes in which the model does not write.
pub(crate) fn may_not_be_written_from<'a>(
    quotes: &'a [Quote],
    composed_in: &[CollectionId],
) -> Option<&'a str> {
    let mut sources = quotes.iter().map(|quote| &quote.source);
    let other = sources.find(|source| !composed_in.contains(&source.collection));
    other.map(|source| source.collection_name.as_str())
}

/// Why a model that only shortens the best quote should not try.
pub(crate) fn too_hard_for_a_small_model(question: &str, clear: bool) -> Option<&'static str> {
    if !clear {
        return Some("Several sentences answer about as well; the quotes stand alone.");
    }
    // What it says to such a question cannot be held to what was asked.
    let kind = Kind::of(question);
    (kind == Kind::Anything).then_some("The quotes answer this best as they stand.")
}

fn break_off(cause: &AnswerError, tally: &mut Tally) {
    tracing::warn!(%cause, "the model broke off: {cause}");
    tally.note = Some("The model broke off; what is shown stands.".into());
}
