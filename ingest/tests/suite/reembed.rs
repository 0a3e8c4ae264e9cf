//! Replacing the embedder: its vectors and index are made while the previous ones answer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use cloister_audit::AuditLog;
use cloister_domain::entropy::EntropyError;
use cloister_domain::time::ManualClock;
use cloister_domain::{Clock, Entropy, PassageId, Timestamp};
use cloister_index::{IndexSettings, QuestionSource, Regression, SearchOutcome, SearchRequest};
use cloister_inference::{Embedder, EmbedderService, ModelIdentity, QueueLimits, Result};
use cloister_ingest::{
    ActiveIndex, ChunkSettings, GoldenQuestion, IndexSet, IngestServices, IngestSettings,
    Ingestion, Limits, Meter, Reader, embedding_input,
};
use cloister_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Number of files in the inbox.
const FILES: u32 = 100;

/// Passages whose vectors are made and stored together.
const BATCH: u32 = 64;

/// How a test model embeds a text.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// By its letters, in an order of this model.
    Letters(usize),
    /// Randomly: texts with common words are no more similar than others.
    Noise,
    /// By its letters, but questions randomly.
    Deaf,
}

struct Model {
    kind: Kind,
    /// Number of texts that it may still embed. Then it blocks.
    allowed: Arc<AtomicUsize>,
}

impl Model {
    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = [0.1_f32; 8];
        let kind = match self.kind {
            Kind::Deaf if text.ends_with('?') => Kind::Noise,
            Kind::Deaf => Kind::Letters(0),
            kind @ (Kind::Letters(_) | Kind::Noise) => kind,
        };
        match kind {
            Kind::Letters(order) => text
                .bytes()
                .for_each(|byte| vector[usize::from(byte) * (2 * order + 1) % 8] += 1.0),
            Kind::Noise | Kind::Deaf => {
                let state = text.bytes().fold(7_u64, |state, byte| {
                    (state ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                });
                for (place, x) in vector.iter_mut().enumerate() {
                    *x = ((state >> (8 * place)) & 255) as f32 - 127.5;
                }
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }
}

fn sha256(kind: Kind) -> String {
    match kind {
        Kind::Letters(order) => order.to_string().repeat(64),
        Kind::Noise => "f".repeat(64),
        Kind::Deaf => "e".repeat(64),
    }
}

impl Embedder for Model {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "a model".into(),
            sha256: sha256(self.kind),
            tokenizer: None,
        }
    }

    fn dimensions(&self) -> usize {
        8
    }

    fn max_tokens(&self) -> usize {
        256
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let take = |left: usize| left.checked_sub(texts.len());
        while self
            .allowed
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_err()
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

fn service(kind: Kind, allowed: &Arc<AtomicUsize>) -> EmbedderService {
    let allowed = Arc::clone(allowed);
    EmbedderService::start(Arc::new(Model { kind, allowed }), QueueLimits::default()).unwrap()
}

fn without_end() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(usize::MAX))
}

struct ConstantEntropy;

impl Entropy for ConstantEntropy {
    fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), EntropyError> {
        bytes.fill(7);
        Ok(())
    }
}

/// A data folder with its inbox.
struct Workspace {
    folder: tempfile::TempDir,
    store: Store,
}

impl Workspace {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("inbox/ward")).unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let workspace = Self { folder, store };
        for number in 0..FILES as usize {
            workspace.write(&format!("{number:02}.txt"), &text(number));
        }
        workspace
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("inbox/ward").join(name), text).unwrap();
    }

    /// Starts the appliance with this model. `former` is the previous one, if it is still
    /// available.
    async fn start(
        &self,
        wanted: EmbedderService,
        former: Option<Kind>,
        worse: Regression,
    ) -> Started {
        self.start_with(wanted, former, worse, Vec::new()).await
    }

    /// The same with golden questions.
    async fn start_with(
        &self,
        wanted: EmbedderService,
        former: Option<Kind>,
        worse: Regression,
        questions: Vec<GoldenQuestion>,
    ) -> Started {
        let clock: Arc<dyn Clock> =
            Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let folder = self.folder.path();
        let audit = folder.join("audit");
        let audit = AuditLog::open(&audit, "model/audit", Arc::clone(&clock), &ConstantEntropy);
        let finding = Arc::new(self.finding(wanted, former).await);
        let reader = PathBuf::from(env!("CARGO_BIN_EXE_cloister-reader"));
        let parts = IngestServices {
            store: self.store.clone(),
            audit: audit.unwrap(),
            active_index: Arc::clone(&finding),
            reader: Arc::new(Reader::new(reader, Limits::default())),
            clock,
            meter: Arc::new(Meter::default()),
        };
        let settings = IngestSettings {
            inbox: folder.join("inbox"),
            stable: Duration::ZERO,
            scan_every: Duration::from_millis(100),
            limits: Limits::default(),
            passages: ChunkSettings::default(),
            another_model: worse,
            questions,
        };
        let ingestion = Arc::new(Ingestion::new(parts, settings, Arc::default()));
        Started { finding, ingestion }
    }

    /// Opens the indexes. An aborted task releases its index when its current step ends.
    async fn finding(&self, wanted: EmbedderService, former: Option<Kind>) -> ActiveIndex {
        let settings = |_: &EmbedderService| IndexSettings {
            dimensions: 8,
            dense_weight: 1.0,
            ..IndexSettings::default()
        };
        let mut tries = 0;
        loop {
            let former = |known: &str| {
                let kind = former.filter(|kind| sha256(*kind) == known)?;
                Some(service(kind, &without_end()))
            };
            let folder = self.folder.path();
            match ActiveIndex::open(&self.store, folder, wanted.clone(), former, settings).await {
                Ok(finding) => return finding,
                Err(error) => assert!(tries < 200, "{error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn index_folders(&self) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.folder.path()).unwrap();
        let entries = listed.map(|entry| entry.unwrap());
        let indexes =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("index-"));
        indexes.map(|entry| entry.path()).collect()
    }

    async fn embedded(&self, kind: Kind) -> u64 {
        let (done, _) = self.store.count_embedded(&sha256(kind)).await.unwrap();
        done
    }
}

struct Started {
    finding: Arc<ActiveIndex>,
    ingestion: Arc<Ingestion>,
}

impl Started {
    async fn run_once(&self) {
        self.ingestion.run_once(|_| {}).await.unwrap();
    }

    fn watch(&self) -> tokio::task::JoinHandle<()> {
        let ingestion = Arc::clone(&self.ingestion);
        tokio::spawn(async move { ingestion.run(Arc::default()).await })
    }

    fn in_use(&self) -> String {
        self.finding.current().embedder.identity().sha256
    }

    /// Searches for the text of a passage, so that the cosine is 1 if question and passage are
    /// embedded by the same model.
    async fn ask(&self, text: &str) -> SearchOutcome {
        let IndexSet { embedder, index } = self.finding.current();
        let vector = embedder.embed_question(text.into()).await.unwrap();
        let request = SearchRequest {
            text,
            expansion_terms: "",
            vector: &vector,
            permitted: &(0..1000).collect(),
            limit: 1,
            dense_weight: None,
        };
        index.search(&request).unwrap()
    }
}

/// A word for this number only.
fn word(number: usize) -> String {
    let letter = |place: usize| char::from(b'a' + u8::try_from(place).unwrap());
    format!("{}{}", letter(number / 10), letter(10 + number % 10)).repeat(3)
}

/// The text of a file.
fn text(number: usize) -> String {
    format!("Rule {} holds in all rooms.", word(number))
}

/// What the index contains for the file with this text.
async fn asked(store: &Store, text: &str) -> String {
    let passages = store.passages_after(PassageId(0), 1000).await.unwrap();
    let passage = passages.iter().find(|p| p.draft.text == text).unwrap();
    embedding_input(&passage.title, &passage.draft.headings, &passage.draft.text)
}

async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_is_reported_as_incomplete_until_it_is_rebuilt() {
    let model = Kind::Letters(0);
    let workspace = Workspace::new().await;
    let started = workspace.start(service(model, &without_end()), None, Regression::Refused);
    let started = started.await;
    let outcome = started.ask("Which rule?").await;
    assert!(outcome.complete, "an index of no rows lacks none");
    started.run_once().await;
    drop(started);
    for index in workspace.index_folders() {
        std::fs::remove_dir_all(index).unwrap();
    }
    let started = workspace.start(service(model, &without_end()), None, Regression::Refused);
    let started = started.await;
    let question = asked(&workspace.store, &text(3)).await;
    let outcome = started.ask(&question).await;
    assert!(!outcome.complete && outcome.hits.is_empty(), "{outcome:?}");
    started.run_once().await;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && !outcome.hits.is_empty(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_model_answers_until_every_passage_has_a_new_vector() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let workspace = Workspace::new().await;
    let first = workspace.start(service(old, &without_end()), None, Regression::Refused);
    first.await.run_once().await;
    let allowed = Arc::new(AtomicUsize::new(0));
    let started = workspace.start(service(new, &allowed), Some(old), Regression::Refused);
    let started = started.await;
    let watching = started.watch();
    until(async || started.finding.reembedding().is_some()).await;
    let question = asked(&workspace.store, &text(3)).await;
    let sure = |outcome: &SearchOutcome| outcome.hits[0].dense.unwrap() > 0.999;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && sure(&outcome), "{outcome:?}");

    workspace.write("new.txt", "A rule that came meanwhile.");
    workspace.write("03.txt", "Rule three has changed.");
    until(async || workspace.embedded(old).await == u64::from(FILES) + 2).await;
    let changed = asked(&workspace.store, "Rule three has changed.").await;
    until(async || sure(&started.ask(&changed).await)).await;
    assert_eq!(started.in_use(), sha256(old));
    assert_eq!(workspace.embedded(new).await, 0);

    allowed.store(usize::MAX, Ordering::SeqCst);
    while started.in_use() == sha256(old) {
        assert!(sure(&started.ask(&changed).await), "a pair does not fit");
    }
    let outcome = started.ask(&changed).await;
    assert!(outcome.complete && sure(&outcome), "{outcome:?}");
    let came = asked(&workspace.store, "A rule that came meanwhile.").await;
    assert!(sure(&started.ask(&came).await));
    until(async || workspace.embedded(old).await == 0 && workspace.index_folders().len() == 1)
        .await;
    assert_eq!(workspace.embedded(new).await, u64::from(FILES) + 2);
    assert_eq!(started.finding.reembedding(), None);
    watching.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_not_made_twice_and_a_rollback_makes_none() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let workspace = Workspace::new().await;
    let first = workspace.start(service(old, &without_end()), None, Regression::Refused);
    first.await.run_once().await;
    for (allowed, expected) in [(BATCH, BATCH), (FILES - BATCH, FILES)] {
        let allowed = Arc::new(AtomicUsize::new(allowed as usize));
        let started = workspace.start(service(new, &allowed), Some(old), Regression::Refused);
        let watching = started.await.watch();
        until(async || workspace.embedded(new).await == u64::from(expected)).await;
        watching.abort();
        assert!(watching.await.is_err_and(|end| end.is_cancelled()));
        assert_eq!(workspace.embedded(old).await, u64::from(FILES));
    }

    let none = Arc::new(AtomicUsize::new(0));
    let back = workspace.start(service(old, &none), Some(new), Regression::Refused);
    back.await.run_once().await;
    assert_eq!(workspace.embedded(old).await, u64::from(FILES));
    assert_eq!(
        (
            workspace.embedded(new).await,
            workspace.index_folders().len()
        ),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_finds_less_is_not_activated_unless_accepted() {
    let (old, new) = (Kind::Letters(0), Kind::Noise);
    let workspace = Workspace::new().await;
    let first = workspace.start(service(old, &without_end()), None, Regression::Refused);
    first.await.run_once().await;
    let noise = || service(new, &without_end());
    let started = workspace
        .start(noise(), Some(old), Regression::Refused)
        .await;
    started.run_once().await;
    let worse = started.finding.reembedding().unwrap().regression.unwrap();
    assert!(worse.is_worse() && worse.questions == FILES, "{worse:?}");
    assert_eq!(started.in_use(), sha256(old));
    drop(started);
    let started = workspace
        .start(noise(), Some(old), Regression::Accepted)
        .await;
    started.run_once().await;
    assert_eq!(started.in_use(), sha256(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_answers_fewer_golden_questions_is_not_activated() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let workspace = Workspace::new().await;
    let first = workspace.start(service(old, &without_end()), None, Regression::Refused);
    first.await.run_once().await;
    let known = |number: usize, document: &str| GoldenQuestion {
        question: format!("{} {number}?", text(number)),
        document: format!("ward/{document}"),
        answers: vec![text(number).to_uppercase()],
    };
    let mut questions: Vec<GoldenQuestion> = (0..40)
        .map(|number| known(number, &format!("{number:02}.txt")))
        .collect();
    questions.push(known(0, "gone.txt"));
    let start = |kind: Kind| {
        let model = service(kind, &without_end());
        workspace.start_with(model, Some(old), Regression::Refused, questions.clone())
    };
    let started = start(Kind::Deaf).await;
    started.run_once().await;
    let worse = started.finding.reembedding().unwrap().regression.unwrap();
    assert_eq!(
        (worse.source, worse.questions),
        (QuestionSource::Site, 40),
        "{worse}"
    );
    assert_eq!(started.in_use(), sha256(old));
    drop(started);
    let started = start(new).await;
    started.run_once().await;
    assert_eq!(started.in_use(), sha256(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_previous_model_only_lexical_search_answers() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let workspace = Workspace::new().await;
    let first = workspace.start(service(old, &without_end()), None, Regression::Refused);
    first.await.run_once().await;
    let allowed = Arc::new(AtomicUsize::new(0));
    let started = workspace.start(service(new, &allowed), None, Regression::Refused);
    let started = started.await;
    let watching = started.watch();
    let index = || started.finding.current().index;
    let permitted = (0..1000).collect();
    let request = SearchRequest {
        text: &word(3),
        expansion_terms: "",
        vector: &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        permitted: &permitted,
        limit: 9,
        dense_weight: None,
    };
    let outcome = index().search(&request).unwrap();
    assert!(!outcome.complete && index().status().lexical_only);
    assert_eq!((outcome.hits.len(), outcome.hits[0].dense), (1, None));

    allowed.store(usize::MAX, Ordering::SeqCst);
    until(async || !index().status().lexical_only).await;
    let question = asked(&workspace.store, &text(3)).await;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && outcome.hits[0].dense.unwrap() > 0.999);
    until(async || workspace.embedded(old).await == 0).await;
    watching.abort();
}
