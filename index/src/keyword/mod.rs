//! The keyword arm: a tantivy index of the words of each passage, of its document and of its codes,
//! and a ranking of our own over its postings.

mod best;
mod ceilings;
mod counts;
mod look_up;
mod postings;
mod quotes;
mod rank;
mod routes;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod walk;

use crate::entry::IndexEntry;
use crate::error::{IndexError, Result};
use crate::keyword_files;
use crate::words::{self, Language};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{
    FutureResult, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, SegmentMeta,
    TantivyDocument, Term,
};

use rows::{PASSAGE, REVISION, Rows};

pub(crate) use best::KeywordHit;
pub(crate) use routes::Routes;
pub(crate) use search::{KeywordSearcher, KeywordsFound};

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

impl Fields {
    /// Those whose length counts.
    fn counted(self) -> [Field; 2] {
        [self.above, self.text]
    }
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
            rows: read_rows(&reader.searcher(), fields, &HashMap::new())?,
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
        self.rows = read_rows(&self.reader.searcher(), self.fields, &self.rows)?;
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
    fields: Fields,
    known: &HashMap<SegmentId, Arc<Rows>>,
) -> Result<HashMap<SegmentId, Arc<Rows>>> {
    let readers = searcher.segment_readers().iter();
    readers
        .map(|reader| {
            let id = reader.segment_id();
            let rows = match known.get(&id) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Rows::read(reader, fields)?),
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
        let (_, fields) = schema();
        let rows = read_rows(&searcher, fields, &HashMap::new())?;
        Ok::<_, IndexError>(KeywordSearcher::new(searcher, fields, &rows))
    };
    view().ok()
}
