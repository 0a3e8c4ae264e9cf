//! Answers with scripted models: generation, reranking and query expansion.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod generation;
mod glossary;
mod reranking;
mod support;
