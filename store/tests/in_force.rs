//! A revision answers from its first day on, and the previous one until then. Nothing needs to
//! happen on that day.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, DocumentMetadata, FileHash, Page, PageText,
    PassageDraft, PassageId, PassageSpan, Permitted, RevisionId, Timestamp,
};
use cloister_store::{DocumentFilter, Library, NewRevision, ScannedFile, Store};
use std::time::Duration;

fn day(text: &str) -> Day {
    Day::try_from(text.to_owned()).unwrap()
}

struct DatedWorkspace {
    store: Store,
    cardiology: CollectionId,
    _folder: tempfile::TempDir,
}

async fn workspace() -> DatedWorkspace {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let founded = day("2026-01-01").start();
    let cardiology = store.add_collection("cardiology", founded).await.unwrap();
    DatedWorkspace {
        store,
        cardiology,
        _folder: folder,
    }
}

impl DatedWorkspace {
    /// Publishes a revision of `doses.txt` at the start of a day.
    async fn publish(&self, text: &str, ingested_on: &str, effective: Option<&str>) -> RevisionId {
        let now = day(ingested_on).start();
        let labels = DocumentMetadata {
            effective: effective.map(day),
            ..DocumentMetadata::default()
        };
        let seen = ScannedFile {
            collection: self.cardiology,
            path: "doses.txt".into(),
            size: text.len() as u64,
            modified_at: now,
            metadata: labels.clone(),
        };
        assert_eq!(
            self.store.record_scanned_files(&[seen], now).await.unwrap(),
            1
        );
        let leased = self.store.lease_file(now, Duration::from_mins(1)).await;
        let file = leased.unwrap().unwrap();
        let range = ByteRange::new(0, text.len());
        let draft = PassageDraft {
            text: text.into(),
            spans: vec![PassageSpan { page: 1, range }],
            headings: Vec::new(),
            sentences: vec![range],
            tokens: 3,
            doubtful: Vec::new(),
            rows: Vec::new(),
            row_of: None,
        };
        let content = PageText {
            text: text.into(),
            ..PageText::default()
        };
        let new = NewRevision {
            file: file.id,
            hash: FileHash::digest(text.as_bytes()),
            size: text.len() as u64,
            info: DocumentInfo {
                title: "Doses".into(),
                format: "text".into(),
                metadata: labels.clone(),
                ..Default::default()
            },
            pages: vec![Page {
                number: 1,
                width: 0.0,
                height: 0.0,
                content,
            }],
            passages: vec![(draft, vec![0.6, 0.8])],
            attachments: Vec::new(),
            metadata: labels,
            embedder: "0".repeat(64),
            took_ms: 5,
        };
        self.store.publish(&new, now).await.unwrap().unwrap()
    }

    fn library(&self, today: &str) -> Library {
        let permitted = Permitted::decided([self.cardiology]);
        self.store.library(permitted, day(today))
    }

    /// The only revision that a search on this day considers, by every way to search.
    async fn answers(&self, today: &str) -> Option<RevisionId> {
        let library = self.library(today);
        let answering = library.current_revisions().await.unwrap();
        let narrowed = DocumentFilter {
            formats: vec!["text".into()],
            ..DocumentFilter::default()
        };
        assert_eq!(
            library.matching_revisions(&narrowed).await.unwrap(),
            answering
        );
        let as_of = DocumentFilter {
            as_of: Some(day(today)),
            ..DocumentFilter::default()
        };
        let long_before = self.library("2020-01-01");
        assert_eq!(
            long_before.matching_revisions(&as_of).await.unwrap(),
            answering
        );
        let sample = library.sample(9).await.unwrap();
        let sampled: Vec<RevisionId> = sample.iter().map(|passage| passage.revision).collect();
        assert_eq!(sampled, answering);
        let counted = self.store.count_passages(day(today)).await.unwrap();
        assert_eq!(counted, answering.len() as u64);
        assert!(answering.len() < 2);
        answering.first().copied()
    }

    async fn superseded(&self, today: &str) -> Vec<RevisionId> {
        let library = self.library(today);
        let all = DocumentFilter::default();
        library.superseded_revisions(&all).await.unwrap()
    }

    async fn listed(&self, today: &str) -> Vec<RevisionId> {
        let documents = self.library(today).documents().await.unwrap();
        documents.into_iter().map(|record| record.id).collect()
    }
}

#[tokio::test]
async fn a_revision_waits_for_its_first_day_and_the_previous_one_answers_until_then() {
    let workspace = workspace().await;
    let old = workspace.publish("Give 5 mg.", "2026-03-01", None).await;
    let new = workspace
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    assert_eq!(workspace.answers("2026-02-28").await, None);
    assert_eq!(workspace.answers("2026-06-02").await, Some(old));
    assert_eq!(workspace.answers("2029-12-31").await, Some(old));
    assert_eq!(workspace.answers("2030-01-01").await, Some(new));

    assert!(workspace.superseded("2029-12-31").await.is_empty());
    assert_eq!(workspace.superseded("2030-01-01").await, [old]);
    for (today, since) in [
        ("2029-12-31", None),
        ("2030-01-01", Some(day("2030-01-01").start())),
    ] {
        let record = workspace
            .library(today)
            .revision(old)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(record.superseded_at, since);
    }
}

#[tokio::test]
async fn a_future_revision_is_listed_and_can_be_opened() {
    let workspace = workspace().await;
    let old = workspace.publish("Give 5 mg.", "2026-03-01", None).await;
    let new = workspace
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    assert_eq!(workspace.listed("2026-06-02").await, [old, new]);
    assert_eq!(workspace.listed("2030-01-01").await, [new]);
    let library = workspace.library("2026-06-02");
    let page = library.page(new, 1).await.unwrap().unwrap();
    assert_eq!(page.content.text, "Give 10 mg.");
    assert_eq!(library.passages(&[PassageId(2)]).await.unwrap().len(), 1);
    let record = library.revision(new).await.unwrap().unwrap();
    let begins = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    assert_eq!(record.effective_from, begins);
}

#[tokio::test]
async fn a_future_document_is_found_from_its_first_day_on() {
    let workspace = workspace().await;
    let only = workspace
        .publish("Give 5 mg.", "2026-03-01", Some("2030-01-01"))
        .await;
    assert_eq!(workspace.answers("2026-03-02").await, None);
    assert_eq!(workspace.listed("2026-03-02").await, [only]);
    assert_eq!(workspace.answers("2030-01-01").await, Some(only));
}

#[tokio::test]
async fn a_revision_replaced_before_its_first_day_never_answers() {
    let workspace = workspace().await;
    let old = workspace.publish("Give 5 mg.", "2026-03-01", None).await;
    workspace
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    let corrected = workspace
        .publish("Give 7 mg.", "2026-07-01", Some("2028-01-01"))
        .await;
    assert_eq!(workspace.listed("2026-07-02").await, [old, corrected]);
    assert_eq!(workspace.answers("2027-12-31").await, Some(old));
    assert_eq!(workspace.answers("2028-01-01").await, Some(corrected));
    assert_eq!(workspace.answers("2031-01-01").await, Some(corrected));
    assert_eq!(workspace.superseded("2031-01-01").await, [old]);
}

#[tokio::test]
async fn a_day_provided_later_counts_even_before_the_first_ingestion() {
    let workspace = workspace().await;
    let silent = workspace.publish("Give 5 mg.", "2026-06-01", None).await;
    let said = workspace
        .publish("Give 5 mg. now", "2026-07-01", Some("2026-03-01"))
        .await;
    for today in ["2026-03-01", "2026-06-15", "2026-08-01"] {
        assert_eq!(workspace.answers(today).await, Some(said), "{today}");
    }
    assert_eq!(workspace.listed("2026-08-01").await, [said]);
    assert_eq!(workspace.superseded("2026-08-01").await, [silent]);
}
