//! One question, and the checks of its result.

use crate::oracle::{Document, Revision, collection_name};
use crate::world::{FORMATS, LANGUAGES, TAGS, World, vector};
use cloister_domain::{Passage, PassageId, Principal, RevisionId};
use cloister_index::{Hit, SearchRequest};
use cloister_policies::GrantedCollection;
use cloister_store::{DocumentFilter, Library, RevisionRecord};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Questions that each person asks between two changes.
const QUESTIONS: usize = 8;

/// Counts over all cases.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: u64,
    /// Passages found.
    pub found: u64,
    /// Cases in which permission or the filter excluded revisions.
    pub narrowed: u64,
}

impl World {
    /// Asks as every person, as the product does, and compares all results with the oracle.
    pub async fn ask_as_everyone(&mut self, tally: &mut Tally) {
        for person in 0..self.people.len() {
            let library = self.library(person).await;
            self.check_superseded(person, &library).await;
            self.check_opening(person, &library).await;
            for _ in 0..QUESTIONS {
                self.ask(person, &library, tally).await;
            }
        }
    }

    /// One case: a person's question, and every value that could reveal hidden documents.
    async fn ask(&mut self, person: usize, library: &Library, tally: &mut Tally) {
        let filter = self.filter();
        let revisions = library.matching_revisions(&filter).await.unwrap();
        let asked = self.oracle.asked(person, &filter, self.today());
        let expected: BTreeSet<RevisionId> = asked.iter().map(|(_, r)| r.id).collect();
        let found: BTreeSet<RevisionId> = revisions.iter().copied().collect();
        assert_eq!(found, expected, "person {person}, {filter:?}");
        assert_eq!(
            revisions.len(),
            expected.len(),
            "a revision is counted twice"
        );
        let hidden = self.oracle.revisions().count() - expected.len();
        let readable: usize = asked.iter().map(|(_, r)| r.passages.len()).sum();
        // The bitmap is what the product computed, even if it is wrong.
        let (hits, most) = self.search(&found);
        // The number of hits must not depend on hidden passages.
        if self.is_indexed
            && let Some(most) = most
        {
            assert_eq!(
                hits.len(),
                most.min(readable),
                "person {person}, {filter:?}"
            );
        }
        self.check_hits(person, &filter, library, &hits).await;
        tally.cases += 1;
        tally.found += hits.len() as u64;
        tally.narrowed += u64::from(hidden > 0);
    }

    async fn library(&self, person: usize) -> Library {
        let user = self.store.user(self.people[person]).await.unwrap().unwrap();
        let principal = Principal::from(user);
        let collections = self.store.collections().await.unwrap();
        let granted = collections.iter().map(|collection| GrantedCollection {
            collection: collection.id,
            readers: &collection.readers,
        });
        let permitted = self.policies.permitted(&principal, granted);
        self.store.library(permitted.unwrap(), self.today())
    }

    /// A random filter with at most one condition, sometimes for a day in the past or the future.
    fn filter(&mut self) -> DocumentFilter {
        let day = self.some_day();
        let mut filter = DocumentFilter::default();
        let one = |value: &str| vec![value.to_owned()];
        match self.dice.below(10) {
            0 => filter.collections = vec![collection_name(self.dice.below(5))],
            1 => filter.formats = one(FORMATS[self.dice.below(FORMATS.len())]),
            2 => filter.languages = one(LANGUAGES[self.dice.below(LANGUAGES.len())]),
            3 => filter.tags = one(TAGS[self.dice.below(TAGS.len())]),
            4 => filter.from = Some(day),
            5 => filter.until = Some(day),
            6 => filter.as_of = Some(day),
            _ => {}
        }
        filter
    }

    /// Searches for words of a random document. Also returns the limit if the query has no quotation
    /// marks.
    fn search(&mut self, permitted: &BTreeSet<RevisionId>) -> (Vec<Hit>, Option<usize>) {
        let permitted: RoaringBitmap = permitted
            .iter()
            .map(|id| u32::try_from(id.0).unwrap())
            .collect();
        let asked_about = self.dice.below(self.oracle.revisions().count());
        let (_, of) = self.oracle.revisions().nth(asked_about).unwrap();
        let mark = of.mark.clone();
        let text = match self.dice.below(4) {
            0 => String::new(),
            1 => format!("\"{mark}\" {}", self.word()),
            2 => mark,
            _ => format!("{} {}", self.word(), self.word()),
        };
        let vector = vector(self.dice.below(300));
        let expansion_terms = self.word();
        let limit = 1 + self.dice.below(12);
        let request = SearchRequest {
            text: &text,
            expansion_terms,
            vector: &vector,
            permitted: &permitted,
            limit,
            dense_weight: None,
        };
        let hits = self.index.search(&request).unwrap().hits;
        (hits, (!text.contains('"')).then_some(limit))
    }

    /// Checks that every hit is a passage of a searched revision, with that revision's text and facets.
    async fn check_hits(
        &self,
        person: usize,
        filter: &DocumentFilter,
        library: &Library,
        hits: &[Hit],
    ) {
        let asked = self.oracle.asked(person, filter, self.today());
        let by_id: HashMap<RevisionId, (&Document, &Revision)> = asked
            .iter()
            .map(|(document, r)| (r.id, (*document, *r)))
            .collect();
        let ids: Vec<PassageId> = hits.iter().map(|hit| hit.passage).collect();
        let distinct: BTreeSet<PassageId> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "a passage is found twice");
        for hit in hits {
            let (_, revision) = by_id[&hit.revision];
            assert!(revision.passages.contains(&hit.passage), "{hit:?}");
        }
        let passages: Vec<Passage> = library.passages(&ids).await.unwrap();
        assert_eq!(
            passages.len(),
            ids.len(),
            "a passage that was found cannot be read"
        );
        for passage in &passages {
            let (_, revision) = by_id[&passage.revision];
            assert!(passage.draft.text.contains(&revision.mark), "{passage:?}");
        }
        let revisions: BTreeSet<RevisionId> = hits.iter().map(|hit| hit.revision).collect();
        let revisions: Vec<RevisionId> = revisions.into_iter().collect();
        let sources = library.revisions_by_id(&revisions).await.unwrap();
        let expected = revisions.iter().map(|id| by_id[id]).map(facets_of);
        assert_eq!(counted(sources.values().map(facets)), counted(expected));
    }

    /// Checks that permission and filters apply to superseded revisions too.
    async fn check_superseded(&self, person: usize, library: &Library) {
        let found = library
            .superseded_revisions(&DocumentFilter::default())
            .await
            .unwrap();
        assert_eq!(
            found.into_iter().collect::<BTreeSet<_>>(),
            self.oracle.superseded(person, self.now),
            "person {person}"
        );
    }

    /// Checks that a revision or passage opens by its id only if its document may be read, and that
    /// the list of documents has the current and coming revisions of each readable document.
    async fn check_opening(&mut self, person: usize, library: &Library) {
        let place = self.dice.below(self.oracle.documents.len());
        let document = &self.oracle.documents[place];
        let opens = self.oracle.opens(person, document);
        let revision = self.dice.one_of(&document.history).unwrap();
        let opened = library.revision(revision.id).await.unwrap();
        assert_eq!(
            opened.map(|record| record.path),
            opens.then(|| document.path.clone())
        );
        let page = library.page(revision.id, 1).await.unwrap();
        assert_eq!(
            page.map(|page| page.content.text),
            opens.then(|| revision.text.clone())
        );
        let passages = library.passages(&revision.passages).await.unwrap();
        assert_eq!(
            passages.len(),
            if opens { revision.passages.len() } else { 0 }
        );

        let listed = library.documents().await.unwrap();
        let listed: BTreeSet<RevisionId> = listed.into_iter().map(|record| record.id).collect();
        let expected = self.oracle.listed(person, self.today());
        assert_eq!(listed, expected, "person {person}");
    }
}

/// The facet values of a document.
fn facets(source: &RevisionRecord) -> Vec<String> {
    vec![
        source.path.clone(),
        source.collection_name.clone(),
        source.format.clone(),
        source.language.clone().unwrap_or_default(),
        source.metadata.tags.join(" "),
    ]
}

fn facets_of((document, revision): (&Document, &Revision)) -> Vec<String> {
    vec![
        document.path.clone(),
        collection_name(document.collection),
        revision.format.to_owned(),
        revision.language.to_owned(),
        revision.tag.to_owned(),
    ]
}

/// The number of documents for each facet value.
fn counted(facets: impl Iterator<Item = Vec<String>>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for value in facets.flatten() {
        *counts.entry(value).or_default() += 1;
    }
    counts
}
