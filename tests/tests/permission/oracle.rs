//! Who may read what, by the plainest of models.

use cloister_domain::{Day, FileId, PassageId, RevisionId, Timestamp};
use cloister_store::DocumentFilter;
use std::collections::BTreeSet;

/// A world as it is now; people, groups and collections are numbers.
#[derive(Default)]
pub struct Oracle {
    /// `(person, group)`
    pub members: BTreeSet<(usize, usize)>,
    /// `(collection, group)`
    pub grants: BTreeSet<(usize, usize)>,
    /// Who has the role of staff.
    pub staff: BTreeSet<usize>,
    pub documents: Vec<Document>,
}

/// A document, removed or not.
pub struct Document {
    pub file: FileId,
    pub collection: usize,
    pub path: String,
    pub removed: bool,
    /// Its revisions; the last answers.
    pub history: Vec<Revision>,
}

pub struct Revision {
    pub id: RevisionId,
    pub passages: Vec<PassageId>,
    /// A word that stands in no other revision.
    pub mark: String,
    pub text: String,
    pub format: &'static str,
    pub language: &'static str,
    pub tag: &'static str,
    pub at: Timestamp,
}

impl Revision {
    fn day(&self) -> Day {
        Day::of(self.at)
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

    /// The revisions that a person's question is put to, with their documents.
    pub fn asked(&self, person: usize, filter: &DocumentFilter) -> Vec<(&Document, &Revision)> {
        let documents = self.documents.iter();
        let readable = documents.filter(|document| self.opens(person, document));
        let answering = readable.filter_map(|document| {
            let in_force =
                |revision: &&Revision| filter.as_of.is_none_or(|day| revision.day() <= day);
            Some((document, document.history.iter().rfind(in_force)?))
        });
        answering
            .filter(|(document, revision)| admits(filter, document, revision))
            .collect()
    }

    /// Every revision there is, with its document.
    pub fn revisions(&self) -> impl Iterator<Item = (&Document, &Revision)> {
        let documents = self.documents.iter();
        documents.flat_map(|document| document.history.iter().map(move |r| (document, r)))
    }

    /// The places of the documents that are there, or that were removed.
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
