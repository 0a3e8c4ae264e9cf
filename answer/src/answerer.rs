//! The pipeline of an answer, and the other operations on one person's documents.

use crate::decision::decide;
use crate::examination::{Examination, audit_record, first_events};
use crate::extraction::comparison::ComparedThings;
use crate::extraction::continuation::{adjacent_passages, continue_list};
use crate::extraction::quote::Quote;
use crate::extraction::quote_spans::QuoteSpan;
use crate::extraction::select::Scorers;
use crate::extraction::sentence_reranker::SentenceReranker;
use crate::generation::prompt;
use crate::generation::task::AnswerTask;
use crate::model::error::AnswerError;
use crate::model::hit::{NearestSentence, RetrievedPassage, SearchQuery, SearchResults};
use crate::parts::{AnswerRequest, AnswererParts};
use crate::presentation::event::{AnswerEvent, Provenance};
use crate::presentation::redact::Redactor;
use crate::question::AnalyzedQuestion;
use crate::question::scope::{AnswerScope, without_instructions};
use crate::retrieval::dedup::select_for_answer;
use crate::retrieval::glossary::ExpandedQuery;
use crate::retrieval::phrases::prefer_phrases;
use crate::retrieval::related_words::{expand_missing_words, retain_found};
use crate::retrieval::rerank::{
    RerankTest, Reranker, RerankerStatus, cloze_question, reciprocal_rank,
};
use crate::retrieval::word_matches::WordMatches;
use crate::retrieval::{ANSWER_PASSAGES, CANDIDATE_PASSAGES, search};
use cloister_domain::{FileHash, Passage, PassageId, RevisionId, Role};
use cloister_inference::{CacheNamespace, GeneratorService, GeneratorState, Sampling};
use cloister_store::{DocumentFilter, Library, QuoteLocation};
use std::collections::{BTreeMap, HashSet};
use tokio::sync::mpsc;

/// Events that wait for a slow client before the generator waits too.
const EVENT_BUFFER: usize = 32;

/// An answer whose audit record is on the disk.
pub struct Answer {
    /// The events. Dropping the receiver stops the generator.
    pub events: mpsc::Receiver<AnswerEvent>,
    /// The places of the first quotes.
    pub quoted: Vec<QuoteLocation>,
}

/// Answers questions and searches. Cheap to clone.
#[derive(Clone)]
pub struct Answerer {
    pub(crate) parts: AnswererParts,
}

impl Answerer {
    /// An answerer that works with these parts.
    pub fn new(parts: AnswererParts) -> Self {
        Self { parts }
    }

    /// Retrieves, decides, makes the audit record durable, and only then returns the answer, whose
    /// first events are ready.
    pub async fn ask(
        &self,
        library: Library,
        request: AnswerRequest,
    ) -> Result<Answer, AnswerError> {
        let started_at = self.parts.clock.now();
        let foreground = self.parts.embedder.pause_background();
        let mut examination = self
            .examine(&library, &request.question, &request.filter)
            .await?;
        if !examination.verdict.answer && request.filter.as_of.is_none() {
            examination.superseded = self.superseded_quote(&library, &request).await?;
        }
        let provenance = self.provenance();
        let record = audit_record(&request, &examination, &provenance, self.log_redactor());
        self.parts.audit.append(record).await?;

        let redactor = Redactor::new(&self.parts.redaction, &request.roles);
        // The generator reads only passages that the person may read without redaction.
        let mut readable = examination.results.passages.clone();
        readable.retain(|hit| redactor.leaves_unchanged(hit));
        redactor.examination(&mut examination);
        let first_events = first_events(&request, &examination, provenance);
        let quoted = examination.quotes.iter().map(Quote::place).collect();
        let (sender, events) = mpsc::channel(EVENT_BUFFER);
        let decision_weights = &self.parts.weights.decision;
        let task = AnswerTask {
            parts: self.parts.clone(),
            cache_namespace: cache_namespace(&library, &request),
            request,
            answer_type: examination.question.answer_type,
            has_clear_margin: examination.verdict.has_clear_margin(decision_weights),
            quotes: examination.quotes,
            passages: readable,
            question_vector: examination.question.vector,
            events: sender,
            started_at,
            _foreground: foreground,
        };
        tokio::spawn(task.run(first_events));
        Ok(Answer { events, quoted })
    }

    /// Retrieves and decides. Leaves no trace.
    pub(crate) async fn examine(
        &self,
        library: &Library,
        question: &str,
        filter: &DocumentFilter,
    ) -> Result<Examination, AnswerError> {
        let revisions = library.matching_revisions(filter).await?;
        let mut examination = self
            .examine_revisions(library, question, &revisions)
            .await?;
        if let Some(comparison) = ComparedThings::detect(question)
            && examination.verdict.answer
            && comparison.is_one_sided(&examination.quotes)
        {
            self.compare(library, &comparison, &revisions, &mut examination)
                .await?;
        }
        Ok(examination)
    }

    /// Searches for both sides of a comparison of which the quotes name one. Quotes sentences that
    /// say the same of both with other values, or else also the best sentence about each.
    async fn compare(
        &self,
        library: &Library,
        comparison: &ComparedThings,
        revisions: &[RevisionId],
        examination: &mut Examination,
    ) -> Result<(), AnswerError> {
        let [one, other] = &comparison.sides;
        let one = self.retrieve(library, one, revisions).await?.passages;
        let other = self.retrieve(library, other, revisions).await?.passages;
        let pairs = Quote::from_spans(&comparison.pairs([&one, &other]));
        if pairs.is_empty() {
            for side in &comparison.sides {
                let side = self.examine_revisions(library, side, revisions).await?;
                let best = side.quotes.into_iter().next();
                examination
                    .quotes
                    .extend(best.filter(|_| side.verdict.answer));
            }
            let mut places = HashSet::new();
            examination
                .quotes
                .retain(|quote| places.insert((quote.passage, quote.range)));
        } else {
            examination.quotes = pairs;
        }
        for (number, quote) in (1..).zip(&mut examination.quotes) {
            quote.number = number;
        }
        let known = &mut examination.results.passages;
        for hit in [one, other].concat() {
            let id = hit.passage.id;
            let is_quoted = examination.quotes.iter().any(|quote| quote.passage == id);
            if is_quoted && known.iter().all(|known| known.passage.id != id) {
                known.push(hit);
            }
        }
        Ok(())
    }

    /// The first quote of superseded revisions, if they answer the question.
    async fn superseded_quote(
        &self,
        library: &Library,
        request: &AnswerRequest,
    ) -> Result<Option<Quote>, AnswerError> {
        let revisions = library.superseded_revisions(&request.filter).await?;
        if revisions.is_empty() {
            return Ok(None);
        }
        let examination = self
            .examine_revisions(library, &request.question, &revisions)
            .await?;
        Ok(examination.quotes.into_iter().next())
    }

    async fn examine_revisions(
        &self,
        library: &Library,
        question: &str,
        revisions: &[RevisionId],
    ) -> Result<Examination, AnswerError> {
        let results = self.retrieve(library, question, revisions).await?;
        let question = AnalyzedQuestion::new(question, results.query_vector.clone());
        let thesaurus = &self.parts.thesaurus.entries;
        let mut words = WordMatches::detect(&question, &results.passages, thesaurus);
        words.unknown = search::missing_words(&self.parts.index, words.unknown, revisions).await?;
        let weights = &self.parts.weights;
        let scorers = Scorers {
            embedder: &self.parts.embedder,
            generator: self.parts.generator.as_ref(),
            reranker: self.parts.sentence_reranker.as_ref(),
            weights: &weights.sentence,
        };
        let decision = decide(&question, &results.passages, words, &scorers, weights).await?;
        let adjacent = match (question.scope, decision.quotes.first()) {
            (AnswerScope::Everything, Some(first)) => self.adjacent(library, first).await?,
            _ => Vec::new(),
        };
        let mut quotes = Quote::from_spans(&continue_list(decision.quotes, &adjacent));
        for table in quotes.iter_mut().filter_map(|quote| quote.table.as_mut()) {
            table.mark_column(&question.stems, question.language);
        }
        let nearest = decision.selection.candidates.first();
        let nearest = nearest.map(|best| NearestSentence {
            passage: best.hit.passage.id,
            text: best.text.to_owned(),
        });
        Ok(Examination {
            nearest,
            verdict: decision.verdict,
            words: decision.selection.words,
            quotes,
            superseded: None,
            question,
            results,
        })
    }

    /// Retrieves the passages from which a question is answered.
    async fn retrieve(
        &self,
        library: &Library,
        question: &str,
        revisions: &[RevisionId],
    ) -> Result<SearchResults, AnswerError> {
        let topic = without_instructions(question);
        let mut results = self
            .search_revisions(library, &topic, CANDIDATE_PASSAGES, revisions)
            .await?;
        prefer_phrases(&topic, &mut results.passages);
        results.passages = select_for_answer(results.passages, ANSWER_PASSAGES);
        Ok(results)
    }

    /// The passages of the same revision in which the list of a quote may continue.
    async fn adjacent(
        &self,
        library: &Library,
        quote: &QuoteSpan<'_>,
    ) -> Result<Vec<RetrievedPassage>, AnswerError> {
        let ids = adjacent_passages(quote);
        let found = library.passages(&ids).await?;
        let of_revision = found.into_iter().filter(|passage| {
            passage.revision == quote.hit.passage.revision && passage.row_of.is_none()
        });
        let hits = of_revision.map(|passage| RetrievedPassage {
            passage,
            ..quote.hit.clone()
        });
        Ok(hits.collect())
    }

    /// Searches the documents of `library`, and no others.
    pub async fn search(
        &self,
        library: &Library,
        query: &SearchQuery,
    ) -> Result<SearchResults, AnswerError> {
        let revisions = library.matching_revisions(&query.filter).await?;
        let mut results = self
            .search_revisions(library, &query.text, query.limit, &revisions)
            .await?;
        let min_similarity = self.parts.weights.decision.min_search_similarity;
        results.passages.retain(|hit| {
            hit.lexical.is_some() || hit.dense.is_some_and(|cosine| cosine >= min_similarity)
        });
        Ok(results)
    }

    async fn search_revisions(
        &self,
        library: &Library,
        text: &str,
        limit: usize,
        revisions: &[RevisionId],
    ) -> Result<SearchResults, AnswerError> {
        let parts = &self.parts;
        let query = ExpandedQuery::new(text, &parts.glossary, &parts.embedder).await?;
        let mut results =
            search::search(&parts.index, library, text, query, limit, revisions).await?;
        let mut related = expand_missing_words(text, &results.passages, &parts.thesaurus.entries);
        if !related.is_empty() {
            let meanings = results.expansions;
            let expansions = [meanings.clone(), related.clone()].concat();
            let query = ExpandedQuery::with_expansions(text, expansions, &parts.embedder).await?;
            results = search::search(&parts.index, library, text, query, limit, revisions).await?;
            retain_found(&mut related, &results.passages);
            results.expansions = [meanings, related].concat();
        }
        if let Some(reranker) = &parts.reranker {
            results.passages = reranker.rerank_if_enabled(text, results.passages).await?;
        }
        Ok(results)
    }

    /// Tests the reranker on questions made from `passages`, which must be passages of `library`,
    /// and enables it if it does not lower the mean reciprocal rank. Without passages its status
    /// stays as it is.
    pub async fn test_reranker(
        &self,
        library: &Library,
        passages: &[Passage],
    ) -> Result<RerankTest, AnswerError> {
        let mut test = RerankTest::default();
        let Some(reranker) = &self.parts.reranker else {
            return Ok(test);
        };
        let without_reranker = Self::new(AnswererParts {
            reranker: None,
            ..self.parts.clone()
        });
        for passage in passages {
            let draft = &passage.draft;
            let Some(text) = cloze_question(&draft.text, &draft.sentences) else {
                continue;
            };
            let query = SearchQuery {
                text,
                limit: CANDIDATE_PASSAGES,
                filter: DocumentFilter::default(),
            };
            let retrieved = without_reranker.search(library, &query).await?.passages;
            test.mrr_without += reciprocal_rank(&retrieved, passage.id);
            let reranked = reranker.rerank(&query.text, retrieved).await?;
            test.mrr_with += reciprocal_rank(&reranked, passage.id);
            test.questions += 1;
        }
        if test.questions == 0 {
            return Ok(test);
        }
        test.mrr_without /= test.questions as f64;
        test.mrr_with /= test.questions as f64;
        reranker.set_status(if test.passed() {
            RerankerStatus::Enabled
        } else {
            RerankerStatus::Disabled
        });
        Ok(test)
    }

    /// Copies the quotes of an earlier answer again for a person with these roles. Quotes that the
    /// library no longer has are left out.
    pub async fn reload_quotes(
        &self,
        library: &Library,
        places: &[QuoteLocation],
        roles: &[Role],
    ) -> Result<Vec<Quote>, AnswerError> {
        let ids: Vec<PassageId> = places.iter().map(|place| place.passage).collect();
        let passages = library.passages(&ids).await?;
        let revisions: Vec<RevisionId> = passages.iter().map(|p| p.revision).collect();
        let sources = library.revisions_by_id(&revisions).await?;
        let redactor = Redactor::new(&self.parts.redaction, roles);
        let mut quotes = Vec::new();
        for place in places {
            let Some(passage) = passages.iter().find(|p| p.id == place.passage) else {
                continue;
            };
            let Some(source) = sources.get(&passage.revision) else {
                continue;
            };
            if let Some(mut quote) = Quote::copy(place.number, passage, place.range, source) {
                redactor.quote(&mut quote);
                quotes.push(quote);
            }
        }
        Ok(quotes)
    }

    /// Redacts search results for a person with these roles.
    pub fn redact_results(&self, results: &mut SearchResults, roles: &[Role]) {
        Redactor::new(&self.parts.redaction, roles).results(results);
    }

    /// Redacts a text of a collection for a person with these roles.
    pub fn redact_text(&self, text: &str, collection: &str, roles: &[Role]) -> String {
        Redactor::new(&self.parts.redaction, roles).text(text, collection)
    }

    /// Redacts what a person typed, for the log.
    pub fn redact_typed(&self, text: &str) -> String {
        self.log_redactor().question(text)
    }

    /// The redactor of the log, which makes no exception for any role.
    pub(crate) fn log_redactor(&self) -> Redactor<'_> {
        Redactor::new(&self.parts.redaction, &[])
    }

    /// The program, models and weights in use.
    pub(crate) fn provenance(&self) -> Provenance {
        let parts = &self.parts;
        let embedder = parts.embedder.identity();
        let generator = match parts.generator.as_ref().map(GeneratorService::state) {
            Some(GeneratorState::Ready { identity, .. }) => Some(identity.sha256),
            Some(GeneratorState::Loading | GeneratorState::Failed(_)) | None => None,
        };
        Provenance {
            settings: self.provenance_settings(embedder.tokenizer),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            embedder: embedder.sha256,
            generator,
            answer_weights: parts.weights.hash.to_string(),
            glossary: parts.glossary.hash.as_ref().map(FileHash::to_string),
        }
    }

    fn provenance_settings(&self, embedder_tokenizer: Option<String>) -> BTreeMap<String, String> {
        let parts = &self.parts;
        let Sampling {
            temperature, seed, ..
        } = Sampling::default();
        let settings = [
            ("embedder tokenizer", embedder_tokenizer),
            ("prompts", Some(prompt::prompt_hash().to_string())),
            (
                "sampling",
                Some(format!("temperature {temperature}, seed {seed}")),
            ),
            ("redaction", parts.redaction.hash().map(FileHash::to_string)),
            (
                "search",
                serde_json::to_string(&parts.index.settings()).ok(),
            ),
            ("reranker", parts.reranker.as_ref().map(Reranker::describe)),
            (
                "cross-encoder",
                parts
                    .sentence_reranker
                    .as_ref()
                    .map(SentenceReranker::sha256),
            ),
            (
                "thesaurus",
                parts.thesaurus.hash.as_ref().map(FileHash::to_string),
            ),
            (
                "dictionaries",
                parts.dictionaries.hash().map(|hash| hash.to_string()),
            ),
            (
                "NLI model",
                parts.nli.as_ref().map(|model| model.identity().sha256),
            ),
        ];
        settings
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// The namespace of cached prefixes: people who may read the same, redacted in the same way, and
/// for whom generation is allowed in the same collections.
fn cache_namespace(library: &Library, request: &AnswerRequest) -> CacheNamespace {
    let collections: Vec<i64> = library.permitted().collections().map(|id| id.0).collect();
    CacheNamespace(format!(
        "{collections:?} {:?} {:?}",
        request.roles, request.generation_allowed_in
    ))
}
