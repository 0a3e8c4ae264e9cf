//! A question after retrieval and decision, its audit record and its first events.

use crate::decision::answerability::Verdict;
use crate::extraction::quote::Quote;
use crate::model::hit::{NearestSentence, RetrievedPassage, SearchResults};
use crate::parts::AnswerRequest;
use crate::presentation::event::{AnswerEvent, Provenance, Receipt};
use crate::presentation::notices::{conflict_or_ambiguity, spelling_notice};
use crate::presentation::redact::Redactor;
use crate::presentation::refusal::{refusal, shown_passages};
use crate::question::AnalyzedQuestion;
use crate::retrieval::word_matches::WordMatches;
use cloister_audit::{Event, EventKind, Outcome};
use serde_json::{Value, json};

/// A question after retrieval and decision.
pub(crate) struct Examination {
    pub question: AnalyzedQuestion,
    pub results: SearchResults,
    pub verdict: Verdict,
    pub words: WordMatches,
    pub quotes: Vec<Quote>,
    /// The best sentence of all, quoted or not.
    pub nearest: Option<NearestSentence>,
    /// A quote of a superseded revision that would have answered a refused question.
    pub superseded: Option<Quote>,
}

impl Redactor<'_> {
    /// Redacts everything that is about to be shown.
    pub(crate) fn examination(self, examination: &mut Examination) {
        for quote in examination
            .quotes
            .iter_mut()
            .chain(&mut examination.superseded)
        {
            self.quote(quote);
        }
        if let Some(nearest) = &mut examination.nearest {
            let hits = &examination.results.passages;
            let hit = hits.iter().find(|hit| hit.passage.id == nearest.passage);
            let collection = hit.map_or("*", |hit| hit.source.collection_name.as_str());
            nearest.text = self.text(&nearest.text, collection);
        }
        self.results(&mut examination.results);
    }
}

/// The audit record: the question, what was retrieved, the decision and what is about to be shown.
pub(crate) fn audit_record(
    request: &AnswerRequest,
    examination: &Examination,
    provenance: &Provenance,
    redactor: Redactor<'_>,
) -> Event {
    let Examination {
        results,
        verdict,
        quotes,
        superseded,
        ..
    } = examination;
    let redact = |text: &String| redactor.question(text);
    let retrieved: Vec<Value> = results
        .passages
        .iter()
        .map(
            |hit| json!({ "passage": hit.passage.id, "hash": hit.source.hash, "score": hit.score }),
        )
        .collect();
    let quoted: Vec<Value> = quotes.iter().map(|q| redactor.log_entry(q)).collect();
    let earlier: Vec<String> = request.previous_questions.iter().map(redact).collect();
    Event {
        kind: if verdict.answer {
            EventKind::QuestionAnswered
        } else {
            EventKind::QuestionRefused
        },
        outcome: Outcome::Success,
        actor: request.actor.clone(),
        origin: request.origin.clone(),
        request: Some(request.id.clone()),
        detail: json!({
            "question": redact(&request.question),
            "typed": request.typed.as_ref().map(redact),
            "earlier": earlier,
            "conversation": request.conversation,
            "filter": request.filter,
            "retrieved": retrieved,
            "quoted": quoted,
            "nearest": nearest_shown(examination, redactor),
            "verdict": verdict,
            "documents": results.documents,
            "complete": results.complete,
            "meanings": results.expansions,
            "index_generation": results.index_generation,
            "plan": results.plan.name(),
            "policy_version": request.policy_version,
            "superseded": superseded.as_ref().map(|quote| redactor.log_entry(quote)),
            "made_with": provenance,
            "roles": request.roles,
            "composed_in": request.generation_allowed_in,
        }),
    }
}

/// The passages that a refusal shows, with their texts. Empty for an answer.
fn nearest_shown(examination: &Examination, redactor: Redactor<'_>) -> Vec<Value> {
    let verdict = &examination.verdict;
    if verdict.answer {
        return Vec::new();
    }
    let is_likely_shown = verdict.perhaps && examination.superseded.is_none();
    let likely = examination.nearest.as_ref().filter(|_| is_likely_shown);
    shown_passages(&examination.results.passages, likely)
        .into_iter()
        .map(|hit| {
            let RetrievedPassage {
                passage, source, ..
            } = hit;
            let collection = &source.collection_name;
            json!({
                "passage": passage.id, "revision": source.id, "hash": source.hash,
                "collection": collection, "path": source.path,
                "page": passage.draft.spans.first().map(|span| span.page),
                "text": redactor.text(&passage.draft.text, collection),
            })
        })
        .collect()
}

/// The events that need no generator.
pub(crate) fn first_events(
    request: &AnswerRequest,
    examination: &Examination,
    provenance: Provenance,
) -> Vec<AnswerEvent> {
    let Examination {
        question,
        results,
        quotes,
        ..
    } = examination;
    let mut events = vec![AnswerEvent::Receipt(Box::new(Receipt {
        id: request.id.clone(),
        conversation: request.conversation.clone(),
        rewritten_question: request.typed.as_ref().map(|_| request.question.clone()),
        expansions: results.expansions.clone(),
        documents: results.documents,
        complete: results.complete,
        passages: results.passages.iter().map(|hit| hit.passage.id).collect(),
        index_generation: results.index_generation.clone(),
        plan: results.plan,
        policy_version: request.policy_version.clone(),
        provenance,
    }))];
    events.extend(
        quotes
            .iter()
            .map(|quote| AnswerEvent::Quote(Box::new(quote.clone()))),
    );
    let spelling = spelling_notice(question, &examination.words.substitutions, quotes);
    let conflict = conflict_or_ambiguity(question, quotes);
    events.extend(
        [spelling, conflict]
            .into_iter()
            .flatten()
            .map(AnswerEvent::Notice),
    );
    if !examination.verdict.answer {
        events.push(refusal(
            &examination.question.text,
            &examination.results.passages,
            &examination.verdict,
            examination.nearest.as_ref(),
            examination.superseded.as_ref(),
        ));
    }
    events
}
