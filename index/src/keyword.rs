//! The keyword arm: tantivy, BM25 over title, headings, body and codes.

use crate::entry::IndexEntry;
use crate::error::{IndexError, Result};
use crate::keyword_files;
use crate::permitted::{Permitted, Within};
use crate::words;
use roaring::RoaringBitmap;
use std::path::Path;
use std::sync::Arc;
use tantivy::collector::TopDocs;
use tantivy::index::SegmentId;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{
    FutureResult, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, SegmentMeta,
    TantivyDocument, Term,
};

const PASSAGE: &str = "passage";
const REVISION: &str = "revision";

/// How much a word counts in each field; the body is 1.
const TITLE_BOOST: f32 = 2.0;
const HEADINGS_BOOST: f32 = 1.5;
const CODES_BOOST: f32 = 1.5;

/// Memory for passages that are being indexed.
const WRITER_BYTES: usize = 50_000_000;

/// Above this many segments the smallest are merged.
const MOST_SEGMENTS: usize = 10;

/// The fields, in the order of the schema.
#[derive(Clone, Copy)]
struct Fields {
    passage: Field,
    revision: Field,
    title: Field,
    headings: Field,
    body: Field,
    codes: Field,
}

/// The tantivy index of one generation, with its only writer.
pub(crate) struct Keywords {
    index: Index,
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
}

/// A passage that the words found.
pub(crate) struct KeywordHit {
    pub passage: i64,
    pub revision: u32,
    pub score: f32,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |tokenizer: &str| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(IndexRecordOption::WithFreqs),
        )
    };
    let fields = Fields {
        passage: schema.add_u64_field(PASSAGE, FAST),
        revision: schema.add_u64_field(REVISION, FAST | INDEXED),
        title: schema.add_text_field("title", text(words::PROSE)),
        headings: schema.add_text_field("headings", text(words::PROSE)),
        body: schema.add_text_field("body", text(words::PROSE)),
        codes: schema.add_text_field("codes", text(words::CODES)),
    };
    (schema.build(), fields)
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
        register(&index);
        let writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
        // Merging by itself would change files behind the seal's back.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let (_, fields) = schema();
        Ok(Self {
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
        KeywordSearcher {
            searcher: self.reader.searcher(),
            fields: self.fields,
        }
    }

    /// Adds a passage to the next commit.
    pub(crate) fn add(&self, entry: &IndexEntry, passage: u64, revision: u32) -> Result<()> {
        let mut document = TantivyDocument::new();
        let headings = entry.headings.join("\n");
        let all = [entry.title.as_str(), headings.as_str(), entry.text.as_str()];
        let codes: Vec<String> = all.into_iter().flat_map(words::codes).collect();
        document.add_u64(self.fields.passage, passage);
        document.add_u64(self.fields.revision, u64::from(revision));
        document.add_text(self.fields.title, &entry.title);
        document.add_text(self.fields.headings, &headings);
        document.add_text(self.fields.body, &entry.text);
        document.add_text(self.fields.codes, codes.join(" "));
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
    pub(crate) fn refresh(&self) -> Result<()> {
        Ok(self.reader.reload()?)
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

fn register(index: &Index) {
    let tokenizers = index.tokenizers();
    tokenizers.register(words::PROSE, words::prose());
    tokenizers.register(words::CODES, words::code_analyzer());
}

/// An immutable view of the keyword arm.
#[derive(Clone)]
pub(crate) struct KeywordSearcher {
    searcher: Searcher,
    fields: Fields,
}

impl KeywordSearcher {
    /// A view of the sound segments in `dir`; `None` where not even the records can be read.
    pub(crate) fn salvage(dir: &Path) -> Option<Self> {
        let view = || {
            let damaged = keyword_files::damaged(&open_index(dir)?)?;
            keyword_files::leave_out(dir, &damaged)?;
            let index = open_index(dir)?;
            register(&index);
            let reader: IndexReader = index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .try_into()?;
            Ok::<_, IndexError>(Self {
                searcher: reader.searcher(),
                fields: schema().1,
            })
        };
        view().ok()
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
    ) -> Result<Vec<KeywordHit>> {
        let terms = self.terms(text, permitted);
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let top = TopDocs::with_limit(limit).order_by_score();
        let found = self.searcher.search(&BooleanQuery::new(terms), &top)?;
        found
            .into_iter()
            .map(|(score, address)| {
                let reader = self.searcher.segment_reader(address.segment_ord);
                let value = |field| -> Result<u64> {
                    let value = reader.fast_fields().u64(field)?.first(address.doc_id);
                    value.ok_or_else(|| IndexError::Damaged(format!("a passage has no {field}")))
                };
                Ok(KeywordHit {
                    passage: fits(value(PASSAGE)?)?,
                    revision: fits(value(REVISION)?)?,
                    score,
                })
            })
            .collect()
    }

    fn terms(&self, text: &str, permitted: &RoaringBitmap) -> Vec<(Occur, Box<dyn Query>)> {
        let permitted = Permitted::new(permitted.clone(), REVISION);
        let one = |field: Field, word: &str, boost: f32| -> (Occur, Box<dyn Query>) {
            let term = Term::from_field_text(field, word);
            let term = TermQuery::new(term, IndexRecordOption::WithFreqs);
            let within = Within {
                query: Arc::new(BoostQuery::new(Box::new(term), boost)),
                permitted: Arc::clone(&permitted),
            };
            (Occur::Should, Box::new(within))
        };
        let stems = words::stems(text);
        let codes = words::question_codes(text);
        let prose = stems.iter().flat_map(|stem| {
            [
                one(self.fields.title, stem, TITLE_BOOST),
                one(self.fields.headings, stem, HEADINGS_BOOST),
                one(self.fields.body, stem, 1.0),
            ]
        });
        let codes = codes
            .iter()
            .map(|code| one(self.fields.codes, code, CODES_BOOST));
        prose.chain(codes).collect()
    }
}

fn fits<T: TryFrom<u64>>(value: u64) -> Result<T> {
    T::try_from(value)
        .map_err(|_too_large| IndexError::Damaged(format!("id `{value}` is too large")))
}
