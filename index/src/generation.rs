//! One generation: a folder with a keyword index, files of vectors and a seal.

use crate::entry::{IndexEntry, IndexSettings};
use crate::error::{IndexError, Result};
use crate::files;
use crate::keyword::Keywords;
use crate::revisions::Revisions;
use crate::seal::{self, FORMAT, Manifest, VectorFile};
use crate::snapshot::{Snapshot, check_vector};
use crate::vectors::{self, Segment};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub(crate) const KEYWORDS: &str = "keywords";

/// What is added joins the last segments up to this many rows, so that many small commits make few
/// files. Larger segments are merged in the background.
const MOST_JOINED: usize = 4096;

/// A segment with more than this share of what is compared one by one has cells.
const LASTING: usize = 8;

pub(crate) struct Generation {
    number: u64,
    dir: PathBuf,
    settings: IndexSettings,
    writer: Mutex<Writer>,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// A file of vectors and what was read of it.
#[derive(Clone)]
pub(crate) struct Part {
    pub file: VectorFile,
    pub segment: Arc<Segment>,
}

/// Whoever holds this may change the generation.
pub(crate) struct Writer {
    pub keywords: Keywords,
    pub manifest: Manifest,
    pub parts: Vec<Part>,
    /// What the background works on: its files are left alone, and the seal stays open.
    pub upkeep: Upkeep,
}

/// Background work on a generation that a commit must not disturb.
#[derive(Default)]
pub(crate) struct Upkeep {
    /// Vector files that are becoming one, and that one.
    pub vectors: BTreeSet<String>,
    /// Whether tantivy is merging, which changes its records when it is done.
    pub words: bool,
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
        let writer = Writer {
            keywords,
            manifest,
            parts: Vec::new(),
            upkeep: Upkeep::default(),
        };
        Ok(Self::with(dir, number, settings, writer))
    }

    /// Opens the generation in `dir` after checking everything that a search looks at in memory.
    /// Vectors on the disk are checked one by one as they are read.
    pub(crate) fn open(dir: PathBuf, number: u64, settings: IndexSettings) -> Result<Self> {
        let sealed = seal::check(&dir, &dir.join(KEYWORDS))?;
        let manifest = read_manifest(&dir, settings)?;
        let (keywords, parts) = rayon::join(
            || Keywords::open(&dir.join(KEYWORDS)),
            || read_parts(&dir, &manifest),
        );
        let writer = Writer {
            keywords: keywords?,
            manifest,
            parts: parts?,
            upkeep: Upkeep::default(),
        };
        writer.check_counts()?;
        if !sealed && let Err(error) = seal::close(&dir, &dir.join(KEYWORDS)) {
            // A disk that is full now is no reason to doubt what was read from it.
            tracing::warn!(%error, "the index stays unsealed: {error}");
        }
        writer.remove_strays(&dir);
        Ok(Self::with(dir, number, settings, writer))
    }

    fn with(dir: PathBuf, number: u64, settings: IndexSettings, writer: Writer) -> Self {
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

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.settings.dimensions
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
        let mut rows = Vec::with_capacity(new.len());
        for entry in &new {
            check_vector(&entry.vector, self.settings.dimensions, entry.passage.0)?;
            rows.push((entry.passage.0, revision(entry.revision.0)?, &*entry.vector));
        }
        let parts = self.grown(&writer, &rows, last)?;
        self.commit(&mut writer, parts, last, |writer| writer.add_words(&new))
    }

    /// The parts with `rows` in them, in a new file that the last small ones join.
    fn grown(&self, writer: &Writer, rows: &[vectors::Row<'_>], last: i64) -> Result<Vec<Part>> {
        let name = format!("{last:012}-{}.vec", writer.manifest.commit + 1);
        let path = self.dir.join(&name);
        let mut parts = writer.parts.clone();
        let small = parts.split_off(writer.first_small(rows.len()));
        let segments: Vec<_> = small.iter().map(|part| Arc::clone(&part.segment)).collect();
        let joined = vectors::join(&path, self.settings.dimensions, &segments, rows);
        let (sha256, segment) = match joined {
            // A damaged neighbour must not keep new passages out; it is noticed by itself.
            Err(IndexError::Damaged(_)) if !small.is_empty() => {
                parts.extend(small);
                vectors::join(&path, self.settings.dimensions, &[], rows)?
            }
            joined => joined?,
        };
        parts.push(Part::new(name, sha256, segment));
        Ok(parts)
    }

    /// Takes revisions out in one durable commit.
    pub(crate) fn forget(&self, revisions: &BTreeSet<u32>) -> Result<()> {
        let mut writer = self.lock();
        let parts = writer.parts.iter().map(|part| part.without(revisions));
        let parts = parts.collect();
        let sequence = writer.manifest.sequence;
        self.commit(&mut writer, parts, sequence, |writer| {
            for revision in revisions {
                writer.keywords.forget(*revision);
            }
            Ok(())
        })
    }

    /// Makes the cells of the next segment that shall have some; `false` where none is left.
    pub(crate) fn make_cells(&self) -> bool {
        let snapshot = self.snapshot();
        if snapshot.rows() <= self.settings.exact_limit {
            return false;
        }
        // Smaller ones are merged soon, and compared soon.
        let least = self.settings.exact_limit / LASTING;
        let mut lasting = snapshot.segments.iter().filter(|s| s.live() > least);
        let next = lasting.find(|segment| segment.cells().is_none());
        next.inspect(|segment| segment.make_cells()).is_some()
    }

    /// Commits what `stage` gives to tantivy and these vector files, in one durable step.
    pub(crate) fn commit(
        &self,
        writer: &mut Writer,
        parts: Vec<Part>,
        sequence: i64,
        stage: impl FnOnce(&Writer) -> Result<()>,
    ) -> Result<()> {
        let manifest = Manifest {
            commit: writer.manifest.commit + 1,
            sequence,
            passages: parts.iter().map(|part| part.segment.live() as u64).sum(),
            vectors: parts.iter().map(|part| part.file.clone()).collect(),
            ..writer.manifest.clone()
        };
        // tantivy changes its records as soon as it is given something.
        seal::open(&self.dir)?;
        let committed =
            stage(writer).and_then(|()| writer.keywords.commit(&seal::to_json(&manifest)?));
        if let Err(error) = committed {
            // What was staged must not slip into the next commit.
            writer.keywords.roll_back()?;
            writer.remove_strays(&self.dir);
            return Err(error);
        }
        writer.manifest = manifest;
        writer.parts = parts;
        self.close_and_show(writer)?;
        writer.remove_strays(&self.dir);
        Ok(())
    }

    /// Seals the records as they are now and lets searches see them.
    pub(crate) fn close_and_show(&self, writer: &Writer) -> Result<()> {
        if !writer.upkeep.words {
            seal::close(&self.dir, &self.dir.join(KEYWORDS))?;
        }
        self.show(writer.snapshot(self.number, self.settings));
        Ok(())
    }

    fn show(&self, snapshot: Snapshot) {
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    pub(crate) fn new(name: String, sha256: String, segment: Segment) -> Self {
        Self {
            file: VectorFile {
                name,
                sha256,
                forgotten: BTreeSet::new(),
            },
            segment: Arc::new(segment),
        }
    }

    /// The same without these revisions.
    pub(crate) fn without(&self, revisions: &BTreeSet<u32>) -> Self {
        let held = |revision: &u32| revisions.contains(revision);
        let known = self.segment.revisions().map(|(revision, _)| revision);
        let gone: BTreeSet<u32> = known.filter(held).collect();
        if gone.is_empty() {
            return self.clone();
        }
        let segment = Arc::new(self.segment.without(&gone));
        let mut file = self.file.clone();
        file.forgotten.extend(gone);
        Self { file, segment }
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

    /// The first of the last parts that `rows` more can join.
    fn first_small(&self, mut rows: usize) -> usize {
        let mut first = self.parts.len();
        while let Some(part) = first.checked_sub(1).and_then(|last| self.parts.get(last))
            && part.segment.live() <= 2 * rows
            && part.segment.live() + rows <= MOST_JOINED
            && !self.upkeep.vectors.contains(&part.file.name)
        {
            rows += part.segment.live();
            first -= 1;
        }
        first
    }

    fn snapshot(&self, number: u64, settings: IndexSettings) -> Snapshot {
        let parts = self.parts.iter();
        let segments: Vec<_> = parts.map(|part| Arc::clone(&part.segment)).collect();
        Snapshot {
            name: format!("{number}.{}", self.manifest.commit),
            settings,
            sequence: self.manifest.sequence,
            keywords: Some(self.keywords.searcher()),
            revisions: Revisions::of(segments.iter().flat_map(|s| s.revisions())),
            segments,
        }
    }

    /// Words and vectors must be of the same passages, whatever each says of itself.
    fn check_counts(&self) -> Result<()> {
        let segments = || self.parts.iter().map(|part| &part.segment);
        let rows: usize = segments().map(|segment| segment.live()).sum();
        let words = self.keywords.searcher().passages();
        if rows as u64 != self.manifest.passages || words != self.manifest.passages {
            return Err(IndexError::Damaged(format!(
                "it promises {} passages and has {words} by their words, {rows} by their vectors",
                self.manifest.passages
            )));
        }
        let ids = segments().flat_map(|segment| &segment.codes().passages);
        if !ids.clone().is_sorted() || ids.max().is_some_and(|id| *id > self.manifest.sequence) {
            return Err(IndexError::Damaged("its passages are out of order".into()));
        }
        Ok(())
    }

    /// Removes vector files that no commit names: a crash or a merge left them.
    fn remove_strays(&self, dir: &Path) {
        for name in files::names(dir).unwrap_or_default() {
            let named = self.parts.iter().any(|part| part.file.name == name);
            let kept = named || self.upkeep.vectors.iter().any(|file| of_one(file, &name));
            if is_vectors(&name) && !kept {
                // A file that cannot be removed now is tried again after the next commit.
                let _ = std::fs::remove_file(dir.join(name));
            }
        }
    }
}

/// Reads the manifest, which tantivy's records carry.
fn read_manifest(dir: &Path, settings: IndexSettings) -> Result<Manifest> {
    let payload = Keywords::payload(&dir.join(KEYWORDS))?
        .ok_or_else(|| IndexError::Damaged("it has no manifest".into()))?;
    let manifest: Manifest = seal::parse(payload.as_bytes(), "its manifest")?;
    if manifest.format != FORMAT || manifest.dimensions != settings.dimensions {
        return Err(IndexError::Damaged(
            "it is of another format or model".into(),
        ));
    }
    Ok(manifest)
}

fn read_parts(dir: &Path, manifest: &Manifest) -> Result<Vec<Part>> {
    use rayon::prelude::*;
    manifest
        .vectors
        .par_iter()
        .map(|file| {
            let path = dir.join(&file.name);
            let segment = Segment::read(&path, Some(&file.sha256), manifest.dimensions)?;
            Ok(Part {
                file: file.clone(),
                segment: Arc::new(segment.without(&file.forgotten)),
            })
        })
        .collect()
}

/// Whether `name` is a file of vectors, or one that was being written.
pub(crate) fn is_vectors(name: &str) -> bool {
    let end = Path::new(name).extension();
    end.is_some_and(|end| end == "vec" || end == files::ASIDE)
}

/// Whether both are one file, finished or being written.
fn of_one(a: &str, b: &str) -> bool {
    Path::new(a).file_stem() == Path::new(b).file_stem()
}

pub(crate) fn revision(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_outside| IndexError::RevisionTooLarge(id))
}
