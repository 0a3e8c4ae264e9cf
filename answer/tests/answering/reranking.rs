//! A reranker is enabled if it helps and disabled if it hurts.

use crate::support::{Text, Workspace};
use cloister_answer::{AnswererParts, RerankModel, RerankerStatus};
use cloister_inference::{InferenceError, ModelIdentity, Reranker};
use std::sync::Arc;

/// A cross-encoder whose score is the number of common words, or its negative.
struct CommonWords {
    inverted: bool,
}

impl Reranker for CommonWords {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "counting".into(),
            sha256: "2".repeat(64),
            tokenizer: None,
        }
    }
    fn max_tokens(&self) -> usize {
        512
    }
    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, InferenceError> {
        let sign = if self.inverted { -1.0 } else { 1.0 };
        let common = |passage: &&str| {
            let words = question
                .split_whitespace()
                .filter(|word| passage.contains(word));
            sign * words.count() as f32
        };
        Ok(passages.iter().map(common).collect())
    }
}

const TEXTS: [Text<'_>; 4] = [
    Text {
        path: "keys.md",
        title: "Keys",
        heading: "Keys",
        sentences: &[
            "A lost key of the pharmacy is reported to the porter within thirty minutes of its loss.",
        ],
    },
    Text {
        path: "logs.md",
        title: "Logs",
        heading: "Logs",
        sentences: &[
            "The security officer reads the audit logs of all systems on the first day of each week.",
        ],
    },
    Text {
        path: "food.md",
        title: "Kitchen",
        heading: "Kitchen",
        sentences: &[
            "Warm meals leave the kitchen at noon and are thrown away after two hours on the ward.",
        ],
    },
    Text {
        path: "cars.md",
        title: "Cars",
        heading: "Cars",
        sentences: &[
            "Whoever borrows a car of the house writes the mileage into the book beside the gate.",
        ],
    },
];

async fn test_reranker(inverted: bool) -> (RerankerStatus, f64, f64) {
    let model = RerankModel::CrossEncoder(Arc::new(CommonWords { inverted }));
    let reranker = cloister_answer::Reranker::new(model, 0.9);
    let workspace = Workspace::with(&TEXTS, None).await;
    let answerer = cloister_answer::Answerer::new(AnswererParts {
        reranker: Some(reranker.clone()),
        ..workspace.parts.clone()
    });
    let library = workspace.library();
    let sample = library.sample(40).await.unwrap();
    assert_eq!(sample.len(), TEXTS.len());
    let untested = answerer.test_reranker(&library, &[]).await.unwrap();
    assert_eq!(untested.questions, 0);
    assert_eq!(
        reranker.status(),
        RerankerStatus::Untested,
        "no question was asked"
    );
    let test = answerer.test_reranker(&library, &sample).await.unwrap();
    assert_eq!(test.questions, TEXTS.len());
    (reranker.status(), test.mrr_without, test.mrr_with)
}

#[tokio::test]
async fn a_reranker_that_helps_is_enabled() {
    let (status, without, with) = test_reranker(false).await;
    assert_eq!(status, RerankerStatus::Enabled, "{without} {with}");
    assert!(with >= without, "{without} {with}");
}

#[tokio::test]
async fn a_reranker_that_hurts_is_disabled() {
    let (status, without, with) = test_reranker(true).await;
    assert_eq!(status, RerankerStatus::Disabled, "{without} {with}");
    assert!(with < without, "{without} {with}");
}
