//! The index tried on passages that nobody wrote: as many as wanted, the same for every seed.
//!
//! [`SyntheticCorpus`] makes passages and questions, [`measure`] tells how fast and how right an index of
//! them is. A site learns so what its machine will do with a million passages before it has them.

mod measure;
mod synthetic;

pub use measure::{BenchOptions, BenchReport, Latency, Recall, measure};
pub use synthetic::{SyntheticCorpus, SyntheticQuestion};
