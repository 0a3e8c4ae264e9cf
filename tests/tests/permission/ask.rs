//! One question, and what its answer is compared with.

use crate::oracle::{Document, Revision, collection_name};
use crate::world::{FORMATS, LANGUAGES, TAGS, World, vector};
use cloister_domain::{Passage, PassageId, Principal, RevisionId};
use cloister_index::{Hit, SearchRequest};
use cloister_policies::Granted;
use cloister_store::{DocumentFilter, Library, RevisionRecord};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Questions that each person asks between two changes.
const QUESTIONS: usize = 8;

/// What came of the cases.
#[derive(Debug, Default)]
pub struct Told {
    pub cases: u64,
    /// Passages found.
    pub found: u64,
    /// Cases in which there were revisions that the question was not put to.
    pub narrowed: u64,
}

impl World {
    /// Asks for everybody, the way the product does, and compares everything with the oracle.
    pub async fn ask_everybody(&mut self, told: &mut Told) {
        for person in 0..self.people.len() {
            let library = self.library(person).await;
            self.check_superseded(person, &library).await;
            self.check_opening(person, &library).await;
            for _ in 0..QUESTIONS {
                self.ask(person, &library, told).await;
            }
        }
    }

    /// One case: a person's question, and all that may tell of what it must not.
    async fn ask(&mut self, person: usize, library: &Library, told: &mut Told) {
        let filter = self.filter();
        let revisions = library.revisions(&filter).await.unwrap();
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
        // The index is told what the product found to be readable, right or wrong.
        let (hits, most) = self.search(&found);
        // How much is found tells nothing of what may not be read.
        if self.caught_up
            && let Some(most) = most
        {
            assert_eq!(
                hits.len(),
                most.min(readable),
                "person {person}, {filter:?}"
            );
        }
        self.check_hits(person, &filter, library, &hits).await;
        told.cases += 1;
        told.found += hits.len() as u64;
        told.narrowed += u64::from(hidden > 0);
    }

    async fn library(&self, person: usize) -> Library {
        let user = self.store.user(self.people[person]).await.unwrap().unwrap();
        let principal = Principal::from(user);
        let collections = self.store.collections().await.unwrap();
        let granted = collections.iter().map(|collection| Granted {
            collection: collection.id,
            readers: &collection.readers,
        });
        let permitted = self.policies.permitted(&principal, granted);
        self.store.library(permitted.unwrap(), self.today())
    }

    /// Nothing, or one thing, narrows the question; sometimes it is about a day long gone or to
    /// come.
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

    /// Asks with words of somebody's document, which mostly is another's. Also returns how much was
    /// asked for, where no quotation marks narrow that.
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
        let also = self.word();
        let limit = 1 + self.dice.below(12);
        let request = SearchRequest {
            text: &text,
            also,
            vector: &vector,
            permitted: &permitted,
            limit,
            semantic_weight: None,
        };
        let hits = self.index.search(&request).unwrap().hits;
        (hits, (!text.contains('"')).then_some(limit))
    }

    /// Every hit is a passage of a revision that was asked, reads as that one reads, and counts for
    /// what that one is.
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
        let sources = library.revisions_of(&revisions).await.unwrap();
        let expected = revisions.iter().map(|id| by_id[id]).map(facets_of);
        assert_eq!(counted(sources.values().map(facets)), counted(expected));
    }

    /// What answered once is narrowed as what answers today.
    async fn check_superseded(&self, person: usize, library: &Library) {
        let found = library
            .superseded(&DocumentFilter::default())
            .await
            .unwrap();
        assert_eq!(
            found.into_iter().collect::<BTreeSet<_>>(),
            self.oracle.superseded(person, self.now),
            "person {person}"
        );
    }

    /// Any revision and any passage, asked for by its number, opens where its document may be read,
    /// and not otherwise; and the list of documents has what is or comes in force of each that may be read.
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

/// What a document counts for, beside its place.
fn facets(source: &RevisionRecord) -> Vec<String> {
    vec![
        source.path.clone(),
        source.collection_name.clone(),
        source.format.clone(),
        source.language.clone().unwrap_or_default(),
        source.labels.tags.join(" "),
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

/// How many documents count for each value.
fn counted(facets: impl Iterator<Item = Vec<String>>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for value in facets.flatten() {
        *counts.entry(value).or_default() += 1;
    }
    counts
}
