//! Rewrites a follow-up question so that it stands alone.
//!
//! `And for contractors?` retrieves nothing by itself. The program rewrites it from the previous
//! question and its quotes. The person sees the rewriting and can ask the question as typed.

mod rewrite;
mod tokens;
mod topic;

pub use rewrite::{carry_over, contextualize};

use crate::extraction::quote::Quote;

/// The previous question of a conversation and its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreviousTurn {
    /// The question, standing alone.
    pub question: String,
    /// Titles and headings of the quotes.
    pub titles: Vec<String>,
    /// The texts of the quotes.
    pub quotes: Vec<String>,
}

impl PreviousTurn {
    /// A question and the quotes that answered it.
    pub fn new(question: &str, quotes: &[Quote]) -> Self {
        let mut turn = Self {
            question: question.to_owned(),
            ..Self::default()
        };
        for quote in quotes {
            turn.titles.push(quote.source.title.clone());
            turn.titles.extend(quote.headings.iter().cloned());
            turn.quotes.push(quote.text.clone());
        }
        turn
    }
}
