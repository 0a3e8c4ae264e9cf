//! Background tasks: the self-test of the reranker, and deleting what has expired.

use super::{App, AppState};
use cloister_policies::Policies;
use std::time::Duration;

/// Questions of the self-test of the reranker.
const RERANKER_TEST_QUESTIONS: u32 = 40;

/// The interval of tries while there are no passages to test the reranker on.
const RERANKER_TEST_INTERVAL: Duration = Duration::from_mins(10);

/// The interval of deletions.
const EXPIRY_INTERVAL: Duration = Duration::from_hours(1);

/// Whether a self-test could run.
enum SelfTest {
    Done,
    /// There are no passages yet.
    NoPassages,
}

impl App {
    /// Tests the reranker as soon as there are passages.
    pub async fn test_reranker_when_possible(self: AppState) {
        loop {
            match self.test_reranker().await {
                Ok(SelfTest::Done) => return,
                Ok(SelfTest::NoPassages) => tokio::time::sleep(RERANKER_TEST_INTERVAL).await,
                Err(cause) => {
                    tracing::warn!(
                        "the reranker could not be tested and stays disabled: {cause:#}"
                    );
                    return;
                }
            }
        }
    }

    /// Tests the reranker on the passages of the site, and logs the result.
    async fn test_reranker(&self) -> anyhow::Result<SelfTest> {
        if self.reranker.is_none() {
            return Ok(SelfTest::Done);
        }
        self.wait_for_generator().await;
        let collections = self.store.collections().await?;
        let permitted = Policies::for_self_test(collections.iter().map(|c| c.id));
        let library = self.store.library(permitted, self.today());
        let passages = library.sample(RERANKER_TEST_QUESTIONS).await?;
        let test = self.answerer().test_reranker(&library, &passages).await?;
        if test.questions == 0 {
            return Ok(SelfTest::NoPassages);
        }
        let figures = format!(
            "MRR on {} generated questions is {:.3} without and {:.3} with the reranker",
            test.questions, test.mrr_without, test.mrr_with
        );
        if test.passed() {
            tracing::info!("the reranker is enabled: {figures}");
        } else {
            tracing::warn!("the reranker lowers quality and is disabled: {figures}");
        }
        Ok(SelfTest::Done)
    }

    /// Deletes, every hour, questions that are older than the history is kept, and sessions,
    /// links, API tokens and account requests that have expired.
    pub async fn delete_expired_periodically(self: AppState) {
        loop {
            let now = self.clock.now();
            let oldest = now.minus(self.config.history_retention());
            if let Err(cause) = self.store.delete_turns_before(oldest).await {
                tracing::warn!("could not delete old questions: {cause}");
            }
            if let Err(cause) = self.store.delete_expired_sessions(now).await {
                tracing::warn!("could not delete expired sessions: {cause}");
            }
            let delays = self.sign_in_delays();
            let deleted = self.store.delete_old_sign_in_attempts(&delays, now).await;
            if let Err(cause) = deleted {
                tracing::warn!("could not delete old attempts to sign in: {cause}");
            }
            tokio::time::sleep(EXPIRY_INTERVAL).await;
        }
    }
}
