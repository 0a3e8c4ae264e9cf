//! Which sentences answer the question.
//!
//! Signs are added up: nearness in meaning, the question's own words, the kind of thing that is
//! asked for, and log P(question | sentence) − log P(question), which even a small model tells
//! well. The model is asked only where the others leave it in doubt, and of the few that they put
//! in front.

use crate::error::AnswerError;
use crate::evidence::SentenceWeights;
use crate::kind::Kind;
use crate::retrieve::FoundPassage;
use crate::slips::Slips;
use crate::whole::{joined, stands_under, whole};
use crate::words::{content_stems, values};
use cloister_domain::ByteRange;
use cloister_inference::{EmbedderService, GeneratorService, GeneratorState};
use std::collections::{BTreeSet, HashMap};

/// Sentences are taken from this many of the best passages.
const PASSAGES: usize = 8;
/// And no more of them than this.
const SENTENCES: usize = 96;
/// The model judges this many.
const JUDGED: usize = 8;
/// And no more bytes than this, counting the question with each: eight of a report's longest sentences
/// below a long question would take it two seconds.
const JUDGED_BYTES: usize = 2_800;
/// At most this many quotes.
const QUOTES: usize = 3;
/// A longer item says too much to be put before each of its points.
const LONGEST_ITEM: usize = 240;
/// A stretch with fewer words is a heading or a fragment.
const SHORTEST_WORDS: usize = 3;

/// A sentence and how well it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which of the passages it stands in.
    pub passage: usize,
    /// Where in that passage's text.
    pub range: ByteRange,
    /// Cosine of sentence and question.
    pub meaning: f32,
    /// Share of the question's words in the sentence, rare ones counting more.
    pub words: f32,
    /// Whether the sentence holds the kind of thing that the question asks for; see [`Kind::fits`].
    pub kind: f32,
    /// Nats by which the sentence makes a token of the question likelier, where a model judged it.
    pub likelihood: Option<f32>,
    /// All of these, weighed.
    pub score: f32,
}

/// The sentences that answer best, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The sentences.
    pub candidates: Vec<Candidate>,
    /// What was mistyped in the question.
    pub slips: Slips,
}

/// The parts that selecting works with.
pub struct Judges<'a> {
    /// Turns sentences into vectors.
    pub embedder: &'a EmbedderService,
    /// Judges sentences; none where there is no model, or it is not ready.
    pub generator: Option<&'a GeneratorService>,
    /// How the signs are weighed.
    pub weights: &'a SentenceWeights,
}

/// Scores the sentences of the best passages, without the model.
pub async fn select(
    question: &str,
    question_vector: &[f32],
    passages: &[FoundPassage],
    judges: &Judges<'_>,
) -> Result<Selection, AnswerError> {
    let mut candidates = sentences(passages);
    let texts: Vec<String> = candidates
        .iter()
        .map(|candidate| in_place(passages, candidate))
        .collect();
    let vectors = judges.embedder.embed_sentences(texts.clone()).await?;
    let slips = Slips::of(question, passages);
    let shares = WordShares::of(question, passages, &slips);
    let asked = Kind::of(question);
    for ((candidate, text), vector) in candidates.iter_mut().zip(&texts).zip(&vectors) {
        candidate.meaning = dot(vector, question_vector);
        candidate.words = shares.share(text);
        candidate.kind = asked.fits(self::text(passages, candidate));
        candidate.score = weigh(candidate, judges.weights);
    }
    sort(&mut candidates);
    candidates.truncate(JUDGED);
    Ok(Selection { candidates, slips })
}

impl Selection {
    /// The sentences to quote: the best, and those that come near it and say something else.
    pub fn quotes(&self, passages: &[FoundPassage], nearness: f32) -> Vec<Candidate> {
        let Some(best) = self.candidates.first() else {
            return Vec::new();
        };
        let mut said: Vec<(BTreeSet<String>, BTreeSet<String>)> = Vec::new();
        let mut quotes: Vec<Candidate> = Vec::new();
        let near = |candidate: &&Candidate| best.score - candidate.score <= nearness;
        for candidate in self.candidates.iter().filter(near) {
            let about = content_stems(text(passages, candidate));
            let values = values(text(passages, candidate));
            // The same with another number is no repetition, but a contradiction.
            let news = said
                .iter()
                .all(|(known, those)| overlap(known, &about) < 0.8 || *those != values);
            let shown = quotes.iter().any(|quote| {
                quote.passage == candidate.passage && quote.range.holds(candidate.range)
            });
            if news && !shown && said.len() < QUOTES {
                quote(candidate, passages, &mut quotes);
                said.push((about, values));
            }
        }
        quotes
    }
}

/// The text of a candidate.
pub fn text<'a>(passages: &'a [FoundPassage], candidate: &Candidate) -> &'a str {
    let passage = passages.get(candidate.passage);
    passage
        .and_then(|found| candidate.range.of(&found.passage.draft.text))
        .unwrap_or_default()
}

/// The text of a candidate below the headings that say what it speaks of: `Antibiotics are given
/// within one hour` answers a question about sepsis only in the guideline on sepsis.
fn in_place(passages: &[FoundPassage], candidate: &Candidate) -> String {
    let text = text(passages, candidate);
    let Some(found) = passages.get(candidate.passage) else {
        return text.to_owned();
    };
    let headings = &found.passage.draft.headings;
    let mut above: Vec<&str> = Vec::new();
    above.extend(headings.first().map(String::as_str));
    above.extend(
        headings
            .get(1..)
            .and_then(<[String]>::last)
            .map(String::as_str),
    );
    let item = stands_under(&found.passage.draft, candidate.range);
    above.extend(item.filter(|item| item.len() <= LONGEST_ITEM));
    if above.is_empty() {
        return text.to_owned();
    }
    format!("{}: {text}", above.join(", "))
}

fn sentences(passages: &[FoundPassage]) -> Vec<Candidate> {
    let numbered = passages.iter().enumerate().take(PASSAGES);
    numbered
        .flat_map(|(passage, found)| {
            found
                .passage
                .draft
                .sentences
                .iter()
                .map(move |range| (passage, *range, found))
        })
        .filter(|(_, range, found)| {
            let text = range.of(&found.passage.draft.text).unwrap_or_default();
            text.split_whitespace().count() >= SHORTEST_WORDS && !is_title(text, found)
        })
        .take(SENTENCES)
        .map(|(passage, range, _)| Candidate {
            passage,
            range,
            meaning: 0.0,
            words: 0.0,
            kind: 0.0,
            likelihood: None,
            score: 0.0,
        })
        .collect()
}

/// A title says what a document is about, and answers nothing.
fn is_title(text: &str, found: &FoundPassage) -> bool {
    let same = |title: &String| title.trim().eq_ignore_ascii_case(text.trim());
    same(&found.source.title) || found.passage.draft.headings.iter().any(same)
}

/// Has the model judge the sentences, and says whether there is one that could.
pub async fn ask_model(
    question: &str,
    passages: &[FoundPassage],
    selection: &mut Selection,
    judges: &Judges<'_>,
) -> Result<bool, AnswerError> {
    let candidates = &mut selection.candidates;
    let ready =
        |service: &&GeneratorService| matches!(service.state(), GeneratorState::Ready { .. });
    let Some(generator) = judges.generator.filter(ready) else {
        return Ok(false);
    };
    let asked = format!(" {question}");
    let mut pairs = vec![("Question:".to_owned(), asked.clone())];
    pairs.extend(
        judged_texts(question, passages, candidates)
            .into_iter()
            .map(|text| {
                let context = format!("Passage: {text}\nQuestion:");
                (context, asked.clone())
            }),
    );
    let judged = generator.log_likelihoods(pairs).await?;
    let Some((alone, given)) = judged.split_first() else {
        return Ok(false);
    };
    for (candidate, likelihood) in candidates.iter_mut().zip(given) {
        candidate.likelihood = Some(likelihood - alone);
        candidate.score = weigh(candidate, judges.weights);
    }
    sort(candidates);
    Ok(true)
}

/// What the model is given of the candidates, best first: the first, and as many as are short enough.
fn judged_texts(
    question: &str,
    passages: &[FoundPassage],
    candidates: &[Candidate],
) -> Vec<String> {
    let mut bytes = 0;
    let mut texts = Vec::new();
    for candidate in candidates {
        let text = in_place(passages, candidate);
        bytes += text.len() + question.len();
        if bytes > JUDGED_BYTES && !texts.is_empty() {
            break;
        }
        texts.push(text);
    }
    texts
}

fn weigh(candidate: &Candidate, weights: &SentenceWeights) -> f32 {
    weights.meaning * candidate.meaning
        + weights.words * candidate.words
        + weights.kind * candidate.kind
        + weights.likelihood * candidate.likelihood.unwrap_or(0.0)
}

fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Adds a sentence to the quotes, with what belongs to it. Where a part of that is quoted already, that
/// quote goes on to its end.
fn quote(candidate: &Candidate, passages: &[FoundPassage], quotes: &mut Vec<Candidate>) {
    let Some(found) = passages.get(candidate.passage) else {
        return;
    };
    let draft = &found.passage.draft;
    let range = whole(draft, candidate.range);
    let known = quotes
        .iter_mut()
        .find(|quote| quote.passage == candidate.passage && quote.range.overlaps(range));
    match known {
        Some(known) => known.range = joined(draft, known.range, range).unwrap_or(known.range),
        None => quotes.push(Candidate {
            range,
            ..candidate.clone()
        }),
    }
}

/// How much each word of the question tells among these passages.
struct WordShares(HashMap<String, f32>);

impl WordShares {
    fn of(question: &str, passages: &[FoundPassage], slips: &Slips) -> Self {
        let texts: Vec<BTreeSet<String>> = passages
            .iter()
            .map(|found| content_stems(&found.passage.draft.text))
            .collect();
        let rarity = |word: &String| {
            let with = texts.iter().filter(|stems| stems.contains(word)).count() as f32;
            (1.0 + texts.len() as f32 / (1.0 + with)).ln()
        };
        let words = slips.mended(content_stems(question)).into_iter();
        Self(words.map(|word| (word.clone(), rarity(&word))).collect())
    }

    fn share(&self, sentence: &str) -> f32 {
        let all: f32 = self.0.values().sum();
        let stems = content_stems(sentence);
        let found: f32 = self
            .0
            .iter()
            .filter(|(word, _)| stems.contains(*word))
            .map(|(_, weight)| weight)
            .sum();
        if all > 0.0 { found / all } else { 0.0 }
    }
}

fn overlap(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f32 {
    let shared = one.intersection(other).count() as f32;
    let smaller = one.len().min(other.len()).max(1) as f32;
    shared / smaller
}

/// The dot product, which of vectors of length 1 is the cosine.
pub fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::of_lines;

    #[test]
    fn a_quote_goes_on_with_the_sentence_that_refers_to_it() {
        let lines = [
            "Keys are kept by the porter.",
            "They are counted on Mondays.",
            "Visitors are welcome from two to six.",
        ];
        let passages = [of_lines(&lines)];
        let ranges = passages[0].passage.draft.sentences.clone();
        let scored = |place: usize, score: f32| Candidate {
            passage: 0,
            range: ranges[place],
            meaning: 0.0,
            words: 0.0,
            kind: 0.0,
            likelihood: None,
            score,
        };
        let quoted = |places: &[usize]| -> Vec<String> {
            let scores = [0.9, 0.8, 0.7].into_iter();
            let candidates = places
                .iter()
                .zip(scores)
                .map(|(at, score)| scored(*at, score));
            let selection = Selection {
                candidates: candidates.collect(),
                ..Selection::default()
            };
            let quotes = selection.quotes(&passages, 0.5);
            quotes
                .iter()
                .map(|quote| text(&passages, quote).to_owned())
                .collect()
        };
        let both = format!("{}\n{}", lines[0], lines[1]);
        assert_eq!(quoted(&[0, 1, 2]), [both.as_str(), lines[2]]);
        assert_eq!(quoted(&[1, 2, 0]), [both.as_str(), lines[2]]);
        assert_eq!(quoted(&[0, 2]), [lines[0], lines[2]]);
    }
}
