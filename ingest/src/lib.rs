//! A file becomes pages, blocks and passages.
//!
//! The life of a file: [`folder`] sees it in the inbox, [`pipeline`] takes it through its steps,
//! [`reader`] has it read by a child process that owns nothing and may reach nothing, [`chunk`]
//! cuts what was read into passages.
//!
//! Untrusted bytes are parsed in that child only. The child is the binary `cloister-reader`, whose
//! whole program is [`child`]; the parent sees nothing of a file but the frames of [`wire`], and
//! checks them before it believes them.
//!
//! This crate is the only one that knows file formats. It deliberately does not know who may read
//! a document, how passages are found again, or what a question is.
//!
//! To add a format: write one module in [`formats`] that implements [`formats::Format`], and add
//! its line to [`formats::FORMATS`]. Positions of a format with drawn pages are points on the page
//! as it is displayed; a format without pages makes one page of every section and leaves the size
//! at zero.

#![deny(clippy::indexing_slicing)]

pub mod child;
pub mod chunk;
pub mod error;
pub mod folder;
pub mod formats;
pub mod known;
pub mod labels;
pub mod limits;
pub mod pipeline;
pub mod reader;
pub mod targets;
pub mod wire;

pub use chunk::{ChunkSettings, TokenCounter, cut, embedded_text};
pub use error::Quarantine;
pub use known::{KnownQuestion, known_questions};
pub use limits::Limits;
pub use pipeline::{
    Finder, Finding, IngestError, Ingestion, Meter, Pace, Parts as IngestParts, Progress, Renewal,
    Settings as IngestSettings, Stage, catch_up, rebuild,
};
pub use reader::recognise::Recogniser;
pub use reader::{About, Attachment, Extraction, Reader};
