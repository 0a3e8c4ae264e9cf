//! A small appliance without HTTP and command line, and random changes of it.

use crate::Dice;
use crate::oracle::{Document, Oracle, Revision, collection_name};
use cloister_domain::{
    ByteRange, CollectionId, Day, DocumentInfo, DocumentMetadata, FileHash, GroupId, Page,
    PageText, PassageDraft, PassageId, PassageSpan, Role, Timestamp, UserId,
};
use cloister_index::{Index, IndexSettings, Regression, SiteQuestions};
use cloister_policies::Policies;
use cloister_store::{ContentMatch, FileRecord, NewRevision, NewUser, ScannedFile, Store};
use std::sync::Arc;
use std::time::Duration;

const PEOPLE: usize = 5;
const GROUPS: usize = 4;
const COLLECTIONS: usize = 5;
const WIDTH: usize = 16;
const PASSAGES: usize = 3;

pub const FORMATS: [&str; 2] = ["pdf", "text"];
pub const LANGUAGES: [&str; 2] = ["eng", "deu"];
pub const TAGS: [&str; 3] = ["fire", "water", "air"];
pub const WORDS: [&str; 6] = ["dose", "visitor", "alarm", "record", "refusal", "transfer"];

/// The time between two steps. Some steps fall on the same day.
const STEP_MS: i64 = 7 * 3_600_000;

pub struct World {
    pub dice: Dice,
    pub oracle: Oracle,
    pub store: Store,
    pub index: Arc<Index>,
    pub policies: Policies,
    pub people: Vec<UserId>,
    pub now: Timestamp,
    /// Whether the index contains everything that was published.
    pub is_indexed: bool,
    /// Whether a document was restored after the index was built.
    came_back: bool,
    groups: Vec<GroupId>,
    collections: Vec<CollectionId>,
    _folder: tempfile::TempDir,
}

/// A vector of length 1 that depends on `seed` alone.
pub fn vector(seed: usize) -> Vec<f32> {
    let mut dice = Dice((seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut values: Vec<f32> = (0..WIDTH)
        .map(|_| dice.below(2001) as f32 - 1000.0)
        .collect();
    let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut values {
        *x /= length;
    }
    values
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let settings = IndexSettings {
            dimensions: WIDTH,
            ..IndexSettings::default()
        };
        let index = Index::open(&folder.path().join("index"), settings).unwrap();
        let mut world = Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            oracle: Oracle::default(),
            store,
            index: Arc::new(index),
            policies: Policies::load().unwrap(),
            people: Vec::new(),
            now: Timestamp::from_millis(1_790_000_000_000),
            is_indexed: true,
            came_back: false,
            groups: Vec::new(),
            collections: Vec::new(),
            _folder: folder,
        };
        world.found().await;
        for _ in 0..8 {
            world.add().await;
        }
        for _ in 0..20 {
            world.change_access().await;
        }
        world
    }

    /// Adds people, groups and collections without grants.
    async fn found(&mut self) {
        for number in 0..COLLECTIONS {
            let added = self
                .store
                .add_collection(&collection_name(number), self.now)
                .await;
            self.collections.push(added.unwrap());
        }
        for number in 0..GROUPS {
            let added = self
                .store
                .add_group(&format!("group-{number}"), self.now)
                .await;
            self.groups.push(added.unwrap());
        }
        let person = |name: String, role| NewUser {
            name,
            password_hash: "none".into(),
            roles: vec![role],
        };
        for number in 0..PEOPLE {
            let new = person(format!("person-{number}"), Role::Staff);
            self.people
                .push(self.store.add_user(&new, self.now).await.unwrap());
            self.oracle.staff.insert(number);
        }
        // Somebody remains an administrator, whatever changes.
        let remaining = person("administrator".into(), Role::Administrator);
        self.store.add_user(&remaining, self.now).await.unwrap();
    }

    /// One random change: often a grant or a revocation, sometimes a change of documents.
    pub async fn change(&mut self) {
        self.now = Timestamp::from_millis(self.now.as_millis() + STEP_MS);
        if self.dice.once_in(3) {
            self.change_documents().await;
        }
        if self.dice.once_in(2) {
            self.change_access().await;
        }
        // The index may have deleted what was restored. It is then rebuilt.
        if self.dice.once_in(if self.came_back { 2 } else { 40 }) {
            let (store, index, now) = (&self.store, &self.index, self.now);
            let none = SiteQuestions::default();
            let rebuilt =
                cloister_ingest::rebuild(store, index, now, &none, Regression::Refused, |_| {});
            rebuilt.await.unwrap();
            (self.is_indexed, self.came_back) = (true, false);
        } else if self.dice.once_in(2) {
            let caught_up = cloister_ingest::catch_up(&self.store, &self.index, self.now);
            caught_up.await.unwrap();
            self.is_indexed = !self.came_back;
        }
    }

    async fn change_access(&mut self) {
        let (person, group) = (self.dice.below(PEOPLE), self.dice.below(GROUPS));
        let collection = self.dice.below(COLLECTIONS);
        let (user, team, folder) = (
            self.people[person],
            self.groups[group],
            self.collections[collection],
        );
        match self.dice.below(9) {
            0..3 => {
                self.oracle.grants.insert((collection, group));
                self.store.grant(folder, team).await.unwrap();
            }
            3 | 4 => {
                self.oracle.grants.remove(&(collection, group));
                self.store.revoke(folder, team).await.unwrap();
            }
            5 | 6 => {
                self.oracle.members.insert((person, group));
                self.store.join_group(team, user).await.unwrap();
            }
            7 => {
                self.oracle.members.remove(&(person, group));
                self.store.leave_group(team, user).await.unwrap();
            }
            _ => self.change_role(person).await,
        }
    }

    /// Makes staff administrators, who may not read documents by that role, and the reverse.
    async fn change_role(&mut self, person: usize) {
        let role = if self.oracle.staff.remove(&person) {
            Role::Administrator
        } else {
            self.oracle.staff.insert(person);
            Role::Staff
        };
        let user = self.people[person];
        self.store.change_user(user, &[role], false).await.unwrap();
    }

    async fn change_documents(&mut self) {
        let there = self.oracle.places(false);
        let one = self.dice.one_of(&there).copied();
        let gone = self.dice.one_of(&self.oracle.places(true)).copied();
        match (self.dice.below(5), one, gone) {
            (0, Some(place), _) => {
                let document = &self.oracle.documents[place];
                let (collection, path) = (document.collection, document.path.clone());
                let (file, revision) = self.publish(collection, &path).await;
                let document = &mut self.oracle.documents[place];
                document.file = file;
                document.history.push(revision);
            }
            (1, Some(place), _) => self.remove(place).await,
            (2, Some(place), _) => {
                self.remove(place).await;
                let collection = self.dice.below(COLLECTIONS);
                let path = format!("moved-{}.txt", self.now.as_millis());
                if collection == self.oracle.documents[place].collection {
                    self.bring_back(place, collection, &path, ContentMatch::Moved)
                        .await;
                } else {
                    self.move_elsewhere(place, collection, &path).await;
                }
            }
            (3, _, Some(place)) => {
                let document = &self.oracle.documents[place];
                let (collection, path) = (document.collection, document.path.clone());
                self.bring_back(place, collection, &path, ContentMatch::Restored)
                    .await;
            }
            _ => self.add().await,
        }
    }

    async fn add(&mut self) {
        let collection = self.dice.below(COLLECTIONS);
        let path = format!("{}.txt", self.oracle.documents.len());
        let (file, revision) = self.publish(collection, &path).await;
        self.oracle.documents.push(Document {
            file,
            collection,
            path,
            removed: false,
            history: vec![revision],
        });
    }

    async fn remove(&mut self, place: usize) {
        let document = &mut self.oracle.documents[place];
        document.removed = true;
        self.store
            .remove_files(&[document.file], self.now)
            .await
            .unwrap();
    }

    /// Puts the bytes of a removed document into the inbox, at the same or another path.
    async fn bring_back(
        &mut self,
        place: usize,
        collection: usize,
        path: &str,
        as_what: ContentMatch,
    ) {
        let last = self.oracle.documents[place].history.last().unwrap();
        let hash = FileHash::digest(last.text.as_bytes());
        let file = self.see(collection, path).await;
        let settled = self
            .store
            .match_known_content(file.id, &hash, self.now)
            .await
            .unwrap();
        assert_eq!(settled, as_what);
        (self.is_indexed, self.came_back) = (false, true);
        let document = &mut self.oracle.documents[place];
        document.file = file.id;
        document.collection = collection;
        path.clone_into(&mut document.path);
        document.removed = false;
    }

    /// Puts the bytes of a removed document into another collection, where they are a new document.
    async fn move_elsewhere(&mut self, place: usize, collection: usize, path: &str) {
        let last = self.oracle.documents[place].history.last().unwrap();
        let hash = FileHash::digest(last.text.as_bytes());
        let file = self.see(collection, path).await;
        let settled = self
            .store
            .match_known_content(file.id, &hash, self.now)
            .await
            .unwrap();
        assert_eq!(settled, ContentMatch::Unknown);
        let (file, revision) = self.publish_seen(&file).await;
        self.oracle.documents.push(Document {
            file,
            collection,
            path: path.to_owned(),
            removed: false,
            history: vec![revision],
        });
    }

    /// Writes a file into the inbox and ingests it.
    async fn see(&mut self, collection: usize, path: &str) -> FileRecord {
        // Each version of a file has different bytes.
        self.now = Timestamp::from_millis(self.now.as_millis() + 1);
        let seen = ScannedFile {
            collection: self.collections[collection],
            path: path.into(),
            size: 9,
            modified_at: self.now,
            metadata: DocumentMetadata::default(),
        };
        assert_eq!(
            self.store
                .record_scanned_files(&[seen], self.now)
                .await
                .unwrap(),
            1
        );
        let leased = self.store.lease_file(self.now, Duration::from_mins(1));
        leased.await.unwrap().unwrap()
    }

    async fn publish(
        &mut self,
        collection: usize,
        path: &str,
    ) -> (cloister_domain::FileId, Revision) {
        let file = self.see(collection, path).await;
        self.publish_seen(&file).await
    }

    async fn publish_seen(&mut self, file: &FileRecord) -> (cloister_domain::FileId, Revision) {
        let mark = format!("mark{}", self.now.as_millis());
        let texts: Vec<String> = (0..PASSAGES)
            .map(|_| format!("{mark} {} {}", self.word(), self.word()))
            .collect();
        let revision = Revision {
            id: cloister_domain::RevisionId(0),
            passages: Vec::new(),
            mark,
            text: texts.join(" "),
            format: FORMATS[self.dice.below(FORMATS.len())],
            language: LANGUAGES[self.dice.below(LANGUAGES.len())],
            tag: TAGS[self.dice.below(TAGS.len())],
            at: self.now,
            effective: self.dice.once_in(3).then(|| self.some_day()),
        };
        let before = self.last_passage();
        let new = self.new_revision(file, &revision, &texts);
        let id = self.store.publish(&new, self.now).await.unwrap().unwrap();
        self.is_indexed = false;
        let stored = self.store.passages_after(before, 100).await.unwrap();
        let passages = stored.into_iter().map(|passage| passage.id).collect();
        (
            file.id,
            Revision {
                id,
                passages,
                ..revision
            },
        )
    }

    pub fn today(&self) -> Day {
        Day::from_timestamp(self.now)
    }

    /// A day in the last or the next weeks.
    pub fn some_day(&mut self) -> Day {
        let days = 20 - i64::try_from(self.dice.below(40)).unwrap();
        Day::from_timestamp(Timestamp::from_millis(
            self.now.as_millis() + days * 86_400_000,
        ))
    }

    pub fn word(&mut self) -> &'static str {
        WORDS[self.dice.below(WORDS.len())]
    }

    /// The passage with the highest id.
    fn last_passage(&self) -> PassageId {
        let passages = self
            .oracle
            .revisions()
            .flat_map(|(_, revision)| &revision.passages);
        passages.max().copied().unwrap_or(PassageId(0))
    }

    fn new_revision(&mut self, file: &FileRecord, of: &Revision, texts: &[String]) -> NewRevision {
        let passage = |text: &String| PassageDraft {
            text: text.clone(),
            spans: vec![PassageSpan {
                page: 1,
                range: ByteRange::new(0, text.len()),
            }],
            headings: Vec::new(),
            sentences: vec![ByteRange::new(0, text.len())],
            tokens: 3,
            doubtful: Vec::new(),
            rows: Vec::new(),
            row_of: None,
        };
        let vectors: Vec<Vec<f32>> = texts.iter().map(|_| vector(self.dice.below(300))).collect();
        let labels = DocumentMetadata {
            tags: vec![of.tag.to_owned()],
            effective: of.effective,
            ..DocumentMetadata::default()
        };
        let content = PageText {
            text: of.text.clone(),
            ..PageText::default()
        };
        NewRevision {
            file: file.id,
            hash: FileHash::digest(of.text.as_bytes()),
            size: of.text.len() as u64,
            info: DocumentInfo {
                title: of.mark.clone(),
                format: of.format.into(),
                language: Some(of.language.into()),
                pages: 1,
                metadata: labels,
                ..DocumentInfo::default()
            },
            pages: vec![Page {
                number: 1,
                width: 0.0,
                height: 0.0,
                content,
            }],
            passages: texts.iter().map(passage).zip(vectors).collect(),
            embedder: "0".repeat(64),
            took_ms: 5,
            attachments: Vec::new(),
            metadata: DocumentMetadata::default(),
        }
    }
}
