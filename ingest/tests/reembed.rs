//! Another embedder than before: it is brought in beside the one that answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use cloister_audit::AuditLog;
use cloister_domain::chance::NoEntropy;
use cloister_domain::time::StoppedClock;
use cloister_domain::{Clock, Entropy, PassageId, Timestamp};
use cloister_index::{Asker, IndexSettings, SearchOutcome, SearchRequest, Worse};
use cloister_inference::{Embedder, EmbedderService, ModelIdentity, QueueLimits, Result};
use cloister_ingest::{
    ChunkSettings, Finder, Finding, IngestParts, IngestSettings, Ingestion, KnownQuestion, Limits,
    Meter, Reader, embedded_text,
};
use cloister_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Files in the inbox.
const FILES: u32 = 100;

/// Passages whose vectors are made and kept together.
const BATCH: u32 = 64;

/// What a model makes of a text.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The letters, in an order of this model's own.
    Letters(usize),
    /// A number that says nothing: texts that share words are no nearer than others.
    Noise,
    /// The letters; but of a question, as people ask it, a number that says nothing.
    Deaf,
}

struct Model {
    kind: Kind,
    /// Texts that it may still embed; then it stands still.
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

struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), NoEntropy> {
        bytes.fill(7);
        Ok(())
    }
}

/// A data folder with its inbox.
struct House {
    folder: tempfile::TempDir,
    store: Store,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("inbox/ward")).unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let house = Self { folder, store };
        for number in 0..FILES as usize {
            house.write(&format!("{number:02}.txt"), &text(number));
        }
        house
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("inbox/ward").join(name), text).unwrap();
    }

    /// The appliance after a start with this model; `former` is the one that it had before, where
    /// that is still there.
    async fn start(&self, wanted: EmbedderService, former: Option<Kind>, worse: Worse) -> Started {
        self.start_with(wanted, former, worse, Vec::new()).await
    }

    /// The same with questions of the site.
    async fn start_with(
        &self,
        wanted: EmbedderService,
        former: Option<Kind>,
        worse: Worse,
        questions: Vec<KnownQuestion>,
    ) -> Started {
        let clock: Arc<dyn Clock> =
            Arc::new(StoppedClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let folder = self.folder.path();
        let audit = folder.join("audit");
        let audit = AuditLog::open(&audit, "model/audit", Arc::clone(&clock), &Fixed);
        let finding = Arc::new(self.finding(wanted, former).await);
        let reader = PathBuf::from(env!("CARGO_BIN_EXE_cloister-reader"));
        let parts = IngestParts {
            store: self.store.clone(),
            audit: audit.unwrap(),
            finding: Arc::clone(&finding),
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

    /// Opens the indexes. What was aborted before lets go of its own when the step in hand is done.
    async fn finding(&self, wanted: EmbedderService, former: Option<Kind>) -> Finding {
        let settings = |_: &EmbedderService| IndexSettings {
            dimensions: 8,
            semantic_weight: 1.0,
            ..IndexSettings::default()
        };
        let mut tries = 0;
        loop {
            let former = |known: &str| {
                let kind = former.filter(|kind| sha256(*kind) == known)?;
                Some(service(kind, &without_end()))
            };
            let folder = self.folder.path();
            match Finding::open(&self.store, folder, wanted.clone(), former, settings).await {
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
    finding: Arc<Finding>,
    ingestion: Arc<Ingestion>,
}

impl Started {
    async fn take_in(&self) {
        self.ingestion.take_in(|_| {}).await.unwrap();
    }

    fn watch(&self) -> tokio::task::JoinHandle<()> {
        let ingestion = Arc::clone(&self.ingestion);
        tokio::spawn(async move { ingestion.watch(Arc::default()).await })
    }

    fn in_use(&self) -> String {
        self.finding.now().embedder.identity().sha256
    }

    /// Asks with a whole passage, so that its cosine is 1 where question and passage are embedded by
    /// one model.
    async fn ask(&self, text: &str) -> SearchOutcome {
        let Finder { embedder, index } = self.finding.now();
        let vector = embedder.embed_question(text.into()).await.unwrap();
        let request = SearchRequest {
            text,
            also: "",
            vector: &vector,
            permitted: &(0..1000).collect(),
            limit: 1,
            semantic_weight: None,
        };
        index.search(&request).unwrap()
    }
}

/// A word that no other number has.
fn word(number: usize) -> String {
    let letter = |place: usize| char::from(b'a' + u8::try_from(place).unwrap());
    format!("{}{}", letter(number / 10), letter(10 + number % 10)).repeat(3)
}

/// The text of a file.
fn text(number: usize) -> String {
    format!("Rule {} holds in all rooms.", word(number))
}

/// What stands in the index for the file with this text.
async fn asked(store: &Store, text: &str) -> String {
    let passages = store.passages_after(PassageId(0), 1000).await.unwrap();
    let passage = passages.iter().find(|p| p.draft.text == text).unwrap();
    embedded_text(&passage.title, &passage.draft.headings, &passage.draft.text)
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
async fn an_index_that_is_gone_says_that_it_is_incomplete_until_it_is_filled_again() {
    let model = Kind::Letters(0);
    let house = House::new().await;
    let started = house.start(service(model, &without_end()), None, Worse::Refused);
    let started = started.await;
    let outcome = started.ask("Which rule?").await;
    assert!(outcome.complete, "an index of no rows lacks none");
    started.take_in().await;
    drop(started);
    for index in house.index_folders() {
        std::fs::remove_dir_all(index).unwrap();
    }
    let started = house.start(service(model, &without_end()), None, Worse::Refused);
    let started = started.await;
    let question = asked(&house.store, &text(3)).await;
    let outcome = started.ask(&question).await;
    assert!(!outcome.complete && outcome.hits.is_empty(), "{outcome:?}");
    started.take_in().await;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && !outcome.hits.is_empty(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_model_answers_until_all_vectors_are_made_also_of_files_that_come_meanwhile() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let house = House::new().await;
    let first = house.start(service(old, &without_end()), None, Worse::Refused);
    first.await.take_in().await;
    let allowed = Arc::new(AtomicUsize::new(0));
    let started = house.start(service(new, &allowed), Some(old), Worse::Refused);
    let started = started.await;
    let watching = started.watch();
    until(async || started.finding.renewal().is_some()).await;
    let question = asked(&house.store, &text(3)).await;
    let sure = |outcome: &SearchOutcome| outcome.hits[0].semantic.unwrap() > 0.999;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && sure(&outcome), "{outcome:?}");

    house.write("new.txt", "A rule that came meanwhile.");
    house.write("03.txt", "Rule three has changed.");
    until(async || house.embedded(old).await == u64::from(FILES) + 2).await;
    let changed = asked(&house.store, "Rule three has changed.").await;
    until(async || sure(&started.ask(&changed).await)).await;
    assert_eq!(started.in_use(), sha256(old));
    assert_eq!(house.embedded(new).await, 0);

    allowed.store(usize::MAX, Ordering::SeqCst);
    while started.in_use() == sha256(old) {
        assert!(sure(&started.ask(&changed).await), "a pair does not fit");
    }
    let outcome = started.ask(&changed).await;
    assert!(outcome.complete && sure(&outcome), "{outcome:?}");
    let came = asked(&house.store, "A rule that came meanwhile.").await;
    assert!(sure(&started.ask(&came).await));
    until(async || house.embedded(old).await == 0 && house.index_folders().len() == 1).await;
    assert_eq!(house.embedded(new).await, u64::from(FILES) + 2);
    assert_eq!(started.finding.renewal(), None);
    watching.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_not_made_again_and_going_back_costs_nothing() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let house = House::new().await;
    let first = house.start(service(old, &without_end()), None, Worse::Refused);
    first.await.take_in().await;
    for (allowed, expected) in [(BATCH, BATCH), (FILES - BATCH, FILES)] {
        let allowed = Arc::new(AtomicUsize::new(allowed as usize));
        let started = house.start(service(new, &allowed), Some(old), Worse::Refused);
        let watching = started.await.watch();
        until(async || house.embedded(new).await == u64::from(expected)).await;
        watching.abort();
        assert!(watching.await.is_err_and(|end| end.is_cancelled()));
        assert_eq!(house.embedded(old).await, u64::from(FILES));
    }

    let none = Arc::new(AtomicUsize::new(0));
    let back = house.start(service(old, &none), Some(new), Worse::Refused);
    back.await.take_in().await;
    assert_eq!(house.embedded(old).await, u64::from(FILES));
    assert_eq!(
        (house.embedded(new).await, house.index_folders().len()),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_finds_less_stays_aside_unless_that_is_accepted() {
    let (old, new) = (Kind::Letters(0), Kind::Noise);
    let house = House::new().await;
    let first = house.start(service(old, &without_end()), None, Worse::Refused);
    first.await.take_in().await;
    let noise = || service(new, &without_end());
    let started = house.start(noise(), Some(old), Worse::Refused).await;
    started.take_in().await;
    let worse = started.finding.renewal().unwrap().worse.unwrap();
    assert!(worse.is_worse() && worse.asked == FILES, "{worse:?}");
    assert_eq!(started.in_use(), sha256(old));
    drop(started);
    let started = house.start(noise(), Some(old), Worse::Accepted).await;
    started.take_in().await;
    assert_eq!(started.in_use(), sha256(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_answers_fewer_of_the_sites_questions_stays_aside() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let house = House::new().await;
    let first = house.start(service(old, &without_end()), None, Worse::Refused);
    first.await.take_in().await;
    let known = |number: usize, document: &str| KnownQuestion {
        question: format!("{} {number}?", text(number)),
        document: format!("ward/{document}"),
        answers: vec![text(number).to_uppercase()],
    };
    let mut questions: Vec<KnownQuestion> = (0..40)
        .map(|number| known(number, &format!("{number:02}.txt")))
        .collect();
    questions.push(known(0, "gone.txt"));
    let start = |kind: Kind| {
        let model = service(kind, &without_end());
        house.start_with(model, Some(old), Worse::Refused, questions.clone())
    };
    let started = start(Kind::Deaf).await;
    started.take_in().await;
    let worse = started.finding.renewal().unwrap().worse.unwrap();
    assert_eq!((worse.asker, worse.asked), (Asker::Site, 40), "{worse}");
    assert_eq!(started.in_use(), sha256(old));
    drop(started);
    let started = start(new).await;
    started.take_in().await;
    assert_eq!(started.in_use(), sha256(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_former_model_words_alone_answer_and_say_so() {
    let (old, new) = (Kind::Letters(0), Kind::Letters(1));
    let house = House::new().await;
    let first = house.start(service(old, &without_end()), None, Worse::Refused);
    first.await.take_in().await;
    let allowed = Arc::new(AtomicUsize::new(0));
    let started = house.start(service(new, &allowed), None, Worse::Refused);
    let started = started.await;
    let watching = started.watch();
    let index = || started.finding.now().index;
    let permitted = (0..1000).collect();
    let request = SearchRequest {
        text: &word(3),
        also: "",
        vector: &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        permitted: &permitted,
        limit: 9,
        semantic_weight: None,
    };
    let outcome = index().search(&request).unwrap();
    assert!(!outcome.complete && index().status().words_alone);
    assert_eq!((outcome.hits.len(), outcome.hits[0].semantic), (1, None));

    allowed.store(usize::MAX, Ordering::SeqCst);
    until(async || !index().status().words_alone).await;
    let question = asked(&house.store, &text(3)).await;
    let outcome = started.ask(&question).await;
    assert!(outcome.complete && outcome.hits[0].semantic.unwrap() > 0.999);
    until(async || house.embedded(old).await == 0).await;
    watching.abort();
}
