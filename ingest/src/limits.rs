//! Limits for reading one file. A file that exceeds them is quarantined.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits for reading one file. The kernel enforces those on memory and processor time, the
/// parent process enforces the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum size of a file, in bytes.
    pub file_bytes: u64,
    /// Address space of the child, in bytes.
    pub memory_bytes: u64,
    /// Processor time of one child. A long document may use several children, one after another.
    pub cpu: Duration,
    /// Wall-clock time for the entire file.
    pub wall: Duration,
    /// Wall-clock time for opening the file.
    pub opening: Duration,
    /// Wall-clock time for one page.
    pub page: Duration,
    /// Maximum number of pages.
    pub pages: u32,
    /// Maximum size of the text of all pages, in bytes.
    pub text_bytes: usize,
    /// Maximum number of pages that may be lost before the file is quarantined.
    pub lost_pages: u32,
    /// Maximum number of pixels of a rendered page.
    pub pixels: u32,
    /// What happens to hidden rows, columns and sheets of a workbook.
    #[serde(default)]
    pub hidden_cells: HiddenCells,
}

/// What happens to the hidden rows, columns and sheets of a workbook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiddenCells {
    /// They are read, and marked as hidden.
    #[default]
    Read,
    /// They are left out, which is reported.
    LeaveOut,
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
            hidden_cells: HiddenCells::Read,
        }
    }
}
