//! The index as everybody else sees it: the live generation, and how another takes its place.

use crate::comparison::{self, Asked, Comparison, Sample, SiteQuestions, Worse};
use crate::entry::{
    IndexCondition, IndexEntry, IndexSettings, IndexStatus, SearchOutcome, SearchRequest,
};
use crate::error::{IndexError, Result};
use crate::files;
use crate::generation::{Generation, revision};
use crate::hybrid;
use crate::pointer::{self, Pointer, Refilling};
use crate::salvage::salvage;
use crate::snapshot::Snapshot;
use crate::turns::Turns;
use cloister_domain::{PassageId, RevisionId};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;

/// Passages that a rebuild commits at a time.
const REBUILD_STEP: usize = 4096;

/// No rebuild is going on.
const NO_REBUILD: u64 = u64::MAX;

/// A searchable copy of the database's passages, in a folder that may be deleted at any time.
///
/// Searches run on an immutable snapshot and never wait for a commit. Commits wait for each other.
pub struct Index {
    dir: PathBuf,
    settings: IndexSettings,
    live: RwLock<Live>,
    rebuilding: Mutex<()>,
    rebuilt: AtomicU64,
    upkeep: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    turns: Turns,
    /// Whether meaning is left out: not all vectors are what they should be.
    words_alone: AtomicBool,
}

/// What is written to and what answers.
#[derive(Clone)]
struct Live {
    generation: Arc<Generation>,
    condition: IndexCondition,
    /// The sound part of a damaged generation, which answers until the new one holds more.
    salvaged: Option<Arc<Snapshot>>,
}

impl Live {
    /// What is searched: what was salvaged, as long as it holds more.
    fn answering(&self) -> Arc<Snapshot> {
        let snapshot = self.generation.snapshot();
        let salvaged = self.salvaged.as_ref();
        let salvaged = salvaged.filter(|old| old.weight() > snapshot.weight());
        salvaged.map_or(snapshot, Arc::clone)
    }
}

impl Index {
    /// Opens the folder `dir`, making it where it is absent. Where something in it does not hold,
    /// [`Self::status`] says what, a new generation is begun, with [`Self::sequence`] 0, so that
    /// the caller feeds it again from the database, and what is sound of the old one answers until
    /// the new one holds more.
    pub fn open(dir: &Path, settings: IndexSettings) -> Result<Self> {
        files::make_dir(dir)?;
        let live = match Self::open_live(dir, settings) {
            Ok(Some(live)) => live,
            Ok(None) => Live {
                generation: begin(dir, settings, None)?,
                condition: IndexCondition::Absent,
                salvaged: None,
            },
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => Self::begin_anew(dir, settings, &error)?,
        };
        let index = Self {
            dir: dir.to_owned(),
            settings,
            live: RwLock::new(live),
            rebuilding: Mutex::new(()),
            rebuilt: AtomicU64::new(NO_REBUILD),
            upkeep: Mutex::default(),
            closing: Arc::default(),
            turns: Turns::default(),
            words_alone: AtomicBool::new(false),
        };
        index.remove_old();
        index.tend()?;
        Ok(index)
    }

    /// How it works.
    pub fn settings(&self) -> IndexSettings {
        self.settings
    }

    /// The length of every vector.
    pub fn dimensions(&self) -> usize {
        self.settings.dimensions
    }

    /// How the index is and what it holds.
    pub fn status(&self) -> IndexStatus {
        let live = self.live();
        let passages = live.generation.snapshot().rows() as u64;
        let salvaged = live.salvaged.as_ref().map_or(0, |old| old.rows() as u64);
        let rebuilt = self.rebuilt.load(Ordering::Relaxed);
        IndexStatus {
            condition: live.condition,
            passages,
            answering: passages.max(salvaged),
            rebuilding: (rebuilt != NO_REBUILD).then_some(rebuilt),
            words_alone: self.words_alone.load(Ordering::Relaxed),
        }
    }

    /// Has words alone answer, and each answer say that it is incomplete, until it is told otherwise:
    /// for vectors that only hold the place of those that are being made.
    pub fn answer_by_words_alone(&self, alone: bool) {
        self.words_alone.store(alone, Ordering::Relaxed);
    }

    /// What was found damaged since the index was opened. Its answers are right still, by what was
    /// checked; [`Self::rebuild`] makes it whole.
    pub fn torn(&self) -> Option<String> {
        self.live().generation.snapshot().torn()
    }

    /// The highest passage committed; 0 where there is none. Feed it what the database has above.
    pub fn sequence(&self) -> PassageId {
        PassageId(self.live().generation.snapshot().sequence)
    }

    /// The name of the present state: generation, a dot, and the number of its last commit. The
    /// same name is the same passages.
    pub fn generation(&self) -> String {
        self.live().generation.snapshot().name.clone()
    }

    /// How many passages the generation that is fed holds.
    pub fn passages(&self) -> u64 {
        self.live().generation.snapshot().rows() as u64
    }

    /// The revisions of which there are passages, ascending, to reconcile with the database.
    pub fn revisions(&self) -> Vec<RevisionId> {
        let snapshot = self.live().generation.snapshot();
        let ids = snapshot.revisions.ids();
        ids.map(|id| RevisionId(i64::from(id))).collect()
    }

    /// Adds passages in one durable commit. Passages up to [`Self::sequence`] are taken to be
    /// there already, so feeding the same again after a crash changes nothing.
    pub fn add(&self, entries: &[IndexEntry]) -> Result<()> {
        self.live().generation.add(entries)?;
        self.tend()
    }

    /// Says that the database has passages above [`Self::sequence`], as where the index was lost:
    /// until [`Self::caught_up`] every answer says that it is incomplete.
    pub fn falls_short(&self) {
        let mut live = self.write();
        if !matches!(live.condition, IndexCondition::Damaged(_)) {
            let reason = "it lacks passages that the library holds".to_owned();
            live.condition = IndexCondition::Damaged(reason);
        }
    }

    /// Says that the database has nothing above [`Self::sequence`]: what was lost is there again.
    pub fn caught_up(&self) -> Result<()> {
        let mut live = self.write();
        if matches!(live.condition, IndexCondition::Damaged(_)) {
            pointer::write(&self.dir, &Pointer::new(live.generation.number(), None))?;
        }
        live.condition = IndexCondition::Sound;
        if live.salvaged.take().is_some() {
            drop(live);
            // Nothing to roll back to: what was salvaged was damaged.
            self.remove_all_but_live();
        }
        Ok(())
    }

    /// Takes out the passages of these revisions. Permission has already hidden them: this gives
    /// their space back.
    pub fn forget(&self, revisions: &[RevisionId]) -> Result<()> {
        let ids = revisions
            .iter()
            .map(|id| revision(id.0))
            .collect::<Result<_>>()?;
        self.live().generation.forget(&ids)?;
        self.tend()
    }

    /// Builds a new generation aside from all of `entries`, in growing order of their passages,
    /// and puts it in the place of the live one; `progress` hears how many are in. What was added
    /// to the old generation meanwhile is above the new [`Self::sequence`] and is fed again. An
    /// entry that is an error ends it, and the live generation stays; so does, where that is
    /// refused, a new generation that finds less than what answers, asked by its passages and with the
    /// questions of the `site`.
    pub fn rebuild(
        &self,
        entries: impl IntoIterator<Item = Result<IndexEntry>>,
        site: &SiteQuestions,
        worse: Worse,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Comparison> {
        let _only_one = self
            .rebuilding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = pointer::next_number(&self.dir)?;
        let dir = pointer::generation_dir(&self.dir, number);
        self.rebuilt.store(0, Ordering::Relaxed);
        let mut sample = Sample::default();
        let entries = entries.into_iter();
        let entries = entries.inspect(|entry| entry.iter().for_each(|entry| sample.offer(entry)));
        let built = self.build(number, entries, progress);
        self.rebuilt.store(NO_REBUILD, Ordering::Relaxed);
        let compared =
            built.and_then(|built| Ok((self.compared(&built, &sample, site, worse)?, built)));
        let (comparison, generation) = compared.inspect_err(|_| {
            // On a full disk the room matters; where it cannot be removed, the next rebuild does.
            let _ = std::fs::remove_dir_all(&dir);
        })?;
        self.go_live(generation)?;
        Ok(comparison)
    }

    /// What answers now beside a new generation, by the questions of its passages; an error where that
    /// is worse, by these or by the site's, and refused.
    fn compared(
        &self,
        built: &Generation,
        sample: &Sample,
        site: &SiteQuestions,
        worse: Worse,
    ) -> Result<Comparison> {
        let (before, after) = (self.live().answering(), built.snapshot());
        let by_passages = sample.compare(&before, &after)?;
        let by_site = site.compare(&before, &after)?;
        for comparison in [by_passages, by_site] {
            tracing::info!("the index that was built: {comparison}");
            if comparison.is_worse() && worse == Worse::Refused {
                return Err(IndexError::Worse(comparison));
            }
        }
        Ok(by_passages)
    }

    /// Puts the generation before the live one in its place, where there is one and it holds. Feed
    /// it what the database has above [`Self::sequence`]. `false` where there is none.
    pub fn roll_back(&self) -> Result<bool> {
        let _only_one = self
            .rebuilding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let live = self.live().generation.number();
        let numbers = pointer::numbers(&self.dir)?;
        let Some(before) = numbers.into_iter().rfind(|number| *number != live) else {
            return Ok(false);
        };
        let dir = pointer::generation_dir(&self.dir, before);
        self.go_live(Generation::open(dir, before, self.settings)?)?;
        Ok(true)
    }

    /// The best permitted passages for a question, by words and by meaning. Both arms look at
    /// permitted passages only.
    pub fn search(&self, request: &SearchRequest<'_>) -> Result<SearchOutcome> {
        let turn = self.turns.take();
        let live = self.live();
        let snapshot = live.answering();
        let words_alone = self.words_alone.load(Ordering::Relaxed);
        let mut outcome = if words_alone {
            hybrid::search(&snapshot.words_alone(), request, turn.alone)
        } else {
            hybrid::search(&snapshot, request, turn.alone)
        }?;
        outcome.complete = !words_alone && !matches!(live.condition, IndexCondition::Damaged(_));
        Ok(outcome)
    }

    /// Asks this index and one of another model's vectors the same questions: those that passages make
    /// of themselves, and the site's.
    pub fn compare(
        &self,
        other: &Self,
        questions: &[Asked],
        site: &SiteQuestions,
    ) -> Result<[Comparison; 2]> {
        let (before, after) = (self.live().answering(), other.live().answering());
        let by_passages = comparison::between(&before, &after, questions)?;
        Ok([by_passages, site.compare(&before, &after)?])
    }

    /// Removes the index from the disk.
    pub fn delete(self) -> Result<()> {
        let dir = self.dir.clone();
        drop(self);
        std::fs::remove_dir_all(&dir).map_err(|source| files::at(&dir, source))
    }

    fn live(&self) -> Live {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.clone()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_live(dir: &Path, settings: IndexSettings) -> Result<Option<Live>> {
        let Some(pointer) = pointer::read(dir)? else {
            return Ok(None);
        };
        let number = pointer.generation;
        let folder = pointer::generation_dir(dir, number);
        let generation = Arc::new(Generation::open(folder, number, settings)?);
        let salvage = |number| salvage(&pointer::generation_dir(dir, number), number, settings);
        let salvaged = pointer.refilling.as_ref().and_then(|r| r.salvage);
        Ok(Some(Live {
            generation,
            salvaged: salvaged.and_then(salvage).map(Arc::new),
            condition: match pointer.refilling {
                Some(refilling) => IndexCondition::Damaged(refilling.reason),
                None => IndexCondition::Sound,
            },
        }))
    }

    /// Begins an empty generation beside what is sound of those that are there.
    fn begin_anew(dir: &Path, settings: IndexSettings, error: &IndexError) -> Result<Live> {
        tracing::warn!(%error, "the index is begun anew: {error}");
        let numbers = pointer::numbers(dir)?.into_iter();
        let salvaged = numbers
            .filter_map(|number| {
                let folder = pointer::generation_dir(dir, number);
                Some((number, salvage(&folder, number, settings)?))
            })
            .max_by_key(|(_, snapshot)| snapshot.weight());
        let refilling = Refilling {
            reason: error.to_string(),
            salvage: salvaged.as_ref().map(|(number, _)| *number),
        };
        Ok(Live {
            generation: begin(dir, settings, Some(refilling))?,
            condition: IndexCondition::Damaged(error.to_string()),
            salvaged: salvaged.map(|(_, snapshot)| Arc::new(snapshot)),
        })
    }

    fn build(
        &self,
        number: u64,
        entries: impl IntoIterator<Item = Result<IndexEntry>>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Generation> {
        let dir = pointer::generation_dir(&self.dir, number);
        let next = Generation::create(dir, number, self.settings)?;
        let mut entries = entries.into_iter();
        let mut done = 0;
        loop {
            let step = entries.by_ref().take(REBUILD_STEP);
            let step = step.collect::<Result<Vec<IndexEntry>>>()?;
            if step.is_empty() {
                return Ok(next);
            }
            next.add(&step)?;
            while next.tend()? {}
            done += step.len() as u64;
            self.rebuilt.store(done, Ordering::Relaxed);
            progress(done);
        }
    }

    /// Puts a whole generation in the place of the live one.
    fn go_live(&self, generation: Generation) -> Result<()> {
        pointer::write(&self.dir, &Pointer::new(generation.number(), None))?;
        *self.write() = Live {
            generation: Arc::new(generation),
            condition: IndexCondition::Sound,
            salvaged: None,
        };
        self.remove_old();
        self.tend()
    }

    /// Removes all but the live generation and one more: what was salvaged, or the one before.
    fn remove_old(&self) {
        let live = self.live().generation.number();
        let kept = pointer::read(&self.dir).ok().flatten();
        let kept = kept.and_then(|pointer| pointer.refilling?.salvage);
        let mut older = pointer::numbers(&self.dir).unwrap_or_default();
        older.retain(|number| *number != live);
        let kept = kept.or(older.last().copied());
        self.remove(older.into_iter().filter(|number| Some(*number) != kept));
    }

    fn remove_all_but_live(&self) {
        let live = self.live().generation.number();
        let older = pointer::numbers(&self.dir).unwrap_or_default().into_iter();
        self.remove(older.filter(|number| *number != live));
    }

    fn remove(&self, numbers: impl Iterator<Item = u64>) {
        for number in numbers {
            // A folder that cannot be removed now is tried again after the next rebuild.
            let _ = std::fs::remove_dir_all(pointer::generation_dir(&self.dir, number));
        }
    }

    /// Waits until the background has done what it is at, such as making cells after a start.
    pub(crate) fn wait_for_upkeep(&self) {
        let upkeep = || self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = upkeep().take();
        if let Some(thread) = thread {
            // A panic there was told by its own thread.
            let _ = thread.join();
        }
    }

    /// Starts what the generation needs done in the background, unless that is going on.
    fn tend(&self) -> Result<()> {
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        if upkeep.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        let closing = Arc::clone(&self.closing);
        let generation = Arc::downgrade(&self.live().generation);
        let thread = std::thread::Builder::new().name("index-upkeep".into());
        let tending = move || {
            if let Err(error) = tend(&generation, &closing) {
                tracing::warn!(%error, "the index's upkeep is put off: {error}");
            }
        };
        *upkeep = Some(thread.spawn(tending).map_err(IndexError::Thread)?);
        Ok(())
    }
}

impl Drop for Index {
    /// Waits for the background, which holds the folder's lock.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.wait_for_upkeep();
    }
}

/// Merges what is to be merged, then makes cells where the index has outgrown comparing all.
fn tend(generation: &Weak<Generation>, closing: &AtomicBool) -> Result<()> {
    let open = || !closing.load(Ordering::Relaxed);
    while let Some(live) = generation.upgrade().filter(|_| open()) {
        if !live.tend()? && !live.make_cells() {
            break;
        }
    }
    Ok(())
}

fn begin(
    dir: &Path,
    settings: IndexSettings,
    refilling: Option<Refilling>,
) -> Result<Arc<Generation>> {
    let number = pointer::next_number(dir)?;
    let folder = pointer::generation_dir(dir, number);
    let generation = Generation::create(folder, number, settings)?;
    pointer::write(dir, &Pointer::new(number, refilling))?;
    Ok(Arc::new(generation))
}
