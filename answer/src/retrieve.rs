//! Finding passages for one person.

use crate::answerer::{Answerer, CANDIDATES};
use crate::error::AnswerError;
use crate::glossary::Sought;
use crate::rerank::{Standing, question_of};
use cloister_domain::{Passage, PassageId, RevisionId};
use cloister_index::{SearchOutcome, SearchRequest};
use cloister_store::{DocumentFilter, Library, RevisionRecord};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct SearchTask {
    /// The words.
    pub text: String,
    /// At most this many passages.
    pub limit: usize,
    /// Among these documents.
    pub filter: DocumentFilter,
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
    /// What the question's terms stand for, which was searched for beside it.
    pub meanings: Vec<String>,
    /// How many documents were searched.
    pub documents: u64,
    /// Whether all of them were: not while a damaged index is filled again.
    pub complete: bool,
    /// The index's generation.
    pub index_generation: String,
}

impl Answerer {
    /// Finds passages by meaning and by words among the documents of `library`, and no others.
    pub async fn search(&self, library: &Library, task: &SearchTask) -> Result<Found, AnswerError> {
        let revisions = library.revisions(&task.filter).await?;
        self.search_among(library, &task.text, task.limit, &revisions)
            .await
    }

    /// The same among these revisions, which are of `library`.
    pub(crate) async fn search_among(
        &self,
        library: &Library,
        text: &str,
        limit: usize,
        revisions: &[RevisionId],
    ) -> Result<Found, AnswerError> {
        let permitted: RoaringBitmap = revisions
            .iter()
            .filter_map(|revision| u32::try_from(revision.0).ok())
            .collect();
        let sought = Sought::of(text, &self.glossary, &self.embedder).await?;
        let documents = permitted.len();
        let outcome = self.hits(text, &sought, limit, permitted).await?;
        let mut passages = read(library, &outcome.hits).await?;
        if let Some(reranking) = &self.reranking {
            passages = reranking.apply(text, passages).await?;
        }
        Ok(Found {
            passages,
            vector: sought.question,
            meanings: sought.meanings,
            documents,
            complete: outcome.complete,
            index_generation: outcome.generation,
        })
    }

    /// Searching takes a core for a while, so it leaves the threads that serve.
    async fn hits(
        &self,
        text: &str,
        sought: &Sought,
        limit: usize,
        permitted: RoaringBitmap,
    ) -> Result<SearchOutcome, AnswerError> {
        let index = Arc::clone(&self.index);
        let (text, also, vector) = (text.to_owned(), sought.also(), sought.vector.clone());
        let searched = tokio::task::spawn_blocking(move || {
            let request = SearchRequest {
                text: &text,
                also: &also,
                vector: &vector,
                permitted: &permitted,
                limit,
                semantic_weight: None,
            };
            index.search(&request)
        });
        Ok(searched.await??)
    }
}

/// How well self-made questions find their passages, with and without the second look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RerankTest {
    /// Questions asked.
    pub questions: usize,
    /// The mean of 1 / rank of the passage, without.
    pub plain: f64,
    /// The same with.
    pub reranked: f64,
}

impl Answerer {
    /// Asks questions made of `passages`, which are of `library`, with and without the second look,
    /// and lets that take part unless it makes the search worse. Where there are no passages, nothing
    /// is known of it.
    pub async fn test_reranking(
        &self,
        library: &Library,
        passages: &[Passage],
    ) -> Result<RerankTest, AnswerError> {
        let mut test = RerankTest::default();
        let Some(reranking) = &self.reranking else {
            return Ok(test);
        };
        let without = Self {
            reranking: None,
            ..self.clone()
        };
        for passage in passages {
            let Some(text) = question_of(&passage.draft.text, &passage.draft.sentences) else {
                continue;
            };
            let task = SearchTask {
                text,
                limit: CANDIDATES,
                filter: DocumentFilter::default(),
            };
            let plain = without.search(library, &task).await?.passages;
            test.plain += one_by_rank(&plain, passage.id);
            let again = reranking.look_again(&task.text, plain).await?;
            test.reranked += one_by_rank(&again, passage.id);
            test.questions += 1;
        }
        if test.questions == 0 {
            return Ok(test);
        }
        let questions = test.questions as f64;
        (test.plain, test.reranked) = (test.plain / questions, test.reranked / questions);
        reranking.stand(if test.reranked >= test.plain {
            Standing::TakesPart
        } else {
            Standing::Worse
        });
        Ok(test)
    }
}

fn one_by_rank(passages: &[FoundPassage], wanted: PassageId) -> f64 {
    let place = passages.iter().position(|found| found.passage.id == wanted);
    place.map_or(0.0, |place| 1.0 / (place + 1) as f64)
}

/// The passages that were hit, with their documents, best first.
async fn read(
    library: &Library,
    hits: &[cloister_index::Hit],
) -> Result<Vec<FoundPassage>, AnswerError> {
    let ids: Vec<PassageId> = hits.iter().map(|hit| hit.passage).collect();
    let revisions: BTreeSet<RevisionId> = hits.iter().map(|hit| hit.revision).collect();
    let revisions: Vec<RevisionId> = revisions.into_iter().collect();
    let sources = library.revisions_of(&revisions).await?;
    let by_id: HashMap<PassageId, &cloister_index::Hit> =
        hits.iter().map(|hit| (hit.passage, hit)).collect();
    let passages = library.passages(&ids).await?.into_iter();
    let found = passages.filter_map(|passage| {
        let hit = by_id.get(&passage.id)?;
        let source = sources.get(&passage.revision)?.clone();
        Some(FoundPassage {
            passage,
            source,
            score: hit.score,
            keyword: hit.keyword,
            semantic: hit.semantic,
        })
    });
    Ok(found.collect())
}

/// A passage with its document, for tests.
#[cfg(test)]
pub(crate) fn sample(passage: i64, document: i64, text: &str) -> FoundPassage {
    use cloister_domain::{
        ByteRange, CollectionId, DocumentId, FileHash, Labels, PassageDraft, Timestamp,
    };
    let revision = RevisionId(document);
    let (document, collection) = (DocumentId(document), CollectionId(1));
    let draft = PassageDraft {
        text: text.into(),
        spans: vec![],
        headings: vec!["Visiting".into()],
        sentences: vec![ByteRange::new(0, text.len())],
        tokens: 9,
        doubtful: Vec::new(),
    };
    FoundPassage {
        passage: Passage {
            id: PassageId(passage),
            revision,
            document,
            collection,
            draft,
        },
        source: RevisionRecord {
            id: revision,
            document,
            collection,
            collection_name: "wards".into(),
            path: "hours.md".into(),
            hash: FileHash::of(text.as_bytes()),
            title: "House rules of St Anne".into(),
            format: "markdown".into(),
            language: None,
            dated: None,
            pages: 1,
            effective_from: Timestamp::from_millis(0),
            superseded_at: None,
            labels: Labels::default(),
        },
        score: 1.0,
        keyword: None,
        semantic: Some(0.5),
    }
}

/// A passage of these sentences, each on a line of one page, for tests.
#[cfg(test)]
pub(crate) fn of_lines(lines: &[&str]) -> FoundPassage {
    use cloister_domain::{ByteRange, PassageSpan};
    let text = lines.join("\n");
    let mut found = sample(1, 1, &text);
    let draft = &mut found.passage.draft;
    draft.spans = vec![PassageSpan {
        page: 1,
        range: ByteRange::new(0, text.len()),
    }];
    draft.sentences.clear();
    let mut at = 0;
    for line in lines {
        draft.sentences.push(ByteRange::new(at, at + line.len()));
        at += line.len() + 1;
    }
    found
}
