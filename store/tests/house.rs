//! The store's promises: narrow handles, one transaction for each step, nothing done twice.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, CollectionId, DocumentInfo, FileHash, Page, PageText, PassageDraft, PassageId,
    PassageSpan, Permitted, RevisionId, Timestamp,
};
use cloister_store::{FileRecord, FileState, NewRevision, SeenFile, Store, StoreError};
use std::time::Duration;

const LEASE: Duration = Duration::from_mins(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
}

struct House {
    store: Store,
    cardiology: CollectionId,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let cardiology = store.add_collection("cardiology", at(0)).await.unwrap();
    House {
        store,
        cardiology,
        _folder: folder,
    }
}

impl House {
    async fn see(&self, path: &str, size: u64, now: Timestamp) -> bool {
        let collection = self.cardiology;
        let seen = SeenFile {
            collection,
            path: path.into(),
            size,
            modified_at: now,
        };
        self.store.note_file(&seen, now).await.unwrap()
    }

    async fn lease(&self, now: Timestamp) -> Option<FileRecord> {
        self.store.lease_file(now, LEASE).await.unwrap()
    }

    async fn publish(&self, path: &str, text: &str, now: Timestamp) -> RevisionId {
        assert!(self.see(path, text.len() as u64, now).await);
        let file = self.lease(now).await.unwrap();
        self.store
            .publish(&revision(&file, text), now)
            .await
            .unwrap()
            .unwrap()
    }

    fn permitted(&self) -> Permitted {
        Permitted::decided([self.cardiology])
    }
}

fn revision(file: &FileRecord, text: &str) -> NewRevision {
    let range = ByteRange::new(0, text.len());
    let content = PageText {
        text: text.into(),
        ..PageText::default()
    };
    let draft = PassageDraft {
        text: text.into(),
        spans: vec![PassageSpan { page: 1, range }],
        headings: vec!["Doses".into()],
        sentences: vec![range],
        tokens: 3,
    };
    NewRevision {
        file: file.id,
        hash: FileHash::of(text.as_bytes()),
        size: text.len() as u64,
        info: DocumentInfo {
            title: "Guide".into(),
            format: "text".into(),
            ..Default::default()
        },
        pages: vec![Page {
            number: 1,
            width: 0.0,
            height: 0.0,
            content,
        }],
        passages: vec![(draft, vec![0.6, 0.8])],
        embedder: "0".repeat(64),
        took_ms: 5,
    }
}

#[tokio::test]
async fn a_library_reaches_nothing_outside_what_is_permitted() {
    let house = house().await;
    let id = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let inside = house.store.library(house.permitted());
    assert_eq!(inside.current_revisions().await.unwrap(), [id]);
    assert_eq!(
        inside.page(id, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    assert_eq!(inside.passages(&[PassageId(1)]).await.unwrap().len(), 1);
    for permitted in [Permitted::default(), Permitted::decided([CollectionId(99)])] {
        let outside = house.store.library(permitted);
        assert!(outside.current_revisions().await.unwrap().is_empty());
        assert!(outside.documents().await.unwrap().is_empty());
        assert!(outside.revision(id).await.unwrap().is_none());
        assert!(outside.page(id, 1).await.unwrap().is_none());
        assert!(outside.passages(&[PassageId(1)]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_new_revision_supersedes_the_old_one_which_still_opens() {
    let house = house().await;
    let old = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let new = house.publish("doses.txt", "Give 10 mg now.", at(2)).await;
    let library = house.store.library(house.permitted());
    assert_eq!(library.current_revisions().await.unwrap(), [new]);
    let record = library.revision(old).await.unwrap().unwrap();
    assert_eq!(record.superseded_at, Some(at(2)));
    assert_eq!(
        library.page(old, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    let followed = house.store.passages_after(PassageId(0), 10).await.unwrap();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].vector, [0.6, 0.8]);
}

#[tokio::test]
async fn a_removed_file_stops_answering_at_once_and_answers_again_when_it_is_back() {
    let house = house().await;
    house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let file = house.store.present_files(house.cardiology).await.unwrap()[0].0;
    house.store.remove_file(file, at(2)).await.unwrap();
    let library = house.store.library(house.permitted());
    assert!(library.current_revisions().await.unwrap().is_empty());
    assert!(library.passages(&[PassageId(1)]).await.unwrap().is_empty());
    let back = house.publish("doses.txt", "Give 5 mg.", at(3)).await;
    assert_eq!(library.current_revisions().await.unwrap(), [back]);
}

#[tokio::test]
async fn the_same_bytes_are_no_work_and_a_move_keeps_history() {
    let house = house().await;
    let id = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    assert!(!house.see("doses.txt", 10, at(1)).await, "nothing changed");
    assert!(house.see("doses.txt", 10, at(5)).await, "it was touched");
    let file = house.lease(at(5)).await.unwrap();
    let hash = FileHash::of(b"Give 5 mg.");
    assert!(
        house
            .store
            .settle_unchanged(file.id, &hash, at(5))
            .await
            .unwrap()
    );
    house.store.remove_file(file.id, at(6)).await.unwrap();
    assert!(house.see("2026/doses.txt", 10, at(7)).await);
    let moved = house.lease(at(7)).await.unwrap();
    assert!(
        house
            .store
            .settle_move(moved.id, &hash, at(7))
            .await
            .unwrap()
    );
    let library = house.store.library(house.permitted());
    let record = library.revision(id).await.unwrap().unwrap();
    assert_eq!(record.path, "2026/doses.txt");
    assert_eq!(
        house.store.file(moved.id).await.unwrap().unwrap().state,
        FileState::Ready
    );
}

#[tokio::test]
async fn a_lease_that_runs_out_gives_the_work_to_the_next_and_the_late_one_writes_nothing() {
    let house = house().await;
    assert!(house.see("doses.txt", 10, at(0)).await);
    let first = house.lease(at(0)).await.unwrap();
    assert!(house.lease(at(30)).await.is_none(), "someone works on it");
    let second = house.lease(at(120)).await.unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    let published = house
        .store
        .publish(&revision(&second, "Give 5 mg."), at(121))
        .await
        .unwrap();
    assert!(published.is_some());
    let late = house
        .store
        .publish(&revision(&first, "Give 5 mg."), at(122))
        .await
        .unwrap();
    assert!(late.is_none());
}

#[tokio::test]
async fn the_setup_link_works_once() {
    let house = house().await;
    let new = cloister_store::NewUser {
        name: "ada".into(),
        password_hash: "hash".into(),
        roles: vec![cloister_domain::Role::Administrator],
    };
    house.store.offer_setup_link("link", at(100)).await.unwrap();
    let made = |now| house.store.add_first_administrator("link", &new, now);
    assert!(made(at(101)).await.unwrap().is_none(), "it has run out");
    assert!(made(at(1)).await.unwrap().is_some());
    assert!(made(at(2)).await.unwrap().is_none(), "it was used");
    let twice = house.store.add_user(&new, at(3)).await;
    assert!(matches!(twice, Err(StoreError::NameTaken(_))));
}
