//! An answer again, from what the log says of it: what is equal, and why anything is not.
//!
//! The same question, documents, index, models, weights and rules give the same answer, so that an
//! examiner can see it made. What has changed since is named, part by part.

use crate::answerer::{Answerer, Examined};
use crate::composing::{may_not_be_written_from, too_hard_for_a_small_model};
use crate::error::AnswerError;
use crate::event::MadeWith;
use crate::masking::Masking;
use crate::quote::Quote;
use crate::retrieve::FoundPassage;
use crate::writing::Writer;
use cloister_domain::{ByteRange, CollectionId, FileHash, PassageId, Role};
use cloister_store::{DocumentFilter, Library};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The details of the log's entries of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    /// Of the answer itself.
    pub answer: &'a Value,
    /// Of the model's sentences that were shown.
    pub sentences: &'a [Value],
    /// Of its end, where it came to one.
    pub end: Option<&'a Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Logged {
    question: String,
    #[serde(default)]
    earlier: Vec<String>,
    #[serde(default)]
    filter: DocumentFilter,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    composed_in: Vec<CollectionId>,
    retrieved: Vec<LoggedPassage>,
    quoted: Vec<LoggedQuote>,
    verdict: LoggedVerdict,
    index_generation: String,
    policy_version: String,
    made_with: Option<MadeWith>,
}

#[derive(Clone, Debug, Deserialize)]
struct LoggedPassage {
    passage: PassageId,
    hash: FileHash,
}

#[derive(Clone, Debug, Deserialize)]
struct LoggedQuote {
    text: String,
    passage: PassageId,
    start: usize,
    end: usize,
    hash: FileHash,
}

#[derive(Clone, Debug, Deserialize)]
struct LoggedVerdict {
    answer: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct LoggedSentence {
    text: String,
}

#[derive(Clone, Debug, Deserialize)]
struct LoggedEnd {
    left_early: bool,
}

/// One part of an answer, then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Which part.
    pub part: &'static str,
    /// Whether it is the same.
    pub equal: bool,
    /// What differs, in a sentence for the examiner; empty where nothing does.
    pub difference: String,
}

/// An answer that was made again.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The question.
    pub question: String,
    /// Every part, compared.
    pub parts: Vec<Compared>,
}

impl Replay {
    /// Whether the answer is the same, whatever else has changed.
    pub fn same_answer(&self) -> bool {
        let answer = ["decision", "quotes", "sentences"];
        let mut parts = self.parts.iter().filter(|c| answer.contains(&c.part));
        parts.all(|compared| compared.equal)
    }
}

impl Answerer {
    /// Makes the answer of these entries again, with the rights that `library` stands for, and
    /// compares. Nothing of it is logged or shown as an answer.
    pub async fn replay(
        &self,
        library: &Library,
        entries: Entries<'_>,
        policy_version: &str,
    ) -> Result<Replay, AnswerError> {
        let logged = Logged::deserialize(entries.answer)?;
        let mut again = self
            .examine(library, &logged.question, &logged.filter)
            .await?;
        let mut parts = vec![
            compare_text("rules", &logged.policy_version, policy_version),
            compare_text(
                "index",
                &logged.index_generation,
                &again.found.index_generation,
            ),
            self.compare_making(&logged),
            self.compare_documents(library, &logged).await?,
            compare_passages(&logged, &again),
            compare_decision(&logged, &again),
            self.compare_quotes(&logged, &again.quotes),
        ];
        let now = self.written_again(&mut again, &logged).await;
        parts.push(compare_sentences(entries, now)?);
        Ok(Replay {
            question: logged.question,
            parts,
        })
    }

    fn compare_making(&self, logged: &Logged) -> Compared {
        let now = self.made_with();
        let difference = match &logged.made_with {
            None => "the entry is of a version that did not write it down".to_owned(),
            Some(then) => then.difference(&now),
        };
        compared("models and weights", difference)
    }

    /// Whether the documents that the answer was made from are what they were.
    async fn compare_documents(
        &self,
        library: &Library,
        logged: &Logged,
    ) -> Result<Compared, AnswerError> {
        let ids: Vec<PassageId> = logged.retrieved.iter().map(|p| p.passage).collect();
        let readable = library.passages(&ids).await?;
        let (mut gone, mut superseded) = (0, 0);
        for then in &logged.retrieved {
            let Some(passage) = readable.iter().find(|p| p.id == then.passage) else {
                gone += 1;
                continue;
            };
            let source = library.revision(passage.revision).await?;
            let same = source.filter(|source| source.hash == then.hash);
            superseded += u32::from(same.is_none_or(|source| source.superseded_at.is_some()));
        }
        let mut differences = Vec::new();
        if gone > 0 {
            differences.push(format!(
                "{gone} of {} passages were deleted or may no longer be read",
                ids.len()
            ));
        }
        if superseded > 0 {
            differences.push(format!("{superseded} are of superseded revisions"));
        }
        Ok(compared("documents", differences.join("; ")))
    }

    fn compare_quotes(&self, logged: &Logged, quotes: &[Quote]) -> Compared {
        let masking = self.for_the_log();
        let same = |(then, now): (&LoggedQuote, &Quote)| {
            then.text == masking.text(&now.text, &now.source.collection_name)
                && then.passage == now.passage
                && now.range == ByteRange::new(then.start, then.end)
                && then.hash == now.source.hash
        };
        let pairs = logged.quoted.iter().zip(quotes);
        let equal = pairs.filter(|pair| same(*pair)).count();
        let all = logged.quoted.len() == quotes.len() && equal == quotes.len();
        let difference = if all {
            String::new()
        } else {
            format!(
                "{} were shown, {} would be, {equal} of them the same",
                logged.quoted.len(),
                quotes.len()
            )
        };
        compared("quotes", difference)
    }

    /// What the model would be shown to have written, masked as the log is.
    async fn written_again(
        &self,
        again: &mut Examined,
        logged: &Logged,
    ) -> Result<Vec<String>, AnswerError> {
        let Some(generator) = &self.generator else {
            return Ok(Vec::new());
        };
        let may_write = |found: &&FoundPassage| {
            let of_asker = Masking::new(&self.redaction, &logged.roles);
            logged.composed_in.contains(&found.source.collection) && of_asker.leaves(found)
        };
        let passages = again.found.passages.iter().filter(may_write);
        let passages: Vec<FoundPassage> = passages.cloned().collect();
        Masking::new(&self.redaction, &logged.roles).shown(again);
        let writer = Writer {
            generator: generator.clone(),
            embedder: self.embedder.clone(),
            verifier: self.verifier.clone(),
            question: again.question.clone(),
            earlier: logged.earlier.clone(),
            vector: again.found.vector.clone(),
            person: None,
            scope: None,
        };
        let clear = again.verdict.stands_clear(&self.evidence.answer);
        if may_not_be_written_from(&again.quotes, &logged.composed_in).is_some()
            || again.quotes.is_empty()
            || !writer.reads_passages()
                && too_hard_for_a_small_model(&again.question, clear).is_some()
        {
            return Ok(Vec::new());
        }
        let mut composition = writer.compose(clear, &again.quotes, &passages)?;
        let mut shown = Vec::new();
        while let Some(written) = composition.next().await? {
            if let (Ok(()), Some(quote)) = (written.verdict, written.quote) {
                let collection = &quote.source.collection_name;
                shown.push(self.for_the_log().text(&written.text, collection));
            }
        }
        Ok(shown)
    }
}

/// Whether the model's sentences are the same. Who left early was shown the first of them.
fn compare_sentences(
    entries: Entries<'_>,
    now: Result<Vec<String>, AnswerError>,
) -> Result<Compared, AnswerError> {
    let then = entries.sentences.iter().map(LoggedSentence::deserialize);
    let then: Vec<LoggedSentence> = then.collect::<Result<_, _>>()?;
    let then: Vec<&str> = then.iter().map(|sentence| sentence.text.as_str()).collect();
    let end = entries.end.map(LoggedEnd::deserialize).transpose()?;
    let broken_off = end.is_none_or(|end| end.left_early);
    let difference = match now {
        Ok(now) if now == then => String::new(),
        Ok(now)
            if broken_off
                && then.len() <= now.len()
                && now.iter().zip(&then).all(|(a, b)| a == b) =>
        {
            String::new()
        }
        Ok(now) => format!(
            "the model’s were “{}” and are “{}” now",
            then.join(" "),
            now.join(" ")
        ),
        Err(cause) => format!("the model could not be asked: {cause}"),
    };
    Ok(compared("sentences", difference))
}

fn compared(part: &'static str, difference: String) -> Compared {
    Compared {
        part,
        equal: difference.is_empty(),
        difference,
    }
}

fn compare_text(part: &'static str, then: &str, now: &str) -> Compared {
    let same = then == now;
    let difference = if same {
        String::new()
    } else {
        format!("it was {then} and is {now}")
    };
    compared(part, difference)
}

fn compare_passages(logged: &Logged, again: &Examined) -> Compared {
    let then: Vec<PassageId> = logged.retrieved.iter().map(|p| p.passage).collect();
    let now: Vec<PassageId> = again.found.passages.iter().map(|f| f.passage.id).collect();
    let common = then.iter().filter(|id| now.contains(id)).count();
    let difference = match (then == now, common == then.len()) {
        (true, _) => String::new(),
        (false, true) => "the same passages in another order".to_owned(),
        (false, false) => format!("{common} of {} were found again", then.len()),
    };
    compared("passages", difference)
}

fn compare_decision(logged: &Logged, again: &Examined) -> Compared {
    let said = |answer: bool| if answer { "answered" } else { "refused" };
    let (then, now) = (said(logged.verdict.answer), said(again.verdict.answer));
    compare_text("decision", then, now)
}
