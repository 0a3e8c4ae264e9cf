//! What the background does to a generation: small files become fewer, and what was forgotten gives
//! its space back. Searches and commits go on meanwhile.

use crate::error::Result;
use crate::generation::{Generation, Part};
use crate::seal;
use crate::vectors;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Generation {
    /// Does one piece of upkeep; `false` where there is none to do.
    pub(crate) fn tend(&self) -> Result<bool> {
        Ok(self.merge_vectors()? || self.merge_words()?)
    }

    fn merge_vectors(&self) -> Result<bool> {
        let Some((parts, name)) = self.begin_vectors() else {
            return Ok(false);
        };
        let segments: Vec<_> = parts.iter().map(|part| Arc::clone(&part.segment)).collect();
        let joined = vectors::join(&self.dir().join(&name), self.dimensions(), &segments, &[]);
        let mut writer = self.lock();
        writer.upkeep.vectors.clear();
        let (sha256, segment) = joined?;
        let same = |(part, old): (&Part, &Part)| part.file.name == old.file.name;
        let place = writer
            .parts
            .windows(parts.len())
            .position(|window| window.iter().zip(&parts).all(same));
        let Some(place) = place else {
            return Ok(true);
        };
        let range = place..place + parts.len();
        // What was forgotten while the files were written is forgotten in the new one, too.
        let now = writer.parts.get(range.clone()).unwrap_or_default();
        let later: BTreeSet<u32> = now
            .iter()
            .zip(&parts)
            .flat_map(|(now, then)| now.file.forgotten.difference(&then.file.forgotten))
            .copied()
            .collect();
        let joined = Part::new(name, sha256, segment).without(&later);
        let mut parts = writer.parts.clone();
        parts.splice(range, (joined.segment.live() > 0).then_some(joined));
        let sequence = writer.manifest.sequence;
        self.commit(&mut writer, parts, sequence, |_| Ok(()))?;
        Ok(true)
    }

    /// Chooses the parts to merge and a name, and has commits leave them alone.
    fn begin_vectors(&self) -> Option<(Vec<Part>, String)> {
        let mut writer = self.lock();
        let segments: Vec<_> = writer
            .parts
            .iter()
            .map(|part| Arc::clone(&part.segment))
            .collect();
        let parts = writer
            .parts
            .get(vectors::wanted_merge(&segments)?)?
            .to_vec();
        let last = parts.last()?.segment.codes().passages.last().copied();
        let name = format!("{:012}-{}m.vec", last.unwrap_or(0), writer.manifest.commit);
        writer.upkeep.vectors = parts.iter().map(|part| part.file.name.clone()).collect();
        writer.upkeep.vectors.insert(name.clone());
        Some((parts, name))
    }

    fn merge_words(&self) -> Result<bool> {
        let merge = {
            let mut writer = self.lock();
            let Some(smallest) = writer.keywords.wanted_merge()? else {
                return Ok(false);
            };
            // tantivy changes its records when the merge is done, whoever is at work by then.
            seal::open(self.dir())?;
            writer.upkeep.words = true;
            writer.keywords.merge(&smallest)
        };
        let merged = merge.wait();
        let mut writer = self.lock();
        writer.upkeep.words = false;
        writer.keywords.refresh()?;
        self.close_and_show(&writer)?;
        merged?;
        Ok(true)
    }
}
