//! One generation: a folder with a keyword index, files of vectors and a seal.

use crate::entry::{IndexEntry, IndexSettings};
use crate::error::{IndexError, Result};
use crate::files;
use crate::keyword::Keywords;
use crate::seal::{self, FORMAT, Manifest, VectorFile};
use crate::snapshot::{Snapshot, check_vector};
use crate::vectors::{Graph, Segment};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

const KEYWORDS: &str = "keywords";

/// Vector files grow together up to this many rows; larger ones are left alone.
const MOST_ROWS: usize = 1 << 16;

pub(crate) struct Generation {
    number: u64,
    dir: PathBuf,
    settings: IndexSettings,
    writer: Mutex<Writer>,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// Whoever holds this may change the generation.
struct Writer {
    keywords: Keywords,
    manifest: Manifest,
    segments: Vec<(VectorFile, Arc<Segment>)>,
}

impl Generation {
    /// Makes an empty generation in the new folder `dir`.
    pub(crate) fn create(dir: PathBuf, number: u64, settings: IndexSettings) -> Result<Self> {
        files::make_dir(&dir.join(KEYWORDS))?;
        seal::open(&dir)?;
        let mut keywords = Keywords::create(&dir.join(KEYWORDS))?;
        let manifest = Manifest::empty(settings.dimensions);
        keywords.commit(&seal::to_json(&manifest)?)?;
        seal::close(&dir, &dir.join(KEYWORDS))?;
        let segments = Vec::new();
        Ok(Self::with(
            dir,
            number,
            settings,
            Writer {
                keywords,
                manifest,
                segments,
            },
        ))
    }

    /// Opens the generation in `dir` after checking every file of it.
    pub(crate) fn open(dir: PathBuf, number: u64, settings: IndexSettings) -> Result<Self> {
        let sealed = seal::check(&dir, &dir.join(KEYWORDS))?;
        let keywords = Keywords::open(&dir.join(KEYWORDS))?;
        let payload = keywords
            .payload()?
            .ok_or_else(|| IndexError::Damaged("it has no manifest".into()))?;
        let manifest: Manifest = seal::parse(payload.as_bytes(), "its manifest")?;
        if manifest.format != FORMAT || manifest.dimensions != settings.dimensions {
            return Err(IndexError::Damaged(
                "it is of another format or model".into(),
            ));
        }
        let segments = manifest
            .vectors
            .iter()
            .map(|file| {
                let segment =
                    Segment::read(&dir.join(&file.name), &file.sha256, settings.dimensions)?;
                Ok((file.clone(), Arc::new(segment)))
            })
            .collect::<Result<Vec<_>>>()?;
        let writer = Writer {
            keywords,
            manifest,
            segments,
        };
        writer.check_counts()?;
        if !sealed {
            seal::close(&dir, &dir.join(KEYWORDS))?;
        }
        writer.remove_strays(&dir);
        Ok(Self::with(dir, number, settings, writer))
    }

    fn with(dir: PathBuf, number: u64, settings: IndexSettings, writer: Writer) -> Self {
        let snapshot = writer.snapshot(number, settings, None);
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

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds passages in one durable commit. Those up to the sequence are there already.
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
        let mut batch = Segment::empty(self.settings.dimensions);
        for entry in &new {
            check_vector(&entry.vector, self.settings.dimensions, entry.passage.0)?;
            batch.push(entry.passage.0, revision(entry.revision.0)?, &entry.vector);
        }
        let mut segments = writer.segments.clone();
        let joined = join_small(&mut segments, batch, self.settings.dimensions);
        let name = format!("{last:012}-{}.vec", writer.manifest.commit + 1);
        let sha256 = joined.write(&self.dir.join(&name))?;
        segments.push((VectorFile { name, sha256 }, Arc::new(joined)));
        let added = writer.add_words(&new);
        self.commit(&mut writer, added, segments, last)
    }

    /// Takes revisions out in one durable commit.
    pub(crate) fn forget(&self, revisions: &BTreeSet<u32>) -> Result<()> {
        let mut writer = self.lock();
        let held = |segment: &Segment| segment.revisions.iter().any(|r| revisions.contains(r));
        let mut segments = Vec::new();
        let commit = writer.manifest.commit + 1;
        for (index, (file, segment)) in writer.segments.iter().enumerate() {
            if !held(segment) {
                segments.push((file.clone(), Arc::clone(segment)));
                continue;
            }
            let kept = segment.filtered(|revision| !revisions.contains(&revision));
            if kept.len() > 0 {
                let name = format!("{index:012}-{commit}f.vec");
                let sha256 = kept.write(&self.dir.join(&name))?;
                segments.push((VectorFile { name, sha256 }, Arc::new(kept)));
            }
        }
        for revision in revisions {
            writer.keywords.forget(*revision);
        }
        let sequence = writer.manifest.sequence;
        self.commit(&mut writer, Ok(()), segments, sequence)
    }

    /// Builds the graph for the present state, where that is large enough to need one.
    pub(crate) fn grow(&self, wanted: impl Fn() -> bool) {
        let before = self.snapshot();
        let Some(graph) = Graph::build(&before.segments, wanted) else {
            return;
        };
        let graph = Arc::new(graph);
        let writer = self.lock();
        self.show(writer.snapshot(self.number, self.settings, Some(graph)));
    }

    /// Whether the graph is missing, or covers less than four fifths of the passages.
    pub(crate) fn needs_graph(&self) -> bool {
        let snapshot = self.snapshot();
        let rows = snapshot.rows();
        let covered = snapshot.graph.as_ref().map_or(0, |graph| graph.len());
        rows > self.settings.exact_limit && covered * 5 < rows * 4
    }

    fn commit(
        &self,
        writer: &mut Writer,
        staged: Result<()>,
        segments: Vec<(VectorFile, Arc<Segment>)>,
        sequence: i64,
    ) -> Result<()> {
        let manifest = Manifest {
            commit: writer.manifest.commit + 1,
            sequence,
            passages: segments
                .iter()
                .map(|(_, segment)| segment.len() as u64)
                .sum(),
            vectors: segments.iter().map(|(file, _)| file.clone()).collect(),
            ..writer.manifest.clone()
        };
        let committed = staged.and_then(|()| {
            seal::open(&self.dir)?;
            writer.keywords.commit(&seal::to_json(&manifest)?)
        });
        if let Err(error) = committed {
            // What was staged must not slip into the next commit.
            writer.keywords.roll_back()?;
            return Err(error);
        }
        seal::close(&self.dir, &self.dir.join(KEYWORDS))?;
        writer.manifest = manifest;
        writer.segments = segments;
        let graph = self.snapshot().graph.clone();
        self.show(writer.snapshot(self.number, self.settings, graph));
        writer.remove_strays(&self.dir);
        Ok(())
    }

    fn show(&self, snapshot: Snapshot) {
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn add_words(&self, entries: &[&IndexEntry]) -> Result<()> {
        for entry in entries {
            let passage = u64::try_from(entry.passage.0)
                .map_err(|_negative| IndexError::Damaged(format!("passage `{}`", entry.passage)))?;
            self.keywords
                .add(entry, passage, revision(entry.revision.0)?)?;
        }
        Ok(())
    }

    fn snapshot(
        &self,
        number: u64,
        settings: IndexSettings,
        graph: Option<Arc<Graph>>,
    ) -> Snapshot {
        let segments: Vec<_> = self.segments.iter().map(|(_, s)| Arc::clone(s)).collect();
        Snapshot {
            name: format!("{number}.{}", self.manifest.commit),
            settings,
            sequence: self.manifest.sequence,
            keywords: self.keywords.searcher(),
            revisions: Snapshot::count(&segments),
            segments,
            graph,
        }
    }

    /// Words and vectors must be of the same passages, whatever each says of itself.
    fn check_counts(&self) -> Result<()> {
        let rows: usize = self.segments.iter().map(|(_, segment)| segment.len()).sum();
        let words = self.keywords.searcher().passages();
        if rows as u64 != self.manifest.passages || words != self.manifest.passages {
            return Err(IndexError::Damaged(format!(
                "it promises {} passages and has {words} by their words, {rows} by their vectors",
                self.manifest.passages
            )));
        }
        let ids = self
            .segments
            .iter()
            .flat_map(|(_, segment)| &segment.passages);
        if !ids.clone().is_sorted() || ids.max().is_some_and(|id| *id > self.manifest.sequence) {
            return Err(IndexError::Damaged("its passages are out of order".into()));
        }
        Ok(())
    }

    /// Removes vector files that no commit names: a crash or a merge left them.
    fn remove_strays(&self, dir: &Path) {
        for name in files::names(dir).unwrap_or_default() {
            let named = self.segments.iter().any(|(file, _)| file.name == name);
            if is_vectors(&name) && !named {
                // A file that cannot be removed now is tried again after the next commit.
                let _ = std::fs::remove_file(dir.join(name));
            }
        }
    }
}

/// Takes the last segments that are not larger than what follows them into `batch`, so that the
/// number of files grows with the logarithm of the passages.
fn join_small(
    segments: &mut Vec<(VectorFile, Arc<Segment>)>,
    batch: Segment,
    dimensions: usize,
) -> Segment {
    let mut rows = batch.len();
    let mut from = segments.len();
    while let Some((_, segment)) = from.checked_sub(1).and_then(|last| segments.get(last))
        && segment.len() <= 2 * rows
        && segment.len() + rows <= MOST_ROWS
    {
        rows += segment.len();
        from -= 1;
    }
    let small = segments.split_off(from);
    if small.is_empty() {
        return batch;
    }
    let parts = small.iter().map(|(_, segment)| segment.as_ref());
    Segment::joined(dimensions, parts.chain([&batch]))
}

fn is_vectors(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "vec")
}

pub(crate) fn revision(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_outside| IndexError::RevisionTooLarge(id))
}
