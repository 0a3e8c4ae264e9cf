//! Folders as networks really are: a share that is not mounted empties nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_audit::AuditLog;
use cloister_domain::entropy::EntropyError;
use cloister_domain::{Clock, Entropy, FileId, Timestamp};
use cloister_index::{IndexSettings, Regression};
use cloister_inference::{Embedder, EmbedderService, ModelIdentity, QueueLimits};
use cloister_ingest::{
    ActiveIndex, ChunkSettings, IngestServices, IngestSettings, Ingestion, Limits, Meter, Reader,
};
use cloister_store::{FileState, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// An embedder that gives every text the same vector.
struct Constant;

impl Embedder for Constant {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            name: "constant".into(),
            sha256: "1".repeat(64),
            tokenizer: None,
        }
    }

    fn dimensions(&self) -> usize {
        4
    }

    fn max_tokens(&self) -> usize {
        256
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed(&self, texts: &[&str]) -> cloister_inference::Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|_| vec![0.5; 4]).collect())
    }
}

struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test compares with the times of real files"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_millis(i64::try_from(since.unwrap().as_millis()).unwrap())
    }
}

struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(9);
        Ok(())
    }
}

/// Scans the inbox once, ingests what is new, and returns the state and the reason of each file.
async fn scanned(folder: &Path) -> BTreeMap<String, (FileState, String)> {
    let store = Store::open(folder).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let audit = AuditLog::open(
        &folder.join("audit"),
        "folders/audit",
        Arc::clone(&clock),
        &NoEntropy,
    );
    let wanted = EmbedderService::start(Arc::new(Constant), QueueLimits::default()).unwrap();
    let settings_of = |_: &EmbedderService| IndexSettings {
        dimensions: 4,
        ..IndexSettings::default()
    };
    let index = ActiveIndex::open(&store, folder, wanted, |_| None, settings_of).await;
    let services = IngestServices {
        store: store.clone(),
        audit: audit.unwrap(),
        active_index: Arc::new(index.unwrap()),
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
    let ingestion = Ingestion::new(services, settings, Arc::default());
    ingestion.run_once(|_| {}).await.unwrap();
    let files = store.files(None, None, FileId(0), 1_000).await.unwrap();
    let state = files
        .into_iter()
        .map(|file| (file.path, (file.state, file.reason.unwrap_or_default())));
    state.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_suddenly_empty_answers_on_until_the_loss_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let ward = folder.path().join("inbox/ward");
    std::fs::create_dir_all(&ward).unwrap();
    for name in ["a.txt", "b.txt", "c.txt"] {
        std::fs::write(ward.join(name), format!("The rule of {name} holds.")).unwrap();
    }
    let state = scanned(folder.path()).await;
    assert!(
        state.len() == 3 && state.values().all(|(state, _)| *state == FileState::Ready),
        "{state:?}"
    );
    // The share is not mounted: its folder is there, and empty.
    std::fs::rename(&ward, folder.path().join("away")).unwrap();
    std::fs::create_dir(&ward).unwrap();
    let state = scanned(folder.path()).await;
    assert_eq!(
        state.get("a.txt").map(|(state, _)| *state),
        Some(FileState::Ready),
        "{state:?}"
    );
    let (_, reason) = state.get("(this folder)").unwrap();
    assert!(
        reason.contains("3 files are missing") && reason.contains(".cloister-removed"),
        "{reason}"
    );
    // It is mounted again.
    std::fs::remove_dir(&ward).unwrap();
    std::fs::rename(folder.path().join("away"), &ward).unwrap();
    let state = scanned(folder.path()).await;
    assert_eq!(
        state.keys().map(String::as_str).collect::<Vec<_>>(),
        ["a.txt", "b.txt", "c.txt"]
    );
    // The files are removed on purpose.
    for name in ["a.txt", "b.txt", "c.txt"] {
        std::fs::remove_file(ward.join(name)).unwrap();
    }
    assert_eq!(scanned(folder.path()).await.len(), 4, "doubted");
    std::fs::write(ward.join(".cloister-removed"), "").unwrap();
    assert!(scanned(folder.path()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_that_is_gone_is_removed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ward = folder.path().join("inbox/ward");
    std::fs::create_dir_all(&ward).unwrap();
    for name in ["a.txt", "b.txt"] {
        std::fs::write(ward.join(name), format!("The rule of {name} holds.")).unwrap();
    }
    assert_eq!(scanned(folder.path()).await.len(), 2);
    std::fs::remove_file(ward.join("a.txt")).unwrap();
    let state = scanned(folder.path()).await;
    assert_eq!(
        state.keys().map(String::as_str).collect::<Vec<_>>(),
        ["b.txt"]
    );
}
