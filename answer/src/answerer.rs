//! From the question to the first quote: everything that happens before a byte leaves.

use crate::arrange;
use crate::compose;
use crate::composing::Composing;
use crate::error::AnswerError;
use crate::event::{AnswerEvent, MadeWith, Receipt};
use crate::evidence::Evidence;
use crate::gate::{self, Basis, Verdict};
use crate::glossary::Glossary;
use crate::masking::Masking;
use crate::quote::Quote;
use crate::remark::{other_spelling, remark};
use crate::rerank::Reranking;
use crate::retrieve::{Found, FoundPassage};
use crate::select::{self, Candidate, Judges, Selection};
use crate::slips::Slips;
use cloister_audit::{Actor, AuditLog, Event, EventKind, Outcome};
use cloister_domain::{Clock, CollectionId, FileHash, RevisionId, Role};
use cloister_index::Index;
use cloister_inference::{
    EmbedderService, Entailment, GeneratorService, GeneratorState, Sampling, Scope,
};
use cloister_policies::redaction::Redaction;
use cloister_store::{DocumentFilter, Library, QuotedPlace};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Passages that are retrieved for a question, before like ones are folded.
pub const CANDIDATES: usize = 24;
/// Passages that a question is answered from.
pub const RETRIEVED: usize = 12;
/// Passages that a refusal shows.
const NEAREST: usize = 3;
/// Steps that wait for a slow reader before the model waits too.
const PENDING: usize = 32;

/// A question, who asks it, and what holds for them.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question, standing alone.
    pub question: String,
    /// The question as typed, where it was rewritten to stand alone.
    pub typed: Option<String>,
    /// The questions of its conversation before it, oldest first, standing alone.
    pub earlier: Vec<String>,
    /// The conversation that it belongs to.
    pub conversation: String,
    /// Who asks.
    pub actor: Actor,
    /// From where.
    pub origin: String,
    /// The id of this answer.
    pub request: String,
    /// The collections where the model may write below the quotes.
    pub composed_in: Vec<CollectionId>,
    /// SHA-256 of the rules in force.
    pub policy_version: String,
    /// Which of the documents are asked.
    pub filter: DocumentFilter,
    /// The asker's roles, by which personal data is masked.
    pub roles: Vec<Role>,
}

/// An answer that has begun: its audit entry is on the disk.
pub struct Answer {
    /// The steps. Dropping this end stops the model.
    pub events: mpsc::Receiver<AnswerEvent>,
    /// Where its quotes stand.
    pub quoted: Vec<QuotedPlace>,
}

/// Answers questions. Cheap to clone.
#[derive(Clone)]
pub struct Answerer {
    pub(crate) audit: AuditLog,
    pub(crate) index: Arc<Index>,
    pub(crate) embedder: EmbedderService,
    pub(crate) generator: Option<GeneratorService>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redaction: Arc<Redaction>,
    pub(crate) reranking: Option<Reranking>,
    pub(crate) verifier: Option<Arc<dyn Entailment>>,
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) glossary: Arc<Glossary>,
}

impl Answerer {
    /// An answerer that works with these parts. Without a generator, answers are quotes alone.
    pub fn new(
        audit: AuditLog,
        index: Arc<Index>,
        embedder: EmbedderService,
        generator: Option<GeneratorService>,
        clock: Arc<dyn Clock>,
        redaction: Redaction,
        evidence: Evidence,
    ) -> Self {
        Self {
            audit,
            index,
            embedder,
            generator,
            clock,
            redaction: Arc::new(redaction),
            reranking: None,
            verifier: None,
            evidence: Arc::new(evidence),
            glossary: Arc::default(),
        }
    }

    /// The same with terms that are searched for by what they stand for.
    #[must_use]
    pub fn with_glossary(self, glossary: Glossary) -> Self {
        Self {
            glossary: Arc::new(glossary),
            ..self
        }
    }

    /// The same with a second look at what is found.
    #[must_use]
    pub fn with_reranking(self, reranking: Reranking) -> Self {
        Self {
            reranking: Some(reranking),
            ..self
        }
    }

    /// The same with a model that tells whether what is written follows from its quote.
    #[must_use]
    pub fn with_verifier(self, verifier: Arc<dyn Entailment>) -> Self {
        Self {
            verifier: Some(verifier),
            ..self
        }
    }

    /// Retrieves, selects and decides, makes the audit entry durable, and only then returns the
    /// answer, whose first steps are there already.
    pub async fn ask(&self, library: Library, asked: Asked) -> Result<Answer, AnswerError> {
        let began = self.clock.now();
        let attending = self.embedder.attend();
        let mut examined = self
            .examine(&library, &asked.question, &asked.filter)
            .await?;
        if !examined.verdict.answer && asked.filter.as_of.is_none() {
            examined.superseded = self.superseded(&library, &asked).await?;
        }
        let made_with = self.made_with();
        self.audit
            .append(entry(&asked, &examined, &made_with, self.for_the_log()))
            .await?;
        let masking = Masking::new(&self.redaction, &asked.roles);
        let found = examined.found.passages.iter();
        // A model is given nothing that the person may not read as it stands.
        let passages = found
            .filter(|found| masking.leaves(found))
            .cloned()
            .collect();
        masking.shown(&mut examined);
        let (steps, events) = mpsc::channel(PENDING);
        let first = first_steps(&asked, &examined, made_with);
        let quoted = examined.quotes.iter().map(Quote::place).collect();
        let Examined {
            found,
            quotes,
            verdict,
            ..
        } = examined;
        let composing = Composing {
            answerer: self.clone(),
            scope: scope_of(&library, &asked),
            asked,
            quotes,
            clear: verdict.stands_clear(&self.evidence.answer),
            passages,
            vector: found.vector,
            steps,
            began,
            _attending: attending,
        };
        tokio::spawn(composing.run(first));
        Ok(Answer { events, quoted })
    }

    /// Retrieves, selects and decides, and leaves no trace.
    pub(crate) async fn examine(
        &self,
        library: &Library,
        question: &str,
        filter: &DocumentFilter,
    ) -> Result<Examined, AnswerError> {
        let revisions = library.revisions(filter).await?;
        self.examine_among(library, question, &revisions).await
    }

    /// What an earlier version of a document said, where one of today says nothing.
    async fn superseded(
        &self,
        library: &Library,
        asked: &Asked,
    ) -> Result<Option<Quote>, AnswerError> {
        let old = library.superseded(&asked.filter).await?;
        if old.is_empty() {
            return Ok(None);
        }
        let examined = self.examine_among(library, &asked.question, &old).await?;
        Ok(examined.quotes.into_iter().next())
    }

    async fn examine_among(
        &self,
        library: &Library,
        question: &str,
        revisions: &[RevisionId],
    ) -> Result<Examined, AnswerError> {
        let mut found = self
            .search_among(library, question, CANDIDATES, revisions)
            .await?;
        found.passages = arrange::for_an_answer(found.passages, RETRIEVED);
        let judges = Judges {
            embedder: &self.embedder,
            generator: self.generator.as_ref(),
            weights: &self.evidence.sentence,
        };
        let (vector, passages) = (&found.vector, &found.passages);
        let judged = judge(question, vector, passages, &judges, &self.evidence).await?;
        let quotes = Quote::all_of(&found.passages, &judged.chosen);
        Ok(Examined {
            question: question.to_owned(),
            found,
            verdict: judged.verdict,
            slips: judged.selection.slips,
            quotes,
            superseded: None,
        })
    }

    /// What the log's readers see, whoever asked.
    pub(crate) fn for_the_log(&self) -> Masking<'_> {
        Masking::new(&self.redaction, &[])
    }

    /// What answers are made with now.
    pub(crate) fn made_with(&self) -> MadeWith {
        let generator = self.generator.as_ref().map(GeneratorService::state);
        let embedder = self.embedder.identity();
        MadeWith {
            settings: self.settings(embedder.tokenizer),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            embedder: embedder.sha256,
            generator: generator.and_then(|state| match state {
                GeneratorState::Ready { identity, .. } => Some(identity.sha256),
                GeneratorState::Loading | GeneratorState::Failed(_) => None,
            }),
            evidence: self.evidence.hash.to_string(),
            glossary: self.glossary.hash.as_ref().map(FileHash::to_string),
        }
    }

    /// What else an answer depends on.
    fn settings(&self, tokenizer: Option<String>) -> BTreeMap<String, String> {
        let Sampling {
            temperature, seed, ..
        } = Sampling::default();
        let search = self.index.settings();
        let second_look = self.reranking.as_ref().map(Reranking::told);
        let verifier = self.verifier.as_ref().map(|model| model.identity().sha256);
        let settings = [
            ("embedder's tokenizer", tokenizer),
            ("instructions", Some(compose::instructions().to_string())),
            (
                "sampling",
                Some(format!("temperature {temperature}, seed {seed}")),
            ),
            ("masking", self.redaction.hash().map(FileHash::to_string)),
            ("search", serde_json::to_string(&search).ok()),
            ("second look", second_look),
            ("verifier", verifier),
        ];
        let known = settings
            .into_iter()
            .map(|(name, value)| Some((name.to_owned(), value?)));
        known.flatten().collect()
    }
}

/// A key for those who may read the same, in the same way masked, and ask the same documents.
fn scope_of(library: &Library, asked: &Asked) -> Scope {
    let collections: Vec<i64> = library.permitted().collections().map(|id| id.0).collect();
    Scope(format!(
        "{collections:?} {:?} {:?}",
        asked.roles, asked.composed_in
    ))
}

/// A question, looked into.
pub(crate) struct Examined {
    pub question: String,
    pub found: Found,
    pub verdict: Verdict,
    /// What was mistyped in the question.
    pub slips: Slips,
    pub quotes: Vec<Quote>,
    /// What an earlier version of a document said, where none of today answers.
    pub superseded: Option<Quote>,
}

/// What was decided about a question, and on what.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The sentences that came into question.
    pub selection: Selection,
    /// Whether they answer.
    pub verdict: Verdict,
    /// The sentences to quote; none where they do not.
    pub chosen: Vec<Candidate>,
}

/// Selects sentences and decides whether they answer: the same for a person's question and for
/// one that measures.
pub async fn judge(
    question: &str,
    vector: &[f32],
    passages: &[FoundPassage],
    judges: &Judges<'_>,
    evidence: &Evidence,
) -> Result<Judged, AnswerError> {
    let needs = &evidence.answer;
    let decide =
        |selection: &Selection, basis| gate::decide(question, selection, passages, needs, basis);
    let mut selection = select::select(question, vector, passages, judges).await?;
    let mut verdict = decide(&selection, Basis::FastSigns);
    if verdict.in_doubt(needs) {
        let asked = select::ask_model(question, passages, &mut selection, judges).await?;
        let basis = if asked { Basis::Model } else { Basis::NoModel };
        verdict = decide(&selection, basis);
    }
    let chosen = if verdict.answer {
        selection.quotes(passages, evidence.sentence.nearness)
    } else {
        Vec::new()
    };
    Ok(Judged {
        selection,
        verdict,
        chosen,
    })
}

/// What the log keeps: what was asked, what was retrieved, and what is about to be shown, as four
/// separate facts.
fn entry(asked: &Asked, examined: &Examined, made_with: &MadeWith, masking: Masking<'_>) -> Event {
    let Examined {
        found,
        verdict,
        quotes,
        ..
    } = examined;
    let retrieved: Vec<Value> = found
        .passages
        .iter()
        .map(|f| json!({ "passage": f.passage.id, "hash": f.source.hash, "score": f.score }))
        .collect();
    let quoted: Vec<Value> = quotes.iter().map(|quote| masking.quoted(quote)).collect();
    let kind = if verdict.answer {
        EventKind::QuestionAnswered
    } else {
        EventKind::QuestionRefused
    };
    Event {
        kind,
        outcome: Outcome::Success,
        actor: asked.actor.clone(),
        origin: asked.origin.clone(),
        request: Some(asked.request.clone()),
        detail: json!({
            "question": masking.question(&asked.question),
            "typed": asked.typed.as_ref().map(|typed| masking.question(typed)),
            "earlier": asked.earlier.iter().map(|text| masking.question(text)).collect::<Vec<_>>(),
            "conversation": asked.conversation, "filter": asked.filter, "retrieved": retrieved, "quoted": quoted,
            "verdict": verdict, "documents": found.documents, "complete": found.complete, "meanings": found.meanings,
            "index_generation": found.index_generation, "policy_version": asked.policy_version,
            "superseded": examined.superseded.as_ref().map(|quote| masking.quoted(quote)),
            "made_with": made_with, "roles": asked.roles, "composed_in": asked.composed_in,
        }),
    }
}

fn first_steps(asked: &Asked, examined: &Examined, made_with: MadeWith) -> Vec<AnswerEvent> {
    let Examined {
        found,
        verdict,
        slips,
        quotes,
        ..
    } = examined;
    let mut steps = vec![AnswerEvent::Receipt(Box::new(Receipt {
        id: asked.request.clone(),
        conversation: asked.conversation.clone(),
        understood: asked.typed.as_ref().map(|_| asked.question.clone()),
        meanings: found.meanings.clone(),
        documents: found.documents,
        complete: found.complete,
        passages: found.passages.iter().map(|f| f.passage.id).collect(),
        index_generation: found.index_generation.clone(),
        policy_version: asked.policy_version.clone(),
        made_with,
    }))];
    steps.extend(quotes.iter().cloned().map(Box::new).map(AnswerEvent::Quote));
    let remarks = [
        other_spelling(&asked.question, slips, quotes),
        remark(&asked.question, quotes),
    ];
    steps.extend(remarks.into_iter().flatten().map(AnswerEvent::Remark));
    if !verdict.answer {
        steps.push(AnswerEvent::Refusal {
            reason: "Not in the documents you may read".into(),
            nearest: found.passages.iter().take(NEAREST).cloned().collect(),
            superseded: examined.superseded.clone().map(Box::new),
        });
    }
    steps
}
