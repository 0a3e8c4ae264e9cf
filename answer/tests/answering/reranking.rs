//! The second look takes part where it helps, and is switched off where it hurts.

use crate::support::{House, Text};
use cloister_answer::rerank::{Judge, Reranking, Standing};
use cloister_inference::{InferenceError, ModelIdentity, Reranker};
use std::sync::Arc;

/// A cross-encoder that counts common words, or likes best what has fewest of them.
struct Counting {
    contrary: bool,
}

impl Reranker for Counting {
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
        let sign = if self.contrary { -1.0 } else { 1.0 };
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

async fn tested(contrary: bool) -> (Standing, f64, f64) {
    let judge = Judge::CrossEncoder(Arc::new(Counting { contrary }));
    let reranking = Reranking::new(judge, 0.9);
    let house = House::with(&TEXTS, None).await;
    let answerer = house.answerer.clone().with_reranking(reranking.clone());
    let library = house.library();
    let sample = library.sample(40).await.unwrap();
    assert_eq!(sample.len(), TEXTS.len());
    let untested = answerer.test_reranking(&library, &[]).await.unwrap();
    assert_eq!(untested.questions, 0);
    assert_eq!(
        reranking.standing(),
        Standing::Untested,
        "nothing was asked"
    );
    let test = answerer.test_reranking(&library, &sample).await.unwrap();
    assert_eq!(test.questions, TEXTS.len());
    (reranking.standing(), test.plain, test.reranked)
}

#[tokio::test]
async fn one_that_helps_takes_part() {
    let (standing, plain, reranked) = tested(false).await;
    assert_eq!(standing, Standing::TakesPart, "{plain} {reranked}");
    assert!(reranked >= plain, "{plain} {reranked}");
}

#[tokio::test]
async fn one_that_hurts_is_switched_off() {
    let (standing, plain, reranked) = tested(true).await;
    assert_eq!(standing, Standing::Worse, "{plain} {reranked}");
    assert!(reranked < plain, "{plain} {reranked}");
}
