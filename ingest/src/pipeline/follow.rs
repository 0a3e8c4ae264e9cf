//! The index follows the rows.

use super::IngestError;
use cloister_domain::{PassageId, RevisionId, Timestamp};
use cloister_index::{Index, IndexEntry};
use cloister_store::{Store, StoredPassage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Passages that one commit of the index takes in, at most.
const STEP: u32 = 2048;

/// What stopped answering stays in the index for so long. No question finds it, but a document that
/// was moved or restored meanwhile is back without work.
const GRACE: Duration = Duration::from_mins(10);

/// Brings the index up to the last passage, and lets go of what has not answered for a while. An
/// index that was lost begins at the first passage.
pub async fn catch_up(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
) -> Result<(), IngestError> {
    loop {
        let passages = store.passages_after(index.sequence(), STEP).await?;
        if passages.is_empty() {
            break;
        }
        let entries: Vec<IndexEntry> = passages.into_iter().map(entry).collect();
        let index = Arc::clone(index);
        tokio::task::spawn_blocking(move || index.add(&entries)).await??;
    }
    forget_dead(store, index, now).await
}

async fn forget_dead(store: &Store, index: &Arc<Index>, now: Timestamp) -> Result<(), IngestError> {
    let live = store.revisions_since(now.minus(GRACE)).await?;
    let live: HashSet<RevisionId> = live.into_iter().collect();
    let known = index.revisions().into_iter();
    let dead: Vec<RevisionId> = known.filter(|revision| !live.contains(revision)).collect();
    if !dead.is_empty() {
        let index = Arc::clone(index);
        tokio::task::spawn_blocking(move || index.forget(&dead)).await??;
    }
    Ok(())
}

/// Builds the index anew from the rows, aside, and swaps when it is done. `progress` is told how
/// many passages are in.
pub async fn rebuild(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<(), IngestError> {
    let mut entries = Vec::new();
    let mut after = PassageId(0);
    loop {
        let passages = store.passages_after(after, STEP).await?;
        let Some(last) = passages.last() else { break };
        after = last.id;
        entries.extend(passages.into_iter().map(entry));
    }
    let rebuilt = Arc::clone(index);
    tokio::task::spawn_blocking(move || rebuilt.rebuild(entries, &mut |done| progress(done)))
        .await??;
    // What was published meanwhile.
    catch_up(store, index, now).await
}

fn entry(passage: StoredPassage) -> IndexEntry {
    IndexEntry {
        passage: passage.id,
        revision: passage.revision,
        title: passage.title,
        about: passage.about,
        language: passage.language,
        headings: passage.draft.headings,
        text: passage.draft.text,
        vector: passage.vector,
    }
}
