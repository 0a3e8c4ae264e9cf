//! What finds passages: a model and the index of its vectors, always as a pair; and the pair that is
//! to take its place.

use super::IngestError;
use cloister_index::{Comparison, Index, IndexSettings};
use cloister_inference::EmbedderService;
use cloister_store::Store;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Folders of indexes begin with this; the model's hash follows.
const INDEX: &str = "index-";

/// The index's folder as long as there was one for whichever model.
const ONLY_INDEX: &str = "index";

/// An index whose words answer for another model, on its way to that model's folder.
const WORDS: &str = "index-words";

/// Digits of a model's hash that tell its index from others.
const DIGITS: usize = 16;

/// A model and the index of its vectors.
#[derive(Clone)]
pub struct Finder {
    /// The model.
    pub embedder: EmbedderService,
    /// The index, which holds vectors of this model and no other.
    pub index: Arc<Index>,
}

impl Finder {
    pub(super) fn sha256(&self) -> String {
        self.embedder.identity().sha256
    }
}

/// The pair in use, and the one that is to follow.
pub struct Finding {
    now: RwLock<Finder>,
    next: RwLock<Option<Finder>>,
    renewal: Mutex<Option<Renewal>>,
}

/// How far the vectors of a model are made that has yet to make some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The model's name.
    pub name: String,
    /// Passages that have its vector.
    pub done: u64,
    /// All passages.
    pub all: u64,
    /// Set where its index finds less than the one in use, which therefore stays.
    pub worse: Option<Comparison>,
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, done, all, ..
        } = self;
        match self.worse {
            None => write!(f, "{done} of {all} passages have their vectors by {name}"),
            Some(worse) => write!(
                f,
                "{name} stays aside: {worse}. `cloister models rollback` gives it up, \
                 `cloister models activate FOLDER --even-if-worse` takes it all the same"
            ),
        }
    }
}

impl Finding {
    /// This pair, and nothing to follow it.
    pub fn of(now: Finder) -> Self {
        Self {
            now: RwLock::new(now),
            next: RwLock::new(None),
            renewal: Mutex::new(None),
        }
    }

    /// Opens the index of the model that is wanted, in the folder `data`. Where the stored vectors are
    /// another model's, `before` is asked for that one by its hash: as long as it is there, it goes on
    /// answering, and the one that is wanted follows it. Where it is not, words alone answer until
    /// the vectors are made.
    pub async fn open(
        store: &Store,
        data: &Path,
        wanted: EmbedderService,
        before: impl FnOnce(&str) -> Option<EmbedderService>,
        settings: impl Fn(&EmbedderService) -> IndexSettings,
    ) -> Result<Self, IngestError> {
        let sha256 = wanted.identity().sha256;
        let in_use = store.embedder().await?;
        let known = in_use.as_ref().map_or(&sha256, |in_use| &in_use.sha256);
        rename(&data.join(ONLY_INDEX), &folder(data, known))?;
        let other = in_use.filter(|in_use| in_use.sha256 != sha256);
        let whole = other.as_ref().filter(|other| other.whole);
        let open = |embedder: EmbedderService| -> Result<Finder, IngestError> {
            let folder = folder(data, &embedder.identity().sha256);
            let index = Arc::new(Index::open(&folder, settings(&embedder))?);
            Ok(Finder { embedder, index })
        };
        if let Some(old) = whole.and_then(|other| before(&other.sha256)) {
            let now = open(old)?;
            remove_all_but(data, &[&now.sha256(), &sha256])?;
            tracing::warn!(
                "another embedder is to find passages: its vectors are made aside, and the one \
                 before answers until all of them are"
            );
            return Ok(Self {
                next: RwLock::new(Some(open(wanted)?)),
                ..Self::of(now)
            });
        }
        let (own, words) = (folder(data, &sha256), data.join(WORDS));
        if let Some(other) = &other {
            // Before the rows say which model is in use, so that no index is met again by its name
            // that holds anything but vectors of its model.
            rename(&folder(data, &other.sha256), &words)?;
        }
        let in_use = store.use_embedder(&sha256).await?;
        if !in_use.whole {
            rename(&words, &own)?;
            tracing::warn!(
                "the model that made the stored vectors is not there: words alone answer until \
                 the one in use has made its own"
            );
        }
        remove_all_but(data, &[&sha256])?;
        let finder = open(wanted)?;
        let lacking = store.passages_by(None, finder.index.sequence(), 1).await?;
        if !lacking.is_empty() {
            finder.index.falls_short();
        }
        finder.index.answer_by_words_alone(!in_use.whole);
        Ok(Self::of(finder))
    }

    /// The pair in use.
    pub fn now(&self) -> Finder {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// How far the vectors are that are being made, where some are.
    pub fn renewal(&self) -> Option<Renewal> {
        self.renewing().clone()
    }

    pub(super) fn next(&self) -> Option<Finder> {
        let next = self.next.read().unwrap_or_else(PoisonError::into_inner);
        next.clone()
    }

    /// Puts the pair that is to follow in use, and returns the one that was.
    pub(super) fn succeed(&self, next: Finder) -> Finder {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        *self.next.write().unwrap_or_else(PoisonError::into_inner) = None;
        std::mem::replace(&mut now, next)
    }

    pub(super) fn renewing(&self) -> std::sync::MutexGuard<'_, Option<Renewal>> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn folder(data: &Path, sha256: &str) -> PathBuf {
    let digits: String = sha256.chars().take(DIGITS).collect();
    data.join(format!("{INDEX}{digits}"))
}

/// Puts a folder in the place of another, where it is there.
fn rename(from: &Path, to: &Path) -> Result<(), IngestError> {
    if !from.exists() {
        return Ok(());
    }
    let moved = match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => std::fs::rename(from, to),
    };
    moved.map_err(|error| IngestError::Folder(from.to_owned(), error))
}

/// Removes the indexes of all models but these.
fn remove_all_but(data: &Path, kept: &[&str]) -> Result<(), IngestError> {
    let listed = std::fs::read_dir(data).map_err(|e| IngestError::Folder(data.to_owned(), e))?;
    let kept: Vec<PathBuf> = kept.iter().map(|sha256| folder(data, sha256)).collect();
    for path in listed.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(INDEX) && !kept.contains(&path) {
            std::fs::remove_dir_all(&path).map_err(|e| IngestError::Folder(path.clone(), e))?;
        }
    }
    Ok(())
}
