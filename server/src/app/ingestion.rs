//! Watches the inbox, and ingests what is in it.

use super::{App, AppState};
use cloister_config::components;
use cloister_ingest::{IngestServices, IngestSettings, Ingestion, Progress};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The interval of progress reports.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(300);

/// Progress of the ingestion or of re-embedding, for a progress bar.
#[derive(Clone, Debug)]
pub struct IngestProgress {
    /// Units that are done.
    pub done: u64,
    /// All units.
    pub total: u64,
    /// The unit, and the speed if it is known.
    pub label: String,
}

impl App {
    /// Watches the inbox for as long as the appliance runs.
    pub async fn watch_inbox(self: AppState) {
        self.is_watching.store(true, Ordering::Relaxed);
        self.ingestion().run(Arc::clone(&self.scan)).await;
    }

    /// Ingests everything in the inbox and waits until it is searchable or quarantined. If the
    /// appliance watches the inbox, only waits.
    pub async fn ingest_inbox(&self, report: impl Fn(IngestProgress) + Sync) -> anyhow::Result<()> {
        if self.is_watching() {
            return self.wait_for_watcher(report).await;
        }
        let ingestion = self.ingestion();
        let ingest = ingestion.run_once(|progress| report(IngestProgress::from(progress)));
        tokio::select! {
            done = ingest => Ok(done?),
            never = self.report_reembedding(&report) => match never {},
        }
    }

    fn ingestion(&self) -> Ingestion {
        let parts = IngestServices {
            store: self.store.clone(),
            audit: self.audit.clone(),
            active_index: Arc::clone(&self.active_index),
            reader: Arc::clone(&self.reader),
            clock: Arc::clone(&self.clock),
            meter: Arc::clone(&self.meter),
        };
        let inbox = &self.config.inbox;
        let settings = IngestSettings {
            inbox: self.inbox.clone(),
            stable: Duration::from_secs(inbox.stability_seconds),
            scan_every: Duration::from_secs(inbox.scan_interval_seconds.max(1)),
            limits: components::reader_limits(&self.config),
            passages: components::chunk_settings(&self.config),
            another_model: self.embedder_regression,
            questions: self.golden_questions.clone(),
        };
        Ingestion::new(parts, settings, Arc::clone(&self.work))
    }

    /// Waits until the watcher has ingested everything.
    async fn wait_for_watcher(&self, report: impl Fn(IngestProgress) + Sync) -> anyhow::Result<()> {
        self.scan.notify_one();
        // A new file is ingested after the stability delay.
        let stability = Duration::from_secs(self.config.inbox.stability_seconds);
        tokio::time::sleep(stability + 4 * REPORT_INTERVAL).await;
        loop {
            let tally = self.store.count_files_by_state().await?;
            let progress = Progress::from_counts(&tally, &self.meter, &*self.clock);
            report(IngestProgress::from(progress));
            if progress.processed == progress.total {
                return Ok(());
            }
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
    }

    /// Reports the progress of re-embedding, which starts when all files are ingested.
    async fn report_reembedding(
        &self,
        report: &(impl Fn(IngestProgress) + Sync),
    ) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            let Some(reembedding) = self.active_index.reembedding() else {
                continue;
            };
            if reembedding.regression.is_none() {
                report(IngestProgress {
                    done: reembedding.done,
                    total: reembedding.total,
                    label: format!("passages embedded by {}", reembedding.name),
                });
            }
        }
    }
}

/// `3/40 files · 21 pages/s · 98 passages/s · 0:42 left`.
impl From<Progress> for IngestProgress {
    fn from(progress: Progress) -> Self {
        let mut label = "files".to_owned();
        if let Some(pace) = progress.throughput {
            let (pages, passages) = (pace.pages.round(), pace.passages.round());
            label = format!("{label} · {pages} pages/s · {passages} passages/s");
            if let Some(seconds) = pace.seconds_left {
                label = format!("{label} · {}:{:02} left", seconds / 60, seconds % 60);
            }
        }
        Self {
            done: progress.processed,
            total: progress.total,
            label,
        }
    }
}
