//! A set as the index holds it, the way the appliance would.

use super::corpus::Document;
use crate::app;
use crate::cli::tuning::Source;
use crate::config::Config;
use cloister_answer::glossary::{Glossary, Sought};
use cloister_answer::{CANDIDATES, FoundPassage, RETRIEVED, arrange};
use cloister_domain::{
    CollectionId, DocumentId, FileHash, Labels, Passage, PassageDraft, PassageId, RevisionId,
    Timestamp,
};
use cloister_index::{Hit, Index, IndexEntry, SearchRequest};
use cloister_inference::EmbedderService;
use cloister_ingest::{cut, embedded_text};
use cloister_store::RevisionRecord;
use roaring::RoaringBitmap;

/// Passages embedded at a time.
const BATCH: usize = 256;

/// A set, indexed: document `i` is revision `i + 1`.
pub struct Indexed {
    /// Its index.
    pub index: Index,
    /// What embeds passages and questions.
    pub embedder: EmbedderService,
    /// What terms of questions stand for.
    pub glossary: Glossary,
    /// For each passage, from 1, the documents or pages that it is judged as.
    pub judged: Vec<Vec<String>>,
    /// All of its revisions.
    pub everything: RoaringBitmap,
    /// For each passage, from 1, the revision and what was cut.
    drafts: Vec<(RevisionId, PassageDraft)>,
    /// For each passage, from 1, its vector.
    vectors: Vec<Vec<f32>>,
    _folder: tempfile::TempDir,
}

impl Indexed {
    /// Cuts, embeds and indexes.
    pub async fn build(documents: &[Document], config: &Config) -> anyhow::Result<Self> {
        let embedder = app::open_embedder(config)?;
        let folder = tempfile::tempdir()?;
        let index = Index::open(folder.path(), app::index_settings(config, &embedder))?;
        let mut indexed = Self {
            index,
            embedder,
            glossary: app::glossary(config)?,
            judged: Vec::new(),
            drafts: Vec::new(),
            vectors: Vec::new(),
            everything: (1..=u32::try_from(documents.len())?).collect(),
            _folder: folder,
        };
        let settings = app::passages(config);
        let mut waiting = Vec::new();
        for (number, document) in (1_i64..).zip(documents) {
            let mut first = Some(document.id.clone());
            for draft in cut(&document.pages, &indexed.embedder, &settings) {
                let pages = draft.spans.iter().map(|span| span.page);
                indexed.judged.push(document.judged_as(pages));
                indexed.drafts.push((RevisionId(number), draft.clone()));
                waiting.push(IndexEntry {
                    passage: PassageId(i64::try_from(indexed.judged.len())?),
                    revision: RevisionId(number),
                    about: first.take(),
                    language: document.language.clone(),
                    title: document.title.clone(),
                    headings: draft.headings,
                    text: draft.text,
                    vector: Vec::new(),
                });
            }
            if waiting.len() >= BATCH || number == i64::try_from(documents.len())? {
                indexed.add(&mut waiting).await?;
            }
        }
        Ok(indexed)
    }

    async fn add(&mut self, waiting: &mut Vec<IndexEntry>) -> anyhow::Result<()> {
        let text = |entry: &IndexEntry| embedded_text(&entry.title, &entry.headings, &entry.text);
        let texts = waiting.iter().map(text).collect();
        let vectors = self.embedder.embed_passages(texts).await?;
        self.vectors.extend(vectors.iter().cloned());
        for (entry, vector) in waiting.iter_mut().zip(vectors) {
            entry.vector = vector;
        }
        self.index.add(waiting)?;
        waiting.clear();
        Ok(())
    }

    /// The passages, to make questions of.
    pub fn sources(&self, documents: &[Document]) -> Vec<Source> {
        let passages = (1..).zip(&self.drafts).zip(&self.vectors);
        let source =
            |((id, (revision, draft)), vector): ((i64, &(RevisionId, PassageDraft)), _)| {
                let document = documents.get(usize::try_from(revision.0 - 1).ok()?)?;
                Some(Source {
                    entry: IndexEntry {
                        passage: PassageId(id),
                        revision: *revision,
                        about: None,
                        language: document.language.clone(),
                        title: document.title.clone(),
                        headings: draft.headings.clone(),
                        text: draft.text.clone(),
                        vector: Vec::clone(vector),
                    },
                    sentences: draft.sentences.clone(),
                })
            };
        passages.filter_map(source).collect()
    }

    /// What a passage is judged as.
    pub fn judged_as(&self, passage: PassageId) -> &[String] {
        let index = usize::try_from(passage.0 - 1).unwrap_or(usize::MAX);
        self.judged.get(index).map_or(&[], Vec::as_slice)
    }

    /// A question's vector, and the passages that it would be answered from.
    pub async fn passages_for(
        &self,
        question: &str,
        permitted: &RoaringBitmap,
        documents: &[Document],
    ) -> anyhow::Result<(Vec<f32>, Vec<FoundPassage>)> {
        let sought = Sought::of(question, &self.glossary, &self.embedder).await?;
        let request = SearchRequest {
            text: question,
            also: &sought.also(),
            vector: &sought.vector,
            permitted,
            limit: CANDIDATES,
            semantic_weight: None,
        };
        let hits = self.index.search(&request)?.hits;
        let found = hits.iter().filter_map(|hit| self.found(hit, documents));
        let passages = arrange::for_an_answer(found.collect(), RETRIEVED);
        Ok((sought.question, passages))
    }

    /// A hit as an answer is made from it.
    pub fn found(&self, hit: &Hit, documents: &[Document]) -> Option<FoundPassage> {
        let place = usize::try_from(hit.passage.0 - 1).ok()?;
        let (revision, draft) = self.drafts.get(place)?;
        let document = documents.get(usize::try_from(revision.0 - 1).ok()?)?;
        Some(FoundPassage {
            passage: Passage {
                id: hit.passage,
                revision: *revision,
                document: DocumentId(revision.0),
                collection: CollectionId(1),
                draft: draft.clone(),
            },
            source: RevisionRecord {
                id: *revision,
                document: DocumentId(revision.0),
                collection: CollectionId(1),
                collection_name: "measured".into(),
                path: document.id.clone(),
                hash: FileHash::of(document.id.as_bytes()),
                title: document.title.clone(),
                format: "text".into(),
                language: document.language.clone(),
                dated: None,
                pages: u32::try_from(document.pages.len()).unwrap_or(u32::MAX),
                effective_from: Timestamp::from_millis(0),
                superseded_at: None,
                labels: Labels::default(),
            },
            score: hit.score,
            keyword: hit.keyword,
            semantic: hit.semantic,
        })
    }
}

impl Document {
    fn judged_as(&self, pages: impl Iterator<Item = u32>) -> Vec<String> {
        if !self.by_page {
            return vec![self.id.clone()];
        }
        let mut ids: Vec<String> = pages.map(|page| format!("{}#p{page}", self.id)).collect();
        ids.dedup();
        ids
    }
}
