//! The embedder and the index of its vectors that answer questions, always as a pair, and the pair
//! that will replace them.

use crate::error::IngestError;
use cloister_index::{Comparison, Index, IndexSettings};
use cloister_inference::EmbedderService;
use cloister_store::Store;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prefix of the folder names of indexes. The embedder's hash follows.
const INDEX_PREFIX: &str = "index-";

/// The only index's folder in earlier versions, which had one index for every embedder.
const LEGACY_INDEX: &str = "index";

/// Temporary name of an index whose lexical part is reused for another embedder.
const LEXICAL_INDEX: &str = "index-words";

/// Digits of an embedder's hash in the folder name of its index.
const HASH_DIGITS: usize = 16;

/// An embedder and the index of its vectors.
#[derive(Clone)]
pub struct IndexSet {
    /// The embedder.
    pub embedder: EmbedderService,
    /// The index, which contains vectors of this embedder only.
    pub index: Arc<Index>,
}

impl IndexSet {
    pub(super) fn sha256(&self) -> String {
        self.embedder.identity().sha256
    }
}

/// The index set that answers questions, and the one that will replace it.
pub struct ActiveIndex {
    current: RwLock<IndexSet>,
    pending: RwLock<Option<IndexSet>>,
    reembedding: Mutex<Option<Reembedding>>,
}

/// Progress of re-embedding with a new model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reembedding {
    /// The model's name.
    pub name: String,
    /// Passages that have a vector of this model.
    pub done: u64,
    /// All passages.
    pub total: u64,
    /// Set if the new index finds less than the current one and therefore does not replace it.
    pub regression: Option<Comparison>,
}

impl fmt::Display for Reembedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, done, total, ..
        } = self;
        match self.regression {
            None => write!(f, "{done} of {total} passages have their vectors by {name}"),
            Some(regression) => write!(
                f,
                "{name} is not used: {regression}. `cloister models rollback` discards it, \
                 `cloister models activate FOLDER --even-if-worse` uses it regardless"
            ),
        }
    }
}

impl ActiveIndex {
    /// Uses this index set, without a replacement.
    pub fn new(current: IndexSet) -> Self {
        Self::with_pending(current, None)
    }

    fn with_pending(current: IndexSet, pending: Option<IndexSet>) -> Self {
        Self {
            current: RwLock::new(current),
            pending: RwLock::new(pending),
            reembedding: Mutex::new(None),
        }
    }

    /// Opens the index of the embedder `wanted` in the folder `data`.
    ///
    /// If the stored vectors belong to another embedder, `previous` is called with that embedder's
    /// hash. If it returns an embedder, this one keeps answering until `wanted` has a vector for
    /// every passage. If it returns `None`, only lexical search answers until then.
    pub async fn open(
        store: &Store,
        data: &Path,
        wanted: EmbedderService,
        previous: impl FnOnce(&str) -> Option<EmbedderService>,
        settings: impl Fn(&EmbedderService) -> IndexSettings,
    ) -> Result<Self, IngestError> {
        let sha256 = wanted.identity().sha256;
        let active = store.active_embedder().await?;
        let stored = active.as_ref().map_or(&sha256, |active| &active.sha256);
        move_folder(&data.join(LEGACY_INDEX), &index_folder(data, stored))?;
        let other = active.filter(|active| active.sha256 != sha256);
        let complete = other.as_ref().filter(|other| other.complete);
        if let Some(old) = complete.and_then(|other| previous(&other.sha256)) {
            let current = open_index(data, old, &settings)?;
            remove_indexes_except(data, &[&current.sha256(), &sha256])?;
            tracing::warn!(
                "the embedder changes: the previous one answers until the new one has a vector \
                 for every passage"
            );
            let pending = open_index(data, wanted, &settings)?;
            return Ok(Self::with_pending(current, Some(pending)));
        }
        let lexical = data.join(LEXICAL_INDEX);
        if let Some(other) = &other {
            // This happens before the rows name the new embedder, so that the folder of an embedder
            // never contains vectors of another one, even after a crash.
            move_folder(&index_folder(data, &other.sha256), &lexical)?;
        }
        let active = store.activate_embedder(&sha256).await?;
        if !active.complete {
            move_folder(&lexical, &index_folder(data, &sha256))?;
            tracing::warn!(
                "the embedder that made the stored vectors is missing: only lexical search \
                 answers until the new one has a vector for every passage"
            );
        }
        remove_indexes_except(data, &[&sha256])?;
        let current = open_index(data, wanted, &settings)?;
        let sequence = current.index.sequence();
        let missing = store.passages_after_by_model(None, sequence, 1).await?;
        if !missing.is_empty() {
            current.index.mark_incomplete();
        }
        current.index.set_lexical_only(!active.complete);
        Ok(Self::new(current))
    }

    /// The index set that answers questions.
    pub fn current(&self) -> IndexSet {
        self.current.read().clone()
    }

    /// Progress of re-embedding, or `None` if no vectors are being made.
    pub fn reembedding(&self) -> Option<Reembedding> {
        self.reembedding_mut().clone()
    }

    pub(super) fn pending(&self) -> Option<IndexSet> {
        self.pending.read().clone()
    }

    /// Makes `next` the current index set, and returns the previous one.
    pub(super) fn promote(&self, next: IndexSet) -> IndexSet {
        let mut current = self.current.write();
        *self.pending.write() = None;
        std::mem::replace(&mut current, next)
    }

    pub(super) fn reembedding_mut(&self) -> MutexGuard<'_, Option<Reembedding>> {
        self.reembedding.lock()
    }
}

fn open_index(
    data: &Path,
    embedder: EmbedderService,
    settings: impl Fn(&EmbedderService) -> IndexSettings,
) -> Result<IndexSet, IngestError> {
    let folder = index_folder(data, &embedder.identity().sha256);
    let index = Arc::new(Index::open(&folder, settings(&embedder))?);
    Ok(IndexSet { embedder, index })
}

fn index_folder(data: &Path, sha256: &str) -> PathBuf {
    let digits: String = sha256.chars().take(HASH_DIGITS).collect();
    data.join(format!("{INDEX_PREFIX}{digits}"))
}

/// Moves the folder `from` to `to`, which it replaces. Does nothing if there is no folder `from`.
fn move_folder(from: &Path, to: &Path) -> Result<(), IngestError> {
    if !from.exists() {
        return Ok(());
    }
    let moved = match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => std::fs::rename(from, to),
    };
    moved.map_err(|error| IngestError::Folder(from.to_owned(), error))
}

/// Removes the indexes of all embedders except those with these hashes.
fn remove_indexes_except(data: &Path, hashes: &[&str]) -> Result<(), IngestError> {
    let entries = std::fs::read_dir(data).map_err(|e| IngestError::Folder(data.to_owned(), e))?;
    let retained: Vec<PathBuf> = hashes
        .iter()
        .map(|sha256| index_folder(data, sha256))
        .collect();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(INDEX_PREFIX) && !retained.contains(&path) {
            std::fs::remove_dir_all(&path).map_err(|e| IngestError::Folder(path.clone(), e))?;
        }
    }
    Ok(())
}
