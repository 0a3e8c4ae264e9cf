//! A temporary index of a dataset, built as the appliance builds its index.

use crate::dataset::Document;
use crate::dense_weight::Source;
use cloister_answer::evaluation::{
    ANSWER_PASSAGES, AnalyzedQuestion, CANDIDATE_PASSAGES, ExpandedQuery, HITS_PER_PASSAGE,
    WordMatches, expand_missing_words, merge_rows, select_for_answer,
};
use cloister_answer::{Glossary, RetrievedPassage, SiteThesaurus};
use cloister_config::{Config, components};
use cloister_domain::{
    CollectionId, DocumentId, DocumentMetadata, FileHash, Passage, PassageDraft, PassageId,
    RevisionId, Timestamp,
};
use cloister_index::{Hit, Index, IndexEntry, SearchRequest};
use cloister_inference::EmbedderService;
use cloister_ingest::{chunk_pages, embedding_input};
use cloister_store::RevisionRecord;
use roaring::RoaringBitmap;

/// Passages embedded at a time.
const BATCH: usize = 256;

/// A temporary index. Document `i` is revision `i + 1`, and passages are numbered from 1.
pub struct TestIndex {
    /// The index.
    pub index: Index,
    /// The embedder of the index.
    pub embedder: EmbedderService,
    /// The glossary.
    pub glossary: Glossary,
    /// The thesaurus.
    pub thesaurus: SiteThesaurus,
    /// All revisions.
    pub all_revisions: RoaringBitmap,
    passages: Vec<IndexedPassage>,
    _folder: tempfile::TempDir,
}

/// A question and what was retrieved for it.
pub struct Retrieved {
    /// The question.
    pub question: AnalyzedQuestion,
    /// The passages from which it is answered.
    pub passages: Vec<RetrievedPassage>,
    /// How its words relate to those of the documents.
    pub words: WordMatches,
}

struct IndexedPassage {
    revision: RevisionId,
    row_of: Option<PassageId>,
    draft: PassageDraft,
    vector: Vec<f32>,
    judgement_ids: Vec<String>,
}

impl TestIndex {
    /// Chunks, embeds and indexes documents.
    pub async fn build(documents: &[Document], config: &Config) -> anyhow::Result<Self> {
        let embedder = components::open_embedder(config)?;
        let folder = tempfile::tempdir()?;
        let settings = components::index_settings(config, &embedder);
        let mut index = Self {
            index: Index::open(folder.path(), settings)?,
            embedder,
            glossary: components::load_glossary(config)?,
            thesaurus: components::load_thesaurus(config)?,
            passages: Vec::new(),
            all_revisions: (1..=u32::try_from(documents.len())?).collect(),
            _folder: folder,
        };
        let chunk_settings = components::chunk_settings(config);
        let mut batch = Vec::new();
        for (number, document) in (1_i64..).zip(documents) {
            let mut about = Some(document.id.clone());
            let first = index.passages.len();
            for draft in chunk_pages(&document.pages, &index.embedder, &chunk_settings) {
                let pages = draft.spans.iter().map(|span| span.page);
                index.passages.push(IndexedPassage {
                    revision: RevisionId(number),
                    judgement_ids: document.judgement_ids(pages),
                    row_of: draft.row_of.map(|parent| id_at(first + parent)),
                    draft: draft.clone(),
                    vector: Vec::new(),
                });
                batch.push(IndexEntry {
                    passage: PassageId(i64::try_from(index.passages.len())?),
                    revision: RevisionId(number),
                    document_metadata: about.take(),
                    language: document.language.clone(),
                    title: document.title.clone(),
                    headings: draft.headings,
                    text: draft.text,
                    vector: Vec::new(),
                });
            }
            if batch.len() >= BATCH {
                index.add(&mut batch).await?;
            }
        }
        index.add(&mut batch).await?;
        Ok(index)
    }

    /// Embeds and indexes the newest passages.
    async fn add(&mut self, batch: &mut Vec<IndexEntry>) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let texts = batch
            .iter()
            .map(|entry| embedding_input(&entry.title, &entry.headings, &entry.text))
            .collect();
        let vectors = self.embedder.embed_passages(texts).await?;
        let start = self.passages.len() - batch.len();
        let passages = self.passages.iter_mut().skip(start);
        for ((entry, passage), vector) in batch.iter_mut().zip(passages).zip(vectors) {
            passage.vector.clone_from(&vector);
            entry.vector = vector;
        }
        self.index.add(batch)?;
        batch.clear();
        Ok(())
    }

    /// How many passages there are.
    pub fn passage_count(&self) -> usize {
        self.passages.len()
    }

    /// The passages, as sources of generated questions.
    pub fn sources(&self, documents: &[Document]) -> Vec<Source> {
        let mut sources = Vec::new();
        for (id, passage) in (1..).zip(&self.passages) {
            if passage.row_of.is_some() {
                continue;
            }
            let Some(document) = document_of(passage.revision, documents) else {
                continue;
            };
            sources.push(Source {
                entry: IndexEntry {
                    passage: PassageId(id),
                    revision: passage.revision,
                    document_metadata: None,
                    language: document.language.clone(),
                    title: document.title.clone(),
                    headings: passage.draft.headings.clone(),
                    text: passage.draft.text.clone(),
                    vector: passage.vector.clone(),
                },
                sentences: passage.draft.sentences.clone(),
            });
        }
        sources
    }

    /// The ids by which relevance is judged for a passage.
    pub fn judgement_ids(&self, id: PassageId) -> &[String] {
        self.passage(id)
            .map_or(&[], |passage| passage.judgement_ids.as_slice())
    }

    /// Analyses a question and retrieves the passages from which it is answered.
    pub async fn retrieve(
        &self,
        question: &str,
        permitted: &RoaringBitmap,
        documents: &[Document],
    ) -> anyhow::Result<Retrieved> {
        let mut query = ExpandedQuery::new(question, &self.glossary, &self.embedder).await?;
        let mut retrieved = self.search(question, &query, permitted, documents)?;
        let related = expand_missing_words(question, &retrieved, &self.thesaurus.entries);
        if !related.is_empty() {
            let expansions = [query.expansions, related].concat();
            query = ExpandedQuery::with_expansions(question, expansions, &self.embedder).await?;
            retrieved = self.search(question, &query, permitted, documents)?;
        }
        let passages = select_for_answer(retrieved, ANSWER_PASSAGES);
        let question = AnalyzedQuestion::new(question, query.question_vector);
        let mut words = WordMatches::detect(&question, &passages, &self.thesaurus.entries);
        for word in std::mem::take(&mut words.unknown) {
            if !self.index.contains_word(&word, permitted)? {
                words.unknown.push(word);
            }
        }
        Ok(Retrieved {
            question,
            passages,
            words,
        })
    }

    fn search(
        &self,
        question: &str,
        query: &ExpandedQuery,
        permitted: &RoaringBitmap,
        documents: &[Document],
    ) -> anyhow::Result<Vec<RetrievedPassage>> {
        let request = SearchRequest {
            text: question,
            expansion_terms: &query.expansion_text(),
            vector: &query.retrieval_vector,
            permitted,
            limit: CANDIDATE_PASSAGES * HITS_PER_PASSAGE,
            dense_weight: None,
        };
        let hits = self.index.search(&request)?.hits;
        let mut retrieved = self.retrieved(&hits, documents);
        retrieved.truncate(CANDIDATE_PASSAGES);
        Ok(retrieved)
    }

    /// The passages of hits. In place of a row comes the passage that contains it.
    pub fn retrieved(&self, hits: &[Hit], documents: &[Document]) -> Vec<RetrievedPassage> {
        let found = hits
            .iter()
            .filter_map(|hit| self.retrieved_hit(hit, documents))
            .collect();
        merge_rows(found, |id| self.stored_passage(id))
    }

    /// A hit with its passage and document.
    fn retrieved_hit(&self, hit: &Hit, documents: &[Document]) -> Option<RetrievedPassage> {
        let passage = self.stored_passage(hit.passage)?;
        let document = document_of(passage.revision, documents)?;
        Some(RetrievedPassage {
            source: RevisionRecord {
                id: passage.revision,
                document: passage.document,
                collection: passage.collection,
                collection_name: "measured".into(),
                path: document.id.clone(),
                hash: FileHash::digest(document.id.as_bytes()),
                title: document.title.clone(),
                format: "text".into(),
                language: document.language.clone(),
                dated: None,
                stated_effective: None,
                pages: u32::try_from(document.pages.len()).unwrap_or(u32::MAX),
                effective_from: Timestamp::from_millis(0),
                superseded_at: None,
                incomplete: false,
                metadata: DocumentMetadata::default(),
            },
            passage,
            score: hit.score,
            lexical: hit.lexical,
            dense: hit.dense,
        })
    }

    /// The passage that a hit stands for: the hit itself, or the one that contains the row.
    pub fn parent(&self, hit: PassageId) -> PassageId {
        let row_of = self.passage(hit).and_then(|passage| passage.row_of);
        row_of.unwrap_or(hit)
    }

    fn stored_passage(&self, id: PassageId) -> Option<Passage> {
        let passage = self.passage(id)?;
        Some(Passage {
            id,
            revision: passage.revision,
            document: DocumentId(passage.revision.0),
            collection: CollectionId(1),
            row_of: passage.row_of,
            draft: passage.draft.clone(),
        })
    }

    fn passage(&self, id: PassageId) -> Option<&IndexedPassage> {
        self.passages.get(usize::try_from(id.0 - 1).ok()?)
    }
}

/// The id of the passage at this index.
fn id_at(index: usize) -> PassageId {
    PassageId(i64::try_from(index + 1).unwrap_or(i64::MAX))
}

/// The document of a revision.
pub fn document_of(revision: RevisionId, documents: &[Document]) -> Option<&Document> {
    documents.get(usize::try_from(revision.0 - 1).ok()?)
}
