//! The files of an index: generations, which one is current, checks, recovery and maintenance.

pub(crate) mod atomic_file;
pub(crate) mod current;
pub(crate) mod files;
mod generation;
mod graphs;
mod maintenance;
pub(crate) mod manifest;
mod record_checksum;
mod recovery;

pub(crate) use generation::{Generation, checked_revision};
pub(crate) use recovery::recover;

/// The format version of a generation's folder.
pub(crate) const FORMAT: u32 = 3;
