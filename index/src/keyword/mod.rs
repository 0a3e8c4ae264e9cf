//! The keyword arm: a tantivy index of the words of each passage, of its document and of its codes,
//! and a ranking of our own over its postings.

mod rank;
mod search;

use crate::entry::IndexEntry;
use crate::error::{IndexError, Result};
use crate::keyword_files;
use crate::words::{self, Language};
use rank::KeywordHit as Hit;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{
    DocId, FutureResult, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, SegmentMeta,
    SegmentReader, TantivyDocument, Term,
};

use search::Readable;
pub(crate) use search::{KeywordSearcher, KeywordsFound, Routes};

/// A passage that the words found.
pub(crate) type KeywordHit = Hit;

const PASSAGE: &str = "passage";
const REVISION: &str = "revision";

/// A document's first words, which mostly name it: title, author, period.
const OPENING_WORDS: usize = 120;

/// Memory for passages that are being indexed.
const WRITER_BYTES: usize = 50_000_000;

/// Above this many segments the smallest are merged.
const MOST_SEGMENTS: usize = 10;

/// The fields, in the order of the schema.
#[derive(Clone, Copy)]
struct Fields {
    passage: Field,
    revision: Field,
    /// Stems of title and headings.
    above: Field,
    /// Stems of the text.
    text: Field,
    /// On a revision's first passage, stems of what tells the document from others.
    about: Field,
    /// 1 on a revision's first passage.
    first: Field,
    /// The words as they are written.
    written: Field,
    /// The language of the stems.
    language: Field,
}

/// The tantivy index of one generation, with its only writer.
pub(crate) struct Keywords {
    index: Index,
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    rows: HashMap<SegmentId, Arc<Rows>>,
}

/// Which passage each document of a segment is, and of which revision.
struct Rows {
    passages: Vec<i64>,
    revisions: Vec<u32>,
    /// Neighbours of one revision.
    runs: Vec<Run>,
    /// The highest of `revisions`.
    last_revision: u32,
}

struct Run {
    revision: u32,
    documents: Range<DocId>,
}

impl Rows {
    fn read(reader: &SegmentReader) -> Result<Self> {
        let (mut passages, mut revisions) = (Vec::new(), Vec::new());
        let passage = reader.fast_fields().u64(PASSAGE)?;
        let revision = reader.fast_fields().u64(REVISION)?;
        for doc in 0..reader.max_doc() {
            let missing = || IndexError::Damaged("a passage has no id".into());
            passages.push(fits(passage.first(doc).ok_or_else(missing)?)?);
            revisions.push(fits(revision.first(doc).ok_or_else(missing)?)?);
        }
        Ok(Self {
            runs: runs(&revisions),
            last_revision: revisions.iter().copied().max().unwrap_or(0),
            passages,
            revisions,
        })
    }
}

impl Rows {
    /// The documents of permitted revisions, as few ranges as they make.
    fn permitted(&self, permitted: &Readable) -> Vec<Range<DocId>> {
        let mut ranges: Vec<Range<DocId>> = Vec::new();
        for run in self
            .runs
            .iter()
            .filter(|run| permitted.contains(run.revision))
        {
            match ranges.last_mut() {
                Some(last) if last.end == run.documents.start => last.end = run.documents.end,
                _ => ranges.push(run.documents.clone()),
            }
        }
        ranges
    }
}

fn runs(revisions: &[u32]) -> Vec<Run> {
    let mut next = 0;
    let neighbours = revisions.chunk_by(|a, b| a == b);
    neighbours
        .filter_map(|run| {
            let start = next;
            next += DocId::try_from(run.len()).ok()?;
            Some(Run {
                revision: *run.first()?,
                documents: start..next,
            })
        })
        .collect()
}

fn fits<T: TryFrom<u64>>(value: u64) -> Result<T> {
    T::try_from(value)
        .map_err(|_too_large| IndexError::Damaged(format!("id `{value}` is too large")))
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // Texts come as tokens already, so that a passage is stemmed in its own language.
    let tokens = |option: IndexRecordOption, lengths: bool| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(option)
                .set_fieldnorms(lengths),
        )
    };
    let positions = IndexRecordOption::WithFreqsAndPositions;
    let fields = Fields {
        passage: schema.add_u64_field(PASSAGE, FAST),
        revision: schema.add_u64_field(REVISION, FAST | INDEXED),
        above: schema.add_text_field("above", tokens(IndexRecordOption::WithFreqs, true)),
        text: schema.add_text_field("text", tokens(IndexRecordOption::WithFreqs, true)),
        about: schema.add_text_field("about", tokens(IndexRecordOption::Basic, false)),
        first: schema.add_u64_field("first", INDEXED),
        written: schema.add_text_field("written", tokens(positions, false)),
        language: schema.add_text_field("language", STRING),
    };
    (schema.build(), fields)
}

fn tokenized(tokens: Vec<Token>) -> PreTokenizedString {
    let text = String::new();
    PreTokenizedString { text, tokens }
}

impl Keywords {
    /// Makes an empty index in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let (schema, _) = schema();
        Self::with(Index::create_in_dir(dir, schema)?)
    }

    /// Opens the index in `dir` and checks the sums of all of its files.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let index = open_index(dir)?;
        if let Some(file) = keyword_files::damaged(&index)?.first() {
            return Err(IndexError::Damaged(format!(
                "`{}` has changed",
                file.display()
            )));
        }
        Self::with(index)
    }

    fn with(index: Index) -> Result<Self> {
        let writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
        // Merging by itself would change files behind the seal's back.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let reader = open_reader(&index)?;
        let (_, fields) = schema();
        Ok(Self {
            rows: read_rows(&reader.searcher(), &HashMap::new())?,
            index,
            fields,
            writer,
            reader,
        })
    }

    /// What the last commit in `dir` was given to remember.
    pub(crate) fn payload(dir: &Path) -> Result<Option<String>> {
        Ok(Index::open_in_dir(dir)?.load_metas()?.payload)
    }

    /// A view of the last commit.
    pub(crate) fn searcher(&self) -> KeywordSearcher {
        KeywordSearcher::new(self.reader.searcher(), self.fields, &self.rows)
    }

    /// Adds a passage to the next commit.
    pub(crate) fn add(&self, entry: &IndexEntry, passage: u64, revision: u32) -> Result<()> {
        let language = Language::of(entry.language.as_deref());
        let above = format!("{}\n{}", entry.title, entry.headings.join("\n"));
        let whole = format!("{above}\n{}", entry.text);
        let mut document = TantivyDocument::new();
        document.add_u64(self.fields.passage, passage);
        document.add_u64(self.fields.revision, u64::from(revision));
        for (field, text) in [(self.fields.above, &above), (self.fields.text, &entry.text)] {
            document.add_pre_tokenized_text(field, tokenized(words::stems(text, language)));
        }
        let written = tokenized(words::written(&whole));
        document.add_pre_tokenized_text(self.fields.written, written);
        if let Some(about) = &entry.about {
            let opening: Vec<&str> = whole.split_whitespace().take(OPENING_WORDS).collect();
            let about = words::parts(&format!("{about}\n{}", opening.join(" ")));
            let stems = tokenized(words::stems(&about, language));
            document.add_pre_tokenized_text(self.fields.about, stems);
            document.add_u64(self.fields.first, 1);
        }
        document.add_text(self.fields.language, language.code());
        self.writer.add_document(document)?;
        Ok(())
    }

    /// Takes a revision's passages out with the next commit.
    pub(crate) fn forget(&self, revision: u32) {
        let term = Term::from_field_u64(self.fields.revision, u64::from(revision));
        self.writer.delete_term(term);
    }

    /// Forgets what was added since the last commit.
    pub(crate) fn roll_back(&mut self) -> Result<()> {
        self.writer.rollback()?;
        self.writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(())
    }

    /// Makes what was added and forgotten durable, together with `payload`.
    pub(crate) fn commit(&mut self, payload: &str) -> Result<()> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(payload);
        commit.commit()?;
        self.refresh()
    }

    /// Lets later searchers see what is committed or merged.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.reader.reload()?;
        self.rows = read_rows(&self.reader.searcher(), &self.rows)?;
        Ok(())
    }

    /// The smallest segments, where there are too many.
    pub(crate) fn wanted_merge(&self) -> Result<Option<Vec<SegmentId>>> {
        let mut segments = self.index.searchable_segment_metas()?;
        if segments.len() <= MOST_SEGMENTS {
            return Ok(None);
        }
        segments.sort_by_key(tantivy::SegmentMeta::num_docs);
        let small = segments.iter().take(MOST_SEGMENTS - 1);
        Ok(Some(small.map(tantivy::SegmentMeta::id).collect()))
    }

    /// Starts to merge segments; [`Self::refresh`] shows what came of it.
    pub(crate) fn merge(&mut self, segments: &[SegmentId]) -> Merge {
        Merge(self.writer.merge(segments))
    }
}

/// A merge that goes on in a thread of tantivy's.
pub(crate) struct Merge(FutureResult<Option<SegmentMeta>>);

impl Merge {
    pub(crate) fn wait(self) -> Result<()> {
        self.0.wait()?;
        Ok(())
    }
}

fn open_index(dir: &Path) -> Result<Index> {
    let index = Index::open_in_dir(dir)?;
    if index.schema() == schema().0 {
        Ok(index)
    } else {
        Err(IndexError::Damaged(
            "it has fields of another version".into(),
        ))
    }
}

fn open_reader(index: &Index) -> Result<IndexReader> {
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
    Ok(reader.try_into()?)
}

/// The ids of every segment; those that are `known` are not read again.
fn read_rows(
    searcher: &Searcher,
    known: &HashMap<SegmentId, Arc<Rows>>,
) -> Result<HashMap<SegmentId, Arc<Rows>>> {
    let readers = searcher.segment_readers().iter();
    readers
        .map(|reader| {
            let id = reader.segment_id();
            let rows = match known.get(&id) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Rows::read(reader)?),
            };
            Ok((id, rows))
        })
        .collect()
}

/// A view of the sound segments in `dir`; `None` where not even the records can be read.
pub(crate) fn salvage(dir: &Path) -> Option<KeywordSearcher> {
    let view = || {
        let damaged = keyword_files::damaged(&open_index(dir)?)?;
        keyword_files::leave_out(dir, &damaged)?;
        let searcher = open_reader(&open_index(dir)?)?.searcher();
        let rows = read_rows(&searcher, &HashMap::new())?;
        Ok::<_, IndexError>(KeywordSearcher::new(searcher, schema().1, &rows))
    };
    view().ok()
}
