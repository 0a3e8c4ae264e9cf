//! Noticing what lies in the inbox, and what no longer does.

use super::{IngestError, Ingestion};
use crate::folder::{self, Files, Look, Settling};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{CollectionId, FileId, Labels};
use cloister_store::{SeenFile, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// After a notice, further ones are awaited for this long: a copy makes many.
const BREATH: Duration = Duration::from_millis(200);

/// So many files share one commit.
const AT_ONCE: usize = 500;

/// What earlier looks have shown.
#[derive(Default)]
pub(super) struct Seen {
    settling: Settling,
    refused: HashSet<String>,
}

impl Ingestion {
    pub(super) async fn notice_forever(&self, due: Arc<Notify>) {
        let _watcher = folder::watch(&self.settings.inbox, Arc::clone(&due));
        let mut seen = Seen::default();
        loop {
            let wait = match self.notice(&mut seen, self.settings.stable).await {
                // Something is still settling, so the next look comes sooner.
                Ok(true) => self.settings.stable.max(BREATH),
                Ok(false) => self.settings.scan_every,
                Err(cause) => {
                    tracing::error!(%cause, "{cause}");
                    self.settings.scan_every
                }
            };
            if tokio::time::timeout(wait, due.notified()).await.is_ok() {
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    /// Looks through the inbox once. Returns whether a file is still settling.
    pub(super) async fn notice(
        &self,
        seen: &mut Seen,
        stable: Duration,
    ) -> Result<bool, IngestError> {
        let inbox = self.settings.inbox.clone();
        let scanned = tokio::task::spawn_blocking(move || folder::scan(&inbox)).await?;
        let collections =
            scanned.map_err(|cause| IngestError::Inbox(self.settings.inbox.clone(), cause))?;
        let mut settling = false;
        for (name, files) in &collections {
            let Some(collection) = self.collection(name, seen).await? else {
                continue;
            };
            settling |= self
                .notice_present(seen, name, collection, files, stable)
                .await?;
        }
        self.notice_absent(&collections).await?;
        seen.settling.keep_only(&collections);
        self.work.notify_one();
        Ok(settling)
    }

    async fn collection(
        &self,
        name: &str,
        seen: &mut Seen,
    ) -> Result<Option<CollectionId>, IngestError> {
        match self
            .parts
            .store
            .ensure_collection(name, self.parts.clock.now())
            .await
        {
            Ok(id) => Ok(Some(id)),
            Err(cause @ StoreError::BadName(_)) => {
                if seen.refused.insert(name.to_owned()) {
                    tracing::warn!(%cause, "a folder of the inbox cannot be a collection: {cause}");
                }
                Ok(None)
            }
            Err(cause) => Err(cause.into()),
        }
    }

    async fn notice_present(
        &self,
        seen: &mut Seen,
        name: &str,
        collection: CollectionId,
        files: &Files,
        stable: Duration,
    ) -> Result<bool, IngestError> {
        let mut settling = false;
        for (path, (look, reason)) in &files.refused {
            self.refuse(collection, path, *look, reason).await?;
        }
        let known = self.parts.store.known_files(collection).await?;
        let known: HashMap<&str, &SeenFile> = known
            .iter()
            .map(|(_, file)| (file.path.as_str(), file))
            .collect();
        let mut news = Vec::new();
        for (path, look) in &files.files {
            let now = self.parts.clock.now();
            if !seen.settling.is_settled(name, path, *look, now, stable) {
                settling = true;
                continue;
            }
            let file = seen_file(collection, path, *look, files.labels(path));
            if known.get(path.as_str()) != Some(&&file) {
                news.push(file);
            }
        }
        for some in news.chunks(AT_ONCE) {
            let now = self.parts.clock.now();
            self.parts.store.note_files(some, now).await?;
        }
        Ok(settling)
    }

    async fn refuse(
        &self,
        collection: CollectionId,
        path: &str,
        look: Look,
        reason: &str,
    ) -> Result<(), IngestError> {
        let file = seen_file(collection, path, look, Labels::default());
        let now = self.parts.clock.now();
        if self.parts.store.refuse_file(&file, reason, now).await? {
            let detail = json!({ "path": path, "reason": reason });
            let event = Event {
                outcome: Outcome::Failure,
                ..Event::by_appliance(EventKind::DocumentQuarantined, detail)
            };
            self.parts.audit.append(event).await?;
        }
        Ok(())
    }

    async fn notice_absent(&self, present: &BTreeMap<String, Files>) -> Result<(), IngestError> {
        let mut removed = false;
        for collection in self.parts.store.collections().await? {
            let here = present.get(&collection.name);
            let mut gone = self.parts.store.known_files(collection.id).await?;
            gone.retain(|(_, file)| !here.is_some_and(|files| files.holds(&file.path)));
            for some in gone.chunks(AT_ONCE) {
                self.remove(&collection.name, some).await?;
                removed = true;
            }
        }
        if removed {
            self.follow().await?;
        }
        Ok(())
    }

    async fn remove(
        &self,
        collection: &str,
        gone: &[(FileId, SeenFile)],
    ) -> Result<(), IngestError> {
        let log = gone.iter().map(|(_, file)| {
            let detail = json!({ "collection": collection, "path": file.path });
            let event = Event::by_appliance(EventKind::DocumentRemoved, detail);
            self.parts.audit.append(event)
        });
        futures_util::future::try_join_all(log).await?;
        let files: Vec<FileId> = gone.iter().map(|(file, _)| *file).collect();
        let now = self.parts.clock.now();
        Ok(self.parts.store.remove_files(&files, now).await?)
    }
}

fn seen_file(collection: CollectionId, path: &str, look: Look, labels: Labels) -> SeenFile {
    SeenFile {
        collection,
        path: path.to_owned(),
        size: look.size,
        modified_at: look.modified_at,
        labels,
    }
}
