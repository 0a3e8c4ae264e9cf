//! The store's promises: narrow handles, one transaction for each step, nothing done twice.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, FileHash, Labels, Page, PageText, PassageDraft,
    PassageId, PassageSpan, Permitted, RevisionId, Role, Timestamp,
};
use cloister_store::{
    DocumentFilter, FileInside, FileRecord, FileState, Library, NewRevision, NewUser, QuotedPlace,
    ReadingOf, SeenFile, Settled, Store, StoreError, Turn, WrittenSentence,
};
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
    fn seen(&self, path: &str, size: u64, now: Timestamp) -> SeenFile {
        SeenFile {
            collection: self.cardiology,
            path: path.into(),
            size,
            modified_at: now,
            labels: Labels::default(),
        }
    }

    async fn see(&self, path: &str, size: u64, now: Timestamp) -> bool {
        let seen = self.seen(path, size, now);
        self.store.note_files(&[seen], now).await.unwrap() > 0
    }

    /// Takes up the next file, whose bytes these are.
    async fn settle(&self, bytes: &[u8], now: Timestamp) -> (Settled, FileRecord) {
        let file = self.lease(now).await.unwrap();
        let hash = FileHash::of(bytes);
        let settled = self.store.settle_known(file.id, &hash, now).await;
        (settled.unwrap(), file)
    }

    /// Publishes a file that holds others, whose bytes are their names, but not those.
    async fn publish_with(&self, path: &str, inside: &[&str], now: Timestamp) {
        assert!(self.see(path, 9, now).await);
        let file = self.lease(now).await.unwrap();
        let inside = inside.iter().map(|name| FileInside {
            name: (*name).into(),
            hash: FileHash::of(name.as_bytes()),
            size: 5,
        });
        let new = NewRevision {
            inside: inside.collect(),
            ..revision(&file, path)
        };
        self.store.publish(&new, now).await.unwrap().unwrap();
    }

    /// Publishes what waits; its bytes are its name. Returns the paths.
    async fn paths(&self, now: Timestamp) -> Vec<String> {
        let mut paths = Vec::new();
        while let Some(file) = self.lease(now).await {
            let name = file.path.rsplit('/').next().unwrap();
            let new = revision(&file, name);
            self.store.publish(&new, now).await.unwrap().unwrap();
            paths.push(file.path);
        }
        paths
    }

    /// How many documents answer.
    async fn titles(&self) -> usize {
        let library = self.library();
        library.documents().await.unwrap().len()
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

    fn library(&self) -> Library {
        self.library_of(Permitted::decided([self.cardiology]))
    }

    fn library_of(&self, permitted: Permitted) -> Library {
        self.store.library(permitted, Day::of(at(0)))
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
        doubtful: Vec::new(),
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
        inside: Vec::new(),
        labels: file.labels.clone(),
    }
}

#[tokio::test]
async fn a_library_reaches_nothing_outside_what_is_permitted() {
    let house = house().await;
    let id = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let inside = house.library();
    assert_eq!(inside.current_revisions().await.unwrap(), [id]);
    assert_eq!(
        inside.page(id, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    assert_eq!(inside.passages(&[PassageId(1)]).await.unwrap().len(), 1);
    for permitted in [Permitted::default(), Permitted::decided([CollectionId(99)])] {
        let outside = house.library_of(permitted);
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
    let library = house.library();
    assert_eq!(library.current_revisions().await.unwrap(), [new]);
    let record = library.revision(old).await.unwrap().unwrap();
    assert_eq!(record.superseded_at, Some(at(2)));
    assert_eq!(
        library.page(old, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    let followed = house.store.passages_after(PassageId(0), 10).await.unwrap();
    let of: Vec<_> = followed.iter().map(|passage| passage.revision).collect();
    assert_eq!(of, [old, new], "the index may be asked for either");
    assert_eq!(followed[0].vector, [0.6, 0.8]);
}

#[tokio::test]
async fn a_filter_narrows_and_a_day_brings_back_what_was_in_force() {
    let house = house().await;
    let day = |text: &str| Day::try_from(text.to_owned()).unwrap();
    let moment = |text: &str| Timestamp::parse(text).unwrap();
    let old = house
        .publish("doses.txt", "Give 5 mg.", moment("2026-03-01T09:00:00Z"))
        .await;
    let new = house
        .publish("doses.txt", "Give 10 mg.", moment("2026-06-01T09:00:00Z"))
        .await;
    let library = house.library();
    let found = async |filter: DocumentFilter| library.revisions(&filter).await.unwrap();
    let all = DocumentFilter::default;
    let as_of = |text: &str| DocumentFilter {
        as_of: Some(day(text)),
        ..all()
    };
    assert_eq!(found(all()).await, [new]);
    assert_eq!(found(as_of("2026-04-01")).await, [old]);
    assert_eq!(found(as_of("2026-06-01")).await, [new]);
    assert!(found(as_of("2026-02-28")).await.is_empty());
    let from = DocumentFilter {
        from: Some(day("2026-07-01")),
        ..all()
    };
    assert!(found(from).await.is_empty());
    let format = DocumentFilter {
        formats: vec!["pdf".into()],
        ..all()
    };
    assert!(found(format).await.is_empty());
    let stranger = house.library_of(Permitted::default());
    let old_days = stranger.revisions(&as_of("2026-04-01")).await.unwrap();
    assert!(old_days.is_empty());
}

#[tokio::test]
async fn a_removed_file_stops_answering_at_once_and_answers_again_when_it_is_back() {
    let house = house().await;
    let id = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let file = house.store.known_files(house.cardiology).await.unwrap()[0].0;
    house.store.remove_files(&[file], at(2)).await.unwrap();
    let library = house.library();
    assert!(library.current_revisions().await.unwrap().is_empty());
    assert!(library.passages(&[PassageId(1)]).await.unwrap().is_empty());
    assert!(house.see("doses.txt", 10, at(3)).await);
    let back = house.settle(b"Give 5 mg.", at(3)).await;
    assert_eq!(back.0, Settled::Restored);
    assert_eq!(library.current_revisions().await.unwrap(), [id]);
}

#[tokio::test]
async fn the_same_bytes_are_no_work_and_a_move_keeps_history() {
    let house = house().await;
    let id = house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    assert!(!house.see("doses.txt", 10, at(1)).await, "nothing changed");
    assert!(house.see("doses.txt", 10, at(5)).await, "it was touched");
    let (settled, file) = house.settle(b"Give 5 mg.", at(5)).await;
    assert_eq!(settled, Settled::Unchanged);
    house.store.remove_files(&[file.id], at(6)).await.unwrap();
    assert!(house.see("2026/doses.txt", 10, at(7)).await);
    let (settled, moved) = house.settle(b"Give 5 mg.", at(7)).await;
    assert_eq!(settled, Settled::Moved);
    let library = house.library();
    let record = library.revision(id).await.unwrap().unwrap();
    assert_eq!(record.path, "2026/doses.txt");
    assert_eq!(
        house.store.file(moved.id).await.unwrap().unwrap().state,
        FileState::Ready
    );
}

#[tokio::test]
async fn the_files_in_a_file_come_move_and_go_with_it() {
    let house = house().await;
    house
        .publish_with("mail.eml", &["a.pdf", "b.pdf"], at(1))
        .await;
    assert_eq!(
        house.paths(at(2)).await,
        ["mail.eml/a.pdf", "mail.eml/b.pdf"]
    );
    assert_eq!(house.titles().await, 3);
    // A newer mail without b.
    house.publish_with("mail.eml", &["a.pdf"], at(3)).await;
    assert_eq!(house.settle(b"a.pdf", at(3)).await.0, Settled::Unchanged);
    assert_eq!(house.titles().await, 2);
    // It is moved, with what lies in it.
    let mail = house.store.known_files(house.cardiology).await.unwrap();
    assert_eq!(mail.len(), 1, "files inside files are not in the inbox");
    house.store.remove_files(&[mail[0].0], at(4)).await.unwrap();
    assert_eq!(house.titles().await, 0);
    assert!(house.see("old/mail.eml", 9, at(5)).await);
    assert_eq!(house.settle(b"mail.eml", at(5)).await.0, Settled::Moved);
    let (settled, inside) = house.settle(b"a.pdf", at(6)).await;
    assert_eq!(
        (settled, inside.path.as_str()),
        (Settled::Unchanged, "old/mail.eml/a.pdf")
    );
    assert_eq!(house.titles().await, 2);
    assert!(house.lease(at(6)).await.is_none(), "b does not come back");
}

#[tokio::test]
async fn other_labels_are_a_new_reading_and_reach_who_may_read() {
    let house = house().await;
    house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let mut seen = house.seen("doses.txt", 10, at(1));
    seen.labels.classification = Some("internal".into());
    assert!(house.store.note_files(&[seen], at(2)).await.unwrap() > 0);
    let (settled, file) = house.settle(b"Give 5 mg.", at(2)).await;
    assert_eq!(settled, Settled::Unread);
    let mut new = revision(&file, "Give 5 mg.");
    new.info.labels = file.labels.clone();
    house.store.publish(&new, at(3)).await.unwrap().unwrap();
    let documents = house.library().documents().await;
    let labels = &documents.unwrap()[0].labels;
    assert_eq!(labels.classification.as_deref(), Some("internal"));
}

#[tokio::test]
async fn a_file_is_cancelled_and_taken_up_again_on_a_word() {
    let house = house().await;
    assert!(house.see("doses.txt", 10, at(0)).await);
    let file = house.lease(at(0)).await.unwrap();
    let cancelled = house
        .store
        .cancel_file(file.id, "Cancelled by dana", at(1))
        .await;
    assert_eq!(cancelled.unwrap().unwrap().state, FileState::Quarantined);
    let wanted = house
        .store
        .note_progress(file.id, FileState::Reading, (1, 2), at(2), LEASE);
    assert!(!wanted.await.unwrap(), "who works on it hears of it");
    assert!(
        house
            .store
            .cancel_file(file.id, "again", at(3))
            .await
            .unwrap()
            .is_none()
    );
    house
        .store
        .retry_file(file.id, at(4))
        .await
        .unwrap()
        .unwrap();
    assert!(house.lease(at(5)).await.is_some());
}

#[tokio::test]
async fn a_pause_and_how_a_collection_is_read_are_kept() {
    let house = house().await;
    assert!(!house.store.ingestion_paused().await.unwrap());
    house.store.pause_ingestion(true).await.unwrap();
    assert!(house.store.ingestion_paused().await.unwrap());
    let reading = ReadingOf {
        languages: vec!["eng".into(), "deu".into()],
        passwords: vec!["ward 3".into()],
    };
    house
        .store
        .set_reading_of(house.cardiology, &reading)
        .await
        .unwrap();
    assert_eq!(
        house.store.reading_of(house.cardiology).await.unwrap(),
        reading
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

#[tokio::test]
async fn another_models_vectors_lie_beside_those_in_use_until_there_is_one_for_each_passage() {
    let house = house().await;
    let store = &house.store;
    house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    house.publish("doses.txt", "Give 10 mg now.", at(2)).await;
    let (before, after) = ("0".repeat(64), "1".repeat(64));
    let in_use = || async { store.embedder().await.unwrap().unwrap() };
    let missing = store.unembedded_after(&after, PassageId(0), 9);
    let missing = missing.await.unwrap();
    assert_eq!(missing.len(), 2, "the superseded revision's too");
    assert_eq!(missing[0].title, "Guide");
    let vector = |place: usize| vec![(missing[place].id, vec![0.0, 0.6, 0.8])];
    store.add_vectors(&after, &vector(0)).await.unwrap();
    assert_eq!(store.count_embedded(&after).await.unwrap(), (1, 2));
    assert!(!store.use_whole_embedder(&after).await.unwrap());
    assert_eq!(in_use().await.sha256, before);
    let vectors = |embedder: Option<String>| async move {
        let passages = store.passages_by(embedder.as_deref(), PassageId(0), 9);
        let passages = passages.await.unwrap().into_iter();
        passages.map(|passage| passage.vector).collect::<Vec<_>>()
    };
    assert_eq!(vectors(None).await, [[0.6, 0.8], [0.6, 0.8]]);
    assert_eq!(
        vectors(Some(after.clone())).await,
        [vec![0.0, 0.6, 0.8], vec![]]
    );
    store.add_vectors(&after, &vector(1)).await.unwrap();
    assert!(store.use_whole_embedder(&after).await.unwrap());
    assert_eq!(in_use().await.sha256, after);
    assert_eq!(vectors(None).await, [[0.0, 0.6, 0.8], [0.0, 0.6, 0.8]]);
    store.drop_other_vectors(Some(&before)).await.unwrap();
    assert_eq!(store.count_embedded(&before).await.unwrap(), (2, 2));
    store.drop_other_vectors(None).await.unwrap();
    assert_eq!(store.count_embedded(&before).await.unwrap(), (0, 2));
    assert_eq!(store.count_embedded(&after).await.unwrap(), (2, 2));
}

#[tokio::test]
async fn vectors_of_a_model_out_of_use_are_not_published() {
    let house = house().await;
    house.publish("doses.txt", "Give 5 mg.", at(1)).await;
    assert!(house.see("hours.txt", 9, at(2)).await);
    let file = house.lease(at(2)).await.unwrap();
    let in_use = house.store.use_embedder(&"1".repeat(64)).await.unwrap();
    assert!(!in_use.whole, "its vectors are still to be made");
    let late = house
        .store
        .publish(&revision(&file, "From 2 to 4."), at(2))
        .await;
    assert!(matches!(late, Err(StoreError::AnotherEmbedder)), "{late:?}");
    assert_eq!(house.titles().await, 1);
    let again = NewRevision {
        embedder: "1".repeat(64),
        ..revision(&file, "From 2 to 4.")
    };
    house
        .store
        .publish(&again, at(3))
        .await
        .unwrap()
        .expect("the file is still in work");
}

#[tokio::test]
async fn a_conversation_is_its_owners_alone() {
    let house = house().await;
    let store = &house.store;
    let person = |name: &str| NewUser {
        name: name.into(),
        password_hash: "x".into(),
        roles: vec![Role::Staff],
    };
    let ada = store.add_user(&person("ada"), at(0)).await.unwrap();
    let eve = store.add_user(&person("eve"), at(0)).await.unwrap();
    let turn = |receipt: &str, conversation: &str, seconds: i64| Turn {
        receipt: receipt.into(),
        conversation: conversation.into(),
        asked_at: at(seconds),
        question: format!("question {receipt}"),
        understood: None,
        quotes: vec![QuotedPlace {
            number: 1,
            passage: PassageId(7),
            range: ByteRange::new(0, 4),
        }],
        sentences: Vec::new(),
    };
    for kept in [
        turn("a1", "a1", 1),
        turn("a2", "a1", 2),
        turn("b1", "b1", 3),
    ] {
        store.keep_turn(ada, &kept).await.unwrap();
    }
    // A stranger who names the conversation of another adds to one of their own.
    store.keep_turn(eve, &turn("e1", "a1", 4)).await.unwrap();
    let sentence = WrittenSentence {
        text: "So it is.".into(),
        quotes: vec![2],
    };
    let mut two = turn("a2", "a1", 2).quotes;
    two.push(QuotedPlace {
        number: 2,
        ..two[0].clone()
    });
    store
        .keep_sentences(ada, "a2", &two, std::slice::from_ref(&sentence))
        .await
        .unwrap();
    store
        .keep_sentences(eve, "a1", &[], std::slice::from_ref(&sentence))
        .await
        .unwrap();

    let listed = store.conversations(ada, 10).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|c| (c.id.as_str(), c.question.as_str(), c.turns))
        .collect();
    assert_eq!(listed, [("b1", "question b1", 1), ("a1", "question a1", 2)]);
    let turns = store.turns(ada, "a1").await.unwrap();
    assert_eq!(turns.len(), 2);
    assert!(
        turns[0].sentences.is_empty(),
        "another's turn is not written to"
    );
    assert_eq!(turns[1].sentences, [sentence]);
    assert_eq!(
        turns[1].quotes, two,
        "the quote that the sentence brought is kept"
    );
    assert_eq!(turns[0].quotes.len(), 1);
    assert_eq!(store.turns(eve, "a1").await.unwrap().len(), 1);
    assert!(store.turns(eve, "b1").await.unwrap().is_empty());

    assert!(!store.delete_conversation(eve, "b1").await.unwrap());
    assert!(store.delete_conversation(eve, "a1").await.unwrap());
    assert_eq!(store.turns(ada, "a1").await.unwrap().len(), 2);
    assert_eq!(store.delete_turns_before(at(3)).await.unwrap(), 2);
    assert_eq!(store.conversations(ada, 10).await.unwrap().len(), 1);
}
