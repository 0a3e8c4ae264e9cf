//! What an answer is made from: the request, and the parts of the appliance.

use crate::extraction::sentence_reranker::SentenceReranker;
use crate::model::weights::AnswerWeights;
use crate::retrieval::glossary::Glossary;
use crate::retrieval::related_words::SiteThesaurus;
use crate::retrieval::rerank::Reranker;
use crate::retrieval::translation::SiteDictionaries;
use cloister_audit::{Actor, AuditLog};
use cloister_domain::{Clock, CollectionId, Role};
use cloister_index::Index;
use cloister_inference::{EmbedderService, GeneratorService, NliModel};
use cloister_policies::redaction::Redaction;
use cloister_store::DocumentFilter;
use std::sync::Arc;

/// A question with its context.
#[derive(Clone, Debug)]
pub struct AnswerRequest {
    /// The id of the answer.
    pub id: String,
    /// The question, standing alone.
    pub question: String,
    /// The question as typed. `None` if it was not rewritten.
    pub typed: Option<String>,
    /// The previous questions of the conversation, oldest first, standing alone.
    pub previous_questions: Vec<String>,
    /// The conversation.
    pub conversation: String,
    /// The person who asks.
    pub actor: Actor,
    /// The address from which the person asks.
    pub origin: String,
    /// The collections for which generation is allowed.
    pub generation_allowed_in: Vec<CollectionId>,
    /// SHA-256 of the access policy.
    pub policy_version: String,
    /// The documents to search.
    pub filter: DocumentFilter,
    /// The roles of the person, which redaction depends on.
    pub roles: Vec<Role>,
}

/// What an [`Answerer`](crate::Answerer) works with.
#[derive(Clone)]
pub struct AnswererParts {
    /// The audit log.
    pub audit: AuditLog,
    /// The index.
    pub index: Arc<Index>,
    /// The embedder that made the vectors of the index.
    pub embedder: EmbedderService,
    /// The generator. `None` if answers are quotes only.
    pub generator: Option<GeneratorService>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The redaction rules.
    pub redaction: Arc<Redaction>,
    /// The reranker, if there is one.
    pub reranker: Option<Reranker>,
    /// The cross-encoder that judges sentences, if there is one.
    pub sentence_reranker: Option<SentenceReranker>,
    /// The NLI model, if there is one.
    pub nli: Option<Arc<dyn NliModel>>,
    /// The weights of the decision.
    pub weights: Arc<AnswerWeights>,
    /// The glossary.
    pub glossary: Arc<Glossary>,
    /// The thesaurus. Empty if there is none.
    pub thesaurus: Arc<SiteThesaurus>,
    /// The dictionaries of other languages.
    pub dictionaries: Arc<SiteDictionaries>,
}
