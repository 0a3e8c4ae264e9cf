//! An appliance without its doors: store, index, log and answerer, with models that are scripts.

use cloister_answer::{AnswerWeights, Answerer, AnswererParts};
use cloister_audit::{AuditLog, EntryFilter, EventKind};
use cloister_domain::entropy::CountingEntropy;
use cloister_domain::time::ManualClock;
use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, DocumentMetadata, FileHash, Page, PageText,
    PassageDraft, PassageId, PassageSpan, Permitted, Timestamp,
};
use cloister_index::{Index, IndexEntry, IndexSettings};
use cloister_inference::{
    Embedder, EmbedderService, GeneratorService, InferenceError, ModelIdentity, QueueLimits,
};
use cloister_policies::redaction::Redaction;
use cloister_store::{Library, NewRevision, ScannedFile, Store};
use std::sync::Arc;
use std::time::Duration;

const DIMENSIONS: usize = 64;
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

/// An embedder for which texts with the same words are near.
pub struct BagOfWords;

impl Embedder for BagOfWords {
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

pub struct Workspace {
    /// What the answerer works with. A test may change it.
    pub parts: AnswererParts,
    pub audit: AuditLog,
    pub store: Store,
    pub collection: CollectionId,
    _folder: tempfile::TempDir,
}

impl Workspace {
    pub async fn with(texts: &[Text<'_>], generator: Option<GeneratorService>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(now()));
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
        fill_index(&store, &index).await;
        let embedder =
            EmbedderService::start(Arc::new(BagOfWords), QueueLimits::default()).unwrap();
        let parts = AnswererParts {
            audit: audit.clone(),
            index: Arc::new(index),
            embedder,
            generator,
            clock,
            redaction: Arc::new(Redaction::load_default().unwrap()),
            reranker: None,
            sentence_reranker: None,
            nli: None,
            weights: Arc::new(AnswerWeights::compiled_in().unwrap()),
            glossary: Arc::default(),
            thesaurus: Arc::default(),
            dictionaries: Arc::default(),
        };
        Self {
            parts,
            audit,
            store,
            collection,
            _folder: folder,
        }
    }

    pub fn answerer(&self) -> Answerer {
        Answerer::new(self.parts.clone())
    }

    pub fn library(&self) -> Library {
        let permitted = Permitted::decided([self.collection]);
        self.store.library(permitted, Day::from_timestamp(now()))
    }

    pub fn log_details(&self, kind: EventKind) -> Vec<serde_json::Value> {
        let filter = EntryFilter {
            kinds: vec![kind],
            ..EntryFilter::default()
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
    let passage = text.sentences.join(" ");
    let mut sentences = Vec::new();
    for sentence in text.sentences {
        let start = passage.find(sentence).unwrap();
        sentences.push(ByteRange::new(start, start + sentence.len()));
    }
    let seen = ScannedFile {
        collection,
        path: text.path.into(),
        size: 9,
        modified_at: now(),
        metadata: DocumentMetadata::default(),
    };
    store.record_scanned_files(&[seen], now()).await.unwrap();
    let lease = store.lease_file(now(), Duration::from_mins(1));
    let file = lease.await.unwrap().unwrap();
    let range = ByteRange::new(0, passage.len());
    let draft = PassageDraft {
        text: passage.clone(),
        spans: vec![PassageSpan { page: 1, range }],
        headings: vec![text.heading.into()],
        sentences,
        tokens: 40,
        doubtful: Vec::new(),
        rows: Vec::new(),
        row_of: None,
    };
    let new = NewRevision {
        file: file.id,
        hash: FileHash::digest(passage.as_bytes()),
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
                text: passage.clone(),
                ..PageText::default()
            },
        }],
        passages: vec![(draft, vector(&passage))],
        embedder: "0".repeat(64),
        took_ms: 1,
        attachments: Vec::new(),
        metadata: DocumentMetadata::default(),
    };
    store.publish(&new, now()).await.unwrap().unwrap();
}

async fn fill_index(store: &Store, index: &Index) {
    let stored = store.passages_after(PassageId(0), 100).await.unwrap();
    let entries: Vec<IndexEntry> = stored
        .into_iter()
        .map(|stored| IndexEntry {
            passage: stored.id,
            revision: stored.revision,
            document_metadata: None,
            language: None,
            title: stored.title,
            headings: stored.draft.headings,
            text: stored.draft.text,
            vector: stored.vector,
        })
        .collect();
    index.add(&entries).unwrap();
}
