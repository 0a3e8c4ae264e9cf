//! The index as everybody else sees it: the live generation, and how another takes its place.

use crate::entry::{IndexCondition, IndexEntry, IndexSettings, SearchOutcome, SearchRequest};
use crate::error::{IndexError, Result};
use crate::files;
use crate::generation::{Generation, revision};
use crate::hybrid;
use crate::seal::{self, FORMAT};
use cloister_domain::{PassageId, RevisionId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

const POINTER: &str = "current.json";

/// Passages that a rebuild commits at a time.
const REBUILD_STEP: usize = 4096;

/// Which generation is live.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    format: u32,
    generation: u64,
}

/// A searchable copy of the database's passages, in a folder that may be deleted at any time.
///
/// Searches run on an immutable snapshot and never wait for a commit. Commits wait for each other.
pub struct Index {
    dir: PathBuf,
    settings: IndexSettings,
    condition: IndexCondition,
    live: RwLock<Arc<Generation>>,
    rebuilding: Mutex<()>,
    growing: Arc<AtomicBool>,
}

impl Index {
    /// Opens the folder `dir`, making it where it is absent. Every file is checked before it is
    /// used; where one does not hold, [`Self::condition`] says why and the index is empty, with
    /// [`Self::sequence`] 0, so that the caller feeds it again from the database.
    pub fn open(dir: &Path, settings: IndexSettings) -> Result<Self> {
        files::make_dir(dir)?;
        let (condition, live) = match Self::open_live(dir, settings) {
            Ok(Some(live)) => (IndexCondition::Sound, live),
            Ok(None) => (IndexCondition::Absent, Self::begin(dir, settings)?),
            Err(error) => {
                tracing::warn!(%error, "the index is begun anew: {error}");
                let condition = IndexCondition::Damaged(error.to_string());
                (condition, Self::begin(dir, settings)?)
            }
        };
        let index = Self {
            dir: dir.to_owned(),
            settings,
            condition,
            live: RwLock::new(Arc::new(live)),
            rebuilding: Mutex::new(()),
            growing: Arc::default(),
        };
        index.keep_two();
        index.grow_graph()?;
        Ok(index)
    }

    /// How [`Self::open`] found the folder.
    pub fn condition(&self) -> &IndexCondition {
        &self.condition
    }

    /// The highest passage committed; 0 where there is none. Feed it what the database has above.
    pub fn sequence(&self) -> PassageId {
        PassageId(self.live().snapshot().sequence)
    }

    /// The name of the present state: generation, a dot, and the number of its last commit. The
    /// same name is the same passages.
    pub fn generation(&self) -> String {
        self.live().snapshot().name.clone()
    }

    /// How many passages can be found.
    pub fn passages(&self) -> u64 {
        self.live().snapshot().keywords.passages()
    }

    /// The revisions of which there are passages, ascending, to reconcile with the database.
    pub fn revisions(&self) -> Vec<RevisionId> {
        let snapshot = self.live().snapshot();
        let ids = snapshot.revisions.keys();
        ids.map(|id| RevisionId(i64::from(*id))).collect()
    }

    /// Adds passages in one durable commit. Passages up to [`Self::sequence`] are taken to be
    /// there already, so feeding the same again after a crash changes nothing.
    pub fn add(&self, entries: &[IndexEntry]) -> Result<()> {
        self.live().add(entries)?;
        self.grow_graph()
    }

    /// Takes out the passages of these revisions. Permission has already hidden them: this gives
    /// their space back.
    pub fn forget(&self, revisions: &[RevisionId]) -> Result<()> {
        let ids = revisions
            .iter()
            .map(|id| revision(id.0))
            .collect::<Result<_>>()?;
        self.live().forget(&ids)
    }

    /// Builds a new generation aside from all of `entries`, in growing order of their passages,
    /// and puts it in the place of the live one; `progress` hears how many are in. What was added
    /// to the old generation meanwhile is above the new [`Self::sequence`] and is fed again.
    pub fn rebuild(
        &self,
        entries: impl IntoIterator<Item = IndexEntry>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let _only_one = self
            .rebuilding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = next_number(&self.dir)?;
        let next = Generation::create(generation_dir(&self.dir, number), number, self.settings)?;
        let mut entries = entries.into_iter();
        let mut done = 0;
        loop {
            let step: Vec<IndexEntry> = entries.by_ref().take(REBUILD_STEP).collect();
            if step.is_empty() {
                break;
            }
            next.add(&step)?;
            done += step.len() as u64;
            progress(done);
        }
        point(&self.dir, number)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.keep_two();
        self.grow_graph()
    }

    /// The best permitted passages for a question, by words and by meaning. Both arms look at
    /// permitted passages only.
    pub fn search(&self, request: &SearchRequest<'_>) -> Result<SearchOutcome> {
        hybrid::search(&self.live().snapshot(), request)
    }

    fn live(&self) -> Arc<Generation> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn open_live(dir: &Path, settings: IndexSettings) -> Result<Option<Generation>> {
        let Some(bytes) = files::read(&dir.join(POINTER))? else {
            if numbers(dir)?.is_empty() {
                return Ok(None);
            }
            return Err(IndexError::Damaged(format!("`{POINTER}` is missing")));
        };
        let pointer: Pointer = seal::parse(&bytes, POINTER)?;
        if pointer.format != FORMAT {
            return Err(IndexError::Damaged(format!(
                "it has format {}",
                pointer.format
            )));
        }
        let number = pointer.generation;
        Generation::open(generation_dir(dir, number), number, settings).map(Some)
    }

    fn begin(dir: &Path, settings: IndexSettings) -> Result<Generation> {
        let number = next_number(dir)?;
        let generation = Generation::create(generation_dir(dir, number), number, settings)?;
        point(dir, number)?;
        Ok(generation)
    }

    /// Removes all but the live generation and the one before it.
    fn keep_two(&self) {
        let live = self.live().number();
        let mut older = numbers(&self.dir).unwrap_or_default();
        older.retain(|number| *number != live);
        older.pop();
        for number in older {
            // A folder that cannot be removed now is tried again after the next rebuild.
            let _ = std::fs::remove_dir_all(generation_dir(&self.dir, number));
        }
    }

    /// Starts building the graph in the background, where the index has outgrown the exact scan.
    fn grow_graph(&self) -> Result<()> {
        let live = self.live();
        if !live.needs_graph() || self.growing.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let growing = Arc::clone(&self.growing);
        let generation: Weak<Generation> = Arc::downgrade(&live);
        drop(live);
        std::thread::Builder::new()
            .name("index-graph".into())
            .spawn(move || {
                if let Some(live) = generation.upgrade() {
                    // One holder more than this thread means that it is still the live one.
                    live.grow(|| generation.strong_count() > 1);
                }
                growing.store(false, Ordering::SeqCst);
            })
            .map(drop)
            .map_err(IndexError::Thread)
    }
}

fn point(dir: &Path, generation: u64) -> Result<()> {
    let pointer = Pointer {
        format: FORMAT,
        generation,
    };
    files::write_whole(&dir.join(POINTER), seal::to_json(&pointer)?.as_bytes())
}

fn generation_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("generation-{number:06}"))
}

/// The generations in the folder, ascending.
fn numbers(dir: &Path) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = files::names(dir)?
        .iter()
        .filter_map(|name| name.strip_prefix("generation-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn next_number(dir: &Path) -> Result<u64> {
    Ok(numbers(dir)?.last().copied().unwrap_or(0) + 1)
}
