//! Scanning the inbox: which files are new, changed, or gone.

use super::Ingestion;
use crate::error::IngestError;
use crate::inbox::{self, CollectionFiles, FileStat, StabilityTracker};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{CollectionId, DocumentMetadata, FileId};
use cloister_store::{ScannedFile, StoreError};
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
}

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
        self.remove_absent(&collections).await?;
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
        present: &BTreeMap<String, CollectionFiles>,
    ) -> Result<(), IngestError> {
        let mut removed = false;
        for collection in self.services.store.collections().await? {
            let files = present.get(&collection.name);
            let mut gone = self.services.store.scanned_files(collection.id).await?;
            gone.retain(|(_, file)| !files.is_some_and(|files| files.contains(&file.path)));
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
