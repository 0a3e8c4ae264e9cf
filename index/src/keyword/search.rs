//! A question's words, looked up in an immutable view of the index.

use super::rank::{Best, Clause, KeywordHit, Lengths, Part, walk};
use super::{Fields, Rows};
use crate::entry::IndexSettings;
use crate::error::{IndexError, Result};
use crate::words::{self, Language};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::query::{EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

/// A code that begins like the question's is worth this share of it.
const PREFIX_SHARE: f32 = 0.5;
/// No more codes than this are looked up for one that they begin with.
const MOST_PREFIXED: usize = 32;

/// A code is rare in one passage of so many, or in so few.
const RARE: u64 = 1000;
const FEW: u64 = 4;

/// An immutable view of the keyword arm.
#[derive(Clone)]
pub(crate) struct KeywordSearcher {
    searcher: Searcher,
    fields: Fields,
    rows: Vec<Arc<Rows>>,
    languages: Vec<Language>,
}

/// What the words found.
#[derive(Default)]
pub(crate) struct KeywordsFound {
    /// The passages, best first.
    pub hits: Vec<KeywordHit>,
    /// The permitted passages that hold everything between quotation marks; none where the
    /// question quotes nothing, or nothing that is found.
    pub quoting: Option<HashSet<i64>>,
    /// Whether the question holds a code that few passages hold, so that words tell more than
    /// meaning does.
    pub coded: bool,
}

/// How much a question points to each document, from 0 to 1 for the best.
#[derive(Default)]
pub(crate) struct Routes {
    /// By revision; negative where there is no route.
    shares: Vec<f32>,
}

impl Routes {
    /// The routes to `revisions`, of each of which the question's words told so much.
    fn new(told: &[f32], revisions: impl Iterator<Item = u32>) -> Self {
        let mut shares = vec![-1.0_f32; told.len()];
        let mut best = 0.0_f32;
        for place in revisions.map(|revision| revision as usize) {
            if let (Some(share), Some(told)) = (shares.get_mut(place), told.get(place)) {
                *share = *told;
                best = best.max(*told);
            }
        }
        if best > 0.0 {
            for share in &mut shares {
                *share /= best;
            }
        }
        Self { shares }
    }

    /// The route to a revision, where there is one.
    pub(crate) fn to(&self, revision: u32) -> Option<f32> {
        let share = self.shares.get(revision as usize).copied();
        share.filter(|share| *share >= 0.0)
    }

    /// The revisions whose routes reach `share`.
    pub(crate) fn reaching(&self, share: f32) -> RoaringBitmap {
        let routes = (0_u32..).zip(&self.shares);
        let reaching = routes.filter(|(_, route)| **route >= share);
        reaching.map(|(revision, _)| revision).collect()
    }
}

/// The permitted revisions, quickly asked for each passage that a common word meets.
pub(super) struct Readable {
    bits: Vec<u64>,
}

impl Readable {
    /// Those of `permitted` up to the revision `last`.
    fn new(permitted: &RoaringBitmap, last: usize) -> Self {
        let mut bits = vec![0; last / 64 + 1];
        for revision in permitted.iter().map(|revision| revision as usize) {
            match bits.get_mut(revision / 64) {
                Some(word) => *word |= 1 << (revision % 64),
                None => break,
            }
        }
        Self { bits }
    }

    pub(super) fn contains(&self, revision: u32) -> bool {
        let word = self.bits.get(revision as usize / 64);
        word.is_some_and(|word| word >> (revision % 64) & 1 == 1)
    }
}

/// A word to look up.
struct Word {
    /// It, in every field where it counts.
    terms: Vec<Term>,
    weight: f32,
    /// Whether it counts the more the oftener it stands there.
    counted: bool,
}

impl KeywordSearcher {
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        rows: &HashMap<SegmentId, Arc<Rows>>,
    ) -> Self {
        let of = |reader: &SegmentReader| rows.get(&reader.segment_id()).map(Arc::clone);
        let rows = searcher.segment_readers().iter().filter_map(of).collect();
        let languages = languages(&searcher, fields.language);
        Self {
            searcher,
            fields,
            rows,
            languages,
        }
    }

    pub(crate) fn passages(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// The `limit` best permitted passages, best first.
    pub(crate) fn search(
        &self,
        text: &str,
        permitted: &RoaringBitmap,
        limit: usize,
        settings: &IndexSettings,
    ) -> Result<KeywordsFound> {
        let permitted = Readable::new(permitted, self.last_revision());
        let quoting = self.quoting(text, &permitted)?;
        let words = self.words(text, settings)?;
        if words.is_empty() || limit == 0 {
            return Ok(KeywordsFound {
                quoting,
                ..KeywordsFound::default()
            });
        }
        let fields = [
            (self.fields.above, settings.title_weight),
            (self.fields.text, 1.0),
        ];
        let mut best = Best::new(limit);
        for (reader, rows) in self.searcher.segment_readers().iter().zip(&self.rows) {
            let mut lengths = HashMap::new();
            for (field, weight) in fields {
                let norms = reader.get_fieldnorms_reader(field)?;
                let of = Lengths::new(norms, self.average(field)?, weight, settings.b);
                lengths.insert(field, Arc::new(of));
            }
            let clauses = clauses(&words, reader, &lengths, settings.k1)?;
            let seen = |doc| {
                let found = admit(reader, rows, &permitted, doc)?;
                let quotes = quoting.as_ref().is_none_or(|set| set.contains(&found.0));
                quotes.then_some(found)
            };
            walk(clauses, &rows.permitted(&permitted), seen, &mut best);
        }
        Ok(KeywordsFound {
            hits: best.into_hits(),
            quoting,
            coded: self.coded(text)?,
        })
    }

    /// The question's stems and its codes.
    fn words(&self, text: &str, settings: &IndexSettings) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        for stem in words::question_stems(text, &self.languages) {
            let fields = [self.fields.above, self.fields.text];
            words.extend(self.word(&fields, &stem, 1.0, true)?);
        }
        let written = [self.fields.written];
        for code in words::question_codes(text) {
            let weight = settings.code_weight;
            words.extend(self.word(&written, &code, weight, false)?);
            for longer in self.begun_with(&code)? {
                let weight = weight * PREFIX_SHARE;
                words.extend(self.word(&written, &longer, weight, false)?);
            }
        }
        Ok(words)
    }

    fn word(
        &self,
        fields: &[Field],
        text: &str,
        weight: f32,
        counted: bool,
    ) -> Result<Option<Word>> {
        let term = |field: &Field| Term::from_field_text(*field, text);
        let terms: Vec<Term> = fields.iter().map(term).collect();
        let mut with = 0;
        for term in &terms {
            with = self.searcher.doc_freq(term)?.max(with);
        }
        let weight = weight * rarity(with, self.passages());
        let found = with > 0 && weight > 0.0;
        Ok(found.then_some(Word {
            terms,
            weight,
            counted,
        }))
    }

    /// Whether one of the question's codes, numbers aside, is in few passages.
    fn coded(&self, text: &str) -> Result<bool> {
        let few = (self.passages() / RARE).max(FEW);
        for code in words::question_codes(text) {
            let term = Term::from_field_text(self.fields.written, &code);
            let with = self.searcher.doc_freq(&term)?;
            if (1..=few).contains(&with) && !words::is_number(&code) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Codes that go on where this one ends, such as `e11.9` after `e11`, in the order of letters.
    fn begun_with(&self, code: &str) -> Result<BTreeSet<String>> {
        let mut longer = BTreeSet::new();
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(self.fields.written)?;
            let mut stream = index
                .terms()
                .range()
                .ge(code.as_bytes())
                .into_stream()
                .map_err(unread)?;
            while let Some((bytes, _)) = stream.next() {
                let Some(after) = bytes.strip_prefix(code.as_bytes()) else {
                    break;
                };
                let goes_on = after.first().is_some_and(u8::is_ascii_punctuation);
                if let Ok(word) = std::str::from_utf8(bytes)
                    && goes_on
                {
                    longer.insert(word.to_owned());
                }
                if longer.len() >= MOST_PREFIXED {
                    break;
                }
            }
        }
        Ok(longer)
    }

    /// How well the question's words tell each of these revisions from others, from 0 to 1 for the
    /// best. A word tells the more, the fewer documents it is about.
    pub(crate) fn routes(
        &self,
        text: &str,
        revisions: impl Iterator<Item = u32>,
    ) -> Result<Routes> {
        let mut told = vec![0.0_f32; self.last_revision() + 1];
        for stem in words::question_stems(text, &self.languages) {
            let term = Term::from_field_text(self.fields.about, &stem);
            let rarity = rarity(self.searcher.doc_freq(&term)?, self.documents()?);
            self.about(&term, |revision| {
                if let Some(told) = told.get_mut(revision as usize) {
                    *told += rarity;
                }
            })?;
        }
        Ok(Routes::new(&told, revisions))
    }

    /// Calls `each` with the revisions that are about a word.
    fn about(&self, term: &Term, mut each: impl FnMut(u32)) -> Result<()> {
        for (reader, rows) in self.searcher.segment_readers().iter().zip(&self.rows) {
            let index = reader.inverted_index(term.field())?;
            let postings = index.read_postings(term, IndexRecordOption::Basic);
            let Some(mut docs) = postings.map_err(unread)? else {
                continue;
            };
            while docs.doc() != TERMINATED {
                let place = usize::try_from(docs.doc()).unwrap_or(usize::MAX);
                let known = rows.revisions.get(place).copied();
                if let Some(revision) = known.filter(|_| is_alive(reader, docs.doc())) {
                    each(revision);
                }
                docs.advance();
            }
        }
        Ok(())
    }

    /// The highest revision of which there are passages.
    fn last_revision(&self) -> usize {
        let last = self.rows.iter().map(|rows| rows.last_revision).max();
        last.unwrap_or(0) as usize
    }

    /// How many documents there are.
    fn documents(&self) -> Result<u64> {
        let mut documents = 0;
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(self.fields.first)?;
            let first = index.doc_freq(&first_passage(self.fields.first));
            documents += u64::from(first.map_err(unread)?);
        }
        Ok(documents)
    }

    /// How many words a passage has in this field.
    fn average(&self, field: Field) -> Result<f32> {
        let (mut tokens, mut passages) = (0, 0);
        for reader in self.searcher.segment_readers() {
            tokens += reader.inverted_index(field)?.total_num_tokens();
            passages += u64::from(reader.max_doc());
        }
        Ok(tokens as f32 / passages.max(1) as f32)
    }

    /// The permitted passages that hold all that the question quotes. A question that quotes what
    /// no passage says is asked as if it quoted nothing.
    fn quoting(&self, text: &str, permitted: &Readable) -> Result<Option<HashSet<i64>>> {
        let mut all: Option<HashSet<i64>> = None;
        for phrase in words::quoted(text) {
            let with = self.with_phrase(&phrase, permitted)?;
            all = Some(match all {
                Some(before) => before.intersection(&with).copied().collect(),
                None => with,
            });
        }
        Ok(all.filter(|passages| !passages.is_empty()))
    }

    fn with_phrase(&self, phrase: &[String], permitted: &Readable) -> Result<HashSet<i64>> {
        let term = |word: &String| Term::from_field_text(self.fields.written, word);
        let query: Box<dyn Query> = match phrase {
            [word] => Box::new(TermQuery::new(term(word), IndexRecordOption::Basic)),
            words => Box::new(PhraseQuery::new(words.iter().map(term).collect())),
        };
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut found = HashSet::new();
        for (reader, rows) in self.searcher.segment_readers().iter().zip(&self.rows) {
            let mut docs = weight.scorer(reader, 1.0)?;
            while docs.doc() != TERMINATED {
                found.extend(admit(reader, rows, permitted, docs.doc()).map(|(id, _)| id));
                docs.advance();
            }
        }
        Ok(found)
    }
}

/// The words' postings in one segment.
fn clauses(
    words: &[Word],
    reader: &SegmentReader,
    lengths: &HashMap<Field, Arc<Lengths>>,
    k1: f32,
) -> Result<Vec<Clause>> {
    let mut clauses = Vec::with_capacity(words.len());
    for word in words {
        let option = if word.counted {
            IndexRecordOption::WithFreqs
        } else {
            IndexRecordOption::Basic
        };
        let mut parts = Vec::new();
        for term in &word.terms {
            let index = reader.inverted_index(term.field())?;
            if let Some(postings) = index.read_postings(term, option).map_err(unread)? {
                let lengths = lengths.get(&term.field()).filter(|_| word.counted);
                let lengths = lengths.map(Arc::clone);
                parts.push(Part { postings, lengths });
            }
        }
        if !parts.is_empty() {
            let weight = word.weight;
            clauses.push(Clause { parts, weight, k1 });
        }
    }
    Ok(clauses)
}

/// Which passage a document is and of which revision, where it may be read and was not forgotten.
fn admit(
    reader: &SegmentReader,
    rows: &Rows,
    permitted: &Readable,
    doc: DocId,
) -> Option<(i64, u32)> {
    let place = usize::try_from(doc).ok()?;
    let revision = *rows.revisions.get(place)?;
    let readable = permitted.contains(revision) && is_alive(reader, doc);
    let passage = *rows.passages.get(place)?;
    readable.then_some((passage, revision))
}

fn is_alive(reader: &SegmentReader, doc: DocId) -> bool {
    reader.alive_bitset().is_none_or(|set| set.is_alive(doc))
}

fn unread(cause: std::io::Error) -> IndexError {
    IndexError::from(tantivy::TantivyError::from(cause))
}

/// The mark of a revision's first passage.
fn first_passage(field: Field) -> Term {
    Term::from_field_u64(field, 1)
}

/// How rare a word is: BM25's inverse document frequency.
fn rarity(with: u64, of: u64) -> f32 {
    let (with, of) = (with as f32, of as f32);
    (1.0 + (of - with + 0.5).max(0.0) / (with + 0.5)).ln()
}

/// The languages that the passages are in.
fn languages(searcher: &Searcher, field: Field) -> Vec<Language> {
    let all = ["nld", "eng", "fra", "deu", "ita", "por", "spa"];
    let known = all.into_iter().map(|code| Language::of(Some(code)));
    known
        .filter(|language| {
            let term = Term::from_field_text(field, language.code());
            searcher.doc_freq(&term).is_ok_and(|with| with > 0)
        })
        .collect()
}
