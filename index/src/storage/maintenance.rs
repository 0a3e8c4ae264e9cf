//! Background maintenance of a generation: merges small files, and frees the space of deleted
//! revisions. Searches and commits continue meanwhile.

use super::generation::{Generation, SegmentFile};
use super::record_checksum;
use crate::dense;
use crate::error::Result;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Generation {
    /// Does one merge; `false` if there is none to do.
    pub(crate) fn maintain(&self) -> Result<bool> {
        Ok(self.merge_vector_files()? || self.merge_lexical_segments()?)
    }

    fn merge_vector_files(&self) -> Result<bool> {
        let Some((sources, name)) = self.start_vector_merge() else {
            return Ok(false);
        };
        let segments: Vec<_> = sources
            .iter()
            .map(|file| Arc::clone(&file.segment))
            .collect();
        let merged = dense::merge(&self.dir().join(&name), self.dimensions(), &segments, &[]);
        let mut writer = self.lock();
        writer.maintenance.vector_files.clear();
        let (sha256, segment) = merged?;
        let position = writer.segments.windows(sources.len()).position(|window| {
            window
                .iter()
                .zip(&sources)
                .all(|(now, then): (&SegmentFile, &SegmentFile)| now.file.name == then.file.name)
        });
        let Some(first) = position else {
            return Ok(true);
        };
        let range = first..first + sources.len();
        // Revisions that were deleted during the merge are deleted from the new file too.
        let now = writer.segments.get(range.clone()).unwrap_or_default();
        let mut deleted_meanwhile = BTreeSet::new();
        for (now, then) in now.iter().zip(&sources) {
            let (now, then) = (&now.file.deleted_revisions, &then.file.deleted_revisions);
            deleted_meanwhile.extend(now.difference(then).copied());
        }
        let merged = SegmentFile::new(name, sha256, segment).without(&deleted_meanwhile);
        let mut segments = writer.segments.clone();
        segments.splice(range, (merged.segment.live_rows() > 0).then_some(merged));
        let sequence = writer.manifest.sequence;
        self.commit(&mut writer, segments, sequence, |_| Ok(()))?;
        Ok(true)
    }

    /// Selects the files to merge and the name of the result, and protects them from commits.
    fn start_vector_merge(&self) -> Option<(Vec<SegmentFile>, String)> {
        let mut writer = self.lock();
        let files = writer.segments.iter();
        let segments: Vec<_> = files.map(|file| Arc::clone(&file.segment)).collect();
        let range = dense::next_merge(&segments)?;
        let sources = writer.segments.get(range)?.to_vec();
        let last = sources.last()?.segment.codes().passages.last().copied();
        let name = format!("{:012}-{}m.vec", last.unwrap_or(0), writer.manifest.commit);
        let names = sources.iter().map(|file| file.file.name.clone());
        writer.maintenance.vector_files = names.chain([name.clone()]).collect();
        Some((sources, name))
    }

    fn merge_lexical_segments(&self) -> Result<bool> {
        let merge = {
            let mut writer = self.lock();
            let Some(smallest) = writer.lexical.next_merge()? else {
                return Ok(false);
            };
            // tantivy changes its records when the merge finishes.
            record_checksum::invalidate(self.dir())?;
            writer.maintenance.lexical_merge = true;
            writer.lexical.merge(&smallest)
        };
        let merged = merge.wait();
        let mut writer = self.lock();
        writer.maintenance.lexical_merge = false;
        writer.lexical.refresh()?;
        self.publish(&writer)?;
        merged?;
        Ok(true)
    }
}
