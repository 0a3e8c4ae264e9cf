//! Replacing the embedder: the vectors of the new model are made next to those in use, then its
//! index, and both are swapped in together.
//!
//! Each batch of vectors is one transaction and is never repeated, so a crash costs at most one
//! batch.

use super::Ingestion;
use super::active_index::{IndexSet, Reembedding};
use super::index_follower::{add_new_passages, rebuild_in_background};
use crate::chunk::embedding_input;
use crate::error::IngestError;
use crate::golden_questions::embed_golden_questions;
use cloister_audit::{EventKind, Outcome};
use cloister_domain::{Day, PassageId};
use cloister_index::{Comparison, Index, Regression, TestQuestion, question_from_passage};
use cloister_inference::EmbedderService;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Passages that are embedded together.
const EMBEDDING_BATCH: u32 = 64;

/// Number of questions that compare two models.
const TEST_QUESTIONS: i64 = 200;

/// How long to wait after an error, such as a full disk, or while ingestion is paused.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// How often to check whether the previous index is still used by a search.
const UNUSED_CHECK: Duration = Duration::from_millis(500);

impl Ingestion {
    pub(super) async fn reembed_forever(&self) {
        while let Err(cause) = self.reembed().await {
            tracing::error!(%cause, "re-embedding is interrupted: {cause}");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Makes the missing vectors, activates them, and deletes those of other models.
    pub(super) async fn reembed(&self) -> Result<(), IngestError> {
        let (store, active_index) = (&self.services.store, &self.services.active_index);
        if let Some(next) = active_index.pending() {
            self.replace_index(&next).await?;
        } else if store.active_embedder().await?.is_some_and(|e| !e.complete) {
            self.complete_index(&active_index.current()).await?;
        }
        let pending = active_index.pending().map(|next| next.sha256());
        store.delete_inactive_vectors(pending.as_deref()).await?;
        Ok(())
    }

    /// Makes the vectors of the pending index set, brings its index up to date, and swaps both in,
    /// unless they find less than the current ones and the settings refuse that.
    async fn replace_index(&self, next: &IndexSet) -> Result<(), IngestError> {
        let mut compared = None;
        loop {
            self.embed_missing(&next.embedder).await?;
            let sha256 = next.sha256();
            add_new_passages(&self.services.store, &next.index, Some(&sha256)).await?;
            next.index.mark_complete()?;
            let comparisons = match compared {
                Some(comparisons) => comparisons,
                None => self.compare(next).await?,
            };
            let worse = comparisons.iter().find(|comparison| comparison.is_worse());
            if let Some(worse) = worse
                && self.settings.another_model == Regression::Refused
            {
                self.report_regression(*worse);
                return Ok(());
            }
            compared = Some(comparisons);
            if self.swap_in(next, &comparisons).await? {
                return Ok(());
            }
        }
    }

    fn report_regression(&self, comparison: Comparison) {
        if let Some(reembedding) = self.services.active_index.reembedding_mut().as_mut() {
            reembedding.regression = Some(comparison);
            tracing::warn!("{reembedding}");
        }
    }

    /// Makes `next` the active index set: one transaction for the rows and one assignment for the
    /// searches. Returns `false` if a file was published in the meantime whose vectors are missing.
    async fn swap_in(
        &self,
        next: &IndexSet,
        [by_passages, by_site]: &[Comparison; 2],
    ) -> Result<bool, IngestError> {
        let sha256 = next.sha256();
        let following = self.following.lock().await;
        let store = &self.services.store;
        if !store.activate_embedder_if_complete(&sha256).await? {
            return Ok(false);
        }
        let previous = self.services.active_index.promote(next.clone());
        drop(following);
        *self.services.active_index.reembedding_mut() = None;
        tokio::spawn(remove_when_unused(previous.index));
        let detail = json!({
            "embedder": sha256, "generation": next.index.generation(),
            "asked": by_passages.questions, "found_before": by_passages.found_before,
            "found": by_passages.found_after, "asked_by_site": by_site.questions,
            "found_before_by_site": by_site.found_before, "found_by_site": by_site.found_after,
        });
        self.log(EventKind::IndexRebuilt, Outcome::Success, detail)
            .await?;
        // The passages of a document that was restored in the meantime may precede the last passage
        // of the new index.
        self.index_restored().await?;
        self.follow().await?;
        Ok(true)
    }

    /// Makes the vectors that the active embedder lacks, and turns dense search on again.
    async fn complete_index(&self, current: &IndexSet) -> Result<(), IngestError> {
        let IndexSet { embedder, index } = current;
        self.embed_missing(embedder).await?;
        let _guard = self.following.lock().await;
        let (store, now) = (&self.services.store, self.services.clock.now());
        // An index without vectors has nothing to compare with.
        rebuild_in_background(store, index, now, Regression::Accepted).await?;
        if store
            .activate_embedder_if_complete(&current.sha256())
            .await?
        {
            index.set_lexical_only(false);
        }
        *self.services.active_index.reembedding_mut() = None;
        Ok(())
    }

    async fn embed_missing(&self, embedder: &EmbedderService) -> Result<(), IngestError> {
        let store = &self.services.store;
        let identity = embedder.identity();
        let mut after = PassageId(0);
        loop {
            while store.ingestion_paused().await? {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            let (done, total) = store.count_embedded(&identity.sha256).await?;
            *self.services.active_index.reembedding_mut() = Some(Reembedding {
                name: identity.name.clone(),
                done,
                total,
                regression: None,
            });
            let missing = store
                .passages_without_vector(&identity.sha256, after, EMBEDDING_BATCH)
                .await?;
            let Some(last) = missing.last() else {
                return Ok(());
            };
            after = last.id;
            // Questions are embedded by the active model. Its queue admits bulk work, even an empty
            // batch, only if no question has to wait for it.
            let active = self.services.active_index.current().embedder;
            active.embed_passages(Vec::new()).await?;
            let inputs = missing
                .iter()
                .map(|p| embedding_input(&p.title, &p.draft.headings, &p.draft.text));
            let vectors = embedder.embed_passages(inputs.collect()).await?;
            let ids = missing.iter().map(|passage| passage.id);
            let made: Vec<_> = ids.zip(vectors).collect();
            store.add_vectors(&identity.sha256, &made).await?;
        }
    }

    /// Compares the current and the next index set by self-generated questions, and by the site's
    /// golden questions.
    async fn compare(&self, next: &IndexSet) -> Result<[Comparison; 2], IngestError> {
        let current = self.services.active_index.current();
        let questions = self.generate_questions(&current, next).await?;
        let golden = &self.settings.questions;
        let day = Day::from_timestamp(self.services.clock.now());
        let (before, after) = (&current.embedder, &next.embedder);
        let store = &self.services.store;
        let site = embed_golden_questions(store, golden, day, before, after).await?;
        let index = Arc::clone(&next.index);
        let comparing =
            tokio::task::spawn_blocking(move || current.index.compare(&index, &questions, &site));
        Ok(comparing.await??)
    }

    /// Generates questions from passages that are spread evenly over the library.
    async fn generate_questions(
        &self,
        current: &IndexSet,
        next: &IndexSet,
    ) -> Result<Vec<TestQuestion>, IngestError> {
        let last = next.index.sequence().0;
        let mut questions: Vec<TestQuestion> = Vec::new();
        let mut previous = None;
        for number in 0..TEST_QUESTIONS {
            let after = PassageId(last * number / TEST_QUESTIONS);
            let passage = self.services.store.passages_after(after, 1).await?.pop();
            let Some(passage) = passage.filter(|passage| Some(passage.id) != previous) else {
                continue;
            };
            previous = Some(passage.id);
            let text = question_from_passage(&passage.draft.text);
            questions.push(TestQuestion {
                passages: vec![passage.id],
                vector_before: current.embedder.embed_question(text.clone()).await?,
                vector_after: next.embedder.embed_question(text.clone()).await?,
                text,
            });
        }
        Ok(questions)
    }
}

/// Removes an index from the disk when no search uses it any more. If the process ends before, the
/// next start removes it.
async fn remove_when_unused(mut index: Arc<Index>) {
    let unused = loop {
        match Arc::try_unwrap(index) {
            Ok(unused) => break unused,
            Err(shared) => index = shared,
        }
        tokio::time::sleep(UNUSED_CHECK).await;
    };
    let removed = tokio::task::spawn_blocking(move || unused.remove_from_disk()).await;
    if let Ok(Err(cause)) = removed {
        tracing::warn!(%cause, "the previous model's index stays until the next start: {cause}");
    }
}
