//! The files of an index: generations, which one is current, checks, recovery and maintenance.

pub(crate) mod current;
mod file_names;
mod generation;
mod graphs;
mod maintenance;
mod manifest;
mod record_checksum;
mod recovery;

pub(crate) use generation::{Generation, checked_revision};
pub(crate) use recovery::recover;

/// The format version of a generation's folder.
pub(crate) const FORMAT: u32 = 3;
