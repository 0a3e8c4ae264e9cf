//! What narrows a search to some of the documents that a person may read.

use crate::error::StoreError;
use crate::library::{Library, RevisionRecord};
use cloister_domain::{Day, RevisionId};
use serde::{Deserialize, Serialize};

/// What narrows a search. An empty list narrows nothing; of a list's values one must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentFilter {
    /// Names of collections.
    pub collections: Vec<String>,
    /// Formats, such as `pdf`.
    pub formats: Vec<String>,
    /// ISO 639-3 codes of languages.
    pub languages: Vec<String>,
    /// Tags, in the site's words.
    pub tags: Vec<String>,
    /// The earliest day.
    pub from: Option<Day>,
    /// The latest day.
    pub until: Option<Day>,
    /// The day whose documents are asked for, in place of today's: superseded ones may be found, and those
    /// whose day is to come.
    pub as_of: Option<Day>,
}

impl DocumentFilter {
    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn admits(&self, revision: &RevisionRecord) -> bool {
        let among = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
        };
        let tags = &revision.labels.tags;
        let day = revision.day();
        among(&self.collections, &revision.collection_name)
            && among(&self.formats, &revision.format)
            && among(
                &self.languages,
                revision.language.as_deref().unwrap_or_default(),
            )
            && (self.tags.is_empty() || self.tags.iter().any(|tag| tags.contains(tag)))
            && self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day <= until)
    }
}

impl RevisionRecord {
    /// The day that counts as the document's: since when it is in force, or the day it names
    /// itself, or the day it was taken in.
    pub fn day(&self) -> Day {
        let taken_in = || Day::of(self.effective_from);
        let said = self.labels.effective.or(self.dated);
        said.unwrap_or_else(taken_in)
    }
}

impl Library {
    /// The revisions that a question is put to: those in force today, or on the filter's day,
    /// and that the filter admits.
    pub async fn revisions(&self, filter: &DocumentFilter) -> Result<Vec<RevisionId>, StoreError> {
        if filter.is_empty() {
            return self.current_revisions().await;
        }
        let day = filter.as_of.unwrap_or(self.today());
        let candidates = self.in_force_on(day).await?;
        let admitted = candidates.iter().filter(|revision| filter.admits(revision));
        Ok(admitted.map(|revision| revision.id).collect())
    }
}

impl Library {
    /// The revisions that answered once, of documents that the filter admits and that answer
    /// otherwise today.
    pub async fn superseded(&self, filter: &DocumentFilter) -> Result<Vec<RevisionId>, StoreError> {
        let old = self.superseded_records().await?;
        let admitted = old.iter().filter(|revision| filter.admits(revision));
        Ok(admitted.map(|revision| revision.id).collect())
    }
}
