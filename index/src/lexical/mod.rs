//! The lexical arm: a tantivy index of the words of each passage, its document and its codes, and our own
//! ranking over its postings.

mod block_max;
mod bm25f;
mod compounds;
mod doc_map;
mod document_scores;
mod max_score;
mod phrase_filter;
mod postings;
mod query_terms;
mod search;
mod segment_files;
#[cfg(test)]
mod tests;
mod tf_cache;
mod top_k;
mod view;

use crate::error::{IndexError, Result};
use crate::request::IndexEntry;
use cloister_text::codes::code_tokens;
use cloister_text::{Language, split_letters_and_digits, stem_tokens};
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

use doc_map::{DocMap, PASSAGE, REVISION};

pub(crate) use document_scores::DocumentScores;
pub(crate) use search::LexicalResult;
pub(crate) use top_k::LexicalHit;
pub(crate) use view::LexicalSearcher;

/// The number of a document's first words that are indexed with its metadata: they usually have its
/// title, author and period.
const OPENING_WORDS: usize = 120;

/// The memory budget of the writer.
const WRITER_BYTES: usize = 50_000_000;

/// If there are more segments than this, the smallest are merged.
const MAX_SEGMENTS: usize = 10;

/// The fields, in schema order. Their names in the schema are part of the file format.
#[derive(Clone, Copy)]
struct Fields {
    passage: Field,
    revision: Field,
    /// The stems of title and headings.
    title: Field,
    /// The stems of the text.
    text: Field,
    /// In a revision's first passage: the stems of the document's metadata and first words.
    metadata: Field,
    /// 1 in a revision's first passage.
    first: Field,
    /// The words as written, with positions.
    written: Field,
    /// The stems of long words in reverse, in languages that join words.
    reversed: Field,
    /// The language of the stems.
    language: Field,
}

/// The tantivy index of one generation, with its only writer.
pub(crate) struct LexicalIndex {
    index: Index,
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    doc_maps: HashMap<SegmentId, Arc<DocMap>>,
}

impl Fields {
    /// The fields with length normalisation.
    fn normalized(self) -> [Field; 2] {
        [self.title, self.text]
    }
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // Texts are tokenized before, so that each passage is stemmed in its own language.
    let positions = IndexRecordOption::WithFreqsAndPositions;
    let fields = Fields {
        passage: schema.add_u64_field(PASSAGE, FAST),
        revision: schema.add_u64_field(REVISION, FAST | INDEXED),
        title: schema.add_text_field("above", token_options(IndexRecordOption::WithFreqs, true)),
        text: schema.add_text_field("text", token_options(IndexRecordOption::WithFreqs, true)),
        metadata: schema.add_text_field("about", token_options(IndexRecordOption::Basic, false)),
        first: schema.add_u64_field("first", INDEXED),
        written: schema.add_text_field("written", token_options(positions, false)),
        reversed: schema.add_text_field("reversed", token_options(IndexRecordOption::Basic, false)),
        language: schema.add_text_field("language", STRING),
    };
    (schema.build(), fields)
}

/// How a field of tokens is indexed.
fn token_options(option: IndexRecordOption, lengths: bool) -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(option)
            .set_fieldnorms(lengths),
    )
}

fn tokenized(tokens: Vec<cloister_text::Token>) -> PreTokenizedString {
    let tokens = tokens.into_iter().map(|token| Token {
        offset_from: token.range.start,
        offset_to: token.range.end,
        position: token.position,
        text: token.text,
        position_length: 1,
    });
    PreTokenizedString {
        text: String::new(),
        tokens: tokens.collect(),
    }
}

impl LexicalIndex {
    /// Creates an empty index in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let (schema, _) = schema();
        Self::with(Index::create_in_dir(dir, schema)?)
    }

    /// Opens the index in `dir` and verifies the checksums of all its files.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let index = open_index(dir)?;
        if let Some(file) = segment_files::find_damaged(&index)?.first() {
            return Err(IndexError::Damaged(format!(
                "`{}` has changed",
                file.display()
            )));
        }
        Self::with(index)
    }

    fn with(index: Index) -> Result<Self> {
        let writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
        // Automatic merges would change files after their checksums were recorded.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let reader = open_reader(&index)?;
        let (_, fields) = schema();
        Ok(Self {
            doc_maps: read_doc_maps(&reader.searcher(), fields, &HashMap::new())?,
            index,
            fields,
            writer,
            reader,
        })
    }

    /// The payload of the last commit in `dir`.
    pub(crate) fn payload(dir: &Path) -> Result<Option<String>> {
        Ok(Index::open_in_dir(dir)?.load_metas()?.payload)
    }

    /// A view of the last commit.
    pub(crate) fn searcher(&self) -> LexicalSearcher {
        LexicalSearcher::new(self.reader.searcher(), self.fields, &self.doc_maps)
    }

    /// Adds a passage to the next commit.
    pub(crate) fn add(&self, entry: &IndexEntry, passage: u64, revision: u32) -> Result<()> {
        let language = Language::from_code(entry.language.as_deref());
        let title = format!("{}\n{}", entry.title, entry.headings.join("\n"));
        let full_text = format!("{title}\n{}", entry.text);
        let mut document = TantivyDocument::new();
        document.add_u64(self.fields.passage, passage);
        document.add_u64(self.fields.revision, u64::from(revision));
        for (field, text) in [(self.fields.title, &title), (self.fields.text, &entry.text)] {
            document.add_pre_tokenized_text(field, tokenized(stem_tokens(text, language)));
        }
        let reversed = tokenized(compounds::reversed_stems(&full_text, language));
        document.add_pre_tokenized_text(self.fields.reversed, reversed);
        let written = tokenized(code_tokens(&full_text));
        document.add_pre_tokenized_text(self.fields.written, written);
        if let Some(metadata) = &entry.document_metadata {
            let opening: Vec<&str> = full_text.split_whitespace().take(OPENING_WORDS).collect();
            let metadata = split_letters_and_digits(&format!("{metadata}\n{}", opening.join(" ")));
            let stems = tokenized(stem_tokens(&metadata, language));
            document.add_pre_tokenized_text(self.fields.metadata, stems);
            document.add_u64(self.fields.first, 1);
        }
        document.add_text(self.fields.language, language.code());
        self.writer.add_document(document)?;
        Ok(())
    }

    /// Deletes a revision's passages with the next commit.
    pub(crate) fn delete_revision(&self, revision: u32) {
        let term = Term::from_field_u64(self.fields.revision, u64::from(revision));
        self.writer.delete_term(term);
    }

    /// Discards all changes since the last commit.
    pub(crate) fn roll_back(&mut self) -> Result<()> {
        self.writer.rollback()?;
        self.writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(())
    }

    /// Makes all changes durable, together with `payload`.
    pub(crate) fn commit(&mut self, payload: &str) -> Result<()> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(payload);
        commit.commit()?;
        self.refresh()
    }

    /// Makes commits and merges visible to later searchers.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.reader.reload()?;
        self.doc_maps = read_doc_maps(&self.reader.searcher(), self.fields, &self.doc_maps)?;
        Ok(())
    }

    /// The smallest segments, if there are too many.
    pub(crate) fn next_merge(&self) -> Result<Option<Vec<SegmentId>>> {
        let mut segments = self.index.searchable_segment_metas()?;
        if segments.len() <= MAX_SEGMENTS {
            return Ok(None);
        }
        segments.sort_by_key(tantivy::SegmentMeta::num_docs);
        let small = segments.iter().take(MAX_SEGMENTS - 1);
        Ok(Some(small.map(tantivy::SegmentMeta::id).collect()))
    }

    /// Starts to merge segments. [`Self::refresh`] makes the result visible.
    pub(crate) fn merge(&mut self, segments: &[SegmentId]) -> Merge {
        Merge(self.writer.merge(segments))
    }
}

/// A merge that runs in one of tantivy's threads.
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

/// The document map of every segment; those in `known` are not read again.
fn read_doc_maps(
    searcher: &Searcher,
    fields: Fields,
    known: &HashMap<SegmentId, Arc<DocMap>>,
) -> Result<HashMap<SegmentId, Arc<DocMap>>> {
    let readers = searcher.segment_readers().iter();
    readers
        .map(|reader| {
            let id = reader.segment_id();
            let doc_map = match known.get(&id) {
                Some(known) => Arc::clone(known),
                None => Arc::new(DocMap::read(reader, fields)?),
            };
            Ok((id, doc_map))
        })
        .collect()
}

/// A view of the intact segments in `dir`; `None` if their list cannot be read.
pub(crate) fn recover(dir: &Path) -> Option<LexicalSearcher> {
    let damaged = segment_files::find_damaged(&open_index(dir).ok()?).ok()?;
    segment_files::drop_segments(dir, &damaged).ok()?;
    let searcher = open_reader(&open_index(dir).ok()?).ok()?.searcher();
    let (_, fields) = schema();
    let doc_maps = read_doc_maps(&searcher, fields, &HashMap::new()).ok()?;
    Some(LexicalSearcher::new(searcher, fields, &doc_maps))
}
