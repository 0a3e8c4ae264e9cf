//! Synthetic passages: words by Zipf's law, vectors in topics, documents and passages.
//!
//! A vector is the sum of its topic's, its document's and its own part, with more variance in some
//! directions than in others, as the vectors of real texts have it; so a passage has a few near
//! neighbours, some of its document and many of its topic. Words follow the topics, too.

use crate::request::IndexEntry;
use cloister_domain::random::{SplitMix64, mix};
use cloister_domain::{PassageId, RevisionId};

/// Passages of a document.
pub(super) const DOCUMENT: i64 = 20;

const TOPICS: u64 = 2000;
const WORDS: f64 = 60_000.0;
const WORDS_PER_TOPIC: u64 = 200;
const WORDS_OF_A_PASSAGE: usize = 110;
const WORDS_OF_A_QUESTION: usize = 7;

/// How much of a vector is its document's, and its own, where its topic's part is 1.
const DOCUMENT_PART: f32 = 0.8;
const OWN_PART: f32 = 0.9;
/// The same of a question, beside its passage.
const ASKED_PART: f32 = 0.8;

/// The variance of direction `d` falls as `d` to the power of -0.7.
const DECAY: f32 = -0.35;

/// What is drawn from a stream of random numbers.
#[derive(Clone, Copy)]
enum Of {
    Topic = 1,
    Document,
    Passage,
    Text,
    Question,
}

/// A corpus that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct SyntheticCorpus {
    seed: u64,
    passages: i64,
    spread: Vec<f32>,
}

/// A question about one passage.
#[derive(Clone, Debug)]
pub struct SyntheticQuestion {
    /// The passage it was made from.
    pub passage: PassageId,
    /// Some of its words.
    pub text: String,
    /// A vector near its own.
    pub vector: Vec<f32>,
}

impl SyntheticCorpus {
    /// `passages` passages with vectors of `dimensions`.
    pub fn new(seed: u64, passages: i64, dimensions: usize) -> Self {
        let spread = (1..=dimensions).map(|d| (d as f32).powf(DECAY)).collect();
        Self {
            seed,
            passages,
            spread,
        }
    }

    /// How many passages there are; their ids begin at 1.
    pub fn passages(&self) -> i64 {
        self.passages
    }

    /// The length of a vector.
    pub fn dimensions(&self) -> usize {
        self.spread.len()
    }

    /// The revision of a passage.
    pub fn revision(passage: i64) -> i64 {
        (passage - 1) / DOCUMENT + 1
    }

    /// A passage as the index takes it in.
    pub fn entry(&self, passage: i64) -> IndexEntry {
        let revision = Self::revision(passage);
        let words = self.words(passage, WORDS_OF_A_PASSAGE);
        let mut title = self.numbers(Of::Text, revision, 1);
        let topic = self.topic(revision);
        IndexEntry {
            passage: PassageId(passage),
            revision: RevisionId(revision),
            title: (0..4)
                .map(|_| title.word(topic))
                .collect::<Vec<_>>()
                .join(" "),
            headings: vec![title.word(topic)],
            text: words.join(" "),
            document_metadata: (passage % DOCUMENT == 1).then(|| format!("synthetic/{revision}")),
            language: None,
            vector: self.vector(passage),
        }
    }

    /// The vector of a passage, of length 1.
    pub fn vector(&self, passage: i64) -> Vec<f32> {
        let revision = Self::revision(passage);
        let mut vector = vec![0.0; self.dimensions()];
        let topic = i64::try_from(self.topic(revision)).unwrap_or(0);
        self.add(&mut vector, 1.0, self.numbers(Of::Topic, topic, 0));
        self.add(
            &mut vector,
            DOCUMENT_PART,
            self.numbers(Of::Document, revision, 0),
        );
        self.add(&mut vector, OWN_PART, self.numbers(Of::Passage, passage, 0));
        normalize(vector)
    }

    /// The `number`-th question.
    pub fn question(&self, number: i64) -> SyntheticQuestion {
        let mut numbers = self.numbers(Of::Question, number, 0);
        let passage = 1 + numbers
            .below(self.passages.max(1).cast_unsigned())
            .cast_signed();
        let mut words = self.words(passage, WORDS_OF_A_PASSAGE);
        let mut text = Vec::new();
        while text.len() < WORDS_OF_A_QUESTION {
            let place = numbers.below(words.len() as u64);
            text.push(words.swap_remove(usize::try_from(place).unwrap_or(0)));
        }
        let mut vector = self.vector(passage);
        let length = vector.len() as f32;
        let size = ASKED_PART
            / self
                .spread
                .iter()
                .map(|s| s * s)
                .sum::<f32>()
                .sqrt()
                .min(length);
        self.add(&mut vector, size, self.numbers(Of::Question, number, 1));
        SyntheticQuestion {
            passage: PassageId(passage),
            text: text.join(" "),
            vector: normalize(vector),
        }
    }

    fn topic(&self, revision: i64) -> u64 {
        let mut numbers = self.numbers(Of::Document, revision, 2);
        // The number of documents per topic follows a flattened power law.
        zipf(&mut numbers, TOPICS as f64).isqrt() * 44 % TOPICS
    }

    fn words(&self, passage: i64, count: usize) -> Vec<String> {
        let topic = self.topic(Self::revision(passage));
        let mut numbers = self.numbers(Of::Text, passage, 0);
        (0..count).map(|_| numbers.word(topic)).collect()
    }

    fn add(&self, vector: &mut [f32], size: f32, mut numbers: RandomStream) {
        for (x, spread) in vector.iter_mut().zip(&self.spread) {
            *x += size * spread * numbers.normal();
        }
    }

    fn numbers(&self, of: Of, id: i64, part: u64) -> RandomStream {
        let key = (of as u64) << 56 | part << 48 | id.cast_unsigned();
        RandomStream(SplitMix64::new(mix(self.seed ^ mix(key))))
    }
}

fn normalize(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// A number from 0 with approximately Zipf's distribution.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and `bound`"
)]
fn zipf(numbers: &mut RandomStream, bound: f64) -> u64 {
    bound.powf(numbers.0.unit()) as u64 - 1
}

/// A stream of random numbers.
struct RandomStream(SplitMix64);

impl RandomStream {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Approximately normally distributed: the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let parts = [bits, bits >> 16, bits >> 32, bits >> 48].map(|part| part & 0xffff);
        let sum: u64 = parts.into_iter().sum();
        (sum as f32 / 65536.0 - 2.0) * 1.732_050_8
    }

    /// A third of the words belongs to the topic.
    fn word(&mut self, topic: u64) -> String {
        let number = if self.below(3) == 0 {
            1000 + mix(topic * WORDS_PER_TOPIC + zipf(self, WORDS_PER_TOPIC as f64)) % 59_000
        } else {
            zipf(self, WORDS)
        };
        spell(number)
    }
}

/// The word of a number, made of syllables.
fn spell(number: u64) -> String {
    const SOUNDS: [&str; 20] = [
        "ba", "co", "du", "fe", "gi", "ka", "lo", "mu", "ne", "pi", "ra", "so", "tu", "ve", "zi",
        "bro", "cla", "dre", "fli", "gru",
    ];
    let mut rest = number;
    let mut word = String::new();
    loop {
        let sound = usize::try_from(rest % 20).unwrap_or(0);
        word.push_str(SOUNDS.get(sound).copied().unwrap_or("x"));
        rest /= 20;
        if rest == 0 {
            return word + "n";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_corpus_is_the_same_again_and_near_passages_are_of_one_document() {
        let corpus = SyntheticCorpus::new(5, 10_000, 384);
        assert_eq!(
            corpus.entry(77),
            SyntheticCorpus::new(5, 10_000, 384).entry(77)
        );
        assert_ne!(
            corpus.entry(77),
            SyntheticCorpus::new(6, 10_000, 384).entry(77)
        );
        let mean = |apart: i64| -> f32 {
            let pairs = (1..=200).map(|i| i * 20 + 1);
            let cosines = pairs.map(|p| cosine(&corpus.vector(p), &corpus.vector(p + apart)));
            cosines.sum::<f32>() / 200.0
        };
        let (document, other) = (mean(1), mean(2000));
        assert!((0.5..0.85).contains(&document), "{document}");
        assert!((-0.1..0.3).contains(&other), "{other}");
    }

    #[test]
    fn a_question_is_near_its_passage_and_of_its_words() {
        let corpus = SyntheticCorpus::new(5, 10_000, 384);
        for number in 0..50 {
            let question = corpus.question(number);
            let entry = corpus.entry(question.passage.0);
            assert!(
                question
                    .text
                    .split(' ')
                    .all(|word| entry.text.contains(word))
            );
            let near = cosine(&question.vector, &entry.vector);
            assert!((0.6..0.95).contains(&near), "{near}");
        }
    }
}
