//! An appliance without its doors: store, index, log and answerer, with models that are scripts.

use cloister_answer::Answerer;
use cloister_answer::evidence::Evidence;
use cloister_audit::{AuditLog, EventKind, Filter};
use cloister_domain::chance::CountingEntropy;
use cloister_domain::time::StoppedClock;
use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, FileHash, Labels, Page, PageText, PassageDraft,
    PassageId, PassageSpan, Permitted, Timestamp,
};
use cloister_index::{Index, IndexEntry, IndexSettings};
use cloister_inference::{
    Embedder, EmbedderService, GeneratorService, InferenceError, ModelIdentity, QueueLimits,
};
use cloister_policies::redaction::Redaction;
use cloister_store::{Library, NewRevision, SeenFile, Store};
use std::sync::Arc;
use std::time::Duration;

const DIMENSIONS: usize = 64;
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

/// Texts with the same words are near.
pub struct Words;

impl Embedder for Words {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "words".into(),
            sha256: "0".repeat(64),
            tokenizer: None,
        }
    }
    fn dimensions(&self) -> usize {
        DIMENSIONS
    }
    fn max_tokens(&self) -> usize {
        256
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, InferenceError> {
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01_f32; DIMENSIONS];
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 2)
    {
        let hash = word.bytes().fold(7_usize, |hash, byte| {
            hash.wrapping_mul(31)
                .wrapping_add(usize::from(byte.to_ascii_lowercase()))
        });
        if let Some(slot) = vector.get_mut(hash % DIMENSIONS) {
            *slot += 1.0;
        }
    }
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter().map(|v| v / length).collect()
}

/// A document, as sentences of one passage.
pub struct Text<'a> {
    pub path: &'a str,
    pub title: &'a str,
    pub heading: &'a str,
    pub sentences: &'a [&'a str],
}

pub struct House {
    pub answerer: Answerer,
    pub audit: AuditLog,
    pub store: Store,
    pub collection: CollectionId,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn with(texts: &[Text<'_>], generator: Option<GeneratorService>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(StoppedClock::at(now()));
        let entropy = CountingEntropy::default();
        let audit = AuditLog::open(&folder.path().join("audit"), "t/a", clock.clone(), &entropy);
        let audit = audit.unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let collection = store.add_collection("rules", now()).await.unwrap();
        let settings = IndexSettings {
            dimensions: DIMENSIONS,
            ..IndexSettings::default()
        };
        let index = Index::open(&folder.path().join("index"), settings).unwrap();
        for text in texts {
            publish(&store, collection, text).await;
        }
        follow(&store, &index).await;
        let embedder = EmbedderService::start(Arc::new(Words), QueueLimits::default()).unwrap();
        let answerer = Answerer::new(
            audit.clone(),
            Arc::new(index),
            embedder,
            generator,
            clock,
            Redaction::compiled_in().unwrap(),
            Evidence::calibrated().unwrap(),
        );
        Self {
            answerer,
            audit,
            store,
            collection,
            _folder: folder,
        }
    }

    pub fn library(&self) -> Library {
        let permitted = Permitted::decided([self.collection]);
        self.store.library(permitted, Day::of(now()))
    }

    pub fn logged(&self, kind: EventKind) -> Vec<serde_json::Value> {
        let filter = Filter {
            kinds: vec![kind],
            ..Filter::default()
        };
        let found = self.audit.find(&filter, 100).unwrap();
        found
            .entries
            .into_iter()
            .map(|entry| entry.detail)
            .collect()
    }
}

async fn publish(store: &Store, collection: CollectionId, text: &Text<'_>) {
    let whole = text.sentences.join(" ");
    let mut sentences = Vec::new();
    for sentence in text.sentences {
        let start = whole.find(sentence).unwrap();
        sentences.push(ByteRange::new(start, start + sentence.len()));
    }
    let seen = SeenFile {
        collection,
        path: text.path.into(),
        size: 9,
        modified_at: now(),
        labels: Labels::default(),
    };
    store.note_files(&[seen], now()).await.unwrap();
    let lease = store.lease_file(now(), Duration::from_mins(1));
    let file = lease.await.unwrap().unwrap();
    let range = ByteRange::new(0, whole.len());
    let draft = PassageDraft {
        text: whole.clone(),
        spans: vec![PassageSpan { page: 1, range }],
        headings: vec![text.heading.into()],
        sentences,
        tokens: 40,
        doubtful: Vec::new(),
    };
    let new = NewRevision {
        file: file.id,
        hash: FileHash::of(whole.as_bytes()),
        size: 9,
        info: DocumentInfo {
            title: text.title.into(),
            format: "markdown".into(),
            ..Default::default()
        },
        pages: vec![Page {
            number: 1,
            width: 0.0,
            height: 0.0,
            content: PageText {
                text: whole.clone(),
                ..PageText::default()
            },
        }],
        passages: vec![(draft, vector(&whole))],
        embedder: "0".repeat(64),
        took_ms: 1,
        inside: Vec::new(),
        labels: Labels::default(),
    };
    store.publish(&new, now()).await.unwrap().unwrap();
}

async fn follow(store: &Store, index: &Index) {
    let stored = store.passages_after(PassageId(0), 100).await.unwrap();
    let entries: Vec<IndexEntry> = stored
        .into_iter()
        .map(|stored| IndexEntry {
            passage: stored.id,
            revision: stored.revision,
            about: None,
            language: None,
            title: stored.title,
            headings: stored.draft.headings,
            text: stored.draft.text,
            vector: stored.vector,
        })
        .collect();
    index.add(&entries).unwrap();
}
