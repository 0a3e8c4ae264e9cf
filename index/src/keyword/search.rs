//! An immutable view of the keyword arm, and the search in it.

use super::Fields;
use super::best::{Best, KeywordHit};
use super::look_up::{Found, Word};
use super::postings::Postings;
use super::rank::{Clause, Lengths, Once, Part, Worth, once};
use super::rows::Rows;
use super::walk::walk;
use crate::entry::IndexSettings;
use crate::error::{IndexError, Result};
use crate::revisions::Readable;
use crate::words::Language;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Searcher, SegmentReader, Term};

/// An immutable view of the keyword arm.
#[derive(Clone)]
pub(crate) struct KeywordSearcher {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    rows: Vec<Arc<Rows>>,
    pub(super) languages: Vec<Language>,
}

/// What the words found.
#[derive(Default)]
pub(crate) struct KeywordsFound {
    /// The passages, best first.
    pub hits: Vec<KeywordHit>,
    /// The permitted passages that hold everything between quotation marks; none where the
    /// question quotes nothing, or nothing that is found.
    pub quoting: Option<HashSet<i64>>,
    /// How much of what the question's words are worth is in codes that few passages hold, from 0
    /// to 1. Words know a code, and meaning does not.
    pub coded: f32,
}

/// How a field's words are weighed, for each field whose length counts.
type Weighing = HashMap<Field, Arc<Once>>;

/// What a question's words are looked for with.
struct Asked<'a> {
    readable: &'a Readable,
    /// The readable documents of each segment.
    ranges: Vec<Vec<Range<DocId>>>,
    quoting: Option<&'a HashSet<i64>>,
    weighing: Weighing,
    k1: f32,
}

/// The rarest words of a question are those that one passage of so many holds.
const FEW_AMONG: u64 = 50;

/// Scores are added up in another order where there are more words.
const ROUNDING: f32 = 1.0 - 1e-5;

/// One segment of the view.
type Segment<'a> = (&'a SegmentReader, &'a Arc<Rows>);

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

    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.searcher.segment_readers().iter().zip(&self.rows)
    }

    /// The `limit` best readable passages, best first.
    pub(crate) fn search(
        &self,
        text: &str,
        also: &str,
        readable: &Readable,
        limit: usize,
        settings: &IndexSettings,
    ) -> Result<KeywordsFound> {
        let quoting = self.quoting(text, readable)?;
        let words = self.words(text, also, readable, settings)?;
        if words.list.is_empty() || limit == 0 {
            return Ok(KeywordsFound {
                quoting,
                ..KeywordsFound::default()
            });
        }
        let asked = Asked {
            readable,
            ranges: self
                .rows
                .iter()
                .map(|rows| rows.readable(readable))
                .collect(),
            quoting: quoting.as_ref(),
            weighing: self.weighing(settings)?,
            k1: settings.k1,
        };
        let rare = self.rare(&words.list, limit);
        let floor = self.best(&rare, &asked, Best::new(limit))?.bar();
        let all: Vec<&Word> = words.list.iter().collect();
        let best = self.best(&all, &asked, Best::above(floor * ROUNDING, limit))?;
        Ok(KeywordsFound {
            hits: best.into_hits(),
            quoting,
            coded: words.coded,
        })
    }

    /// Adds the best passages by these words to `best`.
    fn best(&self, words: &[&Word], asked: &Asked<'_>, mut best: Best) -> Result<Best> {
        if words.is_empty() {
            return Ok(best);
        }
        for (number, ((reader, rows), ranges)) in self.segments().zip(&asked.ranges).enumerate() {
            let clauses = clauses(words, number, (reader, rows), &asked.weighing, asked.k1)?;
            let admit = |doc| {
                let found = rows.admit(reader, asked.readable, doc)?;
                let quotes = asked.quoting.is_none_or(|set| set.contains(&found.0));
                quotes.then_some(found)
            };
            walk(clauses, ranges, admit, &mut best);
        }
        Ok(best)
    }

    /// The rarest words, as long as few passages hold them but `limit` do. What these words alone
    /// bring to the last of their best passages, all words bring to the last of theirs, at the
    /// least: so others need not be looked at, where without that the first passages of the index
    /// would all be.
    fn rare<'a>(&self, words: &'a [Word], limit: usize) -> Vec<&'a Word> {
        let mut rarest: Vec<(u64, &Word)> = words.iter().map(|w| (w.passages(), w)).collect();
        rarest.sort_by_key(|(passages, _)| *passages);
        let few = self.passages() / FEW_AMONG;
        let sums = rarest.iter().scan(0, |sum, (passages, _)| {
            *sum += passages;
            Some(*sum)
        });
        let sums: Vec<u64> = sums.take_while(|sum| *sum <= few).collect();
        let enough = sums.last().is_some_and(|sum| *sum >= limit as u64);
        if !enough || sums.len() == rarest.len() {
            return Vec::new();
        }
        let rarest = rarest.into_iter().take(sums.len());
        rarest.map(|(_, word)| word).collect()
    }

    fn weighing(&self, settings: &IndexSettings) -> Result<Weighing> {
        let weights = [settings.title_weight, 1.0];
        let fields = self.fields.counted().into_iter().zip(weights);
        fields
            .map(|(field, weight)| {
                let once = once(self.average(field)?, weight, settings.b);
                Ok((field, Arc::new(once)))
            })
            .collect()
    }

    /// How many words a passage has in this field.
    fn average(&self, field: Field) -> Result<f32> {
        let (mut tokens, mut passages) = (0, 0);
        for (reader, _) in self.segments() {
            tokens += reader.inverted_index(field)?.total_num_tokens();
            passages += u64::from(reader.max_doc());
        }
        Ok(tokens as f32 / passages.max(1) as f32)
    }

    /// The highest revision of which there are passages.
    pub(super) fn last_revision(&self) -> u32 {
        let last = self.rows.iter().map(|rows| rows.last_revision).max();
        last.unwrap_or(0)
    }
}

/// The words' postings in the segment of this number.
fn clauses(
    words: &[&Word],
    number: usize,
    segment: Segment<'_>,
    weighing: &Weighing,
    k1: f32,
) -> Result<Vec<Clause>> {
    let mut clauses = Vec::with_capacity(words.len());
    for word in words {
        let mut parts = Vec::new();
        for Found { term, places } in &word.terms {
            if let Some(place) = places.get(number).and_then(Option::as_ref) {
                parts.push(part(term, place, segment, weighing)?);
            }
        }
        if !parts.is_empty() {
            let weight = word.weight;
            let worth = Worth { weight, k1 };
            clauses.push(Clause::new(parts, worth));
        }
    }
    Ok(clauses)
}

fn part(
    term: &Term,
    place: &TermInfo,
    (reader, rows): Segment<'_>,
    weighing: &Weighing,
) -> Result<Part> {
    let field = term.field();
    let index = reader.inverted_index(field)?;
    let open = || {
        let blocks = index.read_block_postings_from_terminfo(place, IndexRecordOption::WithFreqs);
        blocks.map_err(unread)
    };
    let lengths = rows.lengths(field).zip(weighing.get(&field));
    let lengths = lengths.map(|(of, once)| Lengths {
        of: Arc::clone(of),
        once: Arc::clone(once),
    });
    let known = rows.ceilings.of(
        term,
        lengths.as_ref().map(|lengths| &*lengths.of),
        reader.max_doc(),
        open,
    )?;
    Ok(Part {
        postings: Postings::new(open()?),
        known,
        lengths,
    })
}

pub(super) fn unread(cause: std::io::Error) -> IndexError {
    IndexError::from(tantivy::TantivyError::from(cause))
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
