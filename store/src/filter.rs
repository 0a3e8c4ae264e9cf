//! Filters that narrow a search to some of the documents that a person may read.

use crate::error::StoreError;
use crate::library::{Library, RevisionRecord};
use cloister_domain::{Day, RevisionId};
use serde::{Deserialize, Serialize};

/// Narrows a search. An empty list narrows nothing. If a list has values, one of them must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentFilter {
    /// Names of collections.
    pub collections: Vec<String>,
    /// Formats, such as `pdf`.
    pub formats: Vec<String>,
    /// ISO 639-3 codes.
    pub languages: Vec<String>,
    /// Tags, as defined by the site.
    pub tags: Vec<String>,
    /// The earliest day.
    pub from: Option<Day>,
    /// The latest day.
    pub until: Option<Day>,
    /// The day whose documents are searched, instead of today's. They may be superseded, or not in
    /// force yet.
    pub as_of: Option<Day>,
}

impl DocumentFilter {
    /// Whether the filter narrows nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches(&self, revision: &RevisionRecord) -> bool {
        let tags = &revision.metadata.tags;
        let day = revision.day();
        let language = revision.language.as_deref().unwrap_or_default();
        allows(&self.collections, &revision.collection_name)
            && allows(&self.formats, &revision.format)
            && allows(&self.languages, language)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| tags.contains(tag)))
            && self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day <= until)
    }
}

/// Whether a list of wanted values allows this one. An empty list allows every value.
fn allows(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
}

impl RevisionRecord {
    /// Since when the document is in force, by its metadata or by its own words.
    pub fn effective_day(&self) -> Option<Day> {
        self.metadata.effective.or(self.stated_effective)
    }

    /// The day of the document: the first day on which it is in force if it is known, else the
    /// document's own date, else the day on which it was ingested.
    pub fn day(&self) -> Day {
        self.effective_day()
            .or(self.dated)
            .unwrap_or_else(|| Day::from_timestamp(self.effective_from))
    }
}

impl Library {
    /// The revisions that a search considers: those in force today, or on the filter's day, that
    /// match the filter.
    pub async fn matching_revisions(
        &self,
        filter: &DocumentFilter,
    ) -> Result<Vec<RevisionId>, StoreError> {
        if filter.is_empty() {
            return self.current_revisions().await;
        }
        let day = filter.as_of.unwrap_or(self.today());
        let candidates = self.in_force_on(day).await?;
        let matching = candidates
            .iter()
            .filter(|revision| filter.matches(revision));
        Ok(matching.map(|revision| revision.id).collect())
    }

    /// The superseded revisions of documents that match the filter.
    pub async fn superseded_revisions(
        &self,
        filter: &DocumentFilter,
    ) -> Result<Vec<RevisionId>, StoreError> {
        let old = self.superseded_records().await?;
        let matching = old.iter().filter(|revision| filter.matches(revision));
        Ok(matching.map(|revision| revision.id).collect())
    }
}
