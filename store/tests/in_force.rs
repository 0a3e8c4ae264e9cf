//! A revision answers from its day on, and the one before it until then; nothing need happen on
//! that day.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, FileHash, Labels, Page, PageText, PassageDraft,
    PassageId, PassageSpan, Permitted, RevisionId, Timestamp,
};
use cloister_store::{DocumentFilter, Library, NewRevision, SeenFile, Store};
use std::time::Duration;

fn day(text: &str) -> Day {
    Day::try_from(text.to_owned()).unwrap()
}

struct House {
    store: Store,
    cardiology: CollectionId,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let founded = day("2026-01-01").begins();
    let cardiology = store.add_collection("cardiology", founded).await.unwrap();
    House {
        store,
        cardiology,
        _folder: folder,
    }
}

impl House {
    /// Publishes a revision of `doses.txt` at the beginning of a day.
    async fn publish(&self, text: &str, taken_in: &str, effective: Option<&str>) -> RevisionId {
        let now = day(taken_in).begins();
        let labels = Labels {
            effective: effective.map(day),
            ..Labels::default()
        };
        let seen = SeenFile {
            collection: self.cardiology,
            path: "doses.txt".into(),
            size: text.len() as u64,
            modified_at: now,
            labels: labels.clone(),
        };
        assert_eq!(self.store.note_files(&[seen], now).await.unwrap(), 1);
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
        };
        let content = PageText {
            text: text.into(),
            ..PageText::default()
        };
        let new = NewRevision {
            file: file.id,
            hash: FileHash::of(text.as_bytes()),
            size: text.len() as u64,
            info: DocumentInfo {
                title: "Doses".into(),
                format: "text".into(),
                labels: labels.clone(),
                ..Default::default()
            },
            pages: vec![Page {
                number: 1,
                width: 0.0,
                height: 0.0,
                content,
            }],
            passages: vec![(draft, vec![0.6, 0.8])],
            inside: Vec::new(),
            labels,
            embedder: "0".repeat(64),
            took_ms: 5,
        };
        self.store.publish(&new, now).await.unwrap().unwrap()
    }

    fn library(&self, today: &str) -> Library {
        let permitted = Permitted::decided([self.cardiology]);
        self.store.library(permitted, day(today))
    }

    /// The one revision that a question of this day is put to, whichever way it is asked.
    async fn answers(&self, today: &str) -> Option<RevisionId> {
        let library = self.library(today);
        let answering = library.current_revisions().await.unwrap();
        let narrowed = DocumentFilter {
            formats: vec!["text".into()],
            ..DocumentFilter::default()
        };
        assert_eq!(library.revisions(&narrowed).await.unwrap(), answering);
        let as_of = DocumentFilter {
            as_of: Some(day(today)),
            ..DocumentFilter::default()
        };
        let long_before = self.library("2020-01-01");
        assert_eq!(long_before.revisions(&as_of).await.unwrap(), answering);
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
        library.superseded(&all).await.unwrap()
    }

    async fn listed(&self, today: &str) -> Vec<RevisionId> {
        let documents = self.library(today).documents().await.unwrap();
        documents.into_iter().map(|record| record.id).collect()
    }
}

#[tokio::test]
async fn a_revision_waits_for_its_day_and_the_one_before_answers_until_then() {
    let house = house().await;
    let old = house.publish("Give 5 mg.", "2026-03-01", None).await;
    let new = house
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    assert_eq!(house.answers("2026-02-28").await, None);
    assert_eq!(house.answers("2026-06-02").await, Some(old));
    assert_eq!(house.answers("2029-12-31").await, Some(old));
    assert_eq!(house.answers("2030-01-01").await, Some(new));

    assert!(house.superseded("2029-12-31").await.is_empty());
    assert_eq!(house.superseded("2030-01-01").await, [old]);
    for (today, since) in [
        ("2029-12-31", None),
        ("2030-01-01", Some(day("2030-01-01").begins())),
    ] {
        let record = house.library(today).revision(old).await.unwrap().unwrap();
        assert_eq!(record.superseded_at, since);
    }
}

#[tokio::test]
async fn what_is_not_yet_in_force_is_listed_and_opens() {
    let house = house().await;
    let old = house.publish("Give 5 mg.", "2026-03-01", None).await;
    let new = house
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    assert_eq!(house.listed("2026-06-02").await, [old, new]);
    assert_eq!(house.listed("2030-01-01").await, [new]);
    let library = house.library("2026-06-02");
    let page = library.page(new, 1).await.unwrap().unwrap();
    assert_eq!(page.content.text, "Give 10 mg.");
    assert_eq!(library.passages(&[PassageId(2)]).await.unwrap().len(), 1);
    let record = library.revision(new).await.unwrap().unwrap();
    let begins = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    assert_eq!(record.effective_from, begins);
}

#[tokio::test]
async fn a_document_that_is_not_yet_in_force_is_found_from_its_day_on() {
    let house = house().await;
    let only = house
        .publish("Give 5 mg.", "2026-03-01", Some("2030-01-01"))
        .await;
    assert_eq!(house.answers("2026-03-02").await, None);
    assert_eq!(house.listed("2026-03-02").await, [only]);
    assert_eq!(house.answers("2030-01-01").await, Some(only));
}

#[tokio::test]
async fn what_was_replaced_before_its_day_never_comes() {
    let house = house().await;
    let old = house.publish("Give 5 mg.", "2026-03-01", None).await;
    house
        .publish("Give 10 mg.", "2026-06-01", Some("2030-01-01"))
        .await;
    let corrected = house
        .publish("Give 7 mg.", "2026-07-01", Some("2028-01-01"))
        .await;
    assert_eq!(house.listed("2026-07-02").await, [old, corrected]);
    assert_eq!(house.answers("2027-12-31").await, Some(old));
    assert_eq!(house.answers("2028-01-01").await, Some(corrected));
    assert_eq!(house.answers("2031-01-01").await, Some(corrected));
    assert_eq!(house.superseded("2031-01-01").await, [old]);
}

#[tokio::test]
async fn a_day_that_is_said_later_counts_though_it_lies_before_the_first_taking_in() {
    let house = house().await;
    let silent = house.publish("Give 5 mg.", "2026-06-01", None).await;
    let said = house
        .publish("Give 5 mg. now", "2026-07-01", Some("2026-03-01"))
        .await;
    for today in ["2026-03-01", "2026-06-15", "2026-08-01"] {
        assert_eq!(house.answers(today).await, Some(said), "{today}");
    }
    assert_eq!(house.listed("2026-08-01").await, [said]);
    assert_eq!(house.superseded("2026-08-01").await, [silent]);
}
