//! Tensors in, vectors and words out: the only crate that knows candle.
//!
//! Three traits are what the rest of the house sees: an [`Embedder`] turns text into vectors, a
//! [`Reranker`] judges a passage by a question, an [`Entailment`] whether a sentence follows from a text, a [`Generator`] writes text and judges how likely
//! a text is. [`EmbedderService`] and
//! [`GeneratorService`] put each model on a thread of its own behind a bounded queue, questions
//! before bulk work.
//!
//! This crate deliberately does not know documents, permissions, prompts or what an answer is,
//! and never reaches for a network: a model is a folder with a [`ModelManifest`], whose hashes
//! are checked before a byte of it is parsed.
//!
//! To add an architecture, add a module beside `encoder` or `llama` that implements one of the
//! traits, refuse by name what it does not know, and run it through `tests/`. What is particular
//! to one model belongs in its files, not in code.

mod constraint;
mod embedder;
mod encoder;
mod error;
mod generator;
mod kernels;
mod llama;
mod manifest;
mod rope;
mod service;
mod shards;

pub use embedder::{Embedder, Entailment, ModelIdentity, Reranker};
pub use encoder::{CrossEncoder, EntailmentEncoder, SentenceEncoder, describe_encoder};
pub use error::{InferenceError, Result};
pub use generator::{
    Constraint, Desk, Finish, GenerateRequest, Generated, Generator, Person, Sampling, Scope, Turn,
};
pub use llama::{
    Arithmetic, LlamaGguf, Load, Loading, Pace, Plan, QuantFormat, SynthFormat, SynthShape,
    quantise, synthesise,
};
pub use manifest::{
    MANIFEST_FILE, ModelKind, ModelManifest, Pooling, Prefixes, Weights, hash_file,
};
pub use service::{
    Attending, EmbedderService, GeneratorService, GeneratorState, Piece, QueueLimits,
};
