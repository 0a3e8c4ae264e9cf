//! What the store promises: restricted handles, one transaction for each step, and nothing done
//! twice.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, DocumentMetadata, FileHash, OmissionKind, Page,
    PageText, PassageDraft, PassageId, PassageSpan, Permitted, RevisionId, Role, Timestamp,
};
use cloister_store::{
    ContentMatch, ConversationTurn, DocumentFilter, FileRecord, FileState, GeneratedSentence,
    Library, NewAttachment, NewRevision, NewUser, QuoteLocation, ReaderSettings, ScannedFile,
    Store, StoreError,
};
use std::time::Duration;

const LEASE: Duration = Duration::from_mins(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
}

struct Workspace {
    store: Store,
    cardiology: CollectionId,
    _folder: tempfile::TempDir,
}

async fn workspace() -> Workspace {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let cardiology = store.add_collection("cardiology", at(0)).await.unwrap();
    Workspace {
        store,
        cardiology,
        _folder: folder,
    }
}

impl Workspace {
    fn seen(&self, path: &str, size: u64, now: Timestamp) -> ScannedFile {
        ScannedFile {
            collection: self.cardiology,
            path: path.into(),
            size,
            modified_at: now,
            metadata: DocumentMetadata::default(),
        }
    }

    async fn see(&self, path: &str, size: u64, now: Timestamp) -> bool {
        let seen = self.seen(path, size, now);
        self.store.record_scanned_files(&[seen], now).await.unwrap() > 0
    }

    /// Leases the next file, which has this content.
    async fn settle(&self, bytes: &[u8], now: Timestamp) -> (ContentMatch, FileRecord) {
        let file = self.lease(now).await.unwrap();
        let hash = FileHash::digest(bytes);
        let settled = self.store.match_known_content(file.id, &hash, now).await;
        (settled.unwrap(), file)
    }

    /// Publishes a file with attachments, whose content is their names. The attachments are not
    /// published.
    async fn publish_with(&self, path: &str, inside: &[&str], now: Timestamp) {
        assert!(self.see(path, 9, now).await);
        let file = self.lease(now).await.unwrap();
        let inside = inside.iter().map(|name| NewAttachment {
            name: (*name).into(),
            hash: FileHash::digest(name.as_bytes()),
            size: 5,
        });
        let new = NewRevision {
            attachments: inside.collect(),
            ..revision(&file, path)
        };
        self.store.publish(&new, now).await.unwrap().unwrap();
    }

    /// Publishes the waiting files, whose content is their names. Returns the paths.
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

    /// The number of documents that answer.
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
        self.store.library(permitted, Day::from_timestamp(at(0)))
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
        rows: Vec::new(),
        row_of: None,
    };
    NewRevision {
        file: file.id,
        hash: FileHash::digest(text.as_bytes()),
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
        attachments: Vec::new(),
        metadata: file.metadata.clone(),
    }
}

#[tokio::test]
async fn a_library_returns_nothing_outside_what_is_permitted() {
    let workspace = workspace().await;
    let id = workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let inside = workspace.library();
    assert_eq!(inside.current_revisions().await.unwrap(), [id]);
    assert_eq!(
        inside.page(id, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    assert_eq!(inside.passages(&[PassageId(1)]).await.unwrap().len(), 1);
    for permitted in [Permitted::default(), Permitted::decided([CollectionId(99)])] {
        let outside = workspace.library_of(permitted);
        assert!(outside.current_revisions().await.unwrap().is_empty());
        assert!(outside.documents().await.unwrap().is_empty());
        assert!(outside.revision(id).await.unwrap().is_none());
        assert!(outside.page(id, 1).await.unwrap().is_none());
        assert!(outside.passages(&[PassageId(1)]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_new_revision_supersedes_the_old_one_which_can_still_be_opened() {
    let workspace = workspace().await;
    let old = workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let new = workspace
        .publish("doses.txt", "Give 10 mg now.", at(2))
        .await;
    let library = workspace.library();
    assert_eq!(library.current_revisions().await.unwrap(), [new]);
    let record = library.revision(old).await.unwrap().unwrap();
    assert_eq!(record.superseded_at, Some(at(2)));
    assert_eq!(
        library.page(old, 1).await.unwrap().unwrap().content.text,
        "Give 5 mg."
    );
    let followed = workspace
        .store
        .passages_after(PassageId(0), 10)
        .await
        .unwrap();
    let of: Vec<_> = followed.iter().map(|passage| passage.revision).collect();
    assert_eq!(of, [old, new], "the index may be asked for either");
    assert_eq!(followed[0].vector, [0.6, 0.8]);
}

#[tokio::test]
async fn a_filter_narrows_and_a_day_selects_what_was_in_force() {
    let workspace = workspace().await;
    let day = |text: &str| Day::try_from(text.to_owned()).unwrap();
    let moment = |text: &str| Timestamp::parse(text).unwrap();
    let old = workspace
        .publish("doses.txt", "Give 5 mg.", moment("2026-03-01T09:00:00Z"))
        .await;
    let new = workspace
        .publish("doses.txt", "Give 10 mg.", moment("2026-06-01T09:00:00Z"))
        .await;
    let library = workspace.library();
    let found = async |filter: DocumentFilter| library.matching_revisions(&filter).await.unwrap();
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
    let stranger = workspace.library_of(Permitted::default());
    let old_days = stranger
        .matching_revisions(&as_of("2026-04-01"))
        .await
        .unwrap();
    assert!(old_days.is_empty());
}

#[tokio::test]
async fn a_removed_file_stops_answering_at_once_and_answers_again_when_restored() {
    let workspace = workspace().await;
    let id = workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let file = workspace
        .store
        .scanned_files(workspace.cardiology)
        .await
        .unwrap()[0]
        .0;
    workspace.store.remove_files(&[file], at(2)).await.unwrap();
    let library = workspace.library();
    assert!(library.current_revisions().await.unwrap().is_empty());
    assert!(library.passages(&[PassageId(1)]).await.unwrap().is_empty());
    assert!(workspace.see("doses.txt", 10, at(3)).await);
    let back = workspace.settle(b"Give 5 mg.", at(3)).await;
    assert_eq!(back.0, ContentMatch::Restored);
    assert_eq!(library.current_revisions().await.unwrap(), [id]);
}

#[tokio::test]
async fn known_content_is_not_read_again_and_a_move_keeps_the_history() {
    let workspace = workspace().await;
    let id = workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    assert!(
        !workspace.see("doses.txt", 10, at(1)).await,
        "nothing changed"
    );
    assert!(
        workspace.see("doses.txt", 10, at(5)).await,
        "it was touched"
    );
    let (settled, file) = workspace.settle(b"Give 5 mg.", at(5)).await;
    assert_eq!(settled, ContentMatch::Unchanged);
    workspace
        .store
        .remove_files(&[file.id], at(6))
        .await
        .unwrap();
    assert!(workspace.see("2026/doses.txt", 10, at(7)).await);
    let (settled, moved) = workspace.settle(b"Give 5 mg.", at(7)).await;
    assert_eq!(settled, ContentMatch::Moved);
    let library = workspace.library();
    let record = library.revision(id).await.unwrap().unwrap();
    assert_eq!(record.path, "2026/doses.txt");
    assert_eq!(
        workspace.store.file(moved.id).await.unwrap().unwrap().state,
        FileState::Ready
    );
}

#[tokio::test]
async fn a_file_that_is_moved_to_another_collection_is_a_new_document_there() {
    let workspace = workspace().await;
    let old = workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let (_, file) = {
        workspace.see("doses.txt", 10, at(2)).await;
        workspace.settle(b"Give 5 mg.", at(2)).await
    };
    workspace
        .store
        .remove_files(&[file.id], at(3))
        .await
        .unwrap();
    let store = &workspace.store;
    let surgery = store.add_collection("surgery", at(3)).await.unwrap();
    let seen = ScannedFile {
        collection: surgery,
        path: "doses.txt".into(),
        size: 10,
        modified_at: at(4),
        metadata: DocumentMetadata::default(),
    };
    assert_eq!(store.record_scanned_files(&[seen], at(4)).await.unwrap(), 1);
    let (settled, here) = workspace.settle(b"Give 5 mg.", at(4)).await;
    assert_eq!(settled, ContentMatch::Unknown);
    let hash = FileHash::digest(b"Give 5 mg.");
    let from = store.removed_copy(here.id, &hash).await.unwrap().unwrap();
    assert_eq!(
        (from.collection.as_str(), from.path.as_str()),
        ("cardiology", "doses.txt")
    );
    let readers = workspace.library_of(Permitted::decided([surgery]));
    assert_eq!(readers.revision(old).await.unwrap(), None);
}

#[tokio::test]
async fn attachments_are_added_moved_and_removed_with_their_file() {
    let workspace = workspace().await;
    workspace
        .publish_with("mail.eml", &["a.pdf", "b.pdf"], at(1))
        .await;
    assert_eq!(
        workspace.paths(at(2)).await,
        ["mail.eml/a.pdf", "mail.eml/b.pdf"]
    );
    assert_eq!(workspace.titles().await, 3);
    // A newer message without b.
    workspace.publish_with("mail.eml", &["a.pdf"], at(3)).await;
    assert_eq!(
        workspace.settle(b"a.pdf", at(3)).await.0,
        ContentMatch::Unchanged
    );
    assert_eq!(workspace.titles().await, 2);
    // The message is moved, with its attachments.
    let mail = workspace
        .store
        .scanned_files(workspace.cardiology)
        .await
        .unwrap();
    assert_eq!(mail.len(), 1, "files inside files are not in the inbox");
    workspace
        .store
        .remove_files(&[mail[0].0], at(4))
        .await
        .unwrap();
    assert_eq!(workspace.titles().await, 0);
    assert!(workspace.see("old/mail.eml", 9, at(5)).await);
    assert_eq!(
        workspace.settle(b"mail.eml", at(5)).await.0,
        ContentMatch::Moved
    );
    let (settled, inside) = workspace.settle(b"a.pdf", at(6)).await;
    assert_eq!(
        (settled, inside.path.as_str()),
        (ContentMatch::Unchanged, "old/mail.eml/a.pdf")
    );
    assert_eq!(workspace.titles().await, 2);
    assert!(
        workspace.lease(at(6)).await.is_none(),
        "b does not come back"
    );
}

#[tokio::test]
async fn a_picture_without_text_is_counted_and_not_listed() {
    let workspace = workspace().await;
    workspace
        .publish_with("letter.docx", &["photo.jpeg"], at(0))
        .await;
    let picture = workspace.lease(at(1)).await.unwrap();
    assert_eq!(picture.path, "letter.docx/photo.jpeg");
    let letter = workspace
        .store
        .file(picture.parent.unwrap())
        .await
        .unwrap()
        .unwrap();
    workspace
        .store
        .leave_out_picture(picture.id, at(2))
        .await
        .unwrap();
    assert!(
        workspace.lease(at(3)).await.is_none(),
        "it is not read again"
    );
    let accounts = workspace
        .store
        .file_accounts(std::slice::from_ref(&letter))
        .await
        .unwrap();
    let account = &accounts[&letter.id];
    assert_eq!(account.left_out.get(&OmissionKind::Picture), Some(&1));
    assert!(!account.is_incomplete());
}

#[tokio::test]
async fn changed_metadata_makes_a_new_revision() {
    let workspace = workspace().await;
    workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    let mut seen = workspace.seen("doses.txt", 10, at(1));
    seen.metadata.classification = Some("internal".into());
    assert!(
        workspace
            .store
            .record_scanned_files(&[seen], at(2))
            .await
            .unwrap()
            > 0
    );
    let (settled, file) = workspace.settle(b"Give 5 mg.", at(2)).await;
    assert_eq!(settled, ContentMatch::Unknown);
    let mut new = revision(&file, "Give 5 mg.");
    new.info.metadata = file.metadata.clone();
    workspace.store.publish(&new, at(3)).await.unwrap().unwrap();
    let documents = workspace.library().documents().await;
    let labels = &documents.unwrap()[0].metadata;
    assert_eq!(labels.classification.as_deref(), Some("internal"));
}

#[tokio::test]
async fn a_file_can_be_cancelled_and_retried() {
    let workspace = workspace().await;
    assert!(workspace.see("doses.txt", 10, at(0)).await);
    let file = workspace.lease(at(0)).await.unwrap();
    let cancelled = workspace
        .store
        .cancel_file(file.id, "Cancelled by dana", at(1))
        .await;
    assert_eq!(cancelled.unwrap().unwrap().state, FileState::Quarantined);
    let wanted = workspace
        .store
        .update_progress(file.id, FileState::Reading, (1, 2), at(2), LEASE);
    assert!(!wanted.await.unwrap(), "who works on it hears of it");
    assert!(
        workspace
            .store
            .cancel_file(file.id, "again", at(3))
            .await
            .unwrap()
            .is_none()
    );
    workspace
        .store
        .retry_file(file.id, at(4))
        .await
        .unwrap()
        .unwrap();
    assert!(workspace.lease(at(5)).await.is_some());
}

#[tokio::test]
async fn a_pause_and_reader_settings_are_stored() {
    let workspace = workspace().await;
    assert!(!workspace.store.ingestion_paused().await.unwrap());
    workspace.store.pause_ingestion(true).await.unwrap();
    assert!(workspace.store.ingestion_paused().await.unwrap());
    let reading = ReaderSettings {
        languages: vec!["eng".into(), "deu".into()],
        passwords: vec!["ward 3".into()],
    };
    workspace
        .store
        .set_reader_settings(workspace.cardiology, &reading)
        .await
        .unwrap();
    assert_eq!(
        workspace
            .store
            .reader_settings(workspace.cardiology)
            .await
            .unwrap(),
        reading
    );
}

#[tokio::test]
async fn an_expired_lease_passes_to_the_next_worker_and_the_late_one_writes_nothing() {
    let workspace = workspace().await;
    assert!(workspace.see("doses.txt", 10, at(0)).await);
    let first = workspace.lease(at(0)).await.unwrap();
    assert!(
        workspace.lease(at(30)).await.is_none(),
        "someone works on it"
    );
    let second = workspace.lease(at(120)).await.unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    let published = workspace
        .store
        .publish(&revision(&second, "Give 5 mg."), at(121))
        .await
        .unwrap();
    assert!(published.is_some());
    let late = workspace
        .store
        .publish(&revision(&first, "Give 5 mg."), at(122))
        .await
        .unwrap();
    assert!(late.is_none());
}

#[tokio::test]
async fn the_setup_link_works_once() {
    let workspace = workspace().await;
    let new = cloister_store::NewUser {
        name: "ada".into(),
        password_hash: "hash".into(),
        roles: vec![cloister_domain::Role::Administrator],
    };
    workspace
        .store
        .replace_setup_link("link", at(100))
        .await
        .unwrap();
    let made = |now| workspace.store.add_first_administrator("link", &new, now);
    assert!(made(at(101)).await.unwrap().is_none(), "it has run out");
    assert!(made(at(1)).await.unwrap().is_some());
    assert!(made(at(2)).await.unwrap().is_none(), "it was used");
    let twice = workspace.store.add_user(&new, at(3)).await;
    assert!(matches!(twice, Err(StoreError::NameTaken(_))));
}

#[tokio::test]
async fn another_models_vectors_are_inactive_until_every_passage_has_one() {
    let workspace = workspace().await;
    let store = &workspace.store;
    workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    workspace
        .publish("doses.txt", "Give 10 mg now.", at(2))
        .await;
    let (before, after) = ("0".repeat(64), "1".repeat(64));
    let in_use = || async { store.active_embedder().await.unwrap().unwrap() };
    let missing = store.passages_without_vector(&after, PassageId(0), 9);
    let missing = missing.await.unwrap();
    assert_eq!(missing.len(), 2, "the superseded revision's too");
    assert_eq!(missing[0].title, "Guide");
    let vector = |place: usize| vec![(missing[place].id, vec![0.0, 0.6, 0.8])];
    store.add_vectors(&after, &vector(0)).await.unwrap();
    assert_eq!(store.count_embedded(&after).await.unwrap(), (1, 2));
    assert!(!store.activate_embedder_if_complete(&after).await.unwrap());
    assert_eq!(in_use().await.sha256, before);
    let vectors = |embedder: Option<String>| async move {
        let passages = store.passages_after_by_model(embedder.as_deref(), PassageId(0), 9);
        let passages = passages.await.unwrap().into_iter();
        passages.map(|passage| passage.vector).collect::<Vec<_>>()
    };
    assert_eq!(vectors(None).await, [[0.6, 0.8], [0.6, 0.8]]);
    assert_eq!(
        vectors(Some(after.clone())).await,
        [vec![0.0, 0.6, 0.8], vec![]]
    );
    store.add_vectors(&after, &vector(1)).await.unwrap();
    assert!(store.activate_embedder_if_complete(&after).await.unwrap());
    assert_eq!(in_use().await.sha256, after);
    assert_eq!(vectors(None).await, [[0.0, 0.6, 0.8], [0.0, 0.6, 0.8]]);
    store.delete_inactive_vectors(Some(&before)).await.unwrap();
    assert_eq!(store.count_embedded(&before).await.unwrap(), (2, 2));
    store.delete_inactive_vectors(None).await.unwrap();
    assert_eq!(store.count_embedded(&before).await.unwrap(), (0, 2));
    assert_eq!(store.count_embedded(&after).await.unwrap(), (2, 2));
}

#[tokio::test]
async fn vectors_of_an_inactive_model_are_not_published() {
    let workspace = workspace().await;
    workspace.publish("doses.txt", "Give 5 mg.", at(1)).await;
    assert!(workspace.see("hours.txt", 9, at(2)).await);
    let file = workspace.lease(at(2)).await.unwrap();
    let in_use = workspace
        .store
        .activate_embedder(&"1".repeat(64))
        .await
        .unwrap();
    assert!(!in_use.complete, "its vectors are still to be made");
    let late = workspace
        .store
        .publish(&revision(&file, "From 2 to 4."), at(2))
        .await;
    assert!(matches!(late, Err(StoreError::EmbedderChanged)), "{late:?}");
    assert_eq!(workspace.titles().await, 1);
    let again = NewRevision {
        embedder: "1".repeat(64),
        ..revision(&file, "From 2 to 4.")
    };
    workspace
        .store
        .publish(&again, at(3))
        .await
        .unwrap()
        .expect("the file is still in work");
}

#[tokio::test]
async fn a_conversation_belongs_to_its_owner_only() {
    let workspace = workspace().await;
    let store = &workspace.store;
    let person = |name: &str| NewUser {
        name: name.into(),
        password_hash: "x".into(),
        roles: vec![Role::Staff],
    };
    let ada = store.add_user(&person("ada"), at(0)).await.unwrap();
    let eve = store.add_user(&person("eve"), at(0)).await.unwrap();
    let turn = |receipt: &str, conversation: &str, seconds: i64| ConversationTurn {
        receipt: receipt.into(),
        conversation: conversation.into(),
        asked_at: at(seconds),
        question: format!("question {receipt}"),
        understood: None,
        quotes: vec![QuoteLocation {
            number: 1,
            passage: PassageId(7),
            range: ByteRange::new(0, 4),
        }],
        sentences: Vec::new(),
    };
    for turn in [
        turn("a1", "a1", 1),
        turn("a2", "a1", 2),
        turn("b1", "b1", 3),
    ] {
        store.insert_turn(ada, &turn).await.unwrap();
    }
    // If a person names another person's conversation, the question is added to a conversation of
    // their own.
    store.insert_turn(eve, &turn("e1", "a1", 4)).await.unwrap();
    let sentence = GeneratedSentence {
        text: "So it is.".into(),
        quotes: vec![2],
    };
    let mut two = turn("a2", "a1", 2).quotes;
    two.push(QuoteLocation {
        number: 2,
        ..two[0].clone()
    });
    store
        .set_generated_sentences(ada, "a2", &two, std::slice::from_ref(&sentence))
        .await
        .unwrap();
    store
        .set_generated_sentences(eve, "a1", &[], std::slice::from_ref(&sentence))
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
