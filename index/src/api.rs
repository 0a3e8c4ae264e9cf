//! The index: the live generation, and its replacement by another.

use crate::acceptance::{self, Regression, Sample, SiteQuestions, TestQuestion};
use crate::admission::Semaphore;
use crate::comparison::Comparison;
use crate::error::{IndexError, Result};
use crate::files;
use crate::request::{
    IndexCondition, IndexEntry, IndexSettings, IndexStatus, SearchOutcome, SearchRequest,
};
use crate::search;
use crate::snapshot::Snapshot;
use crate::storage::current::{self, Current, Incomplete};
use crate::storage::{Generation, checked_revision, recover};
use cloister_domain::{PassageId, RevisionId};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Passages per commit of a rebuild.
const REBUILD_BATCH: usize = 4096;

/// The value of `rebuilt` if no rebuild is running.
const NO_REBUILD: u64 = u64::MAX;

/// A searchable copy of the database's passages, in a folder that may be deleted at any time.
///
/// Searches run on an immutable snapshot and never wait for a commit. Commits wait for each other.
pub struct Index {
    dir: PathBuf,
    settings: IndexSettings,
    live: RwLock<Live>,
    /// Held while the generation is replaced.
    replacing: Mutex<()>,
    /// The passages that the running rebuild has committed.
    rebuilt: AtomicU64,
    maintenance: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    searches: Semaphore,
    /// Whether only the lexical arm is used, because vectors are missing.
    lexical_only: AtomicBool,
}

/// The generation that is written to, and what is searched.
#[derive(Clone)]
struct Live {
    generation: Arc<Generation>,
    condition: IndexCondition,
    /// The intact part of a damaged generation, which is searched until the new one has more passages.
    recovered: Option<Arc<Snapshot>>,
}

impl Live {
    /// The snapshot that is searched.
    fn searched(&self) -> Arc<Snapshot> {
        let snapshot = self.generation.snapshot();
        let recovered = self.recovered.as_ref();
        let recovered = recovered.filter(|old| old.weight() > snapshot.weight());
        recovered.map_or(snapshot, Arc::clone)
    }
}

impl Index {
    /// Opens the folder `dir`, and creates it if it does not exist. If something in it is damaged,
    /// [`Self::status`] describes it, and a new generation is started with [`Self::sequence`] 0, so that
    /// the caller adds all passages again. The intact part of the old one is searched until the new one
    /// has more passages.
    pub fn open(dir: &Path, settings: IndexSettings) -> Result<Self> {
        files::create_dir(dir)?;
        let live = match Self::open_live(dir, settings) {
            Ok(Some(live)) => live,
            Ok(None) => Live {
                generation: create_generation(dir, settings, None)?,
                condition: IndexCondition::Absent,
                recovered: None,
            },
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => Self::rebuild_empty(dir, settings, &error)?,
        };
        let index = Self {
            dir: dir.to_owned(),
            settings,
            live: RwLock::new(live),
            replacing: Mutex::new(()),
            rebuilt: AtomicU64::new(NO_REBUILD),
            maintenance: Mutex::default(),
            closing: Arc::default(),
            searches: Semaphore::default(),
            lexical_only: AtomicBool::new(false),
        };
        index.remove_old_generations();
        index.start_maintenance()?;
        Ok(index)
    }

    /// Its settings.
    pub fn settings(&self) -> IndexSettings {
        self.settings
    }

    /// The length of every vector.
    pub fn dimensions(&self) -> usize {
        self.settings.dimensions
    }

    /// The condition and the content of the index.
    pub fn status(&self) -> IndexStatus {
        let live = self.live();
        let passages = live.generation.snapshot().rows() as u64;
        let recovered = live.recovered.as_ref().map_or(0, |old| old.rows() as u64);
        let rebuilt = self.rebuilt.load(Ordering::Relaxed);
        IndexStatus {
            condition: live.condition,
            passages,
            searchable: passages.max(recovered),
            rebuilding: (rebuilt != NO_REBUILD).then_some(rebuilt),
            lexical_only: self.lexical_only.load(Ordering::Relaxed),
            graphs: live.generation.snapshot().graph_status(),
        }
    }

    /// Searches by words alone and marks the results as incomplete, while the vectors are placeholders
    /// for those that are being computed.
    pub fn set_lexical_only(&self, lexical_only: bool) {
        self.lexical_only.store(lexical_only, Ordering::Relaxed);
    }

    /// A description of damage that was found since the index was opened. Results are still correct, from
    /// verified codes. [`Self::rebuild`] repairs it.
    pub fn corruption(&self) -> Option<String> {
        self.live().generation.snapshot().corruption()
    }

    /// The highest committed passage; 0 if there is none. The caller adds the later ones of the database.
    pub fn sequence(&self) -> PassageId {
        PassageId(self.live().generation.snapshot().sequence)
    }

    /// The name of the current state: the generation, a dot, and the number of its last commit. States
    /// with the same name have the same passages.
    pub fn generation(&self) -> String {
        self.live().generation.snapshot().name.clone()
    }

    /// The number of passages in the generation that is written to.
    pub fn passages(&self) -> u64 {
        self.live().generation.snapshot().rows() as u64
    }

    /// The revisions in ascending order, to reconcile them with the database.
    pub fn revisions(&self) -> Vec<RevisionId> {
        let snapshot = self.live().generation.snapshot();
        let ids = snapshot.revisions.ids();
        ids.map(|id| RevisionId(i64::from(id))).collect()
    }

    /// Adds passages in one durable commit. Passages up to [`Self::sequence`] are skipped, so that adding
    /// the same passages again after a crash changes nothing.
    pub fn add(&self, entries: &[IndexEntry]) -> Result<()> {
        self.live().generation.add(entries)?;
        self.start_maintenance()
    }

    /// Marks the index as incomplete, because passages of the database were lost: until
    /// [`Self::mark_complete`], all results are marked as incomplete.
    pub fn mark_incomplete(&self) {
        let mut live = self.live.write();
        if !matches!(live.condition, IndexCondition::Damaged(_)) {
            let reason = "it lacks passages that the library holds".to_owned();
            live.condition = IndexCondition::Damaged(reason);
        }
    }

    /// Marks the index as complete: it has all passages of the database.
    pub fn mark_complete(&self) -> Result<()> {
        let mut live = self.live.write();
        if matches!(live.condition, IndexCondition::Damaged(_)) {
            current::write(&self.dir, &Current::new(live.generation.number(), None))?;
        }
        live.condition = IndexCondition::Sound;
        if live.recovered.take().is_some() {
            drop(live);
            // A damaged generation is not kept for a rollback.
            self.remove_all_but_live();
        }
        Ok(())
    }

    /// Deletes the passages of these revisions. Permission already hides them; this frees their space.
    pub fn delete_revisions(&self, revisions: &[RevisionId]) -> Result<()> {
        let ids = revisions
            .iter()
            .map(|id| checked_revision(id.0))
            .collect::<Result<_>>()?;
        self.live().generation.delete_revisions(&ids)?;
        self.start_maintenance()
    }

    /// Builds a new generation from `entries`, in ascending order of their passages, and replaces the live
    /// one by it. `progress` is called with the number of committed passages. Passages that are added to
    /// the old generation meanwhile are after the new [`Self::sequence`], and the caller adds them again.
    /// An error in `entries` ends the rebuild, and so does a regression if it is refused: if the new
    /// generation answers fewer questions, made of its passages or from the `site`, than the current one.
    pub fn rebuild(
        &self,
        entries: impl IntoIterator<Item = Result<IndexEntry>>,
        site: &SiteQuestions,
        regression: Regression,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Comparison> {
        let _replacing = self.replacing.lock();
        let number = current::next_generation_number(&self.dir)?;
        let dir = current::generation_dir(&self.dir, number);
        self.rebuilt.store(0, Ordering::Relaxed);
        let mut sample = Sample::default();
        let entries = entries.into_iter();
        let entries = entries.inspect(|entry| entry.iter().for_each(|entry| sample.offer(entry)));
        let built = self.build(number, entries, progress);
        self.rebuilt.store(NO_REBUILD, Ordering::Relaxed);
        let accepted = built.and_then(|built| {
            let comparison = self.check_regression(&built, &sample, site, regression)?;
            Ok((comparison, built))
        });
        let (comparison, generation) = accepted.inspect_err(|_| {
            // This frees the space on a full disk. If it fails, the next rebuild removes the folder.
            let _ = std::fs::remove_dir_all(&dir);
        })?;
        self.replace_live(generation)?;
        Ok(comparison)
    }

    /// Compares a new generation with the current one. Returns the comparison by questions made of
    /// passages, or an error if either comparison is a regression that is refused.
    fn check_regression(
        &self,
        built: &Generation,
        sample: &Sample,
        site: &SiteQuestions,
        regression: Regression,
    ) -> Result<Comparison> {
        let (before, after) = (self.live().searched(), built.snapshot());
        let by_passages = sample.compare(&before, &after)?;
        let by_site = site.compare(&before, &after)?;
        for comparison in [by_passages, by_site] {
            tracing::info!("the index that was built: {comparison}");
            if comparison.is_worse() && regression == Regression::Refused {
                return Err(IndexError::Regression(comparison));
            }
        }
        Ok(by_passages)
    }

    /// Replaces the live generation by the one before it, if it exists and is intact. The caller then adds
    /// the passages after [`Self::sequence`]. Returns `false` if there is none.
    pub fn roll_back(&self) -> Result<bool> {
        let _replacing = self.replacing.lock();
        let live = self.live().generation.number();
        let numbers = current::generation_numbers(&self.dir)?;
        let Some(before) = numbers.into_iter().rfind(|number| *number != live) else {
            return Ok(false);
        };
        let dir = current::generation_dir(&self.dir, before);
        self.replace_live(Generation::open(dir, before, self.settings)?)?;
        Ok(true)
    }

    /// The best permitted passages for a question, by words and by vectors. Both arms score only permitted
    /// passages.
    pub fn search(&self, request: &SearchRequest<'_>) -> Result<SearchOutcome> {
        let permit = self.searches.acquire();
        let live = self.live();
        let snapshot = live.searched();
        let lexical_only = self.lexical_only.load(Ordering::Relaxed);
        let mut outcome = if lexical_only {
            search::search(&snapshot.lexical_only(), request, permit.use_all_threads)
        } else {
            search::search(&snapshot, request, permit.use_all_threads)
        }?;
        outcome.complete = !lexical_only && !matches!(live.condition, IndexCondition::Damaged(_));
        Ok(outcome)
    }

    /// Whether a permitted passage has a word of this text, in any form. True if the words cannot be
    /// searched because the index is damaged.
    pub fn contains_word(&self, text: &str, permitted: &RoaringBitmap) -> Result<bool> {
        search::contains_word(&self.live().searched(), text, permitted)
    }

    /// Compares this index with one of another model: by questions made of passages, and by the site's.
    pub fn compare(
        &self,
        other: &Self,
        questions: &[TestQuestion],
        site: &SiteQuestions,
    ) -> Result<[Comparison; 2]> {
        let (before, after) = (self.live().searched(), other.live().searched());
        let by_passages = acceptance::compare_indexes(&before, &after, questions)?;
        Ok([by_passages, site.compare(&before, &after)?])
    }

    /// Removes the index from the disk.
    pub fn remove_from_disk(self) -> Result<()> {
        let dir = self.dir.clone();
        drop(self);
        std::fs::remove_dir_all(&dir).map_err(|source| files::file_error(&dir, source))
    }

    fn live(&self) -> Live {
        self.live.read().clone()
    }

    fn open_live(dir: &Path, settings: IndexSettings) -> Result<Option<Live>> {
        let Some(current) = current::read(dir)? else {
            return Ok(None);
        };
        let number = current.generation;
        let folder = current::generation_dir(dir, number);
        let generation = Arc::new(Generation::open(folder, number, settings)?);
        let incomplete = current.incomplete.as_ref();
        let recovered = incomplete.and_then(|state| state.recovered_generation);
        Ok(Some(Live {
            generation,
            recovered: recovered
                .and_then(|number| recover(&current::generation_dir(dir, number), number, settings))
                .map(Arc::new),
            condition: match current.incomplete {
                Some(incomplete) => IndexCondition::Damaged(incomplete.reason),
                None => IndexCondition::Sound,
            },
        }))
    }

    /// Starts an empty generation, and recovers the intact part of the existing ones.
    fn rebuild_empty(dir: &Path, settings: IndexSettings, error: &IndexError) -> Result<Live> {
        tracing::warn!(%error, "the index is rebuilt from the rows: {error}");
        let numbers = current::generation_numbers(dir)?.into_iter();
        let recovered = numbers
            .filter_map(|number| {
                let folder = current::generation_dir(dir, number);
                Some((number, recover(&folder, number, settings)?))
            })
            .max_by_key(|(_, snapshot)| snapshot.weight());
        let incomplete = Incomplete {
            reason: error.to_string(),
            recovered_generation: recovered.as_ref().map(|(number, _)| *number),
        };
        Ok(Live {
            generation: create_generation(dir, settings, Some(incomplete))?,
            condition: IndexCondition::Damaged(error.to_string()),
            recovered: recovered.map(|(_, snapshot)| Arc::new(snapshot)),
        })
    }

    fn build(
        &self,
        number: u64,
        entries: impl IntoIterator<Item = Result<IndexEntry>>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Generation> {
        let dir = current::generation_dir(&self.dir, number);
        let next = Generation::create(dir, number, self.settings)?;
        let mut entries = entries.into_iter();
        let mut done = 0;
        loop {
            let step = entries.by_ref().take(REBUILD_BATCH);
            let step = step.collect::<Result<Vec<IndexEntry>>>()?;
            if step.is_empty() {
                return Ok(next);
            }
            next.add(&step)?;
            while next.maintain()? {}
            done += step.len() as u64;
            self.rebuilt.store(done, Ordering::Relaxed);
            progress(done);
        }
    }

    /// Replaces the live generation.
    fn replace_live(&self, generation: Generation) -> Result<()> {
        current::write(&self.dir, &Current::new(generation.number(), None))?;
        *self.live.write() = Live {
            generation: Arc::new(generation),
            condition: IndexCondition::Sound,
            recovered: None,
        };
        self.remove_old_generations();
        self.start_maintenance()
    }

    /// Removes all generations but the live one and one more: the recovered one, or the one before.
    fn remove_old_generations(&self) {
        let live = self.live().generation.number();
        let current = current::read(&self.dir).ok().flatten();
        let recovered = current.and_then(|current| current.incomplete?.recovered_generation);
        let mut older = current::generation_numbers(&self.dir).unwrap_or_default();
        older.retain(|number| *number != live);
        let spared = recovered.or(older.last().copied());
        self.remove(older.into_iter().filter(|number| Some(*number) != spared));
    }

    fn remove_all_but_live(&self) {
        let live = self.live().generation.number();
        let older = current::generation_numbers(&self.dir)
            .unwrap_or_default()
            .into_iter();
        self.remove(older.filter(|number| *number != live));
    }

    fn remove(&self, numbers: impl Iterator<Item = u64>) {
        for number in numbers {
            // If this fails, the next rebuild tries again.
            let _ = std::fs::remove_dir_all(current::generation_dir(&self.dir, number));
        }
    }

    /// Does all maintenance that there is to do: merges files, and builds graphs and clusters.
    pub fn finish_maintenance(&self) -> Result<()> {
        self.wait_for_maintenance();
        // A commit at the end of the previous one may have left something to do.
        self.start_maintenance()?;
        self.wait_for_maintenance();
        Ok(())
    }

    fn wait_for_maintenance(&self) {
        let thread = self.maintenance.lock().take();
        if let Some(thread) = thread {
            // The thread has already reported a panic.
            let _ = thread.join();
        }
    }

    /// Starts the maintenance of the live generation, unless it is running.
    fn start_maintenance(&self) -> Result<()> {
        let mut maintenance = self.maintenance.lock();
        if maintenance
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            return Ok(());
        }
        let closing = Arc::clone(&self.closing);
        let generation = Arc::downgrade(&self.live().generation);
        let thread = std::thread::Builder::new().name("index-maintain".into());
        *maintenance = Some(
            thread
                .spawn(move || {
                    if let Err(error) = maintain(&generation, &closing) {
                        tracing::warn!(%error, "the index's upkeep is put off: {error}");
                    }
                })
                .map_err(IndexError::Thread)?,
        );
        Ok(())
    }
}

impl Drop for Index {
    /// Waits for the maintenance, which holds the folder's lock.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.wait_for_maintenance();
    }
}

/// Merges files, then builds the graphs and the clusters that are missing.
fn maintain(generation: &Weak<Generation>, closing: &AtomicBool) -> Result<()> {
    while let Some(live) = generation
        .upgrade()
        .filter(|_| !closing.load(Ordering::Relaxed))
    {
        if !live.maintain()? && !live.build_next_graph(closing)? && !live.build_next_clusters() {
            break;
        }
    }
    Ok(())
}

/// Creates an empty generation and makes it the current one.
fn create_generation(
    dir: &Path,
    settings: IndexSettings,
    incomplete: Option<Incomplete>,
) -> Result<Arc<Generation>> {
    let number = current::next_generation_number(dir)?;
    let folder = current::generation_dir(dir, number);
    let generation = Generation::create(folder, number, settings)?;
    current::write(dir, &Current::new(number, incomplete))?;
    Ok(Arc::new(generation))
}
