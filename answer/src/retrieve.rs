//! Finding passages for one person.

use crate::answerer::Answerer;
use crate::error::AnswerError;
use cloister_domain::Passage;
use cloister_index::SearchRequest;
use cloister_store::{Library, RevisionRecord};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct SearchTask {
    /// The words.
    pub text: String,
    /// At most this many passages.
    pub limit: usize,
}

/// A passage that was found.
#[derive(Clone, Debug)]
pub struct FoundPassage {
    /// The passage.
    pub passage: Passage,
    /// Its document.
    pub source: RevisionRecord,
    /// Both arms together, from 0 to 1.
    pub score: f32,
    /// BM25, where the words were found.
    pub keyword: Option<f32>,
    /// The cosine to the question, where it was among the nearest in meaning.
    pub semantic: Option<f32>,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The passages, best first.
    pub passages: Vec<FoundPassage>,
    /// The question's vector.
    pub vector: Vec<f32>,
    /// How many documents were searched.
    pub documents: u64,
    /// The index's generation.
    pub index_generation: String,
}

impl Answerer {
    /// Finds passages by meaning and by words among the documents of `library`, and no others.
    pub async fn search(&self, library: &Library, task: &SearchTask) -> Result<Found, AnswerError> {
        let revisions = library.current_revisions().await?;
        let permitted: RoaringBitmap = revisions
            .iter()
            .filter_map(|revision| u32::try_from(revision.0).ok())
            .collect();
        let vector = self.embedder.embed_question(task.text.clone()).await?;
        let documents = permitted.len();
        let hits = self.hits(task, vector.clone(), permitted).await?;
        let ids: Vec<_> = hits.iter().map(|hit| hit.passage).collect();
        let mut passages = Vec::with_capacity(ids.len());
        for passage in library.passages(&ids).await? {
            let Some(source) = library.revision(passage.revision).await? else {
                continue;
            };
            let Some(hit) = hits.iter().find(|hit| hit.passage == passage.id) else {
                continue;
            };
            let (score, keyword, semantic) = (hit.score, hit.keyword, hit.semantic);
            passages.push(FoundPassage {
                passage,
                source,
                score,
                keyword,
                semantic,
            });
        }
        let index_generation = self.index.generation();
        Ok(Found {
            passages,
            vector,
            documents,
            index_generation,
        })
    }

    /// Searching takes a core for a while, so it leaves the threads that serve.
    async fn hits(
        &self,
        task: &SearchTask,
        vector: Vec<f32>,
        permitted: RoaringBitmap,
    ) -> Result<Vec<cloister_index::Hit>, AnswerError> {
        let index = Arc::clone(&self.index);
        let (text, limit) = (task.text.clone(), task.limit);
        let searched = tokio::task::spawn_blocking(move || {
            let request = SearchRequest {
                text: &text,
                vector: &vector,
                permitted: &permitted,
                limit,
                semantic_weight: None,
            };
            index.search(&request)
        });
        Ok(searched.await??.hits)
    }
}
