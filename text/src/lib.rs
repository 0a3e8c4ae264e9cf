//! Text analysis: tokens, stems, stop words, sentences, codes, numbers and spelling.
//!
//! Retrieval, chunking, the answerability decision and redaction all analyse text with this
//! crate, so that a word that retrieval matched also matches in the decision.
//!
//! This crate deliberately does not know documents, passages, indexes or models: it takes `&str`
//! and returns tokens, ranges of bytes and strings. It does no I/O.
//!
//! To add a language, add a file to `languages/` and its line to `language::FILES`. Every field of
//! the file is described in `languages/eng.toml`.

pub mod codes;
pub mod content;
pub mod dates;
pub mod dictionary;
pub mod fold;
mod iban;
mod language;
pub mod numbers;
pub mod ranges;
mod sentences;
pub mod spelling;
mod stream;
pub mod thesaurus;
mod token;
mod tokens;
pub mod translation;

pub use iban::{find_iban, is_iban};
pub use language::{AnswerWords, DateWords, ExampleQuestions, Language};
pub use sentences::{split_sentences, trim_range};
pub use stream::SentenceStream;
pub use token::Token;
pub use tokens::{adjacent_pair_stems, query_stems, split_letters_and_digits, stem_tokens};
