//! How much a question points to each document: by the words that the document is about.

use super::look_up::{Found, rarity};
use super::postings::Postings;
use super::search::{KeywordSearcher, unread};
use crate::error::Result;
use crate::revisions::Readable;
use crate::words;
use roaring::RoaringBitmap;
use tantivy::Term;
use tantivy::schema::{Field, IndexRecordOption};

/// How much a question points to each document, from 0 to 1 for the best. There are none where
/// documents are short.
#[derive(Default)]
pub(crate) struct Routes {
    /// By revision, how much the question's words tell it from others; empty where there are no
    /// routes.
    told: Vec<f32>,
    /// The revisions of which they tell something.
    known: Vec<u32>,
    /// The highest of `told`.
    best: f32,
}

impl Routes {
    fn new(revisions: usize) -> Self {
        Self {
            told: vec![0.0; revisions],
            ..Self::default()
        }
    }

    fn add(&mut self, revision: u32, rarity: f32) {
        if let Some(told) = self.told.get_mut(revision as usize) {
            if *told == 0.0 {
                self.known.push(revision);
            }
            *told += rarity;
            self.best = self.best.max(*told);
        }
    }

    /// The route to a readable revision, where there are routes.
    pub(crate) fn to(&self, revision: u32) -> Option<f32> {
        let told = self.told.get(revision as usize)?;
        Some(if self.best > 0.0 {
            told / self.best
        } else {
            0.0
        })
    }

    /// The revisions whose routes reach `share`, which is more than 0.
    pub(crate) fn reaching(&self, share: f32) -> RoaringBitmap {
        let reaching = |revision: &u32| self.to(*revision).is_some_and(|route| route >= share);
        self.known.iter().copied().filter(reaching).collect()
    }
}

impl KeywordSearcher {
    /// How well the question's words tell each of the readable documents from others, from 0 to 1
    /// for the best. A word tells the more, the fewer documents it is about.
    pub(crate) fn routes(&self, text: &str, readable: &Readable) -> Result<Routes> {
        let mut routes = Routes::new(self.last_revision() as usize + 1);
        let documents = self.documents()?;
        for stem in self.pointing(text) {
            let found = self.find(Term::from_field_text(self.fields.about, &stem))?;
            let rarity = rarity(found.passages(), documents);
            self.about(&found, readable, |revision| routes.add(revision, rarity))?;
        }
        Ok(routes)
    }

    /// The distinct words by which a question may point to a document.
    fn pointing(&self, text: &str) -> Vec<String> {
        let mut stems = words::question_stems(text, &self.languages);
        for joined in words::joined_stems(text, &self.languages) {
            if !stems.contains(&joined) {
                stems.push(joined);
            }
        }
        stems
    }

    /// Calls `each` with the readable revisions that are about a word.
    fn about(&self, word: &Found, readable: &Readable, mut each: impl FnMut(u32)) -> Result<()> {
        for ((reader, rows), place) in self.segments().zip(&word.places) {
            let Some(place) = place else {
                continue;
            };
            let index = reader.inverted_index(word.term.field())?;
            let option = IndexRecordOption::Basic;
            let blocks = index.read_block_postings_from_terminfo(place, option);
            let mut postings = Postings::new(blocks.map_err(unread)?);
            postings.each_in(&(0..reader.max_doc()), |doc, _| {
                if let Some((_, revision)) = rows.admit(reader, readable, doc) {
                    each(revision);
                }
            });
        }
        Ok(())
    }

    /// How many documents there are.
    fn documents(&self) -> Result<u64> {
        let mut documents = 0;
        for (reader, _) in self.segments() {
            let index = reader.inverted_index(self.fields.first)?;
            let first = index.doc_freq(&first_passage(self.fields.first));
            documents += u64::from(first.map_err(unread)?);
        }
        Ok(documents)
    }
}

/// The mark of a revision's first passage.
fn first_passage(field: Field) -> Term {
    Term::from_field_u64(field, 1)
}
