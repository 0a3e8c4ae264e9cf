//! Keeping the index up to date with the rows of the database.

use crate::error::IngestError;
use cloister_domain::{PassageId, RevisionId, Timestamp};
use cloister_index::{Comparison, Index, IndexEntry, IndexError, Regression, SiteQuestions};
use cloister_store::{Store, StoredPassage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Maximum number of passages that one commit of the index adds.
const COMMIT_PASSAGES: u32 = 2048;

/// How long the passages of a removed document stay in the index. No search finds them, but a
/// document that is moved or restored in this time needs no work.
const GRACE_PERIOD: Duration = Duration::from_mins(10);

/// Batches of passages that are read ahead of a rebuild.
const READ_AHEAD: usize = 2;

/// Adds the passages that the index lacks, and deletes those of documents that were removed some
/// time ago. An index that was lost starts at the first passage. A corrupt one is rebuilt.
pub async fn catch_up(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
) -> Result<(), IngestError> {
    follow(store, index, now).await?;
    let Some(reason) = index.corruption() else {
        return Ok(());
    };
    tracing::warn!(%reason, "the index is rebuilt: {reason}");
    // A corrupt index is replaced in any case, so skip the regression test.
    rebuild_in_background(store, index, now, Regression::Accepted).await
}

/// Rebuilds the index although nobody requested it. The site's golden questions are not tested,
/// because embedding them takes a while.
pub(super) async fn rebuild_in_background(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
    regression: Regression,
) -> Result<(), IngestError> {
    let no_questions = SiteQuestions::default();
    rebuild(store, index, now, &no_questions, regression, |_| {}).await?;
    Ok(())
}

async fn follow(store: &Store, index: &Arc<Index>, now: Timestamp) -> Result<(), IngestError> {
    add_new_passages(store, index, None).await?;
    index.mark_complete()?;
    delete_removed(store, index, now).await
}

/// Adds the passages after the last one in the index, with the vectors of the active embedder. If
/// `embedder` is given, its vectors are used instead, up to the first passage that has none.
pub(super) async fn add_new_passages(
    store: &Store,
    index: &Arc<Index>,
    embedder: Option<&str>,
) -> Result<(), IngestError> {
    let dimensions = index.dimensions();
    loop {
        let passages = store
            .passages_after_by_model(embedder, index.sequence(), COMMIT_PASSAGES)
            .await?;
        let mut entries = Vec::with_capacity(passages.len());
        for passage in passages {
            if embedder.is_some() && passage.vector.is_empty() {
                break;
            }
            entries.push(index_entry(passage, dimensions));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let index = Arc::clone(index);
        tokio::task::spawn_blocking(move || index.add(&entries)).await??;
    }
}

async fn delete_removed(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
) -> Result<(), IngestError> {
    let live = store.revisions_live_since(now.minus(GRACE_PERIOD)).await?;
    let live: HashSet<RevisionId> = live.into_iter().collect();
    let mut removed = index.revisions();
    removed.retain(|revision| !live.contains(revision));
    if !removed.is_empty() {
        let index = Arc::clone(index);
        tokio::task::spawn_blocking(move || index.delete_revisions(&removed)).await??;
    }
    Ok(())
}

/// Builds a new index from the rows and swaps it in. If `regression` says so, the new index is
/// discarded if it finds less than the current one, also judged by the golden questions of the
/// `site`. `progress` is called with the number of passages added so far.
pub async fn rebuild(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
    site: &SiteQuestions,
    regression: Regression,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<Comparison, IngestError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(READ_AHEAD);
    let rebuilt = Arc::clone(index);
    let dimensions = index.dimensions();
    let site = site.clone();
    let building = tokio::task::spawn_blocking(move || {
        let batches = std::iter::from_fn(|| receiver.blocking_recv());
        let entries = batches.flat_map(|batch| batch_entries(batch, dimensions));
        rebuilt.rebuild(entries, &site, regression, &mut |done| progress(done))
    });
    let read = send_passages(store, &sender).await;
    if read.is_err() {
        // Without this message, the rebuild would take the passages so far for all passages. If the
        // rebuild has ended, nobody receives the message.
        drop(sender.send(Err(IndexError::RowsUnreadable)).await);
    }
    drop(sender);
    let built = building.await?;
    read?;
    let comparison = built?;
    // Passages that were published during the rebuild.
    follow(store, index, now).await?;
    Ok(comparison)
}

type PassageBatch = Result<Vec<StoredPassage>, IndexError>;

fn batch_entries(batch: PassageBatch, dimensions: usize) -> Vec<Result<IndexEntry, IndexError>> {
    match batch {
        Ok(passages) => {
            let entries = passages.into_iter().map(|p| Ok(index_entry(p, dimensions)));
            entries.collect()
        }
        Err(error) => vec![Err(error)],
    }
}

/// Sends every passage of the documents that exist, or stops when the receiver is gone.
async fn send_passages(store: &Store, sender: &Sender<PassageBatch>) -> Result<(), IngestError> {
    let mut after = PassageId(0);
    loop {
        let passages = store.passages_after(after, COMMIT_PASSAGES).await?;
        let Some(last) = passages.last() else {
            return Ok(());
        };
        after = last.id;
        if sender.send(Ok(passages)).await.is_err() {
            return Ok(());
        }
    }
}

/// A passage without a vector gets a unit vector as a placeholder. As long as there are such
/// passages, the index answers with lexical search only.
fn index_entry(passage: StoredPassage, dimensions: usize) -> IndexEntry {
    let vector = if passage.vector.is_empty() {
        unit_vector(dimensions)
    } else {
        passage.vector
    };
    IndexEntry {
        passage: passage.id,
        revision: passage.revision,
        title: passage.title,
        document_metadata: passage.document_keywords,
        language: passage.language,
        headings: passage.draft.headings,
        text: passage.draft.text,
        vector,
    }
}

fn unit_vector(dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}
