//! Texts that must be of a form: which tokens may come next.
//!
//! A [`Constraint`](crate::Constraint) becomes a [`Pattern`] over bytes, the pattern a [`Machine`] that
//! reads a text byte by byte, and a [`Lexicon`] knows the bytes of every token. A token may come
//! next where the machine can read all of its bytes and still come to an end.

mod lexicon;
mod machine;
mod pattern;
mod schema;

pub(crate) use lexicon::Lexicon;

use crate::error::{InferenceError, Result};
use crate::generator::Constraint;
use machine::{Machine, State};
use pattern::Pattern;
use std::collections::HashMap;
use std::sync::Arc;

/// The tokens that may come next.
pub(crate) struct Allowed {
    /// A bit for each token of the vocabulary.
    bits: Vec<u64>,
    /// Whether the text may end here.
    pub ends: bool,
}

impl Allowed {
    pub(crate) fn has(&self, id: usize) -> bool {
        self.bits
            .get(id / 64)
            .is_some_and(|bits| bits >> (id % 64) & 1 == 1)
    }
}

/// A text that is being written under a constraint.
pub(crate) struct Constrained {
    machine: Machine,
    state: State,
    known: HashMap<State, Arc<Allowed>>,
}

impl Constrained {
    pub(crate) fn new(constraint: &Constraint) -> Result<Self> {
        let machine = Machine::of(&pattern(constraint)?)?;
        Ok(Self {
            state: machine.start(),
            machine,
            known: HashMap::new(),
        })
    }

    /// What may follow what was written so far.
    pub(crate) fn allowed(&mut self, lexicon: &Lexicon) -> Result<Arc<Allowed>> {
        if let Some(allowed) = self.known.get(&self.state) {
            return Ok(Arc::clone(allowed));
        }
        let allowed = Arc::new(Allowed {
            bits: lexicon.readable(&mut self.machine, self.state)?,
            ends: self.machine.ends(self.state),
        });
        self.known.insert(self.state, Arc::clone(&allowed));
        Ok(allowed)
    }

    /// Takes a token that was [`allowed`](Self::allowed).
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            self.state = self.machine.step(self.state, *byte)?;
        }
        Ok(())
    }
}

fn pattern(constraint: &Constraint) -> Result<Pattern> {
    let text = |text: &String| Pattern::Text(text.clone().into_bytes());
    let one_of = |texts: &[String]| match texts {
        [] => Err(refused("it names no text to choose from")),
        texts => Ok(Pattern::Any(texts.iter().map(text).collect())),
    };
    match constraint {
        Constraint::OneOf(texts) => one_of(texts),
        Constraint::Copy(sentences) => {
            let sentence = one_of(sentences)?;
            let more = Pattern::All(vec![Pattern::Text(vec![b' ']), sentence.clone()]);
            let more = Pattern::Repeat(Box::new(more), 0, None);
            Ok(Pattern::All(vec![sentence, more]))
        }
        Constraint::Citing(ids) => {
            let id = one_of(ids)?;
            let more = Pattern::All(vec![Pattern::text(", "), id.clone()]).times(0, None);
            let citation = [Pattern::text("["), id, more, Pattern::text("]")];
            let plain = [
                Pattern::Byte(0, b'[' - 1),
                Pattern::Byte(b'[' + 1, b']' - 1),
                Pattern::Byte(b']' + 1, 0x7f),
                Pattern::beyond_ascii(),
            ];
            let any = [Pattern::All(citation.into()), Pattern::Any(plain.into())];
            Ok(Pattern::Any(any.into()).times(0, None))
        }
        Constraint::Json(schema) => schema::pattern(schema),
    }
}

fn refused(reason: impl Into<String>) -> InferenceError {
    InferenceError::Constraint(reason.into())
}

#[cfg(test)]
mod tests;
