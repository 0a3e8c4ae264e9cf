//! A generation: a folder with a lexical index, vector files and a checksum.

use super::file_names::{graph_name, graph_path, is_graph_file, is_vector_file};
use super::manifest::{Manifest, VectorFile};
use super::{FORMAT, record_checksum};
use crate::dense::{self, Segment};
use crate::error::{IndexError, Result};
use crate::files::{self, parse_json, to_json};
use crate::lexical::LexicalIndex;
use crate::request::{IndexEntry, IndexSettings};
use crate::revisions::Revisions;
use crate::snapshot::{Snapshot, check_vector};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the lexical index.
pub(super) const LEXICAL_DIR: &str = "keywords";

/// New rows are merged with the last segments up to this many rows, so that many small commits do not
/// produce many files. Larger segments are merged in the background.
const MAX_ROWS_MERGED_ON_COMMIT: usize = 4096;

/// Segments with more rows than this share of the exact limit, one of this many, get clusters. Smaller
/// ones will be merged soon, and are scanned fast.
const MIN_CLUSTERED_SHARE: usize = 8;

pub(crate) struct Generation {
    number: u64,
    dir: PathBuf,
    pub(super) settings: IndexSettings,
    writer: Mutex<GenerationWriter>,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// A vector file and its content.
#[derive(Clone)]
pub(super) struct SegmentFile {
    pub file: VectorFile,
    pub segment: Arc<Segment>,
}

/// The state that only the holder of the writer lock may change.
pub(crate) struct GenerationWriter {
    pub(super) lexical: LexicalIndex,
    pub(super) manifest: Manifest,
    pub(super) segments: Vec<SegmentFile>,
    pub(super) maintenance: Maintenance,
}

/// Background work in progress, which commits must not disturb.
#[derive(Default)]
pub(super) struct Maintenance {
    /// The vector files that are being merged, and the resulting file. Commits do not touch them.
    pub vector_files: BTreeSet<String>,
    /// Whether tantivy is merging. It changes its records when it finishes, so that the checksum stays
    /// invalidated.
    pub lexical_merge: bool,
}

impl Generation {
    /// Creates an empty generation in the new folder `dir`.
    pub(crate) fn create(dir: PathBuf, number: u64, settings: IndexSettings) -> Result<Self> {
        let lexical_dir = dir.join(LEXICAL_DIR);
        files::create_dir(&lexical_dir)?;
        record_checksum::invalidate(&dir)?;
        let mut lexical = LexicalIndex::create(&lexical_dir)?;
        let manifest = Manifest::empty(settings.dimensions);
        lexical.commit(&to_json(&manifest)?)?;
        record_checksum::record(&dir, &lexical_dir)?;
        let writer = GenerationWriter {
            lexical,
            manifest,
            segments: Vec::new(),
            maintenance: Maintenance::default(),
        };
        Ok(Self::with_writer(dir, number, settings, writer))
    }

    /// Opens the generation in `dir`, and verifies everything that searches read from memory. Vectors
    /// on the disk are verified one by one when they are read.
    pub(crate) fn open(dir: PathBuf, number: u64, settings: IndexSettings) -> Result<Self> {
        let lexical_dir = dir.join(LEXICAL_DIR);
        let verified = record_checksum::verify(&dir, &lexical_dir)?;
        let manifest = read_manifest(&dir, settings)?;
        let (lexical, segments) = rayon::join(
            || LexicalIndex::open(&lexical_dir),
            || read_segments(&dir, &manifest),
        );
        let writer = GenerationWriter {
            lexical: lexical?,
            manifest,
            segments: segments?,
            maintenance: Maintenance::default(),
        };
        writer.verify_counts()?;
        if !verified && let Err(error) = record_checksum::record(&dir, &lexical_dir) {
            // A full disk is no reason to reject what was read from it.
            tracing::warn!(%error, "the index stays unsealed: {error}");
        }
        writer.remove_unreferenced_files(&dir);
        Ok(Self::with_writer(dir, number, settings, writer))
    }

    fn with_writer(
        dir: PathBuf,
        number: u64,
        settings: IndexSettings,
        writer: GenerationWriter,
    ) -> Self {
        let snapshot = writer.snapshot(number, settings);
        Self {
            number,
            dir,
            settings,
            writer: Mutex::new(writer),
            snapshot: RwLock::new(Arc::new(snapshot)),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn dimensions(&self) -> usize {
        self.settings.dimensions
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    /// Adds passages in one durable commit. Passages up to the sequence number are skipped.
    pub(crate) fn add(&self, entries: &[IndexEntry]) -> Result<()> {
        let mut writer = self.lock();
        let mut new: Vec<&IndexEntry> = entries
            .iter()
            .filter(|entry| entry.passage.0 > writer.manifest.sequence)
            .collect();
        new.sort_by_key(|entry| entry.passage);
        new.dedup_by_key(|entry| entry.passage);
        let Some(last) = new.last().map(|entry| entry.passage.0) else {
            return Ok(());
        };
        let mut rows = Vec::with_capacity(new.len());
        for entry in &new {
            check_vector(&entry.vector, self.settings.dimensions, entry.passage.0)?;
            let revision = checked_revision(entry.revision.0)?;
            rows.push((entry.passage.0, revision, &*entry.vector));
        }
        let segments = self.segments_with(&writer, &rows, last)?;
        self.commit(&mut writer, segments, last, |writer| writer.add_words(&new))
    }

    /// The segments after adding `rows`: in a new file, which replaces the last small ones.
    fn segments_with(
        &self,
        writer: &GenerationWriter,
        rows: &[dense::Row<'_>],
        last: i64,
    ) -> Result<Vec<SegmentFile>> {
        let name = format!("{last:012}-{}.vec", writer.manifest.commit + 1);
        let path = self.dir.join(&name);
        let mut segments = writer.segments.clone();
        let small = segments.split_off(writer.first_small_segment(rows.len()));
        let sources: Vec<_> = small.iter().map(|file| Arc::clone(&file.segment)).collect();
        let merged = dense::merge(&path, self.settings.dimensions, &sources, rows);
        let (sha256, segment) = match merged {
            // A damaged neighbour must not prevent the commit. It is detected elsewhere.
            Err(IndexError::Damaged(_)) if !small.is_empty() => {
                segments.extend(small);
                dense::merge(&path, self.settings.dimensions, &[], rows)?
            }
            merged => merged?,
        };
        segments.push(SegmentFile::new(name, sha256, segment));
        Ok(segments)
    }

    /// Deletes revisions in one durable commit.
    pub(crate) fn delete_revisions(&self, revisions: &BTreeSet<u32>) -> Result<()> {
        let mut writer = self.lock();
        let segments = writer.segments.iter().map(|file| file.without(revisions));
        let segments = segments.collect();
        let sequence = writer.manifest.sequence;
        self.commit(&mut writer, segments, sequence, |writer| {
            for revision in revisions {
                writer.lexical.delete_revision(*revision);
            }
            Ok(())
        })
    }

    /// Builds the clusters of the next segment that needs them; `false` if none does. A segment with a graph in use
    /// needs none.
    pub(crate) fn build_next_clusters(&self) -> bool {
        let snapshot = self.snapshot();
        if snapshot.rows() <= self.settings.exact_limit {
            return false;
        }
        let min_rows = self.settings.exact_limit / MIN_CLUSTERED_SHARE;
        let mut large = snapshot
            .segments
            .iter()
            .filter(|segment| segment.live_rows() > min_rows);
        let next = large.find(|segment| {
            let has_graph = segment.graph().is_some_and(|own| own.graph.is_some());
            segment.clusters().is_none() && !has_graph
        });
        next.inspect(|segment| segment.build_clusters()).is_some()
    }

    /// Commits these segments, and what `stage` changes in the lexical index, in one durable step.
    pub(super) fn commit(
        &self,
        writer: &mut GenerationWriter,
        segments: Vec<SegmentFile>,
        sequence: i64,
        stage: impl FnOnce(&GenerationWriter) -> Result<()>,
    ) -> Result<()> {
        let rows = segments.iter().map(|file| file.segment.live_rows() as u64);
        let manifest = Manifest {
            commit: writer.manifest.commit + 1,
            sequence,
            passages: rows.sum(),
            vectors: segments.iter().map(|file| file.file.clone()).collect(),
            ..writer.manifest.clone()
        };
        // tantivy changes its records as soon as a document is added.
        record_checksum::invalidate(&self.dir)?;
        let committed = stage(writer).and_then(|()| writer.lexical.commit(&to_json(&manifest)?));
        if let Err(error) = committed {
            // The staged changes must not become part of the next commit.
            writer.lexical.roll_back()?;
            writer.remove_unreferenced_files(&self.dir);
            return Err(error);
        }
        writer.manifest = manifest;
        writer.segments = segments;
        self.publish(writer)?;
        writer.remove_unreferenced_files(&self.dir);
        Ok(())
    }

    /// Records the checksum and makes the writer's state visible to searches.
    pub(super) fn publish(&self, writer: &GenerationWriter) -> Result<()> {
        if !writer.maintenance.lexical_merge {
            record_checksum::record(&self.dir, &self.dir.join(LEXICAL_DIR))?;
        }
        let snapshot = writer.snapshot(self.number, self.settings);
        *self.snapshot.write() = Arc::new(snapshot);
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, GenerationWriter> {
        self.writer.lock()
    }
}

impl SegmentFile {
    pub(super) fn new(name: String, sha256: String, segment: Segment) -> Self {
        Self {
            file: VectorFile {
                name,
                sha256,
                deleted_revisions: BTreeSet::new(),
            },
            segment: Arc::new(segment),
        }
    }

    /// The same file without these revisions.
    pub(super) fn without(&self, revisions: &BTreeSet<u32>) -> Self {
        let own = self.segment.revisions().map(|(revision, _)| revision);
        let deleted: BTreeSet<u32> = own
            .filter(|revision| revisions.contains(revision))
            .collect();
        if deleted.is_empty() {
            return self.clone();
        }
        let segment = Arc::new(self.segment.without(&deleted));
        let mut file = self.file.clone();
        file.deleted_revisions.extend(deleted);
        Self { file, segment }
    }
}

impl GenerationWriter {
    fn add_words(&self, entries: &[&IndexEntry]) -> Result<()> {
        for entry in entries {
            let passage = u64::try_from(entry.passage.0)
                .map_err(|_negative| IndexError::Damaged(format!("passage `{}`", entry.passage)))?;
            let revision = checked_revision(entry.revision.0)?;
            self.lexical.add(entry, passage, revision)?;
        }
        Ok(())
    }

    /// The first of the last segments that can be merged with `rows` new rows.
    fn first_small_segment(&self, mut rows: usize) -> usize {
        let mut first = self.segments.len();
        while let Some(file) = first
            .checked_sub(1)
            .and_then(|last| self.segments.get(last))
            && file.segment.live_rows() <= 2 * rows
            && file.segment.live_rows() + rows <= MAX_ROWS_MERGED_ON_COMMIT
            && !self.maintenance.vector_files.contains(&file.file.name)
        {
            rows += file.segment.live_rows();
            first -= 1;
        }
        first
    }

    fn snapshot(&self, number: u64, settings: IndexSettings) -> Snapshot {
        let files = self.segments.iter();
        let segments: Vec<_> = files.map(|file| Arc::clone(&file.segment)).collect();
        Snapshot {
            name: format!("{number}.{}", self.manifest.commit),
            settings,
            sequence: self.manifest.sequence,
            lexical: Some(self.lexical.searcher()),
            revisions: Revisions::from_runs(segments.iter().flat_map(|s| s.revisions())),
            segments,
        }
    }

    /// Verifies that the lexical index and the vector files have the passages of the manifest.
    fn verify_counts(&self) -> Result<()> {
        let segments = self.segments.iter();
        let rows: usize = segments.map(|file| file.segment.live_rows()).sum();
        let words = self.lexical.searcher().passages();
        if rows as u64 != self.manifest.passages || words != self.manifest.passages {
            return Err(IndexError::Damaged(format!(
                "it promises {} passages and has {words} by their words, {rows} by their vectors",
                self.manifest.passages
            )));
        }
        let segments = self.segments.iter();
        let ids = segments.flat_map(|file| &file.segment.codes().passages);
        if !ids.clone().is_sorted() || ids.max().is_some_and(|id| *id > self.manifest.sequence) {
            return Err(IndexError::Damaged("its passages are out of order".into()));
        }
        Ok(())
    }

    /// Removes vector files that a crash or a merge left behind.
    pub(super) fn remove_unreferenced_files(&self, dir: &Path) {
        for name in files::names(dir).unwrap_or_default() {
            let mut files = self.segments.iter().map(|file| &file.file.name);
            let referenced =
                files.any(|file| *file == name || graph_name(file) == Path::new(&name));
            let mut files = self.maintenance.vector_files.iter();
            let in_progress = files.any(|file| is_same_file(file, &name));
            let is_removable = is_vector_file(&name) || is_graph_file(&name);
            if is_removable && !referenced && !in_progress {
                // If this fails, the next commit tries again.
                let _ = std::fs::remove_file(dir.join(name));
            }
        }
    }
}

/// Reads the manifest from tantivy's records.
fn read_manifest(dir: &Path, settings: IndexSettings) -> Result<Manifest> {
    let payload = LexicalIndex::payload(&dir.join(LEXICAL_DIR))?
        .ok_or_else(|| IndexError::Damaged("it has no manifest".into()))?;
    let manifest: Manifest = parse_json(payload.as_bytes(), "its manifest")?;
    if manifest.format != FORMAT || manifest.dimensions != settings.dimensions {
        return Err(IndexError::Damaged(
            "it is of another format or model".into(),
        ));
    }
    Ok(manifest)
}

fn read_segments(dir: &Path, manifest: &Manifest) -> Result<Vec<SegmentFile>> {
    use rayon::prelude::*;
    manifest
        .vectors
        .par_iter()
        .map(|file| {
            let path = dir.join(&file.name);
            let segment = Segment::read(&path, Some(&file.sha256), manifest.dimensions)?;
            segment.read_graph(&graph_path(dir, &file.name), &file.sha256);
            Ok(SegmentFile {
                file: file.clone(),
                segment: Arc::new(segment.without(&file.deleted_revisions)),
            })
        })
        .collect()
}

/// Whether both are the same file, complete or not.
fn is_same_file(a: &str, b: &str) -> bool {
    Path::new(a).file_stem() == Path::new(b).file_stem()
}

/// A revision as an element of permission bitmaps.
pub(crate) fn checked_revision(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_outside| IndexError::RevisionTooLarge(id))
}
