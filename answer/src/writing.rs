//! What a model writes, a sentence at a time, and whether it may be shown.

use crate::compose::{Sentences, task};
use crate::error::AnswerError;
use crate::select::dot;
use crate::verify::{Signs, Source, Withheld, verify};
use cloister_inference::{EmbedderService, GeneratorService, Piece};

/// A model at work on one question, and what checks it.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// Writes, and judges what was written.
    pub generator: &'a GeneratorService,
    /// Tells nearness in meaning.
    pub embedder: &'a EmbedderService,
    /// The question.
    pub question: &'a str,
    /// Its vector.
    pub vector: &'a [f32],
}

/// A sentence of the model, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The sentence.
    pub text: String,
    /// Whether it may be shown, or why not.
    pub verdict: Result<(), Withheld>,
    /// What the models said of its meaning.
    pub signs: Signs,
}

impl Writer<'_> {
    /// What the model says in one sentence, from one quote; none where it writes nothing.
    pub async fn from_quote(&self, source: Source<'_>) -> Result<Option<Written>, AnswerError> {
        let sentence = first_sentence(self.generator, source.quote, self.question).await?;
        match sentence {
            Some(text) => self.check(text, source).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether a sentence may be shown as what `source` says to the question.
    pub async fn check(&self, text: String, source: Source<'_>) -> Result<Written, AnswerError> {
        let signs = self.signs(&text, source).await?;
        let verdict = verify(&text, source, self.question, &signs);
        Ok(Written {
            text,
            verdict,
            signs,
        })
    }

    async fn signs(&self, sentence: &str, source: Source<'_>) -> Result<Signs, AnswerError> {
        let texts = vec![sentence.to_owned(), source.quote.to_owned()];
        let vectors = self.embedder.embed_sentences(texts).await?;
        let (asked, said) = (format!(" {}", self.question), format!(" {sentence}"));
        let before = |passage: &str| format!("Passage: {passage}\nQuestion:");
        let pairs = vec![
            ("Question:".to_owned(), asked.clone()),
            (before(sentence), asked.clone()),
            (before(source.quote), asked),
            ("In short:".to_owned(), said.clone()),
            (format!("{}\nIn short:", source.quote), said),
        ];
        let judged = self.generator.log_likelihoods(pairs).await?;
        let ([of_sentence, of_quote], [alone, given_sentence, given_quote, said_alone, said_given]) =
            (vectors.as_slice(), judged.as_slice())
        else {
            return Ok(Signs::default());
        };
        Ok(Signs {
            to_quote: dot(of_sentence, of_quote),
            to_question: dot(of_sentence, self.vector),
            explains: given_sentence - alone,
            quote_explains: given_quote - alone,
            explained: said_given - said_alone,
        })
    }
}

/// The first sentence that the model writes from a quote; it was asked for one.
pub(crate) async fn first_sentence(
    generator: &GeneratorService,
    quote: &str,
    question: &str,
) -> Result<Option<String>, AnswerError> {
    let mut pieces = generator.generate(task(quote, question))?;
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
