//! What a generator promises.

mod request;

pub use request::{Constraint, GenerateRequest, Person, Sampling, Scope, Turn};

use crate::embedder::ModelIdentity;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Why the model stopped writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It had finished; where a [`Constraint`] was given, the text keeps it.
    Complete,
    /// It reached the most tokens asked for.
    Length,
    /// Whoever received the text asked it to stop.
    Stopped,
}

/// What the model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// All of it: the pieces that were handed out, joined.
    pub text: String,
    /// Tokens written.
    pub tokens: usize,
    /// Why it ended.
    pub finish: Finish,
}

/// Writes text, and judges how likely a text is.
pub trait Generator: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// How many parameters it has: small ones are given small tasks.
    fn parameters(&self) -> u64;

    /// The most tokens that a prompt and its answer may have together.
    fn context(&self) -> usize;

    /// For each pair `(context, continuation)`, the mean over the continuation's tokens of
    /// `log P(token | everything before it)`, natural logarithm. An empty continuation has 0.
    fn log_likelihoods(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>>;

    /// Writes an answer, handing each piece of text to `piece` as soon as it is whole characters;
    /// `Break` ends the writing. Special tokens that stand in the request's text are taken out of
    /// it, so that a document cannot speak in another's role.
    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated>;

    /// Writes for everybody at the desk until nobody waits and all texts are written. Texts may
    /// be written together; each is the same as [`generate`](Self::generate) alone writes.
    fn write_together(&self, desk: &mut dyn Desk) {
        while let Some((ticket, request)) = desk.next(0) {
            let outcome = self.generate(&request, &mut |text| desk.piece(ticket, text));
            desk.end(ticket, outcome);
        }
    }
}

/// Whoever wants texts written, and takes them. It is asked between any two steps.
pub trait Desk {
    /// The next request and a number for it, where one waits and may join `writing` others; none
    /// may join `usize::MAX`.
    fn next(&mut self, writing: usize) -> Option<(usize, GenerateRequest)>;

    /// Whether this text is still wanted.
    fn wanted(&self, ticket: usize) -> bool;

    /// Takes a piece of a text; `Break` ends it.
    fn piece(&mut self, ticket: usize, text: &str) -> ControlFlow<()>;

    /// Takes the end of a text.
    fn end(&mut self, ticket: usize, outcome: Result<Generated>);
}
