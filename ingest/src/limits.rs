//! How much a file may cost before it is set aside.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits of one reading. The kernel holds the child to those on memory and processor time,
/// the parent holds it to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest file that is read at all, in bytes.
    pub file_bytes: u64,
    /// Address space of the child, in bytes.
    pub memory_bytes: u64,
    /// Processor time of one child. A long document may use several children in turn.
    pub cpu: Duration,
    /// Time on the wall for the whole file.
    pub wall: Duration,
    /// How long the child may take to open the file.
    pub opening: Duration,
    /// How long the child may take over one page.
    pub page: Duration,
    /// The most pages.
    pub pages: u32,
    /// The most text, in bytes, all pages together.
    pub text_bytes: usize,
    /// The most pages that are given up before the file is.
    pub lost_pages: u32,
    /// The most pixels of a drawn page.
    pub pixels: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 256 << 20,
            memory_bytes: 1536 << 20,
            cpu: Duration::from_mins(1),
            wall: Duration::from_mins(10),
            opening: Duration::from_mins(1),
            page: Duration::from_secs(10),
            pages: 20_000,
            text_bytes: 64 << 20,
            lost_pages: 8,
            pixels: 16_000_000,
        }
    }
}
