//! Working on one file at a time: from the inbox to the answers.

use super::follow::rebuild_by_itself;
use super::meter::{Done, Stage};
use super::{IngestError, Ingestion};
use crate::chunk::{cut, embedded_text};
use crate::error::Quarantine;
use crate::folder;
use crate::reader::{About, Attachment, Extraction};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{FileHash, FileId, PassageDraft};
use cloister_index::Worse;
use cloister_inference::EmbedderService;
use cloister_store::{FileInside, FileRecord, FileState, NewRevision, Settled, StoreError};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Who works on a file says so more often than this.
const LEASE: Duration = Duration::from_mins(2);
/// While reading, the row is brought up to date this often.
const TICK: Duration = Duration::from_millis(500);
/// After a fault that is not the file's, such as a full disk.
const PAUSE: Duration = Duration::from_secs(5);
/// Passages embedded between two reports of progress.
const BATCH: usize = 64;
/// Files inside files inside files are read, to this depth.
const DEEPEST: u32 = 3;
/// A file whose reading broke off this often for no fault of its own is set aside all the same.
const TRIES: u32 = 5;

/// Why a file did not become a revision.
enum Setback {
    /// The file's own fault.
    File(Quarantine),
    /// The appliance's: the file is taken up again later.
    Ours(IngestError),
    /// It changed or went away: there is nothing to do.
    Gone,
}

impl Setback {
    fn of(cause: Quarantine) -> Self {
        if cause.is_ours() {
            Self::Ours(cause.into())
        } else {
            Self::File(cause)
        }
    }
}

impl<E: Into<IngestError>> From<E> for Setback {
    fn from(cause: E) -> Self {
        Self::Ours(cause.into())
    }
}

impl Ingestion {
    pub(super) async fn work_forever(&self) {
        loop {
            match self.work_once().await {
                Ok(true) => {}
                Ok(false) => {
                    // The timeout only catches leases of others that ran out.
                    drop(tokio::time::timeout(LEASE, self.work.notified()).await);
                }
                Err(cause) => {
                    tracing::error!(%cause, "ingestion pauses: {cause}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Takes up the next file. Returns whether there was one.
    pub(super) async fn work_once(&self) -> Result<bool, IngestError> {
        if self.parts.store.ingestion_paused().await? {
            return Ok(false);
        }
        let leased = self
            .parts
            .store
            .lease_file(self.parts.clock.now(), LEASE)
            .await?;
        let Some(file) = leased else { return Ok(false) };
        // There may be more: another worker looks.
        self.work.notify_one();
        self.count_done(Done::default());
        let hash = std::sync::OnceLock::new();
        match self.take_in_file(&file, &hash).await {
            Ok(()) | Err(Setback::Gone) => {}
            Err(Setback::File(reason)) => {
                self.set_aside(&file, hash.get(), &reason.to_string())
                    .await?;
            }
            // Read with the model that has come into use.
            Err(Setback::Ours(IngestError::Store(StoreError::AnotherEmbedder))) => {
                let now = self.parts.clock.now();
                self.parts.store.release_file(file.id, now).await?;
            }
            Err(Setback::Ours(cause)) if file.attempts >= TRIES => {
                self.set_aside(&file, hash.get(), &format!("reading broke off: {cause}"))
                    .await?;
            }
            Err(Setback::Ours(cause)) => {
                self.parts
                    .store
                    .release_file(file.id, self.parts.clock.now())
                    .await?;
                return Err(cause);
            }
        }
        self.count_done(Done {
            bytes: file.size,
            ..Done::default()
        });
        Ok(true)
    }

    fn count_done(&self, done: Done) {
        self.parts.meter.count(&*self.parts.clock, done);
    }

    async fn take_in_file(
        &self,
        file: &FileRecord,
        known: &std::sync::OnceLock<FileHash>,
    ) -> Result<(), Setback> {
        let started = self.parts.clock.now();
        let collection = self.collection_name(file).await?;
        let (hash, size) = self.keep(file, &collection).await?;
        drop(known.set(hash.clone()));
        if self.is_settled(file, &hash, &collection).await? {
            return Ok(());
        }
        let mut extraction = self.timed(Stage::Reading, self.read(file, &hash)).await?;
        let said = file.labels.clone();
        extraction.info.labels = said.or(std::mem::take(&mut extraction.info.labels));
        if let Some(title) = &extraction.info.labels.title {
            extraction.info.title.clone_from(title);
        }
        let inside = self.keep_inside(file, &mut extraction).await?;
        let embedder = self.parts.finding.now().embedder;
        let passages = self.embed(file, &extraction, &embedder).await?;
        let took = self.parts.clock.now().since(started).as_millis();
        let revision = NewRevision {
            file: file.id,
            hash,
            size,
            info: extraction.info,
            pages: extraction.pages,
            passages,
            inside,
            labels: file.labels.clone(),
            embedder: embedder.identity().sha256,
            took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        };
        self.publish(file, &collection, &revision).await
    }

    async fn collection_name(&self, file: &FileRecord) -> Result<String, Setback> {
        let all = self.parts.store.collections().await?;
        all.into_iter()
            .find(|c| c.id == file.collection)
            .map(|c| c.name)
            .ok_or(Setback::Gone)
    }

    /// Copies the file into the store while hashing it. A file inside another is there already.
    async fn keep(&self, file: &FileRecord, collection: &str) -> Result<(FileHash, u64), Setback> {
        if let (Some(_), Some(hash)) = (file.parent, &file.hash) {
            return Ok((hash.clone(), file.size));
        }
        let Ok(mut opened) = folder::open(&self.settings.inbox, collection, &file.path) else {
            // It went away, or was replaced by a link; the next look tells.
            self.parts
                .store
                .release_file(file.id, self.parts.clock.now())
                .await?;
            self.parts
                .store
                .remove_files(&[file.id], self.parts.clock.now())
                .await?;
            return Err(Setback::Gone);
        };
        let largest = self.settings.limits.file_bytes;
        if file.size > largest {
            return Err(Setback::File(Quarantine::TooLarge {
                name: file.path.clone(),
                bytes: file.size,
                limit: largest,
            }));
        }
        let originals = self.parts.store.originals().clone();
        let kept = tokio::task::spawn_blocking(move || originals.keep(&mut opened)).await?;
        kept.map_err(Setback::from)
    }

    /// Keeps the files inside this one, so that they can be taken up in their turn.
    async fn keep_inside(
        &self,
        file: &FileRecord,
        extraction: &mut Extraction,
    ) -> Result<Vec<FileInside>, Setback> {
        let attachments = std::mem::take(&mut extraction.attachments);
        if attachments.is_empty() {
            return Ok(Vec::new());
        }
        if self.depth(file).await? >= DEEPEST {
            extraction.info.warnings.push(format!(
                "{} files lie deeper than {DEEPEST} files inside each other, and were left out",
                attachments.len()
            ));
            return Ok(Vec::new());
        }
        let originals = self.parts.store.originals().clone();
        let kept = tokio::task::spawn_blocking(move || {
            let keep = |attachment: Attachment| {
                let (hash, size) = originals.keep(&mut attachment.bytes.as_slice())?;
                let name = attachment.name;
                Ok(FileInside { name, hash, size })
            };
            let kept: Result<Vec<_>, StoreError> = attachments.into_iter().map(keep).collect();
            kept
        });
        Ok(kept.await??)
    }

    /// In how many files this one lies.
    async fn depth(&self, file: &FileRecord) -> Result<u32, Setback> {
        let mut depth = 0;
        let mut parent = file.parent;
        while let Some(id) = parent.filter(|_| depth < DEEPEST) {
            depth += 1;
            parent = self
                .parts
                .store
                .file(id)
                .await?
                .and_then(|file| file.parent);
        }
        Ok(depth)
    }

    /// Whether the bytes need no reading: they are those of this document already, or again, or
    /// those of a document that was moved here.
    async fn is_settled(
        &self,
        file: &FileRecord,
        hash: &FileHash,
        collection: &str,
    ) -> Result<bool, Setback> {
        let now = self.parts.clock.now();
        let settled = self.parts.store.settle_known(file.id, hash, now).await?;
        let kind = match settled {
            Settled::Unread => return Ok(false),
            Settled::Unchanged => return Ok(true),
            Settled::Restored => EventKind::DocumentRestored,
            Settled::Moved => EventKind::DocumentMoved,
        };
        let detail = json!({ "collection": collection, "path": file.path, "hash": hash });
        self.log(kind, Outcome::Success, detail).await?;
        self.work.notify_one();
        self.find_again().await?;
        Ok(true)
    }

    async fn read(&self, file: &FileRecord, hash: &FileHash) -> Result<Extraction, Setback> {
        let original = self.parts.store.originals().open_file(hash)?;
        let site = self.parts.store.reading_of(file.collection).await?;
        let about = About {
            name: file.path.clone(),
            passwords: site.passwords,
            languages: site.languages,
        };
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
        let reading = self.parts.reader.extract(original, about, |pages, of| {
            done.store(pages.into(), Ordering::Relaxed);
            total.store(of.into(), Ordering::Relaxed);
        });
        tokio::pin!(reading);
        loop {
            tokio::select! {
                read = &mut reading => {
                    let extraction = read.map_err(Setback::of)?;
                    self.count_done(Done {
                        pages: extraction.pages.len() as u64,
                        ..Done::default()
                    });
                    return Ok(extraction);
                }
                () = tokio::time::sleep(TICK) => {
                    let pages = (count(&done), count(&total));
                    self.report(file.id, FileState::Reading, pages).await?;
                }
            }
        }
    }

    async fn embed(
        &self,
        file: &FileRecord,
        extraction: &Extraction,
        embedder: &EmbedderService,
    ) -> Result<Vec<(PassageDraft, Vec<f32>)>, Setback> {
        let pages = extraction.pages.clone();
        let settings = self.settings.passages;
        let counter = embedder.clone();
        let cutting = tokio::task::spawn_blocking(move || cut(&pages, &counter, &settings));
        let drafts = self.timed(Stage::Cutting, cutting).await?;
        let total = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
        let mut passages = Vec::with_capacity(drafts.len());
        for batch in drafts.chunks(BATCH) {
            let done = u32::try_from(passages.len()).unwrap_or(u32::MAX);
            self.report(file.id, FileState::Embedding, (done, total))
                .await?;
            let title = &extraction.info.title;
            let text = |draft: &PassageDraft| embedded_text(title, &draft.headings, &draft.text);
            let texts = batch.iter().map(text).collect();
            let embedding = embedder.embed_passages(texts);
            let vectors = self.timed(Stage::Embedding, embedding).await?;
            self.count_done(Done {
                passages: vectors.len() as u64,
                ..Done::default()
            });
            passages.extend(batch.iter().cloned().zip(vectors));
        }
        Ok(passages)
    }

    async fn report(
        &self,
        file: FileId,
        state: FileState,
        progress: (u32, u32),
    ) -> Result<(), Setback> {
        let now = self.parts.clock.now();
        let wanted = self
            .parts
            .store
            .note_progress(file, state, progress, now, LEASE)
            .await?;
        if wanted { Ok(()) } else { Err(Setback::Gone) }
    }

    async fn publish(
        &self,
        file: &FileRecord,
        collection: &str,
        revision: &NewRevision,
    ) -> Result<(), Setback> {
        let now = self.parts.clock.now();
        let storing = self.parts.store.publish(revision, now);
        let id = self.timed(Stage::Storing, storing).await?;
        let id = id.ok_or(Setback::Gone)?;
        if !revision.inside.is_empty() {
            self.work.notify_one();
        }
        let detail = json!({
            "collection": collection, "path": file.path, "hash": revision.hash,
            "revision": id, "pages": revision.pages.len(), "passages": revision.passages.len(),
            "warnings": revision.info.warnings, "inside": revision.inside.len(),
        });
        self.log(EventKind::DocumentPublished, Outcome::Success, detail)
            .await?;
        self.timed(Stage::Indexing, self.follow()).await?;
        Ok(())
    }

    async fn timed<T>(&self, stage: Stage, step: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = step.await;
        self.parts.meter.spent(stage, began.elapsed());
        done
    }

    async fn set_aside(
        &self,
        file: &FileRecord,
        hash: Option<&FileHash>,
        reason: &str,
    ) -> Result<(), IngestError> {
        let now = self.parts.clock.now();
        self.parts
            .store
            .quarantine_file(file.id, hash, reason, now)
            .await?;
        let detail = json!({ "path": file.path, "hash": hash, "reason": reason });
        self.log(EventKind::DocumentQuarantined, Outcome::Failure, detail)
            .await
    }

    pub(super) async fn log(
        &self,
        kind: EventKind,
        outcome: Outcome,
        detail: serde_json::Value,
    ) -> Result<(), IngestError> {
        let event = Event {
            outcome,
            ..Event::by_appliance(kind, detail)
        };
        self.parts.audit.append(event).await?;
        Ok(())
    }

    /// A document that is back has passages older than the index's sequence, so following does not
    /// bring them. Mostly the index holds them still; else it is built anew.
    pub(super) async fn find_again(&self) -> Result<(), IngestError> {
        let _only = self.following.lock().await;
        let now = self.parts.clock.now();
        let index = self.parts.finding.now().index;
        let held = index.revisions();
        let live = self.parts.store.revisions_since(now).await?;
        if live
            .iter()
            .all(|revision| held.binary_search(revision).is_ok())
        {
            return Ok(());
        }
        rebuild_by_itself(&self.parts.store, &index, now, Worse::Refused).await
    }
}

fn count(pages: &AtomicU64) -> u32 {
    u32::try_from(pages.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
}
