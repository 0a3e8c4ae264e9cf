//! Ingestion: a file becomes pages, blocks and passages.
//!
//! The life of a file: [`inbox`] finds it, [`pipeline`] takes it through its steps, [`reader`] has
//! it read by a child process without any rights, and [`chunk`] divides its pages into passages.
//!
//! Untrusted bytes are parsed only in that child, the binary `cloister-reader`, whose program is
//! [`child`]. The parent receives the frames of [`wire`] and checks them before it uses them.
//!
//! This crate is the only one that knows file formats. It deliberately does not know who may read a
//! document, how passages are searched, or what a question is.
//!
//! To add a format: write a module in [`formats`] with a `FORMAT` of type [`formats::Format`], and
//! add it to [`formats::FORMATS`]. Positions of a format with fixed pages are points on the page as
//! displayed. A format without fixed pages makes one page of every section and leaves the page
//! size at zero. Then add a fuzz target in [`targets`] with seeds, and a row in `docs/FORMATS.md`.

#![deny(clippy::indexing_slicing)]

pub mod child;
pub mod chunk;
pub mod error;
pub mod formats;
pub mod golden_questions;
pub mod inbox;
pub mod limits;
pub mod metadata;
pub mod pipeline;
pub mod quarantine;
pub mod reader;
pub mod sandbox;
pub mod targets;
pub mod wire;

pub use chunk::{ChunkSettings, CountTokens, chunk_pages, embedding_input};
pub use error::IngestError;
pub use golden_questions::{GoldenQuestion, embed_golden_questions};
pub use limits::Limits;
pub use pipeline::{
    ActiveIndex, IndexSet, IngestServices, IngestSettings, Ingestion, Meter, Progress, Reembedding,
    Stage, Throughput, WorkDone, catch_up, rebuild,
};
pub use quarantine::Quarantine;
pub use reader::ocr::OcrEngine;
pub use reader::{Attachment, Extraction, ReadRequest, Reader};
