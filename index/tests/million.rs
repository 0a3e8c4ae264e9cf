//! A million random cases of (person, groups, grants, documents, changes, question), in which no hidden
//! passage is found.
//!
//! The oracle is a plain model of the world: who is in which group, which group reads which
//! collection, which revision is of which collection. It shares no code with the index.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use cloister_domain::RevisionId;
use cloister_domain::random::SplitMix64;
use cloister_index::{Index, IndexSettings, Regression, SearchRequest, SiteQuestions};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use support::{WORDS, entry, folder, settings, vector};

const CASES: u64 = 1_000_000;
const WORLDS: u64 = 40;
/// Questions between two changes of the documents.
const QUESTIONS: u64 = 1000;
const PEOPLE: u64 = 6;
const GROUPS: u64 = 4;
const COLLECTIONS: u64 = 5;
const PASSAGES_PER_REVISION: i64 = 3;

struct World {
    random: SplitMix64,
    index: Index,
    members: BTreeSet<(u64, u64)>,
    grants: BTreeSet<(u64, u64)>,
    /// The collection of each revision that answers, and its passages.
    revisions: BTreeMap<u32, (u64, Vec<i64>)>,
    passages: i64,
    last_revision: i64,
}

/// Every other world gets clusters, and every third one graphs.
fn settings_of(seed: u64) -> IndexSettings {
    let exact_limit = if seed.is_multiple_of(2) {
        8
    } else {
        usize::MAX
    };
    let graph_from = if seed.is_multiple_of(3) { 12 } else { 10_000 };
    IndexSettings {
        exact_limit,
        graph_from,
        ..settings()
    }
}

impl World {
    fn new(seed: u64, dir: &std::path::Path) -> Self {
        let mut world = Self {
            random: SplitMix64::new(seed),
            index: Index::open(dir, settings_of(seed)).unwrap(),
            members: BTreeSet::new(),
            grants: BTreeSet::new(),
            revisions: BTreeMap::new(),
            passages: 0,
            last_revision: 0,
        };
        for _ in 0..6 {
            world.publish();
        }
        for _ in 0..12 {
            world.change_access();
        }
        world
    }

    fn publish(&mut self) {
        let mut entries = Vec::new();
        for _ in 0..=self.random.below(3) {
            self.last_revision += 1;
            let collection = self.random.below(COLLECTIONS);
            let ids: Vec<i64> = (1..=PASSAGES_PER_REVISION)
                .map(|i| self.passages + i)
                .collect();
            entries.extend(ids.iter().map(|id| entry(*id, self.last_revision)));
            self.passages += PASSAGES_PER_REVISION;
            let revision = u32::try_from(self.last_revision).unwrap();
            self.revisions.insert(revision, (collection, ids));
        }
        self.index.add(&entries).unwrap();
    }

    /// Supersedes, removes or moves revisions, or rebuilds the index.
    fn change_documents(&mut self) {
        let known: Vec<u32> = self.revisions.keys().copied().collect();
        let one = known.get(usize::try_from(self.random.below(known.len().max(1) as u64)).unwrap());
        match (self.random.below(8), one) {
            (0 | 1, Some(revision)) => {
                // Gone from the rows; the index is told later, or never.
                self.revisions.remove(revision);
                if self.random.below(2) == 0 {
                    self.index
                        .delete_revisions(&[RevisionId(i64::from(*revision))])
                        .unwrap();
                }
            }
            (2, Some(revision)) => {
                let collection = self.random.below(COLLECTIONS);
                self.revisions.get_mut(revision).unwrap().0 = collection;
            }
            (3, _) => {
                let live = self.revisions.iter().flat_map(|(revision, (_, ids))| {
                    ids.iter().map(|id| Ok(entry(*id, i64::from(*revision))))
                });
                let live: Vec<_> = live.collect();
                self.index
                    .rebuild(
                        live,
                        &SiteQuestions::default(),
                        Regression::Refused,
                        &mut |_| (),
                    )
                    .unwrap();
                // Passages that were removed are never fed again, so the ids go on.
                self.index.add(&[]).unwrap();
            }
            _ => self.publish(),
        }
    }

    fn change_access(&mut self) {
        let (person, group) = (self.random.below(PEOPLE), self.random.below(GROUPS));
        let grant = (self.random.below(COLLECTIONS), group);
        match self.random.below(5) {
            0 => self.members.remove(&(person, group)),
            1 => self.grants.remove(&grant),
            2 => self.members.insert((person, group)),
            _ => self.grants.insert(grant),
        };
    }

    /// What a person may read now: the revisions of the collections granted to a group of theirs.
    fn readable(&self, person: u64) -> BTreeSet<u32> {
        let mine = |group: u64| self.members.contains(&(person, group));
        let granted = |collection: u64| {
            (0..GROUPS).any(|group| mine(group) && self.grants.contains(&(collection, group)))
        };
        let readable = self.revisions.iter().filter(|(_, (c, _))| granted(*c));
        readable.map(|(revision, _)| *revision).collect()
    }

    /// One case; returns how many passages were found.
    fn ask(&mut self) -> u64 {
        if self.random.below(4) == 0 {
            self.change_access();
        }
        let person = self.random.below(PEOPLE);
        let readable = self.readable(person);
        let permitted: RoaringBitmap = readable.iter().copied().collect();
        let question = vector(self.random.below(500));
        let word = WORDS[usize::try_from(self.random.below(WORDS.len() as u64)).unwrap()];
        let text = match self.random.below(4) {
            0 => "",
            1 => "§ 7(2)",
            _ => word,
        };
        let limit = 1 + usize::try_from(self.random.below(8)).unwrap();
        let request = SearchRequest {
            text,
            expansion_terms: word,
            vector: &question,
            permitted: &permitted,
            limit,
            dense_weight: None,
        };
        let found = self.index.search(&request).unwrap();
        let mut passages = BTreeSet::new();
        for hit in &found.hits {
            let revision = u32::try_from(hit.revision.0).unwrap();
            assert!(readable.contains(&revision), "{hit:?} of {readable:?}");
            let of = &self.revisions[&revision].1;
            assert!(of.contains(&hit.passage.0), "{hit:?} is not of {of:?}");
            assert!(passages.insert(hit.passage), "{hit:?} twice");
        }
        // The count tells nothing of what may not be read: it is that of the readable alone.
        let all = readable.len() * usize::try_from(PASSAGES_PER_REVISION).unwrap();
        assert_eq!(found.hits.len(), limit.min(all), "of {readable:?}");
        found.hits.len() as u64
    }
}

#[test]
fn a_million_cases_show_nobody_what_they_may_not_read() {
    let (next, cases, found) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let world = next.fetch_add(1, Ordering::Relaxed);
            if world >= WORLDS {
                return;
            }
            let dir = folder();
            let mut world = World::new(world + 1, dir.path());
            for _ in 0..CASES / WORLDS / QUESTIONS {
                world.change_documents();
                for _ in 0..QUESTIONS {
                    found.fetch_add(world.ask(), Ordering::Relaxed);
                    cases.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let (cases, found) = (cases.into_inner(), found.into_inner());
    println!("{cases} cases, {found} passages found, none outside");
    assert_eq!(cases, CASES);
    assert!(
        found > cases,
        "the worlds are too poor to show anything: {found}"
    );
}
