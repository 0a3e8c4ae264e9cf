//! What a model writes, a sentence at a time, and whether it may be shown.
//!
//! A small model is given the best quote; one that can read several passages is given these,
//! and must say of each sentence which passage says it. In either case a sentence is checked
//! against a sentence of a document, and that is the quote it is shown with.

use crate::compose::{self, CitedSentences, NOT_ANSWERED, Sentences};
use crate::error::AnswerError;
use crate::quote::Quote;
use crate::retrieve::FoundPassage;
use crate::select::dot;
use crate::verify::{Signs, Source, Strictness, Withheld, verify};
use cloister_domain::ByteRange;
use cloister_inference::{
    EmbedderService, Entailment, GenerateRequest, GeneratorService, GeneratorState, Person, Piece,
    Scope,
};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Models with fewer parameters write from one quote.
const READS_PASSAGES: u64 = 3_000_000_000;
/// Others are given this many of the passages.
const PASSAGES: usize = 6;
/// And are heard no longer than this.
const MOST_SENTENCES: usize = 8;

/// A model at work on one question, and what checks it.
#[derive(Clone)]
pub struct Writer {
    /// Writes.
    pub generator: GeneratorService,
    /// Tells nearness in meaning.
    pub embedder: EmbedderService,
    /// Tells whether a sentence follows from its quote, where the site has a model that does.
    pub verifier: Option<Arc<dyn Entailment>>,
    /// The question.
    pub question: String,
    /// The questions of the conversation before, oldest first.
    pub earlier: Vec<String>,
    /// Its vector.
    pub vector: Vec<f32>,
    /// Who asks, to be fair between people.
    pub person: Option<Person>,
    /// Who may read the same, and so may profit from what is computed for this answer.
    pub scope: Option<Scope>,
}

/// A sentence of the model, checked.
#[derive(Clone, Debug)]
pub struct Written {
    /// The sentence.
    pub text: String,
    /// Whether it may be shown, or why not.
    pub verdict: Result<(), Withheld>,
    /// What the models said of its meaning.
    pub signs: Signs,
    /// The quote that it was checked against; none where it names no passage that it was given.
    pub quote: Option<Quote>,
    /// Whether that quote was not among those shown before.
    pub quote_is_new: bool,
}

/// An answer that is being written. Dropping it frees the model.
pub struct Composition {
    writer: Writer,
    /// The quotes shown so far.
    quotes: Vec<Quote>,
    work: Work,
}

enum Work {
    /// The best quote, until it was written from. From the next ones a small model answers beside
    /// the point.
    Quote(Option<Box<Quote>>),
    Passages(Box<Reading>),
}

struct Reading {
    passages: Vec<FoundPassage>,
    pieces: UnboundedReceiver<Piece>,
    sentences: Option<CitedSentences>,
    complete: VecDeque<(String, Vec<u32>)>,
    heard: Vec<String>,
}

impl Writer {
    /// Whether the model is given passages; a small one is given the best quote.
    pub fn reads_passages(&self) -> bool {
        matches!(
            self.generator.state(),
            GeneratorState::Ready { parameters, .. } if parameters >= READS_PASSAGES
        )
    }

    /// Begins to write an answer. `passages` are those that the model may read. A small model
    /// writes only where the best quote stands `clear` of the others.
    pub fn compose(
        self,
        clear: bool,
        quotes: &[Quote],
        passages: &[FoundPassage],
    ) -> Result<Composition, AnswerError> {
        let work = if self.reads_passages() {
            let mut passages: Vec<FoundPassage> = passages.iter().take(PASSAGES).cloned().collect();
            // In an order of their own, so that the next question about them begins alike.
            passages.sort_by_key(|found| found.passage.id);
            let request = compose::from_passages(&passages, &self.earlier, &self.question);
            Work::Passages(Box::new(Reading {
                pieces: self.generator.generate(self.addressed(request))?,
                passages,
                sentences: Some(CitedSentences::default()),
                complete: VecDeque::new(),
                heard: Vec::new(),
            }))
        } else {
            let best = quotes.first().filter(|_| clear);
            Work::Quote(best.cloned().map(Box::new))
        };
        Ok(Composition {
            writer: self,
            quotes: quotes.to_vec(),
            work,
        })
    }

    fn addressed(&self, request: GenerateRequest) -> GenerateRequest {
        GenerateRequest {
            person: self.person.clone(),
            scope: self.scope.clone(),
            ..request
        }
    }

    /// The first sentence that the model writes from a quote; it was asked for one.
    async fn first_sentence(&self, quote: &str) -> Result<Option<String>, AnswerError> {
        let request = compose::from_quote(quote, &self.question);
        let mut pieces = self.generator.generate(self.addressed(request))?;
        let mut sentences = Sentences::default();
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Text(text) => {
                    if let Some(sentence) = sentences.push(&text) {
                        return Ok(Some(sentence));
                    }
                }
                Piece::End(_) => break,
                Piece::Failed(cause) => return Err(cause.into()),
            }
        }
        Ok(sentences.finish())
    }

    /// What the model says in one sentence, from one quote.
    async fn shorten(&self, quote: Quote) -> Result<Option<Written>, AnswerError> {
        match self.first_sentence(&quote.text).await? {
            Some(text) => self
                .check(text, quote, Strictness::SHORTENING)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Whether a sentence may be shown as what a quote says to the question.
    async fn check(
        &self,
        text: String,
        quote: Quote,
        strictness: Strictness,
    ) -> Result<Written, AnswerError> {
        let source = Source {
            quote: &quote.text,
            headings: &quote.headings,
        };
        let signs = self.signs(&text, source).await?;
        Ok(Written {
            verdict: verify(&text, source, &self.question, &signs, strictness),
            text,
            signs,
            quote: Some(quote),
            quote_is_new: false,
        })
    }

    async fn signs(&self, sentence: &str, source: Source<'_>) -> Result<Signs, AnswerError> {
        let texts = vec![sentence.to_owned(), source.quote.to_owned()];
        let vectors = self.embedder.embed_sentences(texts).await?;
        let [of_sentence, of_quote] = vectors.as_slice() else {
            return Ok(Signs::default());
        };
        Ok(Signs {
            to_quote: dot(of_sentence, of_quote),
            to_question: dot(of_sentence, &self.vector),
            follows: self.follows(sentence, source).await?,
        })
    }

    /// How likely it is that a sentence follows from its source.
    async fn follows(
        &self,
        sentence: &str,
        source: Source<'_>,
    ) -> Result<Option<f32>, AnswerError> {
        let Some(verifier) = self.verifier.clone() else {
            return Ok(None);
        };
        let (text, sentence) = (source.text(), sentence.to_owned());
        let follows = move || verifier.follows(&text, &sentence);
        Ok(Some(tokio::task::spawn_blocking(follows).await??))
    }

    /// The sentence of these passages that says most nearly the same.
    async fn nearest(
        &self,
        sentence: &str,
        passages: &[&FoundPassage],
    ) -> Result<Option<Quote>, AnswerError> {
        let mut places: Vec<(&FoundPassage, ByteRange)> = Vec::new();
        let mut texts = vec![sentence.to_owned()];
        for found in passages {
            let draft = &found.passage.draft;
            for range in &draft.sentences {
                texts.extend(range.of(&draft.text).map(str::to_owned));
                places.push((found, *range));
            }
        }
        let vectors = self.embedder.embed_sentences(texts).await?;
        let Some((written, sources)) = vectors.split_first() else {
            return Ok(None);
        };
        let near = places
            .iter()
            .zip(sources)
            .map(|(place, vector)| (dot(written, vector), place));
        let best = near.max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(best.and_then(|(_, (found, range))| Quote::of_found(0, found, *range)))
    }
}

impl Composition {
    /// The next sentence, checked; none where the answer has ended.
    pub async fn next(&mut self) -> Result<Option<Written>, AnswerError> {
        let written = match &mut self.work {
            Work::Quote(quote) => match quote.take() {
                Some(quote) => self.writer.shorten(*quote).await?,
                None => None,
            },
            Work::Passages(reading) => {
                let Some((text, cited)) = reading.next().await? else {
                    return Ok(None);
                };
                Some(reading.checked(&self.writer, text, &cited).await?)
            }
        };
        Ok(written.map(|written| self.numbered(written)))
    }

    /// Gives a quote that was not shown before its number.
    fn numbered(&mut self, mut written: Written) -> Written {
        let Some(quote) = &mut written.quote else {
            return written;
        };
        let known = self
            .quotes
            .iter()
            .find(|known| known.passage == quote.passage && known.range.overlaps(quote.range));
        if let Some(known) = known {
            quote.number = known.number;
        } else if written.verdict.is_ok() {
            quote.number = self
                .quotes
                .iter()
                .map(|known| known.number)
                .max()
                .unwrap_or(0)
                + 1;
            written.quote_is_new = true;
            self.quotes.push(quote.clone());
        }
        written
    }
}

impl Reading {
    /// The next sentence and the numbers that it cites. A model that repeats itself has ended.
    async fn next(&mut self) -> Result<Option<(String, Vec<u32>)>, AnswerError> {
        loop {
            if let Some((text, cited)) = self.complete.pop_front() {
                let again = self.heard.contains(&text);
                if again || self.heard.len() >= MOST_SENTENCES || text.starts_with(NOT_ANSWERED) {
                    return Ok(None);
                }
                self.heard.push(text.clone());
                return Ok(Some((text, cited)));
            }
            let Some(sentences) = &mut self.sentences else {
                return Ok(None);
            };
            match self.pieces.recv().await {
                Some(Piece::Text(text)) => self.complete.extend(sentences.push(&text)),
                Some(Piece::Failed(cause)) => return Err(cause.into()),
                Some(Piece::End(_)) | None => {
                    let rest = self.sentences.take().map(CitedSentences::finish);
                    self.complete.extend(rest.unwrap_or_default());
                }
            }
        }
    }

    async fn checked(
        &self,
        writer: &Writer,
        text: String,
        cited: &[u32],
    ) -> Result<Written, AnswerError> {
        let given = |number: &u32| {
            let place = usize::try_from(*number).ok()?.checked_sub(1)?;
            self.passages.get(place)
        };
        let passages: Option<Vec<&FoundPassage>> = cited.iter().map(given).collect();
        let nearest = match passages {
            Some(passages) if !passages.is_empty() => writer.nearest(&text, &passages).await?,
            _ => None,
        };
        match nearest {
            Some(quote) => writer.check(text, quote, Strictness::PARAPHRASE).await,
            None => Ok(Written {
                text,
                verdict: Err(Withheld::Citation),
                signs: Signs::default(),
                quote: None,
                quote_is_new: false,
            }),
        }
    }
}
