//! Another embedder than before: every vector is made anew.

use super::IngestError;
use crate::chunk::embedded_text;
use cloister_inference::EmbedderService;
use cloister_store::Store;

/// Passages embedded together.
const STEP: usize = 64;

/// Embeds the passages of every revision whose vectors another model made, revision by revision,
/// each in one transaction: what was done is done, whenever it is cut short. Nobody may be answered
/// meanwhile, and an index that knows the old vectors has to go first. `progress` is told how many
/// revisions are done.
pub async fn reembed(
    store: &Store,
    embedder: &EmbedderService,
    mut progress: impl FnMut(u64),
) -> Result<(), IngestError> {
    let identity = embedder.identity().sha256;
    let mut done = 0;
    while let Some(stale) = store.next_stale(&identity).await? {
        let mut vectors = Vec::with_capacity(stale.passages.len());
        for passages in stale.passages.chunks(STEP) {
            let texts = passages
                .iter()
                .map(|(_, draft)| embedded_text(&stale.title, &draft.headings, &draft.text));
            let found = embedder.embed_passages(texts.collect()).await?;
            vectors.extend(passages.iter().map(|(id, _)| *id).zip(found));
        }
        store.replace_vectors(stale.id, &identity, &vectors).await?;
        done += 1;
        progress(done);
    }
    Ok(())
}
