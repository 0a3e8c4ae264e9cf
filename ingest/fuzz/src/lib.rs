//! The parsers of `cloister-ingest`, built for fuzzing without the pipeline: a database and a model
//! would make each build take ten times as long.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "these are the modules of another crate, of which only the readers are used here"
)]

#[path = "../../src/chunk/mod.rs"]
pub mod chunk;
#[path = "../../src/quarantine.rs"]
pub mod quarantine;
#[path = "../../src/formats/mod.rs"]
pub mod formats;
#[path = "../../src/metadata.rs"]
pub mod metadata;
#[path = "../../src/limits.rs"]
pub mod limits;
#[path = "../../src/reader/mod.rs"]
pub mod reader;
#[path = "../../src/targets.rs"]
pub mod targets;
#[path = "../../src/wire.rs"]
pub mod wire;
