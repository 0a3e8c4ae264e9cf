//! The steps in which one file is ingested: storing its bytes, recognising known content, reading,
//! and embedding.

use super::Ingestion;
use super::meter::{Stage, WorkDone};
use super::worker::{IngestFailure, LEASE};
use crate::chunk::{chunk_pages, embedding_input};
use crate::inbox;
use crate::quarantine::Quarantine;
use crate::reader::{Attachment, Extraction, ReadRequest};
use cloister_audit::{EventKind, Outcome};
use cloister_domain::{FileHash, FileId, LossKind, PassageDraft};
use cloister_inference::EmbedderService;
use cloister_store::{
    ContentMatch, FileRecord, FileState, NewAttachment, Originals, RemovedCopy, StoreError,
};
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often the row is updated while a file is read.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// Passages that are embedded between two updates of the row.
const EMBEDDING_BATCH: usize = 64;
/// Maximum depth to which attachments of attachments are read.
const MAX_ATTACHMENT_DEPTH: u32 = 3;

impl Ingestion {
    /// Copies the file into the store while hashing it, and returns its hash and size in bytes. An
    /// attachment is already stored.
    pub(super) async fn store_original(
        &self,
        file: &FileRecord,
        collection: &str,
    ) -> Result<(FileHash, u64), IngestFailure> {
        if let (Some(_), Some(hash)) = (file.parent, &file.hash) {
            return Ok((hash.clone(), file.size));
        }
        let mut opened = match inbox::open(&self.settings.inbox, collection, &file.path) {
            Ok(opened) => opened,
            Err(cause) if inbox::is_gone(&cause) => {
                // The file was removed, or replaced by a link.
                self.release(file).await?;
                let detail = json!({ "collection": collection, "path": file.path });
                self.log(EventKind::DocumentRemoved, Outcome::Success, detail)
                    .await?;
                let now = self.services.clock.now();
                self.services.store.remove_files(&[file.id], now).await?;
                return Err(IngestFailure::Gone);
            }
            Err(cause) => return Err(IngestFailure::Locked(inbox::locked_reason(&cause))),
        };
        let limit = self.settings.limits.file_bytes;
        if file.size > limit {
            return Err(IngestFailure::File(Quarantine::TooLarge {
                name: file.path.clone(),
                bytes: file.size,
                limit,
            }));
        }
        let originals = self.services.store.originals().clone();
        let stored = tokio::task::spawn_blocking(move || originals.insert(&mut opened)).await?;
        Ok(stored?)
    }

    /// Stores the attachments of a file, so that they can be ingested as files of their own.
    pub(super) async fn store_attachments(
        &self,
        file: &FileRecord,
        extraction: &mut Extraction,
    ) -> Result<Vec<NewAttachment>, IngestFailure> {
        let attachments = std::mem::take(&mut extraction.attachments);
        if attachments.is_empty() {
            return Ok(Vec::new());
        }
        if self.attachment_depth(file).await? >= MAX_ATTACHMENT_DEPTH {
            let account = &mut extraction.info.account;
            account.lose(LossKind::File, attachments.len());
            extraction.info.warnings.push(format!(
                "{} files lie deeper than {MAX_ATTACHMENT_DEPTH} files inside each other, and \
                 were left out",
                attachments.len()
            ));
            return Ok(Vec::new());
        }
        let originals = self.services.store.originals().clone();
        let storing = tokio::task::spawn_blocking(move || insert_all(&originals, attachments));
        Ok(storing.await??)
    }

    /// The number of files that this one is nested in, at most [`MAX_ATTACHMENT_DEPTH`].
    async fn attachment_depth(&self, file: &FileRecord) -> Result<u32, IngestFailure> {
        let mut depth = 0;
        let mut parent = file.parent;
        while let Some(id) = parent.filter(|_| depth < MAX_ATTACHMENT_DEPTH) {
            depth += 1;
            let record = self.services.store.file(id).await?;
            parent = record.and_then(|record| record.parent);
        }
        Ok(depth)
    }

    /// Whether the content is known, so that the file need not be read: the document has this
    /// content already, or had it before it was removed, or another document with this content was
    /// moved here.
    pub(super) async fn match_known_content(
        &self,
        file: &FileRecord,
        hash: &FileHash,
        collection: &str,
    ) -> Result<bool, IngestFailure> {
        let now = self.services.clock.now();
        let store = &self.services.store;
        let from = store.removed_copy(file.id, hash).await?;
        let kind = match store.match_known_content(file.id, hash, now).await? {
            ContentMatch::Unknown => return Ok(false),
            ContentMatch::Unchanged => return Ok(true),
            ContentMatch::Restored => EventKind::DocumentRestored,
            ContentMatch::Moved => EventKind::DocumentMoved,
        };
        let mut detail = json!({ "collection": collection, "path": file.path, "hash": hash });
        if let Some(from) = from.filter(|_| kind == EventKind::DocumentMoved) {
            name_previous_place(&mut detail, &from);
        }
        self.log(kind, Outcome::Success, detail).await?;
        self.work.notify_one();
        self.index_restored().await?;
        Ok(true)
    }

    /// Runs the reader on the file, and reports the progress meanwhile.
    pub(super) async fn extract_file(
        &self,
        file: &FileRecord,
        hash: &FileHash,
    ) -> Result<Extraction, IngestFailure> {
        let original = self.services.store.originals().open_file(hash)?;
        let settings = self.services.store.reader_settings(file.collection).await?;
        let request = ReadRequest {
            name: file.path.clone(),
            passwords: settings.passwords,
            languages: settings.languages,
        };
        let (done, total) = (AtomicU32::new(0), AtomicU32::new(0));
        let reading = self
            .services
            .reader
            .extract(original, request, |pages, of| {
                done.store(pages, Ordering::Relaxed);
                total.store(of, Ordering::Relaxed);
            });
        tokio::pin!(reading);
        loop {
            tokio::select! {
                read = &mut reading => {
                    let extraction = read?;
                    self.record_done(WorkDone {
                        pages: extraction.pages.len() as u64,
                        ..WorkDone::default()
                    });
                    return Ok(extraction);
                }
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                    let pages = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
                    self.report_progress(file.id, FileState::Reading, pages).await?;
                }
            }
        }
    }

    /// Divides the pages into passages and embeds them.
    pub(super) async fn embed(
        &self,
        file: &FileRecord,
        extraction: &Extraction,
        embedder: &EmbedderService,
    ) -> Result<Vec<(PassageDraft, Vec<f32>)>, IngestFailure> {
        let pages = extraction.pages.clone();
        let settings = self.settings.passages;
        let tokenizer = embedder.clone();
        let chunking =
            tokio::task::spawn_blocking(move || chunk_pages(&pages, &tokenizer, &settings));
        let drafts = self.timed(Stage::Cutting, chunking).await?;
        let total = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
        let title = &extraction.info.title;
        let mut passages = Vec::with_capacity(drafts.len());
        for batch in drafts.chunks(EMBEDDING_BATCH) {
            let done = u32::try_from(passages.len()).unwrap_or(u32::MAX);
            self.report_progress(file.id, FileState::Embedding, (done, total))
                .await?;
            let inputs = batch
                .iter()
                .map(|draft| embedding_input(title, &draft.headings, &draft.text))
                .collect();
            let embedding = embedder.embed_passages(inputs);
            let vectors = self.timed(Stage::Embedding, embedding).await?;
            self.record_done(WorkDone {
                passages: vectors.len() as u64,
                ..WorkDone::default()
            });
            passages.extend(batch.iter().cloned().zip(vectors));
        }
        Ok(passages)
    }

    /// Updates the row of a file and renews its lease.
    async fn report_progress(
        &self,
        file: FileId,
        state: FileState,
        progress: (u32, u32),
    ) -> Result<(), IngestFailure> {
        let now = self.services.clock.now();
        let store = &self.services.store;
        if store
            .update_progress(file, state, progress, now, LEASE)
            .await?
        {
            Ok(())
        } else {
            Err(IngestFailure::Gone)
        }
    }
}

fn insert_all(
    originals: &Originals,
    attachments: Vec<Attachment>,
) -> Result<Vec<NewAttachment>, StoreError> {
    let mut inserted = Vec::with_capacity(attachments.len());
    for Attachment { name, bytes } in attachments {
        let (hash, size) = originals.insert(&mut bytes.as_slice())?;
        inserted.push(NewAttachment { name, hash, size });
    }
    Ok(inserted)
}

/// Names the place from which a file was moved.
pub(super) fn name_previous_place(detail: &mut serde_json::Value, from: &RemovedCopy) {
    if let Some(detail) = detail.as_object_mut() {
        let place = json!({ "collection": from.collection, "path": from.path });
        detail.insert("moved_from".to_owned(), place);
    }
}
