//! Replays an answer from its log entries, and reports what is equal and what has changed.
//!
//! The same question, documents, index, models, weights and rules give the same answer, so that an
//! examiner can reproduce it. Each part that has changed since is named.

use crate::answerer::Answerer;
use crate::examination::Examination;
use crate::extraction::quote::Quote;
use crate::generation::task::{collection_without_generation, too_hard_for_small_model};
use crate::generation::writer::Writer;
use crate::model::error::AnswerError;
use crate::presentation::event::Provenance;
use crate::presentation::redact::Redactor;
use cloister_domain::{ByteRange, CollectionId, FileHash, PassageId, Role};
use cloister_inference::GeneratorService;
use cloister_store::{DocumentFilter, Library};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The details of the log entries of one answer.
#[derive(Clone, Copy, Debug)]
pub struct LoggedAnswer<'a> {
    /// The detail of the answer or refusal.
    pub answer: &'a Value,
    /// The details of the generated sentences that were shown.
    pub sentences: &'a [Value],
    /// The detail of the end. `None` if the answer has no end in the log.
    pub end: Option<&'a Value>,
}

/// The fields of an answer's log entry that a replay needs.
#[derive(Clone, Debug, Deserialize)]
struct AnswerDetail {
    question: String,
    #[serde(rename = "earlier", default)]
    previous_questions: Vec<String>,
    #[serde(default)]
    filter: DocumentFilter,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(rename = "composed_in", default)]
    generation_allowed_in: Vec<CollectionId>,
    retrieved: Vec<PassageDetail>,
    quoted: Vec<QuoteDetail>,
    verdict: VerdictDetail,
    index_generation: String,
    policy_version: String,
    #[serde(rename = "made_with")]
    provenance: Option<Provenance>,
}

#[derive(Clone, Debug, Deserialize)]
struct PassageDetail {
    passage: PassageId,
    hash: FileHash,
}

#[derive(Clone, Debug, Deserialize)]
struct QuoteDetail {
    text: String,
    passage: PassageId,
    start: usize,
    end: usize,
    hash: FileHash,
}

#[derive(Clone, Debug, Deserialize)]
struct VerdictDetail {
    answer: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct SentenceDetail {
    text: String,
}

#[derive(Clone, Debug, Deserialize)]
struct EndDetail {
    left_early: bool,
}

/// A part of an answer, compared with its replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The name of the part.
    pub part: &'static str,
    /// Whether it is equal.
    pub equal: bool,
    /// What differs, in a sentence for the examiner. Empty if nothing differs.
    pub difference: String,
}

impl Comparison {
    fn new(part: &'static str, difference: String) -> Self {
        Self {
            part,
            equal: difference.is_empty(),
            difference,
        }
    }

    fn of_texts(part: &'static str, logged: &str, replayed: &str) -> Self {
        let difference = if logged == replayed {
            String::new()
        } else {
            format!("it was {logged} and is {replayed}")
        };
        Self::new(part, difference)
    }
}

/// A replayed answer.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The question.
    pub question: String,
    /// The comparisons of all parts.
    pub parts: Vec<Comparison>,
}

impl Replay {
    /// Whether decision, quotes and sentences are equal, whatever else has changed.
    pub fn is_same_answer(&self) -> bool {
        self.parts
            .iter()
            .filter(|part| matches!(part.part, "decision" | "quotes" | "sentences"))
            .all(|part| part.equal)
    }
}

impl Answerer {
    /// Replays a logged answer with the permissions of `library`, and compares. Nothing is logged,
    /// and nothing is shown as an answer.
    pub async fn replay(
        &self,
        library: &Library,
        logged: LoggedAnswer<'_>,
        policy_version: &str,
    ) -> Result<Replay, AnswerError> {
        let detail = AnswerDetail::deserialize(logged.answer)?;
        let mut replayed = self
            .examine(library, &detail.question, &detail.filter)
            .await?;
        let index_generation = &replayed.results.index_generation;
        let mut parts = vec![
            Comparison::of_texts("rules", &detail.policy_version, policy_version),
            Comparison::of_texts("index", &detail.index_generation, index_generation),
            self.compare_provenance(&detail),
            compare_documents(library, &detail).await?,
            compare_passages(&detail, &replayed),
            compare_decisions(&detail, &replayed),
            self.compare_quotes(&detail, &replayed.quotes),
        ];
        let sentences = self.regenerate(&mut replayed, &detail).await;
        parts.push(compare_sentences(logged, sentences)?);
        Ok(Replay {
            question: detail.question,
            parts,
        })
    }

    fn compare_provenance(&self, logged: &AnswerDetail) -> Comparison {
        let difference = match &logged.provenance {
            None => "an earlier version wrote the entry and did not log them".to_owned(),
            Some(logged) => logged.describe_changes(&self.provenance()),
        };
        Comparison::new("models and weights", difference)
    }

    fn compare_quotes(&self, logged: &AnswerDetail, quotes: &[Quote]) -> Comparison {
        let equal = logged
            .quoted
            .iter()
            .zip(quotes)
            .filter(|(logged, quote)| self.is_same_quote(logged, quote))
            .count();
        let (before, after) = (logged.quoted.len(), quotes.len());
        let difference = if before == after && equal == after {
            String::new()
        } else {
            format!("{before} were shown, {after} would be shown now, {equal} are the same")
        };
        Comparison::new("quotes", difference)
    }

    fn is_same_quote(&self, logged: &QuoteDetail, quote: &Quote) -> bool {
        let collection = &quote.source.collection_name;
        logged.text == self.log_redactor().text(&quote.text, collection)
            && logged.passage == quote.passage
            && quote.range == ByteRange::new(logged.start, logged.end)
            && logged.hash == quote.source.hash
    }

    /// Generates the sentences again, redacted as in the log.
    async fn regenerate(
        &self,
        replayed: &mut Examination,
        logged: &AnswerDetail,
    ) -> Result<Vec<String>, AnswerError> {
        let Some(generator) = &self.parts.generator else {
            return Ok(Vec::new());
        };
        let allowed = &logged.generation_allowed_in;
        let redactor = Redactor::new(&self.parts.redaction, &logged.roles);
        let mut passages = replayed.results.passages.clone();
        passages.retain(|hit| {
            allowed.contains(&hit.source.collection) && redactor.leaves_unchanged(hit)
        });
        redactor.examination(replayed);
        let writer = self.replay_writer(generator, replayed, logged);
        let has_clear_margin = replayed
            .verdict
            .has_clear_margin(&self.parts.weights.decision);
        let answer_type = replayed.question.answer_type;
        if replayed.quotes.is_empty()
            || collection_without_generation(&replayed.quotes, allowed).is_some()
            || !writer.reads_passages()
                && too_hard_for_small_model(answer_type, has_clear_margin).is_some()
        {
            return Ok(Vec::new());
        }
        let mut generation = writer.start(has_clear_margin, &replayed.quotes, &passages)?;
        let mut shown = Vec::new();
        while let Some(checked) = generation.next().await? {
            if let (Ok(()), Some(quote)) = (checked.verdict, checked.quote) {
                let collection = &quote.source.collection_name;
                shown.push(self.log_redactor().text(&checked.text, collection));
            }
        }
        Ok(shown)
    }

    fn replay_writer(
        &self,
        generator: &GeneratorService,
        replayed: &Examination,
        logged: &AnswerDetail,
    ) -> Writer {
        Writer {
            generator: generator.clone(),
            embedder: self.parts.embedder.clone(),
            nli: self.parts.nli.clone(),
            question: replayed.question.text.clone(),
            previous_questions: logged.previous_questions.clone(),
            question_vector: replayed.question.vector.clone(),
            person: None,
            cache_namespace: None,
        }
    }
}

/// Compares the documents from which the answer was made with their present state.
async fn compare_documents(
    library: &Library,
    logged: &AnswerDetail,
) -> Result<Comparison, AnswerError> {
    let ids: Vec<PassageId> = logged.retrieved.iter().map(|p| p.passage).collect();
    let readable = library.passages(&ids).await?;
    let (mut unreadable, mut superseded) = (0, 0);
    for retrieved in &logged.retrieved {
        let Some(passage) = readable.iter().find(|p| p.id == retrieved.passage) else {
            unreadable += 1;
            continue;
        };
        let source = library.revision(passage.revision).await?;
        let is_current = source
            .is_some_and(|source| source.hash == retrieved.hash && source.superseded_at.is_none());
        superseded += u32::from(!is_current);
    }
    let mut differences = Vec::new();
    if unreadable > 0 {
        differences.push(format!(
            "{unreadable} of {} passages were deleted or may no longer be read",
            ids.len()
        ));
    }
    if superseded > 0 {
        differences.push(format!("{superseded} are of superseded revisions"));
    }
    Ok(Comparison::new("documents", differences.join("; ")))
}

/// Compares the generated sentences. If the answer ended early, the log has only the first ones.
fn compare_sentences(
    logged: LoggedAnswer<'_>,
    replayed: Result<Vec<String>, AnswerError>,
) -> Result<Comparison, AnswerError> {
    let mut before: Vec<String> = Vec::new();
    for sentence in logged.sentences {
        before.push(SentenceDetail::deserialize(sentence)?.text);
    }
    let end = logged.end.map(EndDetail::deserialize).transpose()?;
    let ended_early = end.is_none_or(|end| end.left_early);
    let difference = match replayed {
        Ok(after) if after == before || ended_early && after.starts_with(&before) => String::new(),
        Ok(after) => format!(
            "the generated sentences were “{}” and are “{}” now",
            before.join(" "),
            after.join(" ")
        ),
        Err(cause) => format!("the generator failed: {cause}"),
    };
    Ok(Comparison::new("sentences", difference))
}

fn compare_passages(logged: &AnswerDetail, replayed: &Examination) -> Comparison {
    let before: Vec<PassageId> = logged.retrieved.iter().map(|p| p.passage).collect();
    let after: Vec<PassageId> = replayed
        .results
        .passages
        .iter()
        .map(|hit| hit.passage.id)
        .collect();
    let common = before.iter().filter(|id| after.contains(id)).count();
    let difference = if before == after {
        String::new()
    } else if common == before.len() {
        "the same passages in another order".to_owned()
    } else {
        format!("{common} of {} were retrieved again", before.len())
    };
    Comparison::new("passages", difference)
}

fn compare_decisions(logged: &AnswerDetail, replayed: &Examination) -> Comparison {
    let name = |is_answered: bool| if is_answered { "answered" } else { "refused" };
    Comparison::of_texts(
        "decision",
        name(logged.verdict.answer),
        name(replayed.verdict.answer),
    )
}
