//! Runs models: embedders, rerankers, NLI models and generators. This is the only crate that knows
//! candle.
//!
//! Other crates see a [`TokenClassifier`] and four traits: an [`Embedder`] turns text into vectors, a [`Reranker`] scores a
//! passage for a question, an [`NliModel`] says whether a sentence follows from a text, and a
//! [`Generator`] writes text and computes log-likelihoods. [`EmbedderService`] and
//! [`GeneratorService`] run a model on its own thread behind a bounded queue, in which interactive
//! requests go before background work.
//!
//! This crate deliberately does not know documents, permissions, prompts or what an answer is, and
//! never uses the network: a model is a folder with a [`ModelManifest`], whose hashes are checked
//! before a byte of the model is parsed.
//!
//! To add a model family, add a row to `decoder/families.rs` or `encoder/families.rs`, refuse by name
//! what the family has and this crate does not support, and add a golden model to `tests/`. To add an architecture, add a module beside `encoder` and `decoder` that
//! implements one of the traits. What is specific to one model belongs in its files, not in code.

mod constraint;
mod decoder;
mod encoder;
mod error;
mod json_file;
mod manifest;
mod request;
mod rope;
mod safetensors_folder;
mod service;
mod traits;

pub use decoder::{
    BenchLoad, BenchTimes, GeneralGenerator, GgufGenerator, LoadOptions, MemoryPlan, Precision,
    QuantFormat, SynthFormat, SynthShape, convert_gguf, general_backend_note, name_without_piece,
    needs_conversion, open_generator, quantize_model, write_synthetic_model,
};
pub use encoder::{
    CrossEncoder, LabeledSpan, NliEncoder, SentenceEncoder, StatedEncoder, TokenClassifier,
    describe_encoder, is_known_embedder,
};
pub use error::{InferenceError, Result};
pub use manifest::{
    MANIFEST_FILE, ModelKind, ModelManifest, Pooling, Prefixes, WeightFormat, hash_file,
};
pub use request::{CacheNamespace, ChatTurn, Constraint, GenerateRequest, Person, Sampling};
pub use service::{
    EmbedderService, ForegroundGuard, GenerationEvent, GeneratorService, GeneratorState,
    QueueLimits,
};
pub use traits::{
    Embedder, FinishReason, Generated, Generator, ModelIdentity, NliModel, RequestId,
    RequestSource, Reranker,
};
