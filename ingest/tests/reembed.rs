//! Another embedder than before: what is stored becomes its own, also when it is cut short.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, DocumentInfo, FileHash, Labels, PassageDraft, PassageId, PassageSpan, Timestamp,
};
use cloister_inference::{Embedder, EmbedderService, InferenceError, ModelIdentity, QueueLimits};
use cloister_ingest::reembed;
use cloister_store::{NewRevision, SeenFile, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Says how long a text is, and fails after some calls.
struct Lengths {
    calls_left: AtomicUsize,
}

impl Embedder for Lengths {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "lengths".into(),
            sha256: "1".repeat(64),
        }
    }

    fn dimensions(&self) -> usize {
        1
    }

    fn max_tokens(&self) -> usize {
        100
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, InferenceError> {
        let left = self
            .calls_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        left.map_err(|_none| InferenceError::Compute("cut short".into()))?;
        Ok(texts.iter().map(|text| vec![text.len() as f32]).collect())
    }
}

fn service(calls: usize) -> EmbedderService {
    let calls_left = AtomicUsize::new(calls);
    EmbedderService::start(Arc::new(Lengths { calls_left }), QueueLimits::default()).unwrap()
}

async fn publish(store: &Store, path: &str, text: &str, now: Timestamp) {
    let collection = store.collections().await.unwrap()[0].id;
    let seen = SeenFile {
        collection,
        path: path.into(),
        size: 1,
        modified_at: now,
        labels: Labels::default(),
    };
    store.note_files(&[seen], now).await.unwrap();
    let file = store
        .lease_file(now, Duration::from_mins(1))
        .await
        .unwrap()
        .unwrap();
    let range = ByteRange::new(0, text.len());
    let draft = PassageDraft {
        text: text.into(),
        spans: vec![PassageSpan { page: 1, range }],
        headings: vec!["Doses".into()],
        sentences: vec![range],
        tokens: 3,
        doubtful: Vec::new(),
    };
    let new = NewRevision {
        file: file.id,
        hash: FileHash::of(text.as_bytes()),
        size: 1,
        info: DocumentInfo {
            title: "Guide".into(),
            format: "text".into(),
            ..DocumentInfo::default()
        },
        pages: Vec::new(),
        passages: vec![(draft, vec![0.6, 0.8])],
        embedder: "0".repeat(64),
        took_ms: 5,
        inside: Vec::new(),
        labels: Labels::default(),
    };
    store.publish(&new, now).await.unwrap().unwrap();
}

#[tokio::test]
async fn every_vector_becomes_the_new_embedders_also_when_it_is_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let now = Timestamp::from_millis(1_790_000_000_000);
    store.add_collection("ward", now).await.unwrap();
    for (path, text) in [
        ("a.txt", "Give 5 mg."),
        ("b.txt", "Give 10 mg."),
        ("c.txt", "Rest."),
    ] {
        publish(&store, path, text, now).await;
    }
    let identity = service(0).identity().sha256;
    reembed(&store, &service(2), |_| ()).await.unwrap_err();
    assert_eq!(
        store.count_stale(&identity).await.unwrap(),
        1,
        "two are done and stay done"
    );
    let mut told = Vec::new();
    reembed(&store, &service(9), |done| told.push(done))
        .await
        .unwrap();
    assert_eq!(told, [1], "only the third was left");
    assert_eq!(store.count_stale(&identity).await.unwrap(), 0);
    for passage in store.passages_after(PassageId(0), 9).await.unwrap() {
        let text =
            cloister_ingest::embedded_text("Guide", &passage.draft.headings, &passage.draft.text);
        assert_eq!(passage.vector, [text.len() as f32]);
    }
}
