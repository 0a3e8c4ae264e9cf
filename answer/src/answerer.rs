//! From the question to the first quote: everything that happens before a byte leaves.

use crate::composing::Composing;
use crate::error::AnswerError;
use crate::event::{AnswerEvent, Quote, Receipt};
use crate::evidence::Evidence;
use crate::gate::{self, Verdict};
use crate::retrieve::{Found, FoundPassage, SearchTask};
use crate::select::{self, Candidate, Judges};
use cloister_audit::{Actor, AuditLog, Event, EventKind, Outcome};
use cloister_domain::{Clock, CollectionId};
use cloister_index::Index;
use cloister_inference::{EmbedderService, GeneratorService};
use cloister_store::Library;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Passages that are retrieved for a question.
const RETRIEVED: usize = 12;
/// Passages that a refusal shows.
const NEAREST: usize = 3;
/// Steps that wait for a slow reader before the model waits too.
const PENDING: usize = 32;

/// A question, who asks it, and what holds for them.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question.
    pub question: String,
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
}

/// An answer that has begun: its audit entry is on the disk.
pub struct Answer {
    /// The steps. Dropping this end stops the model.
    pub events: mpsc::Receiver<AnswerEvent>,
}

/// Answers questions. Cheap to clone.
#[derive(Clone)]
pub struct Answerer {
    pub(crate) audit: AuditLog,
    pub(crate) index: Arc<Index>,
    pub(crate) embedder: EmbedderService,
    pub(crate) generator: Option<GeneratorService>,
    pub(crate) clock: Arc<dyn Clock>,
    evidence: Arc<Evidence>,
}

impl Answerer {
    /// An answerer that works with these parts. Without a generator, answers are quotes alone.
    pub fn new(
        audit: AuditLog,
        index: Arc<Index>,
        embedder: EmbedderService,
        generator: Option<GeneratorService>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AnswerError> {
        let evidence = Arc::new(Evidence::calibrated()?);
        Ok(Self {
            audit,
            index,
            embedder,
            generator,
            clock,
            evidence,
        })
    }

    /// Retrieves, selects and decides, makes the audit entry durable, and only then returns the
    /// answer, whose first steps are there already.
    pub async fn ask(&self, library: Library, asked: Asked) -> Result<Answer, AnswerError> {
        let began = self.clock.now();
        let attending = self.embedder.attend();
        let task = SearchTask {
            text: asked.question.clone(),
            limit: RETRIEVED,
        };
        let found = self.search(&library, &task).await?;
        let (verdict, chosen) = self.choose(&asked, &found).await?;
        let quotes = quotes(&found.passages, &chosen);
        self.audit
            .append(entry(&asked, &found, &verdict, &quotes))
            .await?;
        let (steps, events) = mpsc::channel(PENDING);
        let first = first_steps(&asked, &found, &verdict, &quotes);
        let composing = Composing {
            answerer: self.clone(),
            asked,
            quotes,
            vector: found.vector,
            steps,
            began,
            _attending: attending,
        };
        tokio::spawn(composing.run(first));
        Ok(Answer { events })
    }

    async fn choose(
        &self,
        asked: &Asked,
        found: &Found,
    ) -> Result<(Verdict, Vec<Candidate>), AnswerError> {
        let judges = Judges {
            embedder: &self.embedder,
            generator: self.generator.as_ref(),
            weights: &self.evidence.sentence,
        };
        let (question, passages) = (&asked.question, &found.passages);
        let selection = select::select(question, &found.vector, passages, &judges).await?;
        let verdict = gate::decide(question, &selection, passages, &self.evidence.answer);
        let chosen = if verdict.answer {
            selection.quotes(passages, self.evidence.sentence.nearness)
        } else {
            Vec::new()
        };
        Ok((verdict, chosen))
    }
}

fn quotes(passages: &[FoundPassage], chosen: &[Candidate]) -> Vec<Quote> {
    let numbered = (1..).zip(chosen);
    numbered
        .filter_map(|(number, candidate)| {
            let found = passages.get(candidate.passage)?;
            let draft = &found.passage.draft;
            let doubtful = draft.doubtful.iter();
            let inside = doubtful.filter(|word| word.overlaps(candidate.range));
            let doubtful = inside.filter_map(|word| word.of(&draft.text));
            Some(Quote {
                number,
                doubtful: doubtful.map(str::to_owned).collect(),
                text: candidate.range.of(&draft.text)?.to_owned(),
                passage: found.passage.id,
                range: candidate.range,
                page: draft.locate(candidate.range).first()?.page,
                headings: draft.headings.clone(),
                source: found.source.clone(),
            })
        })
        .collect()
}

/// What the log keeps: what was asked, what was retrieved, and what is about to be shown, as four
/// separate facts.
fn entry(asked: &Asked, found: &Found, verdict: &Verdict, quotes: &[Quote]) -> Event {
    let retrieved: Vec<Value> = found
        .passages
        .iter()
        .map(|f| json!({ "passage": f.passage.id, "hash": f.source.hash, "score": f.score }))
        .collect();
    let quoted: Vec<Value> = quotes
        .iter()
        .map(|quote| {
            json!({
                "number": quote.number, "text": quote.text, "passage": quote.passage,
                "start": quote.range.start, "end": quote.range.end, "page": quote.page,
                "revision": quote.source.id, "hash": quote.source.hash,
                "collection": quote.source.collection_name, "path": quote.source.path,
            })
        })
        .collect();
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
            "question": asked.question, "retrieved": retrieved, "quoted": quoted,
            "verdict": verdict, "documents": found.documents,
            "index_generation": found.index_generation, "policy_version": asked.policy_version,
        }),
    }
}

fn first_steps(
    asked: &Asked,
    found: &Found,
    verdict: &Verdict,
    quotes: &[Quote],
) -> Vec<AnswerEvent> {
    let mut steps = vec![AnswerEvent::Receipt(Receipt {
        id: asked.request.clone(),
        documents: found.documents,
        index_generation: found.index_generation.clone(),
        policy_version: asked.policy_version.clone(),
    })];
    steps.extend(quotes.iter().cloned().map(Box::new).map(AnswerEvent::Quote));
    if !verdict.answer {
        steps.push(AnswerEvent::Refusal {
            reason: "Not in the documents you may read".into(),
            nearest: found.passages.iter().take(NEAREST).cloned().collect(),
        });
    }
    steps
}
