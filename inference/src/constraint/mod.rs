//! Constrained decoding: which tokens may come next.
//!
//! A [`Constraint`](crate::Constraint) is translated to a [`Pattern`] over bytes and compiled to an
//! [`Automaton`]. A token may come next if the automaton accepts all of its bytes and can still reach
//! the end. The [`TokenTrie`] has the bytes of every token.

mod automaton;
mod json_schema;
mod pattern;
mod token_trie;

pub(crate) use token_trie::TokenTrie;

use crate::error::{InferenceError, Result};
use crate::request::Constraint;
use automaton::{Automaton, DfaState};
use pattern::Pattern;
use std::collections::HashMap;
use std::sync::Arc;

/// The tokens that may come next.
pub(crate) struct AllowedTokens {
    /// One bit per token of the vocabulary.
    bits: Vec<u64>,
    /// Whether the text may end here.
    pub may_end: bool,
}

impl AllowedTokens {
    pub(crate) fn contains(&self, id: usize) -> bool {
        self.bits
            .get(id / 64)
            .is_some_and(|bits| bits >> (id % 64) & 1 == 1)
    }
}

/// The state of a text that is written under a constraint.
pub(crate) struct ConstraintState {
    automaton: Automaton,
    state: DfaState,
    cache: HashMap<DfaState, Arc<AllowedTokens>>,
}

impl ConstraintState {
    pub(crate) fn new(constraint: &Constraint) -> Result<Self> {
        let automaton = Automaton::compile(&to_pattern(constraint)?)?;
        Ok(Self {
            state: automaton.start(),
            automaton,
            cache: HashMap::new(),
        })
    }

    /// The tokens that may follow the text so far.
    pub(crate) fn allowed_tokens(&mut self, trie: &TokenTrie) -> Result<Arc<AllowedTokens>> {
        if let Some(allowed) = self.cache.get(&self.state) {
            return Ok(Arc::clone(allowed));
        }
        let allowed = Arc::new(AllowedTokens {
            bits: trie.accepted_tokens(&mut self.automaton, self.state)?,
            may_end: self.automaton.is_accepting(self.state),
        });
        self.cache.insert(self.state, Arc::clone(&allowed));
        Ok(allowed)
    }

    /// Appends the bytes of a token of [`allowed_tokens`](Self::allowed_tokens).
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            self.state = self.automaton.step(self.state, *byte)?;
        }
        Ok(())
    }
}

fn to_pattern(constraint: &Constraint) -> Result<Pattern> {
    match constraint {
        Constraint::OneOf(texts) => one_of(texts),
        Constraint::Copy(sentences) => {
            let sentence = one_of(sentences)?;
            let more = Pattern::All(vec![Pattern::Text(vec![b' ']), sentence.clone()]);
            Ok(Pattern::All(vec![sentence, more.repeat(0, None)]))
        }
        Constraint::Citing(ids) => {
            let id = one_of(ids)?;
            let more = Pattern::All(vec![Pattern::text(", "), id.clone()]).repeat(0, None);
            let citation = [Pattern::text("["), id, more, Pattern::text("]")];
            let plain = [
                Pattern::Byte(0, b'[' - 1),
                Pattern::Byte(b'[' + 1, b']' - 1),
                Pattern::Byte(b']' + 1, 0x7f),
                Pattern::non_ascii(),
            ];
            let any = [Pattern::All(citation.into()), Pattern::Any(plain.into())];
            Ok(Pattern::Any(any.into()).repeat(0, None))
        }
        Constraint::Json(schema) => json_schema::to_pattern(schema),
    }
}

/// One of these texts.
fn one_of(texts: &[String]) -> Result<Pattern> {
    if texts.is_empty() {
        return Err(unsupported("it has no text to choose from"));
    }
    let patterns = texts.iter().map(|text| Pattern::text(text));
    Ok(Pattern::Any(patterns.collect()))
}

fn unsupported(reason: impl Into<String>) -> InferenceError {
    InferenceError::Constraint(reason.into())
}

#[cfg(test)]
mod tests;
