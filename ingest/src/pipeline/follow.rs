//! The index follows the rows.

use super::IngestError;
use cloister_domain::{PassageId, RevisionId, Timestamp};
use cloister_index::{Comparison, Index, IndexEntry, IndexError, SiteQuestions, Worse};
use cloister_store::{Store, StoredPassage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Passages that one commit of the index takes in, at most.
const STEP: u32 = 2048;

/// What was removed stays in the index for so long. No question finds it, but a document that was moved
/// or restored meanwhile is back without work.
const GRACE: Duration = Duration::from_mins(10);

/// Steps of passages that wait for a rebuild to take them in.
const WAITING: usize = 2;

/// Brings the index up to the last passage, and lets go of what has not answered for a while. An
/// index that was lost begins at the first passage; one that is found damaged is built anew.
pub async fn catch_up(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
) -> Result<(), IngestError> {
    follow(store, index, now).await?;
    match index.torn() {
        None => Ok(()),
        Some(reason) => {
            tracing::warn!(%reason, "the index is built anew: {reason}");
            // What is torn must go, so nothing is gained by comparing with it.
            rebuild_by_itself(store, index, now, Worse::Accepted).await
        }
    }
}

/// Builds the index anew where nobody asked for it and nobody watches, so that the site's questions, each
/// of which takes the embedder a while, are not put to it.
pub(super) async fn rebuild_by_itself(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
    worse: Worse,
) -> Result<(), IngestError> {
    rebuild(store, index, now, &SiteQuestions::default(), worse, |_| {}).await?;
    Ok(())
}

async fn follow(store: &Store, index: &Arc<Index>, now: Timestamp) -> Result<(), IngestError> {
    add_rows(store, index, None).await?;
    index.caught_up()?;
    forget_dead(store, index, now).await
}

/// Adds the passages after the last one of the index, with the vectors of the model in use; or with
/// those of `embedder`, up to the first passage that has none of it yet.
pub(super) async fn add_rows(
    store: &Store,
    index: &Arc<Index>,
    embedder: Option<&str>,
) -> Result<(), IngestError> {
    loop {
        let passages = store.passages_by(embedder, index.sequence(), STEP).await?;
        let wanted = |passage: &StoredPassage| embedder.is_none() || !passage.vector.is_empty();
        let passages = passages.into_iter().take_while(wanted);
        let dimensions = index.dimensions();
        let entries: Vec<IndexEntry> = passages.map(|p| entry(p, dimensions)).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let index = Arc::clone(index);
        tokio::task::spawn_blocking(move || index.add(&entries)).await??;
    }
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

/// Builds the index anew from the rows, aside, and swaps when it is done, unless what was built is
/// `worse` than what answers, also by the questions of the `site`, and that is refused. `progress` is
/// told how many passages are in.
pub async fn rebuild(
    store: &Store,
    index: &Arc<Index>,
    now: Timestamp,
    site: &SiteQuestions,
    worse: Worse,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<Comparison, IngestError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(WAITING);
    let rebuilt = Arc::clone(index);
    let dimensions = index.dimensions();
    let site = site.clone();
    let building = tokio::task::spawn_blocking(move || {
        let steps = std::iter::from_fn(|| receiver.blocking_recv());
        let entries = steps.flat_map(|step: Result<Vec<StoredPassage>, IndexError>| match step {
            Ok(passages) => {
                let entries = passages.into_iter().map(|p| Ok(entry(p, dimensions)));
                entries.collect()
            }
            Err(error) => vec![Err(error)],
        });
        rebuilt.rebuild(entries, &site, worse, &mut |done| progress(done))
    });
    let read = send_passages(store, &sender).await;
    if read.is_err() {
        // Without this the rebuild would take what came for all there is. A rebuild that has
        // stopped already hears nothing.
        drop(sender.send(Err(IndexError::RowsEnded)).await);
    }
    drop(sender);
    let built = building.await?;
    read?;
    let comparison = built?;
    // What was published meanwhile.
    follow(store, index, now).await?;
    Ok(comparison)
}

/// Sends every passage of the documents that are there, until nobody listens.
async fn send_passages(
    store: &Store,
    sender: &tokio::sync::mpsc::Sender<Result<Vec<StoredPassage>, IndexError>>,
) -> Result<(), IngestError> {
    let mut after = PassageId(0);
    loop {
        let passages = store.passages_after(after, STEP).await?;
        let Some(last) = passages.last() else {
            return Ok(());
        };
        after = last.id;
        if sender.send(Ok(passages)).await.is_err() {
            return Ok(());
        }
    }
}

/// A passage without a vector is given one that holds its place; the index answers by words alone as
/// long as there is such a passage.
fn entry(passage: StoredPassage, dimensions: usize) -> IndexEntry {
    let vector = if passage.vector.is_empty() {
        let mut place = vec![0.0; dimensions];
        place.iter_mut().take(1).for_each(|x| *x = 1.0);
        place
    } else {
        passage.vector
    };
    IndexEntry {
        passage: passage.id,
        revision: passage.revision,
        title: passage.title,
        about: passage.about,
        language: passage.language,
        headings: passage.draft.headings,
        text: passage.draft.text,
        vector,
    }
}
