//! Generates an answer sentence by sentence and checks each.
//!
//! A small model reads the best quote. A large model reads several passages and must cite one for
//! each sentence. Either way, a sentence is checked against a sentence of a document, and is shown
//! with that as its quote.

use crate::extraction::quote::Quote;
use crate::extraction::select::dot;
use crate::generation::prompt::{self, NOT_ANSWERED};
use crate::generation::sentence_stream::{CitedSentence, CitedSentences, UnlabelledSentences};
use crate::generation::verify::{RejectionReason, Strictness, Support, SupportScores, verify};
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use cloister_domain::ByteRange;
use cloister_inference::{
    CacheNamespace, EmbedderService, GenerateRequest, GenerationEvent, GeneratorService,
    GeneratorState, NliModel, Person,
};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Models with fewer parameters write from one quote.
const MIN_PARAMETERS_FOR_PASSAGES: u64 = 3_000_000_000;
/// The number of passages that a large model reads.
const MAX_PASSAGES: usize = 6;
/// The maximum number of sentences of an answer.
const MAX_SENTENCES: usize = 8;

/// A generator with everything that it needs for one question.
#[derive(Clone)]
pub struct Writer {
    /// The generator.
    pub generator: GeneratorService,
    /// Embeds sentences to compare them.
    pub embedder: EmbedderService,
    /// The NLI model of the site, if there is one.
    pub nli: Option<Arc<dyn NliModel>>,
    /// The question.
    pub question: String,
    /// The previous questions of the conversation, oldest first.
    pub previous_questions: Vec<String>,
    /// The vector of the question.
    pub question_vector: Vec<f32>,
    /// The person who asks, for fair scheduling between people.
    pub person: Option<Person>,
    /// The namespace of cached prefixes: people who may read the same.
    pub cache_namespace: Option<CacheNamespace>,
}

/// A generated sentence with its verdict.
#[derive(Clone, Debug)]
pub struct CheckedSentence {
    /// The sentence.
    pub text: String,
    /// Whether it may be shown, or why not.
    pub verdict: Result<(), RejectionReason>,
    /// The scores of models.
    pub scores: SupportScores,
    /// The quote that it was checked against. `None` if it cites no passage that the model read.
    pub quote: Option<Quote>,
    /// Whether the quote was not shown before.
    pub is_new_quote: bool,
}

impl CheckedSentence {
    fn without_citation(text: String) -> Self {
        Self {
            text,
            verdict: Err(RejectionReason::Citation),
            scores: SupportScores::default(),
            quote: None,
            is_new_quote: false,
        }
    }
}

/// An answer that is being generated. Dropping it frees the generator.
pub struct Generation {
    writer: Writer,
    /// The quotes that were shown so far.
    quotes: Vec<Quote>,
    source: GenerationSource,
}

/// What the model writes from.
enum GenerationSource {
    /// The best quote, until it was used. From other quotes a small model writes beside the point.
    Quote(Option<Box<Quote>>),
    /// Several passages.
    Passages(Box<PassageGeneration>),
}

/// A generation from several passages.
struct PassageGeneration {
    passages: Vec<RetrievedPassage>,
    pieces: UnboundedReceiver<GenerationEvent>,
    /// `None` after the end of the stream.
    sentences: Option<CitedSentences>,
    complete: VecDeque<CitedSentence>,
    /// The sentences so far, to detect repetition.
    history: Vec<String>,
}

impl Writer {
    /// Whether the model is large enough to read passages.
    pub fn reads_passages(&self) -> bool {
        matches!(
            self.generator.state(),
            GeneratorState::Ready { parameters, .. } if parameters >= MIN_PARAMETERS_FOR_PASSAGES
        )
    }

    /// Starts to generate an answer. `passages` are those that the model may read. A small model
    /// writes only if the best quote has a clear margin.
    pub fn start(
        self,
        has_clear_margin: bool,
        quotes: &[Quote],
        passages: &[RetrievedPassage],
    ) -> Result<Generation, AnswerError> {
        let source = if self.reads_passages() {
            GenerationSource::Passages(Box::new(self.start_from_passages(passages)?))
        } else {
            let best = quotes.first().filter(|_| has_clear_margin);
            GenerationSource::Quote(best.cloned().map(Box::new))
        };
        Ok(Generation {
            writer: self,
            quotes: quotes.to_vec(),
            source,
        })
    }

    fn start_from_passages(
        &self,
        passages: &[RetrievedPassage],
    ) -> Result<PassageGeneration, AnswerError> {
        let mut passages: Vec<RetrievedPassage> =
            passages.iter().take(MAX_PASSAGES).cloned().collect();
        // A fixed order, so that the cached prefix serves the next question about them.
        passages.sort_by_key(|hit| hit.passage.id);
        let request = prompt::from_passages(&passages, &self.previous_questions, &self.question);
        Ok(PassageGeneration {
            pieces: self.generator.generate(self.address(request))?,
            passages,
            sentences: Some(CitedSentences::default()),
            complete: VecDeque::new(),
            history: Vec::new(),
        })
    }

    /// The request with its person and cache namespace.
    fn address(&self, request: GenerateRequest) -> GenerateRequest {
        GenerateRequest {
            person: self.person.clone(),
            cache_namespace: self.cache_namespace.clone(),
            ..request
        }
    }

    /// The first sentence that the model writes from a quote. It was asked for one.
    async fn first_sentence(&self, quote: &str) -> Result<Option<String>, AnswerError> {
        let request = prompt::from_quote(quote, &self.question);
        let mut pieces = self.generator.generate(self.address(request))?;
        let mut sentences = UnlabelledSentences::default();
        while let Some(piece) = pieces.recv().await {
            match piece {
                GenerationEvent::Text(text) => {
                    if let Some(sentence) = sentences.push(&text) {
                        return Ok(Some(sentence));
                    }
                }
                GenerationEvent::Finished(_) => break,
                GenerationEvent::Failed(cause) => return Err(cause.into()),
            }
        }
        Ok(sentences.finish())
    }

    /// Generates and checks one sentence from one quote.
    async fn shorten(&self, quote: Quote) -> Result<Option<CheckedSentence>, AnswerError> {
        let Some(text) = self.first_sentence(&quote.text).await? else {
            return Ok(None);
        };
        let checked = self.check(text, quote, Strictness::SHORTENING).await?;
        Ok(Some(checked))
    }

    /// Checks a sentence against its quote.
    async fn check(
        &self,
        text: String,
        quote: Quote,
        strictness: Strictness,
    ) -> Result<CheckedSentence, AnswerError> {
        let support = Support {
            quote: &quote.text,
            headings: &quote.headings,
        };
        let scores = self.score(&text, support).await?;
        Ok(CheckedSentence {
            verdict: verify(&text, support, &self.question, &scores, strictness),
            text,
            scores,
            quote: Some(quote),
            is_new_quote: false,
        })
    }

    async fn score(
        &self,
        sentence: &str,
        support: Support<'_>,
    ) -> Result<SupportScores, AnswerError> {
        let texts = vec![sentence.to_owned(), support.quote.to_owned()];
        let vectors = self.embedder.embed_sentences(texts).await?;
        let [sentence_vector, quote_vector] = vectors.as_slice() else {
            return Ok(SupportScores::default());
        };
        Ok(SupportScores {
            quote_similarity: dot(sentence_vector, quote_vector),
            question_similarity: dot(sentence_vector, &self.question_vector),
            entailment: self.entailment(sentence, support).await?,
        })
    }

    /// The probability that the support entails a sentence. `None` without an NLI model.
    async fn entailment(
        &self,
        sentence: &str,
        support: Support<'_>,
    ) -> Result<Option<f32>, AnswerError> {
        let Some(nli) = self.nli.clone() else {
            return Ok(None);
        };
        let (premise, hypothesis) = (support.text(), sentence.to_owned());
        let entailment = move || nli.entailment_probability(&premise, &hypothesis);
        Ok(Some(tokio::task::spawn_blocking(entailment).await??))
    }

    /// The sentence of these passages with the highest cosine to a generated sentence.
    async fn nearest_sentence(
        &self,
        sentence: &str,
        passages: &[&RetrievedPassage],
    ) -> Result<Option<Quote>, AnswerError> {
        let mut places: Vec<(&RetrievedPassage, ByteRange)> = Vec::new();
        let mut texts = vec![sentence.to_owned()];
        for hit in passages {
            let draft = &hit.passage.draft;
            for range in &draft.sentences {
                if let Some(text) = range.slice(&draft.text) {
                    texts.push(text.to_owned());
                    places.push((hit, *range));
                }
            }
        }
        let vectors = self.embedder.embed_sentences(texts).await?;
        let Some((sentence_vector, vectors)) = vectors.split_first() else {
            return Ok(None);
        };
        let nearest = places
            .iter()
            .zip(vectors)
            .map(|(place, vector)| (dot(sentence_vector, vector), place))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(nearest.and_then(|(_, (hit, range))| Quote::from_hit(0, hit, *range)))
    }
}

impl Generation {
    /// The next sentence, checked. `None` at the end of the answer.
    pub async fn next(&mut self) -> Result<Option<CheckedSentence>, AnswerError> {
        let checked = match &mut self.source {
            GenerationSource::Quote(quote) => match quote.take() {
                Some(quote) => self.writer.shorten(*quote).await?,
                None => None,
            },
            GenerationSource::Passages(generation) => match generation.next_sentence().await? {
                Some((text, cited)) => Some(generation.check(&self.writer, text, &cited).await?),
                None => None,
            },
        };
        Ok(checked.map(|checked| self.with_quote_number(checked)))
    }

    /// Numbers the quote of a sentence: as before if it was shown, else with the next number.
    fn with_quote_number(&mut self, mut checked: CheckedSentence) -> CheckedSentence {
        let Some(quote) = &mut checked.quote else {
            return checked;
        };
        let shown = self
            .quotes
            .iter()
            .find(|shown| shown.passage == quote.passage && shown.range.overlaps(quote.range));
        if let Some(shown) = shown {
            quote.number = shown.number;
        } else if checked.verdict.is_ok() {
            let last = self.quotes.iter().map(|shown| shown.number).max();
            quote.number = last.unwrap_or(0) + 1;
            checked.is_new_quote = true;
            self.quotes.push(quote.clone());
        }
        checked
    }
}

impl PassageGeneration {
    /// The next sentence and its citations. `None` at the end, after too many sentences, or if the
    /// model repeats itself.
    async fn next_sentence(&mut self) -> Result<Option<CitedSentence>, AnswerError> {
        loop {
            if let Some((text, cited)) = self.complete.pop_front() {
                if self.history.contains(&text)
                    || self.history.len() >= MAX_SENTENCES
                    || text.starts_with(NOT_ANSWERED)
                {
                    return Ok(None);
                }
                self.history.push(text.clone());
                return Ok(Some((text, cited)));
            }
            let Some(sentences) = &mut self.sentences else {
                return Ok(None);
            };
            match self.pieces.recv().await {
                Some(GenerationEvent::Text(text)) => self.complete.extend(sentences.push(&text)),
                Some(GenerationEvent::Failed(cause)) => return Err(cause.into()),
                Some(GenerationEvent::Finished(_)) | None => {
                    if let Some(sentences) = self.sentences.take() {
                        self.complete.extend(sentences.finish());
                    }
                }
            }
        }
    }

    /// Checks a sentence against the nearest sentence of the passages that it cites.
    async fn check(
        &self,
        writer: &Writer,
        text: String,
        cited: &[u32],
    ) -> Result<CheckedSentence, AnswerError> {
        let passages: Option<Vec<&RetrievedPassage>> =
            cited.iter().map(|number| self.passage(*number)).collect();
        let Some(passages) = passages.filter(|passages| !passages.is_empty()) else {
            return Ok(CheckedSentence::without_citation(text));
        };
        match writer.nearest_sentence(&text, &passages).await? {
            Some(quote) => writer.check(text, quote, Strictness::PARAPHRASE).await,
            None => Ok(CheckedSentence::without_citation(text)),
        }
    }

    /// The passage with this citation number, from 1.
    fn passage(&self, number: u32) -> Option<&RetrievedPassage> {
        let position = usize::try_from(number).ok()?.checked_sub(1)?;
        self.passages.get(position)
    }
}
