//! The graphs of a generation's segments, and their files.

use super::file_names::graph_path;
use super::generation::{Generation, SegmentFile};
use crate::dense;
use crate::error::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Segments with more rows than this share of [`IndexSettings::graph_from`], one of this many, get graphs.
/// Smaller ones will be merged soon, and are scanned fast.
///
/// [`IndexSettings::graph_from`]: crate::IndexSettings::graph_from
const MIN_GRAPH_SHARE: usize = 2;

/// How long a generation must be without a commit before the graph of a segment is built: a step for this many
/// rows, and at most so many steps.
const QUIET_STEP: Duration = Duration::from_millis(50);
const ROWS_PER_QUIET_STEP: usize = 500;
const MAX_QUIET_STEPS: usize = 100;

impl Generation {
    /// Builds the graph of the next segment that needs one, unless passages are being added; `false` if none
    /// needs one, or if the index is closing.
    pub(crate) fn build_next_graph(&self, is_closing: &AtomicBool) -> Result<bool> {
        let Some(file) = self.next_without_graph() else {
            return Ok(false);
        };
        if !self.is_quiet(file.segment.live_rows(), is_closing) {
            return Ok(true);
        }
        let Some(certified) = dense::build_certified(&file.segment, is_closing) else {
            return Ok(false);
        };
        tracing::info!("a graph was built: {:?}", certified.certificate);
        let path = graph_path(self.dir(), &file.file.name);
        // A commit removes files that are not referenced, unfinished ones included.
        let in_progress = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        self.lock().maintenance.vector_files.extend(in_progress);
        let adopted = file
            .segment
            .adopt_graph(&path, &file.file.sha256, certified);
        let mut writer = self.lock();
        writer.maintenance.vector_files.clear();
        writer.remove_unreferenced_files(self.dir());
        adopted.map(|()| true)
    }

    /// Waits a tenth of the time that the graph of so many rows takes; whether there was no commit meanwhile. While
    /// passages are added quickly, small segments are soon merged, and their graphs would be built in vain.
    fn is_quiet(&self, rows: usize, is_closing: &AtomicBool) -> bool {
        if dense::is_too_large_to_merge(rows) {
            return true;
        }
        let commit = self.lock().manifest.commit;
        let steps = (rows / ROWS_PER_QUIET_STEP).min(MAX_QUIET_STEPS);
        for _ in 0..steps {
            std::thread::sleep(QUIET_STEP);
            if is_closing.load(Ordering::Relaxed) || self.lock().manifest.commit != commit {
                return false;
            }
        }
        true
    }

    fn next_without_graph(&self) -> Option<SegmentFile> {
        let min_rows = self.settings.graph_from / MIN_GRAPH_SHARE;
        let writer = self.lock();
        let rows = writer.segments.iter().map(|file| file.segment.live_rows());
        if rows.sum::<usize>() <= self.settings.graph_from {
            return None;
        }
        let mut large = writer.segments.iter();
        let next = large
            .find(|file| file.segment.live_rows() > min_rows && file.segment.graph().is_none());
        next.cloned()
    }
}
