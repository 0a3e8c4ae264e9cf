//! Answering with models that are scripts: what they may write, and where they may look again.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod composing;
mod glossary;
mod reranking;
mod support;
