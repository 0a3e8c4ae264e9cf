//! The index: status, rebuild and rollback.

use super::{App, Caller};
use cloister_audit::EventKind;
use cloister_index::{IndexStatus, Regression};
use cloister_ingest::{IndexSet, embed_golden_questions};
use serde_json::json;
use std::sync::Arc;

/// The status of the index in use.
pub struct IndexReport {
    /// The generation.
    pub generation: String,
    /// The newest passage in the index.
    pub sequence: i64,
    /// The number of passages that are in force today.
    pub passages: u64,
    /// The condition of the index.
    pub status: IndexStatus,
    /// The progress of re-embedding, if another embedder was activated.
    pub reembedding: Option<String>,
}

impl App {
    /// The status of the index in use.
    pub async fn index_report(&self) -> anyhow::Result<IndexReport> {
        let index = self.active_index.current().index;
        Ok(IndexReport {
            generation: index.generation(),
            sequence: index.sequence().0,
            passages: self.store.count_passages(self.today()).await?,
            status: index.status(),
            reembedding: self
                .active_index
                .reembedding()
                .map(|renewal| renewal.to_string()),
        })
    }

    /// Rebuilds the index beside the one in use, and swaps them unless the new one finds less.
    /// `report` gets the number of passages that are done, and of all.
    pub async fn rebuild_index(
        &self,
        caller: &Caller,
        regression: Regression,
        report: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> anyhow::Result<()> {
        let total = self.store.count_indexable_passages().await?;
        let IndexSet { embedder, index } = self.active_index.current();
        let golden = embed_golden_questions(
            &self.store,
            &self.golden_questions,
            self.today(),
            &embedder,
            &embedder,
        )
        .await?;
        let comparison = cloister_ingest::rebuild(
            &self.store,
            &index,
            self.clock.now(),
            &golden,
            regression,
            move |done| report(done, total),
        )
        .await?;
        let detail = json!({
            "generation": index.generation(), "passages": total,
            "asked": comparison.questions, "found_before": comparison.found_before,
            "found": comparison.found_after, "asked_by_site": golden.questions.len(),
        });
        self.audit
            .append(caller.event(EventKind::IndexRebuilt, detail))
            .await?;
        Ok(())
    }

    /// Goes back to the previous generation, and brings it up to date.
    pub async fn roll_back_index(&self, caller: &Caller) -> anyhow::Result<()> {
        let index = self.active_index.current().index;
        let previous = Arc::clone(&index);
        let exists = tokio::task::spawn_blocking(move || previous.roll_back()).await??;
        anyhow::ensure!(exists, "there is no previous generation of the index");
        cloister_ingest::catch_up(&self.store, &index, self.clock.now()).await?;
        let detail = json!({ "generation": index.generation(), "rolled_back": true });
        self.audit
            .append(caller.event(EventKind::IndexRebuilt, detail))
            .await?;
        Ok(())
    }
}
