//! A simple model of who may read what.

use cloister_domain::{Day, FileId, PassageId, RevisionId, Timestamp};
use cloister_store::DocumentFilter;
use std::collections::BTreeSet;

/// The current state of a world. Numbers identify people, groups and collections.
#[derive(Default)]
pub struct Oracle {
    /// `(person, group)`
    pub members: BTreeSet<(usize, usize)>,
    /// `(collection, group)`
    pub grants: BTreeSet<(usize, usize)>,
    /// The people with the role staff.
    pub staff: BTreeSet<usize>,
    pub documents: Vec<Document>,
}

/// A document, removed or not.
pub struct Document {
    pub file: FileId,
    pub collection: usize,
    pub path: String,
    pub removed: bool,
    /// Its revisions. The last one whose effective date is not in the future is in force.
    pub history: Vec<Revision>,
}

pub struct Revision {
    pub id: RevisionId,
    pub passages: Vec<PassageId>,
    /// A word that no other revision contains.
    pub mark: String,
    pub text: String,
    pub format: &'static str,
    pub language: &'static str,
    pub tag: &'static str,
    pub at: Timestamp,
    /// The effective date in the metadata.
    pub effective: Option<Day>,
}

impl Revision {
    fn day(&self) -> Day {
        self.effective
            .unwrap_or_else(|| Day::from_timestamp(self.at))
    }

    /// The time from which it may be in force.
    fn since(&self) -> Timestamp {
        self.at.max(self.day().start())
    }
}

impl Document {
    fn in_force_on(&self, day: Day) -> Option<&Revision> {
        self.history.iter().rfind(|revision| revision.day() <= day)
    }

    /// The revisions that were in force at some time until `now` and are not in force today.
    fn superseded(&self, now: Timestamp) -> impl Iterator<Item = &Revision> {
        let revisions = self.history.iter().enumerate();
        let superseded = revisions.filter(move |(place, revision)| {
            let later = self.history[place + 1..].iter().map(Revision::since);
            later
                .min()
                .is_some_and(|until| revision.since() < until && until <= now)
        });
        superseded.map(|(_, revision)| revision)
    }

    /// The revisions in force today, or in the future if nothing else is ingested.
    fn listed(&self, today: Day) -> BTreeSet<RevisionId> {
        let days = self.history.iter().map(Revision::day);
        let days = days.filter(|day| *day > today).chain([today]);
        let answering = days.filter_map(|day| self.in_force_on(day));
        answering.map(|revision| revision.id).collect()
    }
}

pub fn collection_name(collection: usize) -> String {
    format!("collection-{collection}")
}

impl Oracle {
    /// Whether a person may open any revision of a document.
    pub fn opens(&self, person: usize, document: &Document) -> bool {
        let granted = |group: &usize| self.grants.contains(&(document.collection, *group));
        let mine = self.members.iter().filter(|(member, _)| *member == person);
        let reads = self.staff.contains(&person) && mine.map(|(_, group)| group).any(granted);
        reads && !document.removed
    }

    /// The revisions that a person's question searches, with their documents.
    pub fn asked(
        &self,
        person: usize,
        filter: &DocumentFilter,
        today: Day,
    ) -> Vec<(&Document, &Revision)> {
        let day = filter.as_of.unwrap_or(today);
        let answering = self
            .readable(person)
            .filter_map(|document| Some((document, document.in_force_on(day)?)));
        answering
            .filter(|(document, revision)| admits(filter, document, revision))
            .collect()
    }

    /// The superseded revisions that a person may read.
    pub fn superseded(&self, person: usize, now: Timestamp) -> BTreeSet<RevisionId> {
        let readable = self.readable(person);
        let superseded = readable.flat_map(|document| document.superseded(now));
        superseded.map(|revision| revision.id).collect()
    }

    /// The revisions in a person's list of documents.
    pub fn listed(&self, person: usize, today: Day) -> BTreeSet<RevisionId> {
        let readable = self.readable(person);
        readable
            .flat_map(|document| document.listed(today))
            .collect()
    }

    fn readable(&self, person: usize) -> impl Iterator<Item = &Document> {
        let documents = self.documents.iter();
        documents.filter(move |document| self.opens(person, document))
    }

    /// All revisions, with their documents.
    pub fn revisions(&self) -> impl Iterator<Item = (&Document, &Revision)> {
        let documents = self.documents.iter();
        documents.flat_map(|document| document.history.iter().map(move |r| (document, r)))
    }

    /// The positions of the documents that are present, or of those that were removed.
    pub fn places(&self, removed: bool) -> Vec<usize> {
        let documents = self.documents.iter().enumerate();
        let wanted = documents.filter(|(_, document)| document.removed == removed);
        wanted.map(|(place, _)| place).collect()
    }
}

fn admits(filter: &DocumentFilter, document: &Document, revision: &Revision) -> bool {
    let among =
        |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|w| w == value);
    among(&filter.collections, &collection_name(document.collection))
        && among(&filter.formats, revision.format)
        && among(&filter.languages, revision.language)
        && among(&filter.tags, revision.tag)
        && filter.from.is_none_or(|from| from <= revision.day())
        && filter.until.is_none_or(|until| revision.day() <= until)
}
