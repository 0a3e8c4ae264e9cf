//! An immutable view of the lexical index.

use super::Fields;
use super::doc_map::DocMap;
use crate::error::{IndexError, Result};
use cloister_text::Language;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::schema::Field;
use tantivy::{Searcher, SegmentReader, Term};

/// One segment of a view.
pub(super) type SegmentView<'a> = (&'a SegmentReader, &'a Arc<DocMap>);

/// An immutable view of the lexical index.
#[derive(Clone)]
pub(crate) struct LexicalSearcher {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    doc_maps: Vec<Arc<DocMap>>,
    pub(super) languages: Vec<Language>,
}

impl LexicalSearcher {
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        doc_maps: &HashMap<SegmentId, Arc<DocMap>>,
    ) -> Self {
        let readers = searcher.segment_readers().iter();
        let doc_maps = readers
            .filter_map(|reader| doc_maps.get(&reader.segment_id()).map(Arc::clone))
            .collect();
        let languages = find_languages(&searcher, fields.language);
        Self {
            searcher,
            fields,
            doc_maps,
            languages,
        }
    }

    /// The number of passages.
    pub(crate) fn passages(&self) -> u64 {
        self.searcher.num_docs()
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = SegmentView<'_>> {
        let readers = self.searcher.segment_readers().iter();
        readers.zip(&self.doc_maps)
    }

    /// The average length of a field in tokens.
    pub(super) fn average_length(&self, field: Field) -> Result<f32> {
        let (mut tokens, mut passages) = (0, 0);
        for (reader, _) in self.segments() {
            tokens += reader.inverted_index(field)?.total_num_tokens();
            passages += u64::from(reader.max_doc());
        }
        Ok(tokens as f32 / passages.max(1) as f32)
    }

    /// The highest revision.
    pub(super) fn last_revision(&self) -> u32 {
        let last = self.doc_maps.iter().map(|doc_map| doc_map.last_revision);
        last.max().unwrap_or(0)
    }
}

/// The error of a failed read.
pub(super) fn read_error(cause: std::io::Error) -> IndexError {
    IndexError::from(tantivy::TantivyError::from(cause))
}

/// The languages of the passages.
fn find_languages(searcher: &Searcher, field: Field) -> Vec<Language> {
    Language::all()
        .filter(|language| {
            let term = Term::from_field_text(field, language.code());
            searcher.doc_freq(&term).is_ok_and(|doc_freq| doc_freq > 0)
        })
        .collect()
}
