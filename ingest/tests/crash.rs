//! Killing the process at any moment: every file is still published exactly once.
//!
//! The test starts itself as a process that ingests an inbox, kills it after a while, changes the
//! inbox and sometimes the embedder, and starts it again. At the end, one run may finish, and what
//! is searchable is compared with the inbox.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes"
)]

use cloister_audit::AuditLog;
use cloister_domain::entropy::EntropyError;
use cloister_domain::{Clock, Day, Entropy, PassageId, Permitted, Timestamp};
use cloister_index::{Index, IndexSettings, Regression, SearchRequest};
use cloister_inference::{Embedder, EmbedderService, ModelIdentity, QueueLimits};
use cloister_ingest::{
    ActiveIndex, ChunkSettings, IndexSet, IngestServices, IngestSettings, Ingestion, Limits, Meter,
    Reader, embedding_input,
};
use cloister_store::{FileState, Store, StoredPassage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The environment variable that makes this test the process to be killed.
const FOLDER: &str = "CLOISTER_CRASH_FOLDER";
/// The embedder of this process. Each orders the letters differently.
const MODEL: &str = "CLOISTER_CRASH_MODEL";
/// Number of embedders.
const MODELS: u64 = 3;
/// How often the process is killed. `make crash` sets a higher number.
const KILLS: &str = "CLOISTER_CRASHES";

/// An embedder that counts letters. Texts without common letters are orthogonal.
struct Letters(u64);

impl Letters {
    fn sha256(&self) -> String {
        self.0.to_string().repeat(64)
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = [0.1_f32; 8];
        for byte in text.bytes() {
            vector[usize::from(byte) * (2 * usize::try_from(self.0).unwrap() + 1) % 8] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }

    fn service(self) -> EmbedderService {
        EmbedderService::start(Arc::new(self), QueueLimits::default()).unwrap()
    }
}

impl Embedder for Letters {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "letters".into(),
            sha256: self.sha256(),
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

    fn embed(&self, texts: &[&str]) -> cloister_inference::Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_millis(i64::try_from(since.unwrap().as_millis()).unwrap())
    }
}

/// Keys need no randomness here.
struct FixedEntropy;

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(7);
        Ok(())
    }
}

/// Every embedder except the last is still available after it is replaced.
fn former(sha256: &str) -> Option<EmbedderService> {
    let mut models = (0..MODELS - 1).map(Letters);
    models
        .find(|model| model.sha256() == sha256)
        .map(Letters::service)
}

async fn ingestion(folder: &Path, store: Store, model: u64) -> (Ingestion, Arc<ActiveIndex>) {
    let clock: Arc<dyn Clock> = Arc::new(Now);
    let audit = AuditLog::open(
        &folder.join("audit"),
        "crash/audit",
        Arc::clone(&clock),
        &FixedEntropy,
    );
    let index = |_: &EmbedderService| IndexSettings {
        dimensions: 8,
        ..IndexSettings::default()
    };
    let wanted = Letters(model).service();
    let finding = ActiveIndex::open(&store, folder, wanted, former, index).await;
    let finding = Arc::new(finding.expect("an index"));
    let parts = IngestServices {
        store,
        audit: audit.expect("the audit log opens after any kill"),
        active_index: Arc::clone(&finding),
        reader: Arc::new(Reader::new(
            PathBuf::from(env!("CARGO_BIN_EXE_cloister-reader")),
            Limits::default(),
        )),
        clock,
        meter: Arc::new(Meter::default()),
    };
    let settings = IngestSettings {
        inbox: folder.join("inbox"),
        stable: Duration::ZERO,
        scan_every: Duration::from_secs(1),
        limits: Limits::default(),
        passages: ChunkSettings::default(),
        another_model: Regression::Accepted,
        questions: Vec::new(),
    };
    (Ingestion::new(parts, settings, Arc::default()), finding)
}

/// The process to be killed. It does nothing unless the folder is given.
#[tokio::test(flavor = "multi_thread")]
async fn ingests_an_inbox() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let model = std::env::var(MODEL).unwrap().parse().unwrap();
    let store = Store::open(&folder).await.expect("a store");
    let (ingestion, _finding) = ingestion(&folder, store, model).await;
    ingestion.run_once(|_| {}).await.expect("taken in");
}

/// A random number generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn start(folder: &Path, model: u64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ingests_an_inbox"])
        .env(FOLDER, folder)
        .env(MODEL, model.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program again")
}

/// Adds, changes, moves or removes files.
fn disturb(inbox: &Path, dice: &mut Dice, turn: u64) {
    let path = |number: u64| inbox.join(format!("ward/{number:02}.txt"));
    for _change in 0..=dice.below(3) {
        let number = dice.below(24);
        match dice.below(6) {
            0 => drop(std::fs::remove_file(path(number))),
            1 => drop(std::fs::rename(path(number), path(dice.below(24)))),
            _ => {
                let text =
                    format!("Rule {number} of turn {turn}.\n\nIts word is w{number}x{turn}.");
                std::fs::write(path(number), text).unwrap();
            }
        }
    }
}

fn lies_in(inbox: &Path) -> BTreeMap<String, String> {
    let listed = std::fs::read_dir(inbox.join("ward")).unwrap();
    listed
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_published_exactly_once_however_often_the_process_is_killed() {
    let kills: u64 = std::env::var(KILLS)
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(200);
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    std::fs::create_dir_all(inbox.join("ward")).unwrap();
    let mut dice = Dice(kills);
    // Runs take longer on a busy machine, so the time until the kill adapts.
    let (mut unfinished, mut span, mut model) = (0, 200, 0);
    for turn in 0..kills {
        disturb(&inbox, &mut dice, turn);
        if dice.below(4) == 0 {
            model = dice.below(MODELS);
        }
        let mut child = start(folder.path(), model);
        std::thread::sleep(Duration::from_millis(dice.below(span)));
        if child.try_wait().unwrap().is_none() {
            unfinished += 1;
            span = (span * 21 / 20 + 1).min(2000);
        } else {
            span = (span * 4 / 5).max(10);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("killed {kills} times, {unfinished} times at work");
    assert!(
        unfinished * 2 > kills,
        "the kills came too late: {unfinished} of {kills}"
    );
    let last = start(folder.path(), model).wait().unwrap();
    assert!(last.success(), "the last run is let finish");
    check(folder.path(), &lies_in(&inbox), model).await;
}

/// Checks that the searchable content equals the inbox: each file once, with vectors of the last
/// embedder.
async fn check(folder: &Path, expected: &BTreeMap<String, String>, model: u64) {
    let store = Store::open(folder).await.unwrap();
    let (_ingestion, finding) = ingestion(folder, store.clone(), model).await;
    let IndexSet { embedder, index } = finding.current();
    assert_eq!(embedder.identity().sha256, Letters(model).sha256());
    assert!(finding.reembedding().is_none() && !index.status().lexical_only);
    let files = store
        .files(None, None, cloister_domain::FileId(0), 1000)
        .await
        .unwrap();
    let ready: BTreeMap<&str, FileState> =
        files.iter().map(|f| (f.path.as_str(), f.state)).collect();
    assert_eq!(ready.len(), files.len(), "a path twice");
    assert!(
        ready.values().all(|state| *state == FileState::Ready),
        "{ready:?}"
    );
    assert!(
        ready
            .keys()
            .copied()
            .eq(expected.keys().map(String::as_str)),
        "{ready:?}"
    );
    let mut found: Vec<String> = Vec::new();
    let mut revisions = std::collections::BTreeSet::new();
    let collections = store.collections().await.unwrap();
    let permitted = Permitted::decided(collections.into_iter().map(|c| c.id));
    let answering = store
        .library(permitted, Day::from_timestamp(Now.now()))
        .current_revisions()
        .await
        .unwrap();
    for passage in store.passages_after(PassageId(0), 10_000).await.unwrap() {
        if !answering.contains(&passage.revision) {
            continue;
        }
        let input = embedding_input(&passage.title, &passage.draft.headings, &passage.draft.text);
        assert_eq!(passage.vector, Letters(model).vector(&input));
        assert!(
            nearest(&index, &passage) > 0.999,
            "the index has another vector of {}",
            passage.id
        );
        revisions.insert(passage.revision);
        found.push(words(&passage.draft.text));
    }
    found.sort();
    let mut texts: Vec<String> = expected.values().map(|text| words(text)).collect();
    texts.sort();
    assert_eq!(found, texts);
    let held: std::collections::BTreeSet<_> = index.revisions().into_iter().collect();
    assert!(
        held.is_superset(&revisions),
        "the index follows: {held:?} {revisions:?}"
    );
}

/// The index's cosine of a passage's vector with itself.
fn nearest(index: &Index, passage: &StoredPassage) -> f32 {
    let permitted = [u32::try_from(passage.revision.0).unwrap()];
    let request = SearchRequest {
        text: "",
        expansion_terms: "",
        vector: &passage.vector,
        permitted: &permitted.into_iter().collect(),
        limit: 1,
        dense_weight: None,
    };
    let hits = index.search(&request).unwrap().hits;
    hits.first().and_then(|hit| hit.dense).unwrap()
}

/// The text with a single space for each run of white space.
fn words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
