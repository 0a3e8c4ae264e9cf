//! Another embedder than before: its vectors are made beside those that answer, then its index, and
//! both take their places in one step.
//!
//! Each batch is one transaction and is never made again, so a kill at any moment costs a batch.

use super::finding::{Finder, Renewal};
use super::follow::{add_rows, rebuild_by_itself};
use super::{IngestError, Ingestion};
use crate::chunk::embedded_text;
use crate::known::known_questions;
use cloister_audit::{EventKind, Outcome};
use cloister_domain::{Day, PassageId};
use cloister_index::{Asked, Comparison, Index, Worse, question_of};
use cloister_inference::EmbedderService;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Passages embedded together.
const STEP: u32 = 64;

/// Questions by which two models are compared.
const QUESTIONS: i64 = 200;

/// After a fault, such as a full disk, or while the ingestion is paused.
const PAUSE: Duration = Duration::from_secs(5);

/// This often is looked whether an index is out of use.
const LOOK: Duration = Duration::from_millis(500);

impl Ingestion {
    pub(super) async fn renew_forever(&self) {
        while let Err(cause) = self.renew().await {
            tracing::error!(%cause, "the vectors are not made for now: {cause}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes the vectors that are missing, has them answer, and lets go of those of other models.
    pub(super) async fn renew(&self) -> Result<(), IngestError> {
        let (store, finding) = (&self.parts.store, &self.parts.finding);
        if let Some(next) = finding.next() {
            self.bring_in(&next).await?;
        } else if store.embedder().await?.is_some_and(|e| !e.whole) {
            self.fill(&finding.now()).await?;
        }
        let kept = finding.next().map(|next| next.sha256());
        store.drop_other_vectors(kept.as_deref()).await?;
        Ok(())
    }

    /// Makes the vectors of the pair that is to follow, brings its index up to the last passage, and
    /// puts both in use, unless they find less and that is refused.
    async fn bring_in(&self, next: &Finder) -> Result<(), IngestError> {
        let mut compared = None;
        loop {
            self.embed_missing(&next.embedder).await?;
            let sha256 = next.sha256();
            add_rows(&self.parts.store, &next.index, Some(&sha256)).await?;
            next.index.caught_up()?;
            let comparisons = match compared {
                Some(comparisons) => comparisons,
                None => self.compare(next).await?,
            };
            let worse = comparisons.iter().find(|comparison| comparison.is_worse());
            if let Some(worse) = worse
                && self.settings.another_model == Worse::Refused
            {
                self.keep_aside(*worse);
                return Ok(());
            }
            compared = Some(comparisons);
            if self.swap(next, &comparisons).await? {
                return Ok(());
            }
        }
    }

    fn keep_aside(&self, comparison: Comparison) {
        if let Some(renewal) = self.parts.finding.renewing().as_mut() {
            renewal.worse = Some(comparison);
            tracing::warn!("{renewal}");
        }
    }

    /// Puts the pair in use, in one step for the rows and in one for whoever asks. `false` where a
    /// file was published meanwhile whose vectors are still to be made.
    async fn swap(
        &self,
        next: &Finder,
        [by_passages, by_site]: &[Comparison; 2],
    ) -> Result<bool, IngestError> {
        let sha256 = next.sha256();
        let following = self.following.lock().await;
        if !self.parts.store.use_whole_embedder(&sha256).await? {
            return Ok(false);
        }
        let old = self.parts.finding.succeed(next.clone());
        drop(following);
        *self.parts.finding.renewing() = None;
        tokio::spawn(remove_when_unused(old.index));
        let detail = json!({
            "embedder": sha256, "generation": next.index.generation(), "asked": by_passages.asked,
            "found_before": by_passages.before, "found": by_passages.after,
            "asked_by_site": by_site.asked, "found_before_by_site": by_site.before,
            "found_by_site": by_site.after,
        });
        self.log(EventKind::IndexRebuilt, Outcome::Success, detail)
            .await?;
        // A document that was restored meanwhile may lie before the last passage of the new index.
        self.find_again().await?;
        self.follow().await?;
        Ok(true)
    }

    /// Makes what vectors the model in use has yet to make, and has meaning answer again.
    async fn fill(&self, finder: &Finder) -> Result<(), IngestError> {
        let Finder { embedder, index } = finder;
        self.embed_missing(embedder).await?;
        let _only = self.following.lock().await;
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        // What answers by words alone holds nothing to compare vectors with.
        rebuild_by_itself(store, index, now, Worse::Accepted).await?;
        if store.use_whole_embedder(&finder.sha256()).await? {
            index.answer_by_words_alone(false);
        }
        *self.parts.finding.renewing() = None;
        Ok(())
    }

    async fn embed_missing(&self, embedder: &EmbedderService) -> Result<(), IngestError> {
        let store = &self.parts.store;
        let identity = embedder.identity();
        let mut after = PassageId(0);
        loop {
            while store.ingestion_paused().await? {
                tokio::time::sleep(PAUSE).await;
            }
            let (done, all) = store.count_embedded(&identity.sha256).await?;
            *self.parts.finding.renewing() = Some(Renewal {
                name: identity.name.clone(),
                done,
                all,
                worse: None,
            });
            let missing = store.unembedded_after(&identity.sha256, after, STEP);
            let missing = missing.await?;
            let Some(last) = missing.last() else {
                return Ok(());
            };
            after = last.id;
            // Whoever asks is attended to by the model in use: its queue lets bulk work pass, even
            // none at all, when they are not kept waiting by it.
            let in_use = self.parts.finding.now().embedder;
            in_use.embed_passages(Vec::new()).await?;
            let texts = missing
                .iter()
                .map(|p| embedded_text(&p.title, &p.draft.headings, &p.draft.text));
            let vectors = embedder.embed_passages(texts.collect()).await?;
            let ids = missing.iter().map(|passage| passage.id);
            let made: Vec<_> = ids.zip(vectors).collect();
            store.add_vectors(&identity.sha256, &made).await?;
        }
    }

    /// Asks both pairs questions that the passages make of themselves, and those of the site.
    async fn compare(&self, next: &Finder) -> Result<[Comparison; 2], IngestError> {
        let now = self.parts.finding.now();
        let questions = self.of_passages(&now, next).await?;
        let known = &self.settings.questions;
        let day = Day::of(self.parts.clock.now());
        let (before, after) = (&now.embedder, &next.embedder);
        let site = known_questions(&self.parts.store, known, day, before, after).await?;
        let index = Arc::clone(&next.index);
        let compare = move || now.index.compare(&index, &questions, &site);
        Ok(tokio::task::spawn_blocking(compare).await??)
    }

    async fn of_passages(&self, now: &Finder, next: &Finder) -> Result<Vec<Asked>, IngestError> {
        let last = next.index.sequence().0;
        let mut questions: Vec<Asked> = Vec::new();
        let mut known = None;
        for number in 0..QUESTIONS {
            let after = PassageId(last * number / QUESTIONS);
            let passage = self.parts.store.passages_after(after, 1).await?.pop();
            let Some(passage) = passage.filter(|passage| Some(passage.id) != known) else {
                continue;
            };
            known = Some(passage.id);
            let text = question_of(&passage.draft.text);
            questions.push(Asked {
                passages: vec![passage.id],
                before: now.embedder.embed_question(text.clone()).await?,
                after: next.embedder.embed_question(text.clone()).await?,
                text,
            });
        }
        Ok(questions)
    }
}

/// Removes an index from the disk once the last question to it is answered. If the process ends
/// before, the next start does.
async fn remove_when_unused(mut index: Arc<Index>) {
    let alone = loop {
        match Arc::try_unwrap(index) {
            Ok(alone) => break alone,
            Err(shared) => index = shared,
        }
        tokio::time::sleep(LOOK).await;
    };
    let removed = tokio::task::spawn_blocking(move || alone.delete()).await;
    if let Ok(Err(cause)) = removed {
        tracing::warn!(%cause, "the index of the model before stays until the next start: {cause}");
    }
}
