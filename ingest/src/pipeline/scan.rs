//! Scanning the inbox: which files are new, changed, or gone.

use super::Ingestion;
use crate::error::IngestError;
use crate::inbox::{
    self, CONFIRMATION, CollectionFiles, FOLDER_ITSELF, FileStat, StabilityTracker,
};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{CollectionId, DocumentMetadata, FileId, Timestamp};
use cloister_store::{FileRecord, FileState, ScannedFile, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long to wait for further file-system events after the first one. Copying a file causes many.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Files that are written in one transaction.
const FILES_PER_COMMIT: usize = 500;

/// What previous scans found.
#[derive(Default)]
pub(super) struct ScanState {
    stability: StabilityTracker,
    /// Folders whose names are not valid for a collection, and were reported.
    invalid_names: HashSet<String>,
    /// Since when the loss of the files of a collection is doubted.
    doubts: HashMap<String, Timestamp>,
    /// The device and number of the folder of each collection when it last had files.
    identities: HashMap<String, (u64, u64)>,
    /// When each file that could not be opened is tried again, and after how many attempts.
    locked: HashMap<FileId, (u32, Timestamp)>,
}

/// How long files are kept whose loss is doubted, unless somebody confirms it.
const DOUBT: Duration = Duration::from_hours(72);
/// A collection that had at least this many files and is empty all at once is doubted.
const MIN_DOUBTED: usize = 3;
/// The same for the loss of two thirds of the files.
const MIN_MOSTLY_LOST: usize = 12;
/// The delay before a file that could not be opened is tried again; it doubles with each attempt.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_mins(15);
/// Files that are listed at once.
const FILES_PER_LIST: u32 = 500;

impl Ingestion {
    /// Scans the inbox periodically, and when `due` is notified or a file-system event arrives.
    pub(super) async fn scan_forever(&self, due: Arc<Notify>) {
        let _watcher = inbox::watch(&self.settings.inbox, Arc::clone(&due));
        let mut state = ScanState::default();
        loop {
            let wait = match self.scan(&mut state, self.settings.stable).await {
                // A file is not stable yet, so the next scan comes sooner.
                Ok(true) => self.settings.stable.max(DEBOUNCE),
                Ok(false) => self.settings.scan_every,
                Err(cause) => {
                    tracing::error!(%cause, "{cause}");
                    self.settings.scan_every
                }
            };
            if tokio::time::timeout(wait, due.notified()).await.is_ok() {
                tokio::time::sleep(DEBOUNCE).await;
            }
        }
    }

    /// Scans the inbox once. Returns whether a file is not stable yet.
    pub(super) async fn scan(
        &self,
        state: &mut ScanState,
        stable: Duration,
    ) -> Result<bool, IngestError> {
        let inbox = self.settings.inbox.clone();
        let scanned = tokio::task::spawn_blocking(move || inbox::scan(&inbox)).await?;
        let collections =
            scanned.map_err(|cause| IngestError::Inbox(self.settings.inbox.clone(), cause))?;
        let mut unstable = false;
        for (name, files) in &collections {
            let Some(collection) = self.ensure_collection(name, state).await? else {
                continue;
            };
            unstable |= self
                .record_present(state, name, collection, files, stable)
                .await?;
        }
        self.remove_absent(state, &collections).await?;
        self.retry_locked(state).await?;
        state.stability.retain_scanned(&collections);
        self.work.notify_one();
        Ok(unstable)
    }

    /// The collection of this name, or `None` if a collection cannot have this name.
    async fn ensure_collection(
        &self,
        name: &str,
        state: &mut ScanState,
    ) -> Result<Option<CollectionId>, IngestError> {
        let now = self.services.clock.now();
        match self.services.store.ensure_collection(name, now).await {
            Ok(id) => Ok(Some(id)),
            Err(cause @ StoreError::BadName(_)) => {
                if state.invalid_names.insert(name.to_owned()) {
                    tracing::warn!(%cause, "a folder of the inbox cannot be a collection: {cause}");
                }
                Ok(None)
            }
            Err(cause) => Err(cause.into()),
        }
    }

    /// Records the files of a collection that are new or changed. Returns whether a file is not
    /// stable yet.
    async fn record_present(
        &self,
        state: &mut ScanState,
        name: &str,
        collection: CollectionId,
        files: &CollectionFiles,
        stable: Duration,
    ) -> Result<bool, IngestError> {
        let mut unstable = false;
        for (path, (stat, reason)) in &files.rejected {
            self.record_rejected(collection, path, *stat, reason)
                .await?;
        }
        let known = self.services.store.scanned_files(collection).await?;
        let known: HashMap<&str, &ScannedFile> = known
            .iter()
            .map(|(_, file)| (file.path.as_str(), file))
            .collect();
        let mut changed = Vec::new();
        for (path, stat) in &files.files {
            let now = self.services.clock.now();
            if !state.stability.is_stable(name, path, *stat, now, stable) {
                unstable = true;
                continue;
            }
            let file = scanned_file(collection, path, *stat, files.metadata(path));
            if known.get(path.as_str()) != Some(&&file) {
                changed.push(file);
            }
        }
        for chunk in changed.chunks(FILES_PER_COMMIT) {
            let now = self.services.clock.now();
            self.services.store.record_scanned_files(chunk, now).await?;
        }
        Ok(unstable)
    }

    async fn record_rejected(
        &self,
        collection: CollectionId,
        path: &str,
        stat: FileStat,
        reason: &str,
    ) -> Result<(), IngestError> {
        let file = scanned_file(collection, path, stat, DocumentMetadata::default());
        let now = self.services.clock.now();
        let store = &self.services.store;
        if store.record_rejected_file(&file, reason, now).await? {
            let detail = json!({ "path": path, "reason": reason });
            let event = Event {
                outcome: Outcome::Failure,
                ..Event::by_appliance(EventKind::DocumentQuarantined, detail)
            };
            self.services.audit.append(event).await?;
        }
        Ok(())
    }

    /// Removes the files that the inbox no longer contains.
    async fn remove_absent(
        &self,
        state: &mut ScanState,
        present: &BTreeMap<String, CollectionFiles>,
    ) -> Result<(), IngestError> {
        let mut removed = false;
        for collection in self.services.store.collections().await? {
            let files = present.get(&collection.name);
            let known = self.services.store.scanned_files(collection.id).await?;
            let known_count = known
                .iter()
                .filter(|(_, file)| file.path != FOLDER_ITSELF)
                .count();
            let mut gone = known;
            gone.retain(|(_, file)| {
                !files.is_some_and(|files| {
                    files.contains(&file.path) || files.is_uncertain(&file.path)
                })
            });
            let lost = gone
                .iter()
                .filter(|(_, file)| file.path != FOLDER_ITSELF)
                .count();
            if self.is_doubted(state, &collection.name, files, (lost, known_count)) {
                self.report_doubt(collection.id, &collection.name, lost)
                    .await?;
                continue;
            }
            for chunk in gone.chunks(FILES_PER_COMMIT) {
                self.remove_files(&collection.name, chunk).await?;
                removed = true;
            }
        }
        if removed {
            self.follow().await?;
        }
        Ok(())
    }

    /// Whether the loss of files is doubted: a share that is not mounted looks like an empty folder.
    /// `counts` are the files that are missing, and those that were known.
    fn is_doubted(
        &self,
        state: &mut ScanState,
        name: &str,
        files: Option<&CollectionFiles>,
        counts: (usize, usize),
    ) -> bool {
        let (lost, known) = counts;
        let now = self.services.clock.now();
        let identity = files.and_then(|files| files.identity);
        let other_folder = match (identity, state.identities.get(name)) {
            (Some(identity), Some(before)) => identity != *before,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let all_lost = lost > 0 && lost == known;
        let suspicious = all_lost && (other_folder || known >= MIN_DOUBTED)
            || lost >= MIN_MOSTLY_LOST && lost * 3 > known * 2;
        if !suspicious || files.is_some_and(|files| files.is_confirmed) {
            state.doubts.remove(name);
            if let Some(identity) = identity {
                state.identities.insert(name.to_owned(), identity);
            }
            return false;
        }
        let since = *state.doubts.entry(name.to_owned()).or_insert(now);
        now.since(since) < DOUBT
    }

    /// Shows that the loss of files is doubted, in the list of files and in the audit log.
    async fn report_doubt(
        &self,
        collection: CollectionId,
        name: &str,
        lost: usize,
    ) -> Result<(), IngestError> {
        let reason = format!(
            "{lost} files are missing all at once, as if a share were not mounted. They answer on. \
             If they were removed on purpose, create an empty file `{CONFIRMATION}` in the folder; \
             otherwise they are removed after {} hours",
            DOUBT.as_secs() / 3_600
        );
        tracing::warn!(collection = name, lost, "collection `{name}`: {reason}");
        let stat = FileStat {
            size: 0,
            modified_at: Timestamp::from_millis(0),
        };
        self.record_rejected(collection, FOLDER_ITSELF, stat, &reason)
            .await
    }

    /// Returns files that could not be opened to the queue, with growing delays.
    async fn retry_locked(&self, state: &mut ScanState) -> Result<(), IngestError> {
        let mut after = FileId(0);
        let mut seen = HashSet::new();
        loop {
            let store = &self.services.store;
            let files = store
                .files(None, Some(FileState::Quarantined), after, FILES_PER_LIST)
                .await?;
            let Some(last) = files.last() else { break };
            after = last.id;
            for file in &files {
                let is_locked = file
                    .reason
                    .as_deref()
                    .is_some_and(|reason| reason.starts_with(inbox::LOCKED));
                if is_locked {
                    seen.insert(file.id);
                    self.retry_one(state, file).await?;
                }
            }
        }
        state.locked.retain(|file, _| seen.contains(file));
        Ok(())
    }

    async fn retry_one(&self, state: &mut ScanState, file: &FileRecord) -> Result<(), IngestError> {
        let now = self.services.clock.now();
        let (attempts, due) = state.locked.get(&file.id).copied().unwrap_or((0, now));
        if now < due {
            return Ok(());
        }
        let collections = self.services.store.collections().await?;
        let Some(collection) = collections.into_iter().find(|c| c.id == file.collection) else {
            return Ok(());
        };
        let (root, path) = (self.settings.inbox.clone(), file.path.clone());
        let opened = tokio::task::spawn_blocking(move || {
            inbox::open(&root, &collection.name, &path).is_ok()
        });
        if opened.await? {
            self.services.store.retry_file(file.id, now).await?;
            state.locked.remove(&file.id);
            return Ok(());
        }
        let delay = FIRST_RETRY
            .saturating_mul(1 << attempts.min(8))
            .min(LAST_RETRY);
        state
            .locked
            .insert(file.id, (attempts + 1, now.plus(delay)));
        Ok(())
    }

    async fn remove_files(
        &self,
        collection: &str,
        gone: &[(FileId, ScannedFile)],
    ) -> Result<(), IngestError> {
        let logged = gone.iter().map(|(_, file)| {
            let detail = json!({ "collection": collection, "path": file.path });
            let event = Event::by_appliance(EventKind::DocumentRemoved, detail);
            self.services.audit.append(event)
        });
        futures_util::future::try_join_all(logged).await?;
        let files: Vec<FileId> = gone.iter().map(|(file, _)| *file).collect();
        let now = self.services.clock.now();
        Ok(self.services.store.remove_files(&files, now).await?)
    }
}

fn scanned_file(
    collection: CollectionId,
    path: &str,
    stat: FileStat,
    metadata: DocumentMetadata,
) -> ScannedFile {
    ScannedFile {
        collection,
        path: path.to_owned(),
        size: stat.size,
        modified_at: stat.modified_at,
        metadata,
    }
}
